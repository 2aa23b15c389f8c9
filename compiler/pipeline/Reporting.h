//===- Reporting.h - What --report asks for ---------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_REPORTING_H
#define MMCC_COMPILER_PIPELINE_REPORTING_H

#include "compiler/pipeline/CompileOptions.h"
#include "compiler/pipeline/ExitCode.h"
#include "compiler/pipeline/StageTimes.h"
#include "llvm/Support/JSON.h"

namespace mmcc {

/// Writes `options.report` about the artifact that `options` have made.
/// `attention` is what collectAttention() found behind the stage optimize.
ExitCode report(const CompileOptions &options, const StageTimes &times,
                llvm::json::Array attention, llvm::raw_ostream &messages);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_REPORTING_H
