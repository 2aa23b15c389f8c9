//===- InstructionEmulator.h - AMX and AVX-VNNI on machines without -------===//
//
// Kernels of levels that a machine lacks are tested all the same where they
// need few instructions beyond what it has: the processor refuses these
// (SIGILL), and a handler does what the Intel 64 and IA-32 Architectures
// Software Developer's Manual, volume 2, says they do, on the registers of the
// signal's frame. What it would raise #UD for ends the test: tiles without a
// shape, or of shapes that do not go together.
//
//     AVX-VNNI   vpdpbusd vpdpwssd, of ymm
//     AMX        ldtilecfg tilerelease tilezero tileloadd tilestored
//                tdpbssd tdpbsud tdpbf16ps
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_KERNELS_INSTRUCTIONEMULATOR_H
#define MMCC_TEST_CODEGEN_KERNELS_INSTRUCTIONEMULATOR_H

#include <cstdint>

namespace mmcc::test {

/// From here on, in this process.
void emulateInstructions();

/// So many were emulated up to now.
uint64_t emulatedInstructions();

} // namespace mmcc::test

#endif // MMCC_TEST_CODEGEN_KERNELS_INSTRUCTIONEMULATOR_H
