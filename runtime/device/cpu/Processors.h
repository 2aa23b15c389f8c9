//===- Processors.h - How many threads make sense ---------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_DEVICE_CPU_PROCESSORS_H
#define MMCC_RUNTIME_DEVICE_CPU_PROCESSORS_H

#include <string>

namespace mmcc::runtime {

/// Processors that this process may run on, by its affinity and by the CPU
/// quota of its control group; at least 1.
unsigned availableProcessors();

/// Whole processors in a quota, given as the text of a version 2 `cpu.max`
/// ("150000 100000": one and a half, which counts as 2). 0: no quota.
unsigned processorsOfQuota(const std::string &cpu_max);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_DEVICE_CPU_PROCESSORS_H
