//===- TokenSearch.h - Token merging under an accuracy contract -*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_TOKENSEARCH_H
#define MMCC_COMPILER_PIPELINE_TOKENSEARCH_H

#include "compiler/pipeline/AccuracyContract.h"

namespace mmcc {

/// Finds the schedule that merges most tokens among those that were tried and
/// keep `options.maxDrop`, writes it to `options.tome` and what it costs to
/// `options.notes`. None at all is a broken contract. `contract` has learned
/// what the model gives as it is.
ExitCode searchTokens(AccuracyContract &contract, CompileOptions &options,
                      llvm::raw_ostream &messages);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_TOKENSEARCH_H
