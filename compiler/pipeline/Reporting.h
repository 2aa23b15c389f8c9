//===- Reporting.h - What --report asks for ---------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_REPORTING_H
#define MMCC_COMPILER_PIPELINE_REPORTING_H

#include "compiler/pipeline/CompileOptions.h"
#include "compiler/pipeline/ExitCode.h"
#include "compiler/pipeline/StageTimes.h"
#include "compiler/report/Report.h"

namespace mmcc {

/// Before compiling: reads the sample that the artifact will run on.
ExitCode prepareReport(const CompileOptions &options, ReportInput &input,
                       llvm::raw_ostream &messages);

/// Writes `options.report` about the artifact that `options` have made.
ExitCode report(const CompileOptions &options, const StageTimes &times,
                ReportInput input, llvm::raw_ostream &messages);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_REPORTING_H
