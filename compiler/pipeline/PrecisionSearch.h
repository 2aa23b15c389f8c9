//===- PrecisionSearch.h - A scheme for each layer --------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_PRECISIONSEARCH_H
#define MMCC_COMPILER_PIPELINE_PRECISIONSEARCH_H

#include "compiler/pipeline/AccuracyContract.h"

namespace mmcc {

/// Finds a scheme for each layer (--quantize=auto) and writes the plan to
/// `options.quantize->plan`. Every layer takes the fastest scheme, by timings
/// of this machine (`options.tuning`) or else by the cost model, whose error on
/// samples is below one threshold for all; the largest threshold that keeps
/// `options.maxDrop` is searched by halving, each try compiled and run on all
/// samples. A layer that no scheme makes faster stays. If no try keeps the
/// bound, the contract is broken.
///
/// `contract` has learned what the model gives as it is, and the folder
/// `options.quantize->statistics` has what layers are given. `cost`, if there,
/// is set to what the layers then take, to compare with that of other choices.
ExitCode searchPrecision(AccuracyContract &contract, CompileOptions &options,
                         llvm::raw_ostream &messages, double *cost = nullptr);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_PRECISIONSEARCH_H
