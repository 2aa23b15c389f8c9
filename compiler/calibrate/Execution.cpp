//===- Execution.cpp - Runs an artifact on arrays -------------------------===//

#include "compiler/calibrate/Execution.h"
#include "tools/npz/TensorArrays.h"
#include <algorithm>

using namespace mmcc;

const Tensor *Execution::find(const std::string &name) const {
  auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? nullptr : &outputs[found - names.begin()];
}

std::string Execution::open(const std::string &path, const std::string &entry) {
  Error error = {};
  model = Model::load(path, error);
  if (!model)
    return error.message;
  session = model.session(error);
  if (!session) // there are several
    session = model.session(error, entry);
  if (!session)
    return error.message;
  listOutputs();
  return "";
}

void Execution::listOutputs() {
  names.clear();
  for (size_t i = 0; i < session.outputCount(); ++i)
    names.push_back(session.output(i).name);
}

/// The input for which there is no array; empty if there is none.
static std::string missingInput(const Session &session,
                                const std::vector<npz::Array> &arrays) {
  for (size_t i = 0; i < session.inputCount(); ++i)
    if (ValueInfo info = session.input(i);
        !info.optional && !findArray(arrays, info.name))
      return info.name;
  return "";
}

std::string Execution::openFor(const std::string &path, const Sample &sample) {
  Error error = {};
  model = Model::load(path, error);
  if (!model)
    return error.message;
  session = {};
  std::string missing;
  for (const std::string &entry : model.entries()) {
    Session candidate = model.session(error, entry);
    if (!candidate)
      return error.message;
    if (candidate.stateCount() > 0)
      continue;
    if (std::string input = missingInput(candidate, sample.arrays);
        !input.empty())
      missing = sample.path + ": no array for input '" + input + "' of '" +
                entry + "'";
    else if (!session || candidate.inputCount() > session.inputCount())
      session = std::move(candidate);
  }
  if (!session)
    return missing;
  listOutputs();
  return "";
}

std::string Execution::run(const std::vector<npz::Array> &arrays) {
  Error error = {};
  std::vector<npz::Array> converted;
  std::vector<Tensor> inputs;
  // The tensors point into the arrays.
  converted.reserve(session.inputCount());
  for (size_t i = 0; i < session.inputCount(); ++i) {
    ValueInfo info = session.input(i);
    auto array =
        std::find_if(arrays.begin(), arrays.end(),
                     [&](const npz::Array &a) { return a.name == info.name; });
    if (array == arrays.end() && info.optional) {
      inputs.push_back({});
      continue;
    }
    if (array == arrays.end())
      return std::string("no array for input '") + info.name + "'";
    converted.push_back(*array);
    inputs.push_back({});
    std::string message =
        tensorFromArray(info, converted.back(), inputs.back());
    if (!message.empty())
      return message;
  }
  outputs.clear();
  return session.run(inputs, outputs, error) ? "" : error.message;
}

std::string mmcc::execute(const std::string &path, const std::string &entry,
                          const std::vector<npz::Array> &arrays,
                          Execution &execution) {
  std::string message = execution.open(path, entry);
  return message.empty() ? execution.run(arrays) : message;
}
