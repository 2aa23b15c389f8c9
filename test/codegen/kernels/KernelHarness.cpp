//===- KernelHarness.cpp - Runs a microkernel as the runtime would --------===//

#include "test/codegen/kernels/KernelHarness.h"

#include "codegen/cpu/kernels/Levels.h"
#include "runtime/loader/CpuLevel.h"
#include "test/codegen/kernels/InstructionEmulator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <limits>
#include <sys/mman.h>

using mmcc::cpu::KernelArgs;
using mmcc::cpu::MicroCall;

namespace mmcc::test {

GuardedFloats::GuardedFloats(size_t count) : count(count) {
  constexpr size_t page = 4096;
  size_t bytes = (count * 4 + page - 1) / page * page;
  mapBytes = bytes + page;
  map = mmap(nullptr, mapBytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED ||
      mprotect(static_cast<char *>(map) + bytes, page, PROT_NONE) != 0)
    std::abort();
  floats =
      reinterpret_cast<float *>(static_cast<char *>(map) + bytes - count * 4);
}

GuardedFloats::~GuardedFloats() { munmap(map, mapBytes); }

void GuardedFloats::fill(float value) {
  for (size_t i = 0; i < count; ++i)
    floats[i] = value;
}

void GuardedFloats::randomise(uint32_t seed) {
  std::minstd_rand engine(seed);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  for (size_t i = 0; i < count; ++i)
    floats[i] = uniform(engine);
}

void *Level::symbol(const char *symbolName) const {
  void *address = dlsym(library, symbolName);
  if (!address)
    ADD_FAILURE() << symbolName << " is missing at " << name;
  return address;
}

/// Whether what a level has beyond the machine's is emulated.
static bool isEmulated(std::string_view name) {
  std::string_view rest = name == "x86-64-v3-avxvnni" ? "x86-64-v3"
                          : name == "x86-64-v4-amx"   ? "x86-64-v4-vnni-bf16"
                                                      : "";
  return !rest.empty() && !runtime::machineRuns(name) &&
         runtime::machineRuns(rest);
}

static Level loadLevel(std::string_view name) {
  std::string path = MMK_SHARED + std::string(name) + ".so";
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::abort();
  }
  return {name.data(), library};
}

std::vector<Level> baseLevels() {
  std::vector<Level> levels;
  for (const cpu::Level &level : cpu::kLevels)
    if (level.isBase() && runtime::machineRuns(level.name))
      levels.push_back(loadLevel(level.name));
  return levels;
}

std::vector<Level> allLevels() {
  std::vector<Level> levels;
  for (const cpu::Level &level : cpu::kLevels) {
    if (isEmulated(level.name))
      emulateInstructions();
    else if (!runtime::machineRuns(level.name))
      continue;
    levels.push_back(loadLevel(level.name));
  }
  return levels;
}

float nearestBF16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  bits += 0x7fff + (bits >> 16 & 1);
  bits &= 0xffff0000;
  std::memcpy(&x, &bits, 4);
  return x;
}

std::string levelName(const Level &level) {
  std::string name = level.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

Results::Results(std::vector<int64_t> outerExtents, int64_t rows, int64_t cols)
    : outer(std::move(outerExtents)), rows(rows), cols(cols) {
  int64_t count = rows * cols;
  for (int64_t extent : outer)
    count *= extent;
  values.assign(count, std::numeric_limits<float>::quiet_NaN());
  writes.assign(count, 0);
}

static void post(const KernelArgs *args, const int64_t *outer, int64_t row0,
                 int64_t col0, int64_t rows, int64_t cols, float *tile,
                 int64_t tileStride) {
  auto &results = *static_cast<Results *>(args->buffers[0]);
  int64_t base = 0;
  for (size_t i = 0; i < results.outer.size(); ++i) {
    if (outer[i] < 0 || outer[i] >= results.outer[i]) {
      results.outOfRange = true;
      return;
    }
    base = base * results.outer[i] + outer[i];
  }
  if (row0 < 0 || col0 < 0 || row0 + rows > results.rows ||
      col0 + cols > results.cols || rows < 1 || cols < 1) {
    results.outOfRange = true;
    return;
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) {
      int64_t at = (base * results.rows + row0 + r) * results.cols + col0 + c;
      results.values[at] = tile[r * tileStride + c];
      ++results.writes[at];
    }
}

static void score(const KernelArgs *args, const int64_t *outer, int64_t row0,
                  int64_t col0, int64_t rows, int64_t cols, float *tile,
                  int64_t tileStride) {
  auto &results = *static_cast<Results *>(args->buffers[0]);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) {
      float &value = tile[r * tileStride + c];
      value = results.score(outer, row0 + r, col0 + c, value);
    }
}

void runKernel(const Level &level, const char *row,
               const std::vector<int64_t> &params,
               const std::vector<const float *> &tensors, Grid grid,
               int64_t scratchBytes, Results &results) {
  auto *kernel = reinterpret_cast<void (*)(const MicroCall *)>(
      level.symbol((std::string("mmk_") + row).c_str()));
  ASSERT_NE(kernel, nullptr);
  // Rounded up so that the guarded end leaves the start 64-byte aligned.
  GuardedFloats scratch((scratchBytes + 63) / 64 * 16);
  void *buffers[1] = {&results};
  KernelArgs args = {buffers, nullptr, scratch.data()};
  std::vector<const void *> pointers(tensors.begin(), tensors.end());
  for (int64_t z = 0; z < grid.z; ++z)
    for (int64_t y = 0; y < grid.y; ++y)
      for (int64_t x = 0; x < grid.x; ++x) {
        scratch.fill(std::numeric_limits<float>::quiet_NaN());
        MicroCall call = {&args,
                          params.data(),
                          pointers.data(),
                          x,
                          y,
                          z,
                          post,
                          results.score ? score : nullptr};
        kernel(&call);
      }
}

void expectResults(const Results &results, const std::vector<double> &expected,
                   const std::vector<double> &tolerance,
                   const std::string &what) {
  ASSERT_FALSE(results.outOfRange) << what;
  ASSERT_EQ(results.values.size(), expected.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(results.writes[i], 1) << what << " result " << i;
    ASSERT_LE(std::fabs(results.values[i] - expected[i]), tolerance[i])
        << what << " result " << i << ": " << results.values[i] << ", expected "
        << expected[i];
  }
}

std::vector<float>
packPanels(int64_t groups, int64_t K, int64_t N,
           const std::function<float(int64_t, int64_t, int64_t)> &w) {
  int64_t panels = ceilDivide(N, 16);
  std::vector<float> packed(groups * panels * K * 16, 0.0f);
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t n = 0; n < N; ++n)
      for (int64_t k = 0; k < K; ++k)
        packed[((g * panels + n / 16) * K + k) * 16 + n % 16] = w(g, k, n);
  return packed;
}

} // namespace mmcc::test
