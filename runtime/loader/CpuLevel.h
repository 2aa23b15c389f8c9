//===- CpuLevel.h - What this processor can execute -------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_LOADER_CPULEVEL_H
#define MMCC_RUNTIME_LOADER_CPULEVEL_H

#include "runtime/core/Status.h"

#include <string_view>

namespace mmcc::runtime {

/// In order of preference, the last the best.
enum class CpuLevel : int {
  v3,
  v3_avxvnni,
  v4,
  v4_vnni_bf16,
  v4_amx,
};
constexpr int kCpuLevelCount = 5;

/// "x86-64-v3", ...
const char *nameOf(CpuLevel level);

/// False when `name` is no level.
bool parseCpuLevel(std::string_view name, CpuLevel &level);

/// True when the processor and the operating system can run the level.
bool machineHas(CpuLevel level);
/// Likewise by name, and enabled; false when `name` is no level.
bool machineRuns(std::string_view name);

/// True when code of `code` is what a machine of `level` is to run, where no
/// better is at hand: the level itself, and those that it adds single
/// instructions to. An artifact leaves a level out whose code would be the
/// same.
bool serves(CpuLevel code, CpuLevel level);

/// Asks the kernel for what the level needs beyond instructions (AMX tiles).
Status enable(CpuLevel level);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_LOADER_CPULEVEL_H
