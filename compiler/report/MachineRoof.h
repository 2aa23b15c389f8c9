//===- MachineRoof.h - What this machine can do at most ---------*- C++ -*-===//
//
// Two limits bound every kernel: multiply-adds a second, and bytes a second
// from memory. Both are measured, since no table knows what a virtual machine
// gets.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_REPORT_MACHINEROOF_H
#define MMCC_COMPILER_REPORT_MACHINEROOF_H

#include <cstddef>

namespace mmcc {

/// How long to look. Every figure is the best of several bursts with all
/// threads started together: other work slows a burst and never speeds it up.
struct RoofEffort {
  int bursts;
  double burstSeconds;
  /// Of the array that each thread reads; far larger than the caches.
  size_t bytesPerThread;
};

/// 0 where the machine lacks the instructions or the memory.
struct MachineRoof {
  double avx2GigaFlops = 0;
  double avx512GigaFlops = 0;
  double readGigaBytes = 0; // a second
};

/// f32 multiply-adds with AVX2 and AVX-512 registers, and bandwidth of reading.
MachineRoof measureRoof(int threads, const RoofEffort &effort);

} // namespace mmcc

#endif // MMCC_COMPILER_REPORT_MACHINEROOF_H
