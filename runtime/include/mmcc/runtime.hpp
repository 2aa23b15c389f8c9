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

/// Past keys and values; see runtime.h.
class State {
public:
  State() = default;
  explicit State(mmcc_state *handle) : handle_(handle) {}
  explicit operator bool() const { return handle_ != nullptr; }
  mmcc_state *get() const { return handle_.get(); }

  /// In tokens.
  uint64_t length() const { return mmcc_state_length(get()); }
  uint64_t bytes() const { return mmcc_state_bytes(get()); }
  bool truncate(uint64_t tokens, Error &error) {
    return mmcc_state_truncate(get(), tokens, &error) == MMCC_OK;
  }
  bool fill(const std::vector<Tensor> &tensors, Error &error) {
    return mmcc_state_fill(get(), tensors.data(), tensors.size(), &error) ==
           MMCC_OK;
  }
  bool read(size_t index, Tensor &tensor, Error &error) const {
    return mmcc_state_read(get(), index, &tensor, &error) == MMCC_OK;
  }

private:
  struct Free {
    void operator()(mmcc_state *state) const { mmcc_state_free(state); }
  };
  std::unique_ptr<mmcc_state, Free> handle_;
};

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

  /// Not 0: runs need a state.
  size_t stateCount() const { return mmcc_session_state_count(get()); }

  ValueInfo stateInfo(size_t index) const {
    ValueInfo info = {};
    mmcc_session_state(get(), index, &info, nullptr);
    return info;
  }

  /// An empty one; zeros ask for the defaults.
  State state(Error &error, uint64_t capacity_tokens = 0, uint32_t batch = 0) {
    mmcc_state_options options = {sizeof(options), batch, capacity_tokens};
    mmcc_state *state = nullptr;
    mmcc_state_create(get(), &options, &state, &error);
    return State(state);
  }

  bool run(State &state, const std::vector<Tensor> &inputs,
           std::vector<Tensor> &outputs, Error &error) {
    outputs.resize(outputCount());
    return mmcc_session_run_with_state(get(), state.get(), inputs.data(),
                                       inputs.size(), outputs.data(),
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
