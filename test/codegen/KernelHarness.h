//===- KernelHarness.h - Compiles plan IR and calls its kernels -*- C++ -*-===//

#ifndef MMCC_TEST_CODEGEN_KERNELHARNESS_H
#define MMCC_TEST_CODEGEN_KERNELHARNESS_H

#include "codegen/cpu/CodeGen.h"
#include "codegen/cpu/kernels/Abi.h"
#include "test/codegen/cuda/HostKernels.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace mmcc::test {

/// Stands for a GPU among the levels: CUDA C++ that a CPU runs (HostKernels.h).
inline constexpr const char *kCuda = "cuda";
/// The same by Hopper's instructions.
inline constexpr const char *kHopper = "hopper";

/// Kernels compiled for one level and mapped executable.
class Program {
public:
  /// `kernels` is the text of plan.kernel operations.
  Program(const std::string &kernels, const std::string &level);
  ~Program();
  Program(const Program &) = delete;

  /// False when compiling failed; `message` holds the diagnostics.
  bool compiled() const { return mapping || host; }
  std::string message;

  /// Runs the kernel once per cell of the grid. On a CPU `scratchUsed` is the
  /// end of what it writes of its scratch.
  void run(const std::string &kernel, std::array<int64_t, 3> grid,
           std::vector<void *> buffers, std::vector<int64_t> sizes = {},
           size_t *scratchUsed = nullptr);

  cpu::CodeImage image;

private:
  void *mapping = nullptr;
  std::unique_ptr<HostKernels> host;
};

/// Levels that this machine can run, and CUDA.
std::vector<std::string> runnableLevels();

/// Reproducible values in [low, high).
std::vector<float> randomFloats(size_t count, float low = -1, float high = 1,
                                unsigned seed = 1);

/// Fails where |got - want| > atol + rtol * |want|; NaN matches NaN.
void expectClose(const std::vector<float> &got, const std::vector<double> &want,
                 double rtol = 2e-6, double atol = 1e-6);

/// A test that runs at each level.
class EachLevel : public ::testing::TestWithParam<std::string> {};

#define MMCC_AT_EACH_LEVEL(SUITE)                                              \
  INSTANTIATE_TEST_SUITE_P(                                                    \
      Levels, SUITE, ::testing::ValuesIn(::mmcc::test::runnableLevels()),      \
      [](const ::testing::TestParamInfo<std::string> &info) {                  \
        std::string name = info.param;                                         \
        for (char &c : name)                                                   \
          if (c == '-')                                                        \
            c = '_';                                                           \
        return name;                                                           \
      })

} // namespace mmcc::test

#endif // MMCC_TEST_CODEGEN_KERNELHARNESS_H
