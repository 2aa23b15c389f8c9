//===- StageTimes.cpp - Seconds and memory by stage -----------------------===//

#include "compiler/pipeline/StageTimes.h"
#include "llvm/Support/Format.h"
#include <fstream>

using namespace mmcc;

/// Megabytes; 0 where the kernel does not say.
static double readPeakMemory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0)
      return std::strtod(line.c_str() + 6, nullptr) * 1024 / 1e6;
  return 0;
}

void StageTimes::begin() {
  // Writing 5 resets the peak to what is resident now. Where that is not
  // allowed the peaks are of everything so far.
  std::ofstream("/proc/self/clear_refs") << "5";
  started = std::chrono::steady_clock::now();
}

void StageTimes::end(llvm::StringRef stage) {
  std::chrono::duration<double> passed =
      std::chrono::steady_clock::now() - started;
  rows.push_back({stage.str(), passed.count(), readPeakMemory()});
}

void StageTimes::print(llvm::raw_ostream &os) const {
  os << "stage       seconds   peak MB\n";
  auto printRow = [&](const Row &row) {
    os << llvm::format("%-10s %8.3f %9.1f\n", row.stage.c_str(), row.seconds,
                       row.peakMegabytes);
  };
  double total = 0, peak = 0;
  for (const Row &row : rows) {
    printRow(row);
    total += row.seconds;
    peak = std::max(peak, row.peakMegabytes);
  }
  printRow({"all", total, peak});
}
