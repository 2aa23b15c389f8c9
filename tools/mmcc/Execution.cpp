//===- Execution.cpp - Runs an artifact on arrays -------------------------===//

#include "tools/mmcc/Execution.h"
#include "tools/mmcc-run/TensorArrays.h"
#include <algorithm>

using namespace mmcc;

const Tensor *Execution::find(const std::string &name) const {
  auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? nullptr : &outputs[found - names.begin()];
}

std::string mmcc::execute(const std::string &path, const std::string &entry,
                          const std::vector<npz::Array> &arrays,
                          Execution &execution) {
  Error error = {};
  execution.model = Model::load(path, error);
  if (!execution.model)
    return error.message;
  bool several = execution.model.entries().size() > 1;
  execution.session = execution.model.session(error, several ? entry : "");
  if (!execution.session)
    return error.message;
  std::vector<npz::Array> converted;
  std::vector<Tensor> inputs;
  // The tensors point into the arrays.
  converted.reserve(execution.session.inputCount());
  for (size_t i = 0; i < execution.session.inputCount(); ++i) {
    ValueInfo info = execution.session.input(i);
    auto array =
        std::find_if(arrays.begin(), arrays.end(),
                     [&](const npz::Array &a) { return a.name == info.name; });
    if (array == arrays.end())
      return std::string("no array for input '") + info.name + "'";
    converted.push_back(*array);
    inputs.push_back({});
    std::string message =
        tensorFromArray(info, converted.back(), inputs.back());
    if (!message.empty())
      return message;
  }
  if (!execution.session.run(inputs, execution.outputs, error))
    return error.message;
  for (size_t i = 0; i < execution.session.outputCount(); ++i)
    execution.names.push_back(execution.session.output(i).name);
  return "";
}
