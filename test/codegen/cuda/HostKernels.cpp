#include "test/codegen/cuda/HostKernels.h"

#include "codegen/cuda/KernelSource.h"

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
    if (!load(kernel.getSymName().str(), source->text, source->threads,
              source->sharedBytes))
      return;
  }
}

HostKernels::~HostKernels() {
  for (auto &[name, kernel] : kernels)
    dlclose(kernel.library);
  if (!folder.empty())
    std::filesystem::remove_all(folder);
}

bool HostKernels::load(const std::string &name, const std::string &source,
                       unsigned threads, size_t sharedBytes) {
  std::string base = folder + "/" + name;
  std::ofstream(base + ".cu") << source;
  const char *architecture = std::getenv("MMCC_SHIM_ARCHITECTURE");
  std::string command =
      MMCC_CUDA_HOST_COMPILER +
      (architecture ? std::string(" -D__CUDA_ARCH__=") + architecture
                    : std::string()) +
      " -x c++ -std=c++20 -O1 -w -fPIC -shared -include " MMCC_CUDA_SHIM_FOLDER
      "/CudaShim.h -I " MMCC_CUDA_SHIM_FOLDER " -I " MMCC_CUDA_KERNELS " " +
      base + ".cu -o " + base + ".so 2> " + base + ".log";
  if (std::system(command.c_str()) != 0) {
    std::ifstream log(base + ".log");
    message += std::string(std::istreambuf_iterator<char>(log), {}) + source;
    return false;
  }
  Loaded loaded;
  loaded.threads = threads;
  loaded.sharedBytes = sharedBytes;
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
  // mmcc::Arguments: addresses, then at least one size.
  sizes.resize(std::max<size_t>(sizes.size(), 1));
  std::vector<char> parameters(8 * (buffers.size() + sizes.size()));
  std::copy_n(reinterpret_cast<char *>(buffers.data()), 8 * buffers.size(),
              parameters.data());
  std::copy_n(reinterpret_cast<char *>(sizes.data()), 8 * sizes.size(),
              parameters.data() + 8 * buffers.size());
  const unsigned blocks[] = {unsigned(grid[0]), unsigned(grid[1]),
                             unsigned(grid[2])};
  const unsigned block[] = {found->second.threads, 1, 1};
  launcher()(found->second.function, blocks, block, found->second.sharedBytes,
             parameters.data());
  return true;
}

} // namespace mmcc::test
