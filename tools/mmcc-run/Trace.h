//===- Trace.h - A run as Perfetto shows it ---------------------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCCRUN_TRACE_H
#define MMCC_TOOLS_MMCCRUN_TRACE_H

#include "mmcc/runtime.hpp"
#include <string>

namespace mmcc {

/// The session's profile, which must hold one run, in the format of Chrome's
/// trace viewer that Perfetto reads: a slice a command, one after the other, as
/// profiling runs them. A slice is named after its kernel and has the model's
/// nodes, the arithmetic in GFLOP and its rate as arguments. Times are in
/// microseconds.
std::string traceOf(const Session &session);

} // namespace mmcc

#endif // MMCC_TOOLS_MMCCRUN_TRACE_H
