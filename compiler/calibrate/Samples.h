//===- Samples.h - The user's samples, file by file -------------*- C++ -*-===//

#ifndef MMCC_COMPILER_CALIBRATE_SAMPLES_H
#define MMCC_COMPILER_CALIBRATE_SAMPLES_H

#include "tools/npz/Npz.h"
#include <string>
#include <vector>

namespace mmcc {

/// One file.
struct Sample {
  std::string path;
  std::vector<npz::Array> arrays;
};

/// The .npz files of a folder, by name. Each holds an array for every input of
/// the model, with as many rows as the model takes at a time, and perhaps
/// `label`. They are read when they are asked for.
class Samples {
public:
  /// Returns a message on failure, else an empty string.
  std::string open(const std::string &folder);

  size_t size() const { return paths.size(); }
  const std::string &path(size_t index) const { return paths[index]; }
  std::string read(size_t index, std::vector<npz::Array> &arrays) const;
  std::string read(size_t index, Sample &sample) const;

private:
  std::vector<std::string> paths;
};

/// Null if there is no array of this name.
const npz::Array *findArray(const std::vector<npz::Array> &arrays,
                            const std::string &name);

} // namespace mmcc

#endif // MMCC_COMPILER_CALIBRATE_SAMPLES_H
