//===- RunProgram.cpp - Runs an artifact without inputs -------------------===//

#include "compiler/evaluate/RunProgram.h"
#include "mmcc/runtime.hpp"

std::string
mmcc::runProgram(const std::string &path,
                 llvm::ArrayRef<llvm::MutableArrayRef<char>> outputs) {
  Error error = {};
  mmcc_model_options options = {};
  options.struct_bytes = sizeof options;
  options.isa = "x86-64-v3";
  Model model = Model::load(path, error, &options);
  if (!model)
    return error.message;
  Session session = model.session(error);
  if (!session)
    return error.message;
  std::vector<Tensor> tensors(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    tensors[i].data = outputs[i].data();
    tensors[i].bytes = outputs[i].size();
  }
  return session.run({}, tensors, error) ? "" : error.message;
}
