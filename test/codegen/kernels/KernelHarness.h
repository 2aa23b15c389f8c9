//===- KernelHarness.h - Runs a microkernel as the runtime would ----------===//
//
// A level's bitcode, made a shared object, is loaded when the machine has the
// level. Tensors end at an inaccessible page, so that reading beyond them is
// fatal; scratch has the size that Scratch.h says, is filled with NaN before
// each cell and ends at such a page too. The post block counts how often each
// result is handed over.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_KERNELS_KERNELHARNESS_H
#define MMCC_TEST_CODEGEN_KERNELS_KERNELHARNESS_H

#include "codegen/cpu/kernels/Abi.h"

#include <functional>
#include <random>
#include <string>
#include <vector>

namespace mmcc::test {

/// Floats that end where an inaccessible page begins.
class GuardedFloats {
public:
  explicit GuardedFloats(size_t count);
  ~GuardedFloats();
  GuardedFloats(const GuardedFloats &) = delete;
  GuardedFloats &operator=(const GuardedFloats &) = delete;
  float *data() const { return floats; }
  size_t size() const { return count; }
  float &operator[](size_t i) const { return floats[i]; }
  void fill(float value);
  /// Uniform in [-1, 1].
  void randomise(uint32_t seed);

private:
  void *map;
  size_t mapBytes, count;
  float *floats;
};

/// A loaded level.
struct Level {
  const char *name;
  void *library;
  void *symbol(const char *name) const;
};
/// The levels that this machine has and that are their own base: what is not
/// among a level's forms is its base's. GoogleTest's parameter source.
std::vector<Level> baseLevels();
/// All levels that this machine has, or needs few instructions for, which are
/// emulated then (InstructionEmulator.h).
std::vector<Level> allLevels();
std::string levelName(const Level &level);

/// The nearest bf16, of two equally near the even one.
float nearestBF16(float x);

/// Where results go, [outer][rows][cols], and how often each was written.
struct Results {
  Results(std::vector<int64_t> outer, int64_t rows, int64_t cols);
  std::vector<int64_t> outer;
  int64_t rows, cols;
  std::vector<float> values;
  std::vector<int> writes;
  bool outOfRange = false;
  /// Seen by score blocks: may change a tile [rows, cols] at (row0, col0).
  std::function<float(const int64_t *outer, int64_t row, int64_t col, float)>
      score;
};

struct Grid {
  int64_t x, y, z;
};

/// Calls kernel `row` on every cell and collects what it posts.
void runKernel(const Level &level, const char *row,
               const std::vector<int64_t> &params,
               const std::vector<const float *> &tensors, Grid grid,
               int64_t scratchBytes, Results &results);

/// Each result was written once and lies within tolerance[i] of expected[i].
void expectResults(const Results &results, const std::vector<double> &expected,
                   const std::vector<double> &tolerance,
                   const std::string &what);

inline int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// [G][ceil(N/16)][K][16] from w(g, k, n).
std::vector<float>
packPanels(int64_t groups, int64_t K, int64_t N,
           const std::function<float(int64_t, int64_t, int64_t)> &w);

} // namespace mmcc::test

#endif // MMCC_TEST_CODEGEN_KERNELS_KERNELHARNESS_H
