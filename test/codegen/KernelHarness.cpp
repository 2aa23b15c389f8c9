#include "test/codegen/KernelHarness.h"

#include "codegen/cpu/kernels/Levels.h"
#include "runtime/loader/CpuLevel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sys/mman.h>

namespace mmcc::test {

Program::Program(const std::string &kernels, const std::string &level) {
  mlir::DialectRegistry registry;
  registry.insert<plan::PlanDialect, mlir::arith::ArithDialect,
                  mlir::math::MathDialect>();
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    message += d.str() + "\n";
    return mlir::success();
  });
  const bool isCuda = level == kCuda || level == kHopper;
  const std::string target = level == kCuda     ? "cuda:sm_80"
                             : level == kHopper ? "cuda:sm_90a"
                                                : "cpu:" + level;
  std::string text = "plan.variant \"" + target + "\" {\n" + kernels + "\n}\n";
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return;
  auto variant = *module->getBody()->getOps<plan::VariantOp>().begin();
  if (isCuda) {
    auto kernels = std::make_unique<HostKernels>(variant);
    message += kernels->message;
    if (message.empty())
      host = std::move(kernels);
    return;
  }
  cpu::CpuOptions options;
  if (const char *folder = std::getenv("MMCC_TEST_DUMP"))
    options.dumpDir =
        std::string(folder) + "/" +
        ::testing::UnitTest::GetInstance()->current_test_info()->name();
  mlir::FailureOr<cpu::CodeImage> result = cpu::emitImage(variant, options);
  if (mlir::failed(result))
    return;
  image = std::move(*result);
  mapping = mmap(nullptr, image.bytes.size(), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    mapping = nullptr;
    return;
  }
  std::memcpy(mapping, image.bytes.data(), image.bytes.size());
  mprotect(mapping, image.bytes.size(), PROT_READ | PROT_EXEC);
}

Program::~Program() {
  if (mapping)
    munmap(mapping, image.bytes.size());
}

void Program::run(const std::string &kernel, std::array<int64_t, 3> grid,
                  std::vector<void *> buffers, std::vector<int64_t> sizes,
                  size_t *scratchUsed) {
  ASSERT_TRUE(compiled()) << message;
  if (host) {
    ASSERT_TRUE(host->run(kernel, grid, buffers, sizes))
        << "no kernel " << kernel;
    return;
  }
  using Kernel = void (*)(const cpu::KernelArgs *, int64_t, int64_t, int64_t);
  Kernel function = nullptr;
  for (const cpu::CodeSymbol &symbol : image.kernels)
    if (symbol.name == kernel)
      function = reinterpret_cast<Kernel>(static_cast<char *>(mapping) +
                                          symbol.offset);
  ASSERT_TRUE(function) << "no kernel " << kernel;
  size_t scratchBytes = 16 << 20;
  std::unique_ptr<void, decltype(&std::free)> scratch(
      std::aligned_alloc(64, scratchBytes), &std::free);
  auto *bytes = static_cast<uint8_t *>(scratch.get());
  constexpr uint8_t kUntouched = 0xa5;
  if (scratchUsed)
    std::memset(bytes, kUntouched, scratchBytes);
  cpu::KernelArgs args = {buffers.data(), sizes.data(), bytes};
  for (int64_t z = 0; z < grid[2]; ++z)
    for (int64_t y = 0; y < grid[1]; ++y)
      for (int64_t x = 0; x < grid[0]; ++x)
        function(&args, x, y, z);
  if (!scratchUsed)
    return;
  *scratchUsed = scratchBytes;
  while (*scratchUsed && bytes[*scratchUsed - 1] == kUntouched)
    --*scratchUsed;
}

std::vector<std::string> runnableLevels() {
  std::vector<std::string> levels;
  for (const cpu::Level &level : cpu::kLevels)
    if (level.isBase() && runtime::machineRuns(level.name))
      levels.emplace_back(level.name);
  levels.emplace_back(kCuda);
  return levels;
}

std::vector<float> randomFloats(size_t count, float low, float high,
                                unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<float> values(count);
  for (float &value : values)
    value = low + (high - low) * (engine() >> 8) * 0x1p-24f;
  return values;
}

void expectClose(const std::vector<float> &got, const std::vector<double> &want,
                 double rtol, double atol) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i])) {
      ASSERT_TRUE(std::isnan(got[i])) << "element " << i << ": " << got[i];
      continue;
    }
    if (std::isinf(want[i])) {
      ASSERT_EQ(double(got[i]), want[i]) << "element " << i;
      continue;
    }
    ASSERT_LE(std::fabs(got[i] - want[i]), atol + rtol * std::fabs(want[i]))
        << "element " << i << ": got " << got[i] << ", want " << want[i];
  }
}

} // namespace mmcc::test
