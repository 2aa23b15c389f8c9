//===- RunProgram.cpp - Runs an artifact without inputs
//--------------------===//

#include "compiler/evaluate/RunProgram.h"
#include "runtime/include/mmcc/runtime.h"
#include <memory>
#include <vector>

std::string
mmcc::runProgram(const std::string &path,
                 llvm::ArrayRef<llvm::MutableArrayRef<char>> outputs) {
  mmcc_error error = {};
  mmcc_model_options options = {};
  options.struct_bytes = sizeof options;
  options.isa = "x86-64-v3";
  mmcc_model *rawModel = nullptr;
  if (mmcc_model_load(path.c_str(), &options, &rawModel, &error))
    return error.message;
  std::unique_ptr<mmcc_model, decltype(&mmcc_model_free)> model(
      rawModel, mmcc_model_free);
  mmcc_session *rawSession = nullptr;
  if (mmcc_session_create(model.get(), nullptr, nullptr, &rawSession, &error))
    return error.message;
  std::unique_ptr<mmcc_session, decltype(&mmcc_session_free)> session(
      rawSession, mmcc_session_free);
  std::vector<mmcc_tensor> tensors(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    tensors[i].data = outputs[i].data();
    tensors[i].bytes = outputs[i].size();
  }
  if (mmcc_session_run(session.get(), nullptr, 0, tensors.data(),
                       tensors.size(), &error))
    return error.message;
  return "";
}
