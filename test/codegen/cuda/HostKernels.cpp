#include "test/codegen/cuda/HostKernels.h"

#include "test/codegen/cuda/shim/FakeTensorMap.h"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>

namespace mmcc::test {

namespace {

using Launch = void (*)(void (*kernel)(const void *), const unsigned grid[3],
                        const unsigned block[3], size_t shared,
                        const void *parameters);

/// The shim's launcher. Kernels resolve its fibers against it.
Launch launcher() {
  static Launch launch = [] {
    void *shim = dlopen(MMCC_CUDA_SHIM, RTLD_NOW | RTLD_GLOBAL);
    return shim ? reinterpret_cast<Launch>(dlsym(shim, "mmcc_shim_launch"))
                : nullptr;
  }();
  return launch;
}

/// An expression over sizes without the context that it is in.
HostMap::Value valueOf(mlir::AffineExpr expr) {
  if (auto constant = mlir::dyn_cast<mlir::AffineConstantExpr>(expr))
    return [value = constant.getValue()](const auto &) { return value; };
  if (auto symbol = mlir::dyn_cast<mlir::AffineSymbolExpr>(expr))
    return [i = symbol.getPosition()](const auto &sizes) { return sizes[i]; };
  auto binary = mlir::cast<mlir::AffineBinaryOpExpr>(expr);
  return [kind = expr.getKind(), left = valueOf(binary.getLHS()),
          right = valueOf(binary.getRHS())](const auto &sizes) {
    const int64_t a = left(sizes), b = right(sizes);
    switch (kind) {
    case mlir::AffineExprKind::Add:
      return a + b;
    case mlir::AffineExprKind::Mul:
      return a * b;
    case mlir::AffineExprKind::CeilDiv:
      return (a + b - 1) / b;
    case mlir::AffineExprKind::FloorDiv:
      return a / b;
    default:
      return a % b;
    }
  };
}

/// As the runtime and its driver would make it; false if they would not.
bool makeMap(const HostMap &map, const std::vector<void *> &buffers,
             const std::vector<int64_t> &sizes, shim::FakeTensorMap &made) {
  made = {};
  made.magic = shim::FakeTensorMap::kMagic;
  made.address = reinterpret_cast<uint64_t>(buffers[map.operand]) +
                 uint64_t(map.offset(sizes));
  made.dims[0] = uint64_t(map.length(sizes));
  made.dims[1] = uint64_t(map.rows(sizes));
  made.dims[2] = uint64_t(map.batches(sizes));
  made.strides[0] = uint64_t(map.rowPitch(sizes));
  made.strides[1] = uint64_t(map.batchPitch(sizes));
  made.box[0] = made.swizzle = 128;
  made.box[1] = map.boxRows;
  made.box[2] = 1;
  return made.address % 16 == 0 && made.strides[0] % 16 == 0 &&
         (made.dims[2] == 1 || made.strides[1] % 16 == 0);
}

} // namespace

HostKernels::HostKernels(plan::VariantOp variant) {
  if (!launcher()) {
    message = "cannot load " MMCC_CUDA_SHIM;
    return;
  }
  std::string pattern =
      (std::filesystem::temp_directory_path() / "mmcc-host-XXXXXX").string();
  if (!mkdtemp(pattern.data())) {
    message = "cannot make a folder like " + pattern;
    return;
  }
  folder = pattern;
  for (auto kernel : variant.getBody().getOps<plan::KernelOp>()) {
    mlir::FailureOr<cuda::KernelSource> source = cuda::writeKernel(kernel);
    if (mlir::failed(source)) {
      message += "no source for " + kernel.getSymName().str() + "\n";
      return;
    }
    if (!load(kernel.getSymName().str(), *source,
              variant.getTarget() == "cuda:sm_90a"))
      return;
  }
}

HostKernels::~HostKernels() {
  for (auto &[name, kernel] : kernels)
    dlclose(kernel.library);
  if (!folder.empty())
    std::filesystem::remove_all(folder);
}

bool HostKernels::load(const std::string &name,
                       const cuda::KernelSource &source, bool hasWarpgroups) {
  std::string base = folder + "/" + name;
  std::ofstream(base + ".cu") << source.text;
  const char *architecture = std::getenv("MMCC_SHIM_ARCHITECTURE");
  std::string command =
      MMCC_CUDA_HOST_COMPILER +
      (hasWarpgroups  ? std::string(" -D__CUDA_ARCH__=900 "
                                     "-DMMCC_SHIM_WARPGROUPS")
       : architecture ? std::string(" -D__CUDA_ARCH__=") + architecture
                      : std::string()) +
      " -x c++ -std=c++20 -O1 -w -fPIC -shared -include " MMCC_CUDA_SHIM_FOLDER
      "/CudaShim.h -include " MMCC_CUDA_SHIM_FOLDER
      "/FakeTensorMap.h -I " MMCC_CUDA_SHIM_FOLDER " -I " MMCC_CUDA_KERNELS
      " " +
      base + ".cu -o " + base + ".so 2> " + base + ".log";
  if (std::system(command.c_str()) != 0) {
    std::ifstream log(base + ".log");
    message +=
        std::string(std::istreambuf_iterator<char>(log), {}) + source.text;
    return false;
  }
  Loaded loaded;
  loaded.threads = source.threads;
  loaded.sharedBytes = source.sharedBytes;
  for (const plan::KernelMap &map : source.maps)
    loaded.maps.push_back({map.operand, map.boxRows, valueOf(map.offset),
                           valueOf(map.length), valueOf(map.rows),
                           valueOf(map.batches), valueOf(map.rowPitch),
                           valueOf(map.batchPitch)});
  loaded.library = dlopen((base + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!loaded.library) {
    message += dlerror();
    return false;
  }
  loaded.function = reinterpret_cast<void (*)(const void *)>(
      dlsym(loaded.library, "mmcc_kernel"));
  kernels[name] = loaded;
  if (!loaded.function)
    message += name + " does not export mmcc_kernel";
  return loaded.function;
}

bool HostKernels::run(const std::string &kernel, std::array<int64_t, 3> grid,
                      std::vector<void *> buffers, std::vector<int64_t> sizes) {
  auto found = kernels.find(kernel);
  if (found == kernels.end())
    return false;
  // mmcc::Arguments: addresses, then at least one size, then maps.
  sizes.resize(std::max<size_t>(sizes.size(), 1));
  std::vector<uint64_t> parameters;
  for (void *buffer : buffers)
    parameters.push_back(reinterpret_cast<uint64_t>(buffer));
  parameters.insert(parameters.end(), sizes.begin(), sizes.end());
  const std::vector<HostMap> &maps = found->second.maps;
  if (!maps.empty()) {
    const size_t areMapped = parameters.size();
    parameters.push_back(1);
    parameters.resize((parameters.size() + 15) / 16 * 16);
    for (const HostMap &map : maps) {
      shim::FakeTensorMap made;
      if (!makeMap(map, buffers, sizes, made))
        parameters[areMapped] = 0;
      const auto *words = reinterpret_cast<const uint64_t *>(&made);
      parameters.insert(parameters.end(), words, words + 16);
    }
  }
  const unsigned blocks[] = {unsigned(grid[0]), unsigned(grid[1]),
                             unsigned(grid[2])};
  const unsigned block[] = {found->second.threads, 1, 1};
  launcher()(found->second.function, blocks, block, found->second.sharedBytes,
             parameters.data());
  return true;
}

} // namespace mmcc::test
