//===- Trace.h - A run as Perfetto shows it ---------------------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCCRUN_TRACE_H
#define MMCC_TOOLS_MMCCRUN_TRACE_H

#include "mmcc/runtime.hpp"
#include <string>

namespace mmcc {

/// The session's timeline, in the format of Chrome's trace viewer that Perfetto
/// reads: a track a thread, on it a slice for what the thread ran of each
/// command. A slice is named after its kernel and has the model's nodes, the
/// command's place in the program and its stream, the cells, and their
/// arithmetic in GFLOP with its rate as arguments. Times are in microseconds.
std::string traceOf(const Session &session);

} // namespace mmcc

#endif // MMCC_TOOLS_MMCCRUN_TRACE_H
