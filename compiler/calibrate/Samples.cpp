//===- Samples.cpp - The user's samples, file by file ---------------------===//

#include "compiler/calibrate/Samples.h"
#include <algorithm>
#include <filesystem>

using namespace mmcc;
namespace fs = std::filesystem;

std::string Samples::open(const std::string &folder) {
  std::error_code failure;
  paths.clear();
  for (fs::directory_iterator it(folder, failure), end; !failure && it != end;
       it.increment(failure))
    if (it->path().extension() == ".npz")
      paths.push_back(it->path().string());
  if (failure)
    return folder + ": " + failure.message();
  if (paths.empty())
    return folder + ": holds no .npz file";
  // A folder's own order differs from machine to machine.
  std::sort(paths.begin(), paths.end());
  return "";
}

std::string Samples::read(size_t index, std::vector<npz::Array> &arrays) const {
  arrays.clear();
  return npz::readNpz(paths[index], arrays);
}

std::string Samples::read(size_t index, Sample &sample) const {
  sample.path = paths[index];
  return read(index, sample.arrays);
}

const npz::Array *mmcc::findArray(const std::vector<npz::Array> &arrays,
                                  const std::string &name) {
  auto found =
      std::find_if(arrays.begin(), arrays.end(),
                   [&](const npz::Array &array) { return array.name == name; });
  return found == arrays.end() ? nullptr : &*found;
}
