//===- PerfMap.h - Names of an artifact's code for perf ---------*- C++ -*-===//

#ifndef MMCC_RUNTIME_EXECUTOR_PERFMAP_H
#define MMCC_RUNTIME_EXECUTOR_PERFMAP_H

#include "runtime/core/Status.h"
#include "runtime/loader/Artifact.h"

namespace mmcc::runtime {

/// Appends to /tmp/perf-PID.map a line for each kernel, "gemm_f32_8 (fc1, +11)"
/// with the node that launches it first and the number of further ones, and for
/// each function that kernels call. Perf reads `start size name` in
/// hexadecimal; a name goes up to the next one.
Status writePerfMap(const Artifact &artifact);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_PERFMAP_H
