//===- TokenSearch.h - Token merging under an accuracy contract -*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_TOKENSEARCH_H
#define MMCC_COMPILER_PIPELINE_TOKENSEARCH_H

#include "compiler/pipeline/CompileOptions.h"
#include "compiler/pipeline/ExitCode.h"
#include "llvm/Support/raw_ostream.h"

namespace mmcc {

/// Measures, on the samples of `options.calibrate`, what `options.tome` and
/// `options.attention` cost, and writes it to `options.notes`; `auto` becomes
/// the schedule that merges most tokens among those that were tried and keep
/// `options.maxDrop`. More than that is a broken contract. Candidates run with
/// x86-64-v3 code, so that every machine chooses alike. Progress goes to
/// `messages`.
ExitCode searchTokens(CompileOptions &options, llvm::raw_ostream &messages);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_TOKENSEARCH_H
