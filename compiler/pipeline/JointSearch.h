//===- JointSearch.h - Tokens and bits under one bound ----------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_JOINTSEARCH_H
#define MMCC_COMPILER_PIPELINE_JOINTSEARCH_H

#include "compiler/pipeline/AccuracyContract.h"
#include "compiler/pipeline/LayerStatistics.h"
#include <memory>

namespace mmcc {

/// --tome=auto with --quantize=auto: merging may use none, a half or all of the
/// bound (TokenSearch.h); what layers are then given is rounded under all of it
/// (PrecisionSearch.h). The choice whose layers cost least, by timings or by
/// the cost model, is written to `options.tome` and `options.quantize`, whose
/// statistics `statistics` keeps. `options` are those of `contract`, which has
/// learned what the model gives as it is.
ExitCode searchJointly(AccuracyContract &contract, CompileOptions &options,
                       std::unique_ptr<LayerStatistics> &statistics,
                       llvm::raw_ostream &messages);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_JOINTSEARCH_H
