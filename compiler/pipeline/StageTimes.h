//===- StageTimes.h - Seconds and memory by stage ---------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_STAGETIMES_H
#define MMCC_COMPILER_PIPELINE_STAGETIMES_H

#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <string>
#include <vector>

namespace mmcc {

/// What `--time` prints. Peak memory is the process's largest resident set
/// during the stage, mapped weights included.
class StageTimes {
public:
  void begin();
  void end(llvm::StringRef stage);
  void print(llvm::raw_ostream &os) const;

  struct Row {
    std::string stage;
    double seconds;
    double peakMegabytes;
  };
  const std::vector<Row> &all() const { return rows; }

private:
  std::vector<Row> rows;
  std::chrono::steady_clock::time_point started;
};

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_STAGETIMES_H
