//===- Verbs.h - What mmcc does, a function a verb --------------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCC_VERBS_H
#define MMCC_TOOLS_MMCC_VERBS_H

#include "tools/mmcc/CommandLine.h"

namespace mmcc {

class TuningRecord;
namespace runtime {
class Artifact;
}

// Each writes its result to standard output, and one message a fault to
// standard error.
ExitCode inspect(const CommandLine &commandLine);
ExitCode explain(const CommandLine &commandLine);
ExitCode doctor(const CommandLine &commandLine);
ExitCode diff(const CommandLine &commandLine);
ExitCode tune(const CommandLine &commandLine);

/// Times products on a GPU and adds to the record what is best.
ExitCode tuneProducts(runtime::Artifact &file, int gpu, TuningRecord &record);

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_VERBS_H
