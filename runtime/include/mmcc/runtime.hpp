//===- mmcc/runtime.hpp - C++ on top of the C interface ---------*- C++ -*-===//
//
// Owning handles and nothing else; needs C++17 and no exceptions. A function
// that fails returns false (or an empty handle) and fills in the error.
//
//     mmcc::Error error;
//     mmcc::Model model = mmcc::Model::load("model.mmcc", error);
//     mmcc::Session session = model.session(error);
//     if (!session || !session.run(inputs, outputs, error))
//       std::cerr << error.message;
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_HPP
#define MMCC_RUNTIME_HPP

#include "mmcc/runtime.h"

#include <memory>
#include <string>
#include <vector>

namespace mmcc {

using Error = mmcc_error;
using Tensor = mmcc_tensor;
using ValueInfo = mmcc_value_info;

class Session {
public:
  Session() = default;
  explicit Session(mmcc_session *handle) : handle_(handle) {}
  explicit operator bool() const { return handle_ != nullptr; }
  mmcc_session *get() const { return handle_.get(); }

  size_t inputCount() const { return mmcc_session_input_count(get()); }
  size_t outputCount() const { return mmcc_session_output_count(get()); }

  ValueInfo input(size_t index) const {
    ValueInfo info = {};
    mmcc_session_input(get(), index, &info, nullptr);
    return info;
  }
  ValueInfo output(size_t index) const {
    ValueInfo info = {};
    mmcc_session_output(get(), index, &info, nullptr);
    return info;
  }

  bool outputShapes(const std::vector<Tensor> &inputs,
                    std::vector<Tensor> &outputs, Error &error) {
    outputs.resize(outputCount());
    return mmcc_session_output_shapes(get(), inputs.data(), inputs.size(),
                                      outputs.data(), outputs.size(),
                                      &error) == MMCC_OK;
  }

  /// A tensor that is all zero leaves an optional input out.
  /// `outputs` is made as long as there are outputs; those without data get
  /// memory of the session, valid until its next run.
  bool run(const std::vector<Tensor> &inputs, std::vector<Tensor> &outputs,
           Error &error) {
    outputs.resize(outputCount());
    return mmcc_session_run(get(), inputs.data(), inputs.size(), outputs.data(),
                            outputs.size(), &error) == MMCC_OK;
  }

  /// Of the last run.
  uint64_t launches() const { return mmcc_session_launches(get()); }

private:
  struct Free {
    void operator()(mmcc_session *session) const { mmcc_session_free(session); }
  };
  std::unique_ptr<mmcc_session, Free> handle_;
};

class Model {
public:
  Model() = default;
  explicit operator bool() const { return handle_ != nullptr; }
  mmcc_model *get() const { return handle_.get(); }

  static Model load(const std::string &path, Error &error,
                    const mmcc_model_options *options = nullptr) {
    Model model;
    mmcc_model *handle = nullptr;
    mmcc_model_load(path.c_str(), options, &handle, &error);
    model.handle_.reset(handle);
    return model;
  }

  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (size_t i = 0; i < mmcc_model_entry_count(get()); ++i)
      names.push_back(mmcc_model_entry_name(get(), i));
    return names;
  }

  /// Empty `entry`: the only one.
  Session session(Error &error, const std::string &entry = "",
                  const mmcc_session_options *options = nullptr) const {
    mmcc_session *session = nullptr;
    mmcc_session_create(get(), entry.empty() ? nullptr : entry.c_str(), options,
                        &session, &error);
    return Session(session);
  }

private:
  struct Free {
    void operator()(mmcc_model *model) const { mmcc_model_free(model); }
  };
  std::unique_ptr<mmcc_model, Free> handle_;
};

} // namespace mmcc

#endif // MMCC_RUNTIME_HPP
