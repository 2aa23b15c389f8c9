//===- LayerStatistics.h - What layers are given on samples -----*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_LAYERSTATISTICS_H
#define MMCC_COMPILER_PIPELINE_LAYERSTATISTICS_H

#include "compiler/pipeline/CompileOptions.h"
#include "compiler/pipeline/ExitCode.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/raw_ostream.h"

namespace mmcc {

/// A folder of statistics for `options.quantize`, which is there as long as
/// this object is.
class LayerStatistics {
public:
  LayerStatistics() = default;
  LayerStatistics(const LayerStatistics &) = delete;
  ~LayerStatistics();

  /// Runs the model, with all its approximations but narrow numbers, on the
  /// samples of `options.calibrate`, some layers at a time, so that memory
  /// stays bounded, and sets `options.quantize->statistics`.
  ExitCode collect(CompileOptions &options, llvm::raw_ostream &messages);

private:
  llvm::SmallString<128> folder;
};

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_LAYERSTATISTICS_H
