//===- FakeDriver.cpp - A libcuda.so.1 whose GPU is this CPU --------------===//
//
// The runtime opens it as it opens NVIDIA's. Modules are shared objects (made
// by host_nvcc), whose kernels run on fibers (test/codegen/cuda/shim). It is as
// unkind as a driver may be:
//
//   * Streams do nothing until somebody waits for them, and then only what the
//     wait needs; with FAKE_CUDA_ORDER=eager they do everything at once.
//   * Memory of the GPU cannot be touched by the host, has no zeros, and ends
//     where it ends.
//   * Page-locked memory is read when a copy is carried out.
//   * While a stream is recorded, nothing else may be done.
//   * What is still there when the process ends is an error, as is every call
//     without a context, or on a grid that a GPU refuses.
//
// FAKE_CUDA_DEVICES, FAKE_CUDA_CAPABILITY ("9.0") and FAKE_CUDA_MEMORY (bytes)
// say what the machine has; FAKE_CUDA_FAIL=SYMBOL:N fails the Nth call of a
// function, or with "all" each, FAKE_CUDA_FAULT=N the Nth kernel while it runs.
//
//===----------------------------------------------------------------------===//

#include "test/codegen/cuda/shim/FakeTensorMap.h"
#include "test/runtime/cuda/FakeMemory.h"
#include "test/runtime/cuda/FakeStreams.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

using namespace mmcc::fake;

namespace {

struct Module {
  void *library;
  int file; // stays open: libraries are told apart by its number
};

struct Function {
  void (*kernel)(const void *);
  size_t parameter_bytes;
  unsigned most_shared = 48 << 10; // dynamic
};

std::string setting(const char *name, const char *otherwise) {
  const char *value = std::getenv(name);
  return value ? value : otherwise;
}

struct Machine {
  int devices = std::stoi(setting("FAKE_CUDA_DEVICES", "1"));
  std::string capability = setting("FAKE_CUDA_CAPABILITY", "8.0");
  Memory memory{std::stoull(setting("FAKE_CUDA_MEMORY", "17179869184"))};
  Streams streams{memory, setting("FAKE_CUDA_ORDER", "lazy") == "eager"};
  std::map<Module *, std::vector<Function *>> modules;
  int contexts = 0, kernels = 0;
  Result broken = kSuccess; // a fault, after which nothing works

  ~Machine() {
    if (broken)
      return; // nothing could be given back
    auto left = [](const char *what, size_t count) {
      if (count)
        std::fprintf(stderr, "fake CUDA: %zu %s left\n", count, what);
      return count != 0;
    };
    bool any = left("contexts", size_t(contexts));
    any |= left("allocations", memory.allocations());
    any |= left("modules", modules.size());
    any |= left("streams", streams.streams());
    any |= left("events", streams.events());
    any |= left("graphs", streams.graphs());
    if (any)
      _exit(86);
  }
};

Machine &machine() {
  static Machine machine;
  return machine;
}

thread_local bool has_context = false;

/// Whether this call of `symbol` is the one that is to fail.
bool isToFail(const char *symbol) {
  static const std::string wanted = setting("FAKE_CUDA_FAIL", "");
  static int calls = 0;
  size_t colon = wanted.find(':');
  if (colon == std::string::npos || wanted.substr(0, colon) != symbol)
    return false;
  const std::string which = wanted.substr(colon + 1);
  return which == "all" || ++calls == std::stoi(which);
}

/// What every call does first.
Result enter(const char *symbol, bool needs_context = true) {
  if (isToFail(symbol))
    return std::string(symbol) == "cuMemAlloc_v2" ? kOutOfMemory : 999;
  if (machine().broken)
    return machine().broken;
  return needs_context && !has_context ? kInvalidContext : kSuccess;
}

Result runKernel(Function *function, const unsigned grid[3], unsigned threads,
                 unsigned shared, const std::vector<char> &parameters) {
  static const int faulty = std::stoi(setting("FAKE_CUDA_FAULT", "0"));
  using Launch = void (*)(void (*)(const void *), const unsigned *,
                          const unsigned *, size_t, const void *);
  static const auto launch =
      reinterpret_cast<Launch>(dlsym(RTLD_DEFAULT, "mmcc_shim_launch"));
  if (++machine().kernels == faulty)
    return machine().broken = 700;
  const unsigned block[] = {threads, 1, 1};
  launch(function->kernel, grid, block, shared, parameters.data());
  return kSuccess;
}

} // namespace

#define ENTER(...)                                                             \
  if (Result failed = enter(__func__ __VA_OPT__(, ) __VA_ARGS__))              \
  return failed
#define FAKE extern "C" __attribute__((visibility("default"))) Result

//===----------------------------------------------------------------------===//
// Driver and device
//===----------------------------------------------------------------------===//

FAKE cuInit(unsigned flags) {
  ENTER(false);
  return flags ? kInvalidValue : machine().devices ? kSuccess : kNoDevice;
}
FAKE cuGetErrorName(Result result, const char **name) {
  *name = result == kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
          : result == 700        ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                                 : "CUDA_ERROR_OF_THE_FAKE";
  return kSuccess;
}
FAKE cuGetErrorString(Result result, const char **text) {
  *text = result == kOutOfMemory ? "out of memory"
          : result == 700        ? "an illegal memory access was encountered"
                                 : "the fake driver refuses";
  return kSuccess;
}
FAKE cuDeviceGetCount(int *count) {
  ENTER(false);
  *count = machine().devices;
  return kSuccess;
}
FAKE cuDeviceGet(int *device, int ordinal) {
  ENTER(false);
  *device = ordinal;
  return ordinal < machine().devices ? kSuccess : kInvalidValue;
}
FAKE cuDeviceGetName(char *name, int length, int) {
  ENTER(false);
  std::snprintf(name, size_t(length), "Fake GPU");
  return kSuccess;
}
FAKE cuDeviceGetAttribute(int *value, int attribute, int) {
  ENTER(false);
  const std::string &capability = machine().capability;
  size_t point = capability.find('.');
  if (attribute == 75)
    *value = std::stoi(capability.substr(0, point));
  else if (attribute == 76)
    *value = std::stoi(capability.substr(point + 1));
  else if (attribute == 38) // bytes of its cache
    *value = 1 << 20;
  else
    return kInvalidValue;
  return kSuccess;
}
FAKE cuDevicePrimaryCtxRetain(void **context, int) {
  ENTER(false);
  ++machine().contexts;
  *context = &machine();
  return kSuccess;
}
FAKE cuDevicePrimaryCtxRelease_v2(int) {
  return machine().contexts-- > 0 ? kSuccess : kInvalidContext;
}
FAKE cuCtxSetCurrent(void *context) {
  ENTER(false);
  has_context = context == &machine() && machine().contexts > 0;
  return has_context || !context ? kSuccess : kInvalidContext;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

FAKE cuMemGetInfo_v2(size_t *free, size_t *total) {
  ENTER();
  *free = machine().memory.limit() - machine().memory.used();
  *total = machine().memory.limit();
  return kSuccess;
}
FAKE cuMemAlloc_v2(Address *address, size_t bytes) {
  ENTER();
  if (Result failed = machine().streams.checkQuiet())
    return failed;
  return machine().memory.allocate(*address, bytes);
}
FAKE cuMemFree_v2(Address address) {
  ENTER();
  if (Result failed = machine().streams.checkQuiet())
    return failed;
  // As the real one: what is under way is waited for.
  machine().streams.finishAll();
  return machine().memory.free(address);
}
FAKE cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  ENTER();
  return machine().memory.allocatePinned(*address, bytes);
}
FAKE cuMemFreeHost(void *address) {
  ENTER();
  return machine().memory.freePinned(address);
}
FAKE cuPointerGetAttribute(void *value, int attribute, Address address) {
  ENTER();
  if (attribute != 2 || !machine().memory.has(address, 1))
    return kInvalidValue;
  *static_cast<unsigned *>(value) = 2;
  return kSuccess;
}

static char *at(Address address) { return reinterpret_cast<char *>(address); }

FAKE cuMemcpyHtoDAsync_v2(Address target, const void *source, size_t bytes,
                          Stream *stream) {
  ENTER();
  Machine &m = machine();
  if (!m.memory.has(target, bytes) || bytes == 0)
    return kInvalidValue;
  if (m.memory.isPinned(source))
    return m.streams.add(stream, [=] {
      std::memcpy(at(target), source, bytes);
      return kSuccess;
    });
  std::vector<char> copy(static_cast<const char *>(source),
                         static_cast<const char *>(source) + bytes);
  return m.streams.add(stream, [=, copy = std::move(copy)] {
    std::memcpy(at(target), copy.data(), bytes);
    return kSuccess;
  });
}
FAKE cuMemcpyDtoHAsync_v2(void *target, Address source, size_t bytes,
                          Stream *stream) {
  ENTER();
  if (!machine().memory.has(source, bytes) || bytes == 0)
    return kInvalidValue;
  return machine().streams.add(stream, [=] {
    std::memcpy(target, at(source), bytes);
    return kSuccess;
  });
}
FAKE cuMemcpyDtoDAsync_v2(Address target, Address source, size_t bytes,
                          Stream *stream) {
  ENTER();
  Memory &memory = machine().memory;
  if (!memory.has(source, bytes) || !memory.has(target, bytes) || bytes == 0)
    return kInvalidValue;
  return machine().streams.add(stream, [=] {
    std::memcpy(at(target), at(source), bytes);
    return kSuccess;
  });
}

/// `height` rows of `width` values, `pitch` bytes apart.
template <typename T>
static Result fill(Address target, size_t pitch, T value, size_t width,
                   size_t height, Stream *stream) {
  if (target % sizeof(T) || width == 0 || height == 0 ||
      !machine().memory.has(target, (height - 1) * pitch + width * sizeof(T)))
    return kInvalidValue;
  return machine().streams.add(stream, [=] {
    for (size_t row = 0; row < height; ++row)
      std::fill_n(reinterpret_cast<T *>(at(target) + row * pitch), width,
                  value);
    return kSuccess;
  });
}
FAKE cuMemsetD8Async(Address target, unsigned char value, size_t count,
                     Stream *stream) {
  ENTER();
  return fill(target, 0, value, count, 1, stream);
}
FAKE cuMemsetD16Async(Address target, unsigned short value, size_t count,
                      Stream *stream) {
  ENTER();
  return fill(target, 0, value, count, 1, stream);
}
FAKE cuMemsetD32Async(Address target, unsigned value, size_t count,
                      Stream *stream) {
  ENTER();
  return fill(target, 0, value, count, 1, stream);
}
FAKE cuMemsetD2D32Async(Address target, size_t pitch, unsigned value,
                        size_t width, size_t height, Stream *stream) {
  ENTER();
  return fill(target, pitch, value, width, height, stream);
}

//===----------------------------------------------------------------------===//
// Streams, events, graphs
//===----------------------------------------------------------------------===//

FAKE cuStreamCreate(Stream **stream, unsigned) {
  ENTER();
  *stream = machine().streams.createStream();
  return kSuccess;
}
FAKE cuStreamDestroy_v2(Stream *stream) {
  ENTER();
  return machine().streams.destroyStream(stream);
}
FAKE cuStreamSynchronize(Stream *stream) {
  ENTER();
  return machine().streams.finish(stream);
}
FAKE cuStreamWaitEvent(Stream *stream, Event *event, unsigned) {
  ENTER();
  return machine().streams.wait(stream, event);
}
FAKE cuEventCreate(Event **event, unsigned) {
  ENTER();
  *event = machine().streams.createEvent();
  return kSuccess;
}
FAKE cuEventDestroy_v2(Event *event) {
  ENTER();
  return machine().streams.destroyEvent(event);
}
FAKE cuEventRecord(Event *event, Stream *stream) {
  ENTER();
  return machine().streams.record(event, stream);
}
FAKE cuEventSynchronize(Event *event) {
  ENTER();
  return machine().streams.finish(event);
}
FAKE cuEventElapsedTime(float *milliseconds, Event *begin, Event *end) {
  ENTER();
  return machine().streams.elapsed(*milliseconds, begin, end);
}
FAKE cuGraphCreate(Graph **graph, unsigned) {
  ENTER();
  *graph = machine().streams.createGraph();
  return kSuccess;
}
FAKE cuGraphInstantiateWithFlags(Graph **exec, Graph *graph,
                                 unsigned long long) {
  ENTER();
  *exec = machine().streams.copyGraph(graph);
  return kSuccess;
}
FAKE cuGraphDestroy(Graph *graph) {
  ENTER();
  return machine().streams.destroyGraph(graph);
}
FAKE cuGraphExecDestroy(Graph *graph) {
  ENTER();
  return machine().streams.destroyGraph(graph);
}
FAKE cuStreamBeginCapture_v2(Stream *stream, int mode) {
  ENTER();
  constexpr int of_thread = 1;
  return mode == of_thread ? machine().streams.beginRecording(stream)
                           : kInvalidValue;
}
FAKE cuStreamEndCapture(Stream *stream, Graph **graph) {
  // Ends it in any case.
  Result failed = enter(__func__);
  Result ended = machine().streams.endRecording(stream, *graph);
  if (failed && *graph) {
    machine().streams.destroyGraph(*graph);
    *graph = nullptr;
  }
  return failed ? failed : ended;
}
FAKE cuGraphAddChildGraphNode(GraphNode **node, Graph *graph,
                              GraphNode *const *before, size_t count,
                              Graph *child) {
  ENTER();
  return machine().streams.addChild(graph, *node, child, before, count);
}
FAKE cuGraphExecChildGraphNodeSetParams(Graph *exec, GraphNode *node,
                                        Graph *child) {
  ENTER();
  return machine().streams.setChild(exec, node, child);
}
FAKE cuGraphLaunch(Graph *graph, Stream *stream) {
  ENTER();
  return machine().streams.launch(graph, stream);
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

FAKE cuModuleLoadData(Module **module, const void *image) {
  ENTER();
  if (Result failed = machine().streams.checkQuiet())
    return failed;
  // Kernels look for their fibers among what is global.
  static void *shim = dlopen(MMCC_CUDA_SHIM, RTLD_NOW | RTLD_GLOBAL);
  // An ELF file ends with its table of sections.
  uint64_t table = 0;
  uint16_t entry = 0, count = 0;
  const char *elf = static_cast<const char *>(image);
  if (!shim || std::memcmp(elf, "\177ELF", 4) != 0)
    return 200; // CUDA_ERROR_INVALID_IMAGE
  std::memcpy(&table, elf + 40, 8);
  std::memcpy(&entry, elf + 58, 2);
  std::memcpy(&count, elf + 60, 2);
  size_t bytes = table + size_t(entry) * count;
  int file = memfd_create("kernel", 0);
  if (file < 0 || write(file, image, bytes) != ssize_t(bytes))
    return 999;
  std::string path = "/proc/self/fd/" + std::to_string(file);
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::fprintf(stderr, "fake CUDA: %s\n", dlerror());
    return 209; // CUDA_ERROR_NO_BINARY_FOR_GPU
  }
  *module = new Module{library, file};
  machine().modules[*module];
  return kSuccess;
}
FAKE cuModuleUnload(Module *module) {
  ENTER();
  auto found = machine().modules.find(module);
  if (found == machine().modules.end())
    return kInvalidValue;
  for (Function *function : found->second)
    delete function;
  machine().modules.erase(found);
  dlclose(module->library);
  close(module->file);
  delete module;
  return kSuccess;
}
FAKE cuModuleGetFunction(Function **function, Module *module,
                         const char *name) {
  ENTER();
  auto kernel =
      reinterpret_cast<void (*)(const void *)>(dlsym(module->library, name));
  auto bytes = static_cast<const size_t *>(
      dlsym(module->library, (std::string(name) + "_parameter_bytes").c_str()));
  if (!kernel || !bytes)
    return 500; // CUDA_ERROR_NOT_FOUND
  *function = new Function{kernel, *bytes, 48 << 10};
  machine().modules[module].push_back(*function);
  return kSuccess;
}
FAKE cuFuncSetAttribute(Function *function, int attribute, int value) {
  ENTER();
  constexpr int most = 99 << 10; // of an RTX 30, the least of ours
  if (attribute != 8 || value < 0 || value > most)
    return kInvalidValue;
  function->most_shared = unsigned(value);
  return kSuccess;
}
/// What a launch does, or nothing if no GPU would take it.
static Work launchOf(Function *function, const unsigned grid[3],
                     const unsigned block[3], unsigned shared,
                     void **parameters, void **extra) {
  bool good = grid[0] && grid[1] && grid[2] && grid[0] <= 0x7fffffffu &&
              grid[1] <= 65535 && grid[2] <= 65535 && block[0] &&
              block[0] <= 1024 && block[1] == 1 && block[2] == 1 &&
              !parameters && extra && extra[0] == reinterpret_cast<void *>(1) &&
              extra[2] == reinterpret_cast<void *>(2) && !extra[4];
  if (!good || shared > function->most_shared ||
      *static_cast<size_t *>(extra[3]) != function->parameter_bytes)
    return nullptr;
  const char *from = static_cast<const char *>(extra[1]);
  std::vector<char> copy(from, from + function->parameter_bytes);
  return [=, x = grid[0], y = grid[1], z = grid[2], threads = block[0],
          copy = std::move(copy)] {
    const unsigned blocks[] = {x, y, z};
    return runKernel(function, blocks, threads, shared, copy);
  };
}

FAKE cuLaunchKernel(Function *function, unsigned grid_x, unsigned grid_y,
                    unsigned grid_z, unsigned block_x, unsigned block_y,
                    unsigned block_z, unsigned shared, Stream *stream,
                    void **parameters, void **extra) {
  ENTER();
  const unsigned grid[] = {grid_x, grid_y, grid_z};
  const unsigned block[] = {block_x, block_y, block_z};
  Work work = launchOf(function, grid, block, shared, parameters, extra);
  return work ? machine().streams.add(stream, std::move(work)) : kInvalidValue;
}

/// Three dimensions of bytes, as the runtime maps them; of these the rules of
/// cuda.h.
FAKE cuTensorMapEncodeTiled(void *map, int type, uint32_t rank, void *address,
                            const uint64_t *dims, const uint64_t *strides,
                            const uint32_t *box, const uint32_t *steps,
                            int interleave, int swizzle, int promotion,
                            int fill) {
  ENTER();
  bool good = reinterpret_cast<uintptr_t>(map) % 128 == 0 && type == 0 &&
              rank == 3 && reinterpret_cast<uintptr_t>(address) % 16 == 0 &&
              interleave == 0 && swizzle >= 0 && swizzle <= 3 &&
              promotion >= 0 && promotion <= 3 && fill == 0 &&
              box[0] % 16 == 0 && machine().capability[0] >= '9';
  for (int i = 0; i < 3; ++i)
    good &= dims[i] > 0 && dims[i] <= uint64_t(1) << 32 && box[i] > 0 &&
            box[i] <= 256 && steps[i] == 1;
  for (int i = 0; i < 2; ++i)
    good &= strides[i] % 16 == 0 && strides[i] < uint64_t(1) << 40 &&
            strides[i] >= dims[i];
  const uint32_t span = swizzle == 0 ? 0 : 16u << swizzle;
  good &= strides[0] > 0 && strides[1] % strides[0] == 0 &&
          (span == 0 || box[0] <= span);
  if (!good)
    return kInvalidValue;
  mmcc::shim::FakeTensorMap made = {mmcc::shim::FakeTensorMap::kMagic,
                                    reinterpret_cast<uint64_t>(address),
                                    {dims[0], dims[1], dims[2]},
                                    {strides[0], strides[1]},
                                    {box[0], box[1], box[2]},
                                    span,
                                    {}};
  std::memcpy(map, &made, sizeof(made));
  return kSuccess;
}

/// CUDA_KERNEL_NODE_PARAMS_v2.
struct NodeParams {
  Function *function;
  unsigned grid[3], block[3], shared;
  void **parameters, **extra;
  void *kernel, *context;
};
FAKE cuGraphAddKernelNode_v2(GraphNode **node, Graph *graph,
                             GraphNode *const *before, size_t count,
                             const NodeParams *p) {
  ENTER();
  Work work = launchOf(p->function, p->grid, p->block, p->shared, p->parameters,
                       p->extra);
  return work ? machine().streams.addNode(graph, *node, std::move(work), before,
                                          count)
              : kInvalidValue;
}
FAKE cuGraphExecKernelNodeSetParams_v2(Graph *exec, GraphNode *node,
                                       const NodeParams *p) {
  ENTER();
  Work work = launchOf(p->function, p->grid, p->block, p->shared, p->parameters,
                       p->extra);
  return work ? machine().streams.setNode(exec, node, std::move(work))
              : kInvalidValue;
}

//===----------------------------------------------------------------------===//
// For the fake library (FakeCublasLt.cpp)
//===----------------------------------------------------------------------===//

FAKE mmcc_fake_enqueue(Stream *stream, const Work *work) {
  return machine().streams.add(stream, *work);
}
FAKE mmcc_fake_is_recorded(Stream *stream) {
  return stream->recorded != nullptr;
}
FAKE mmcc_fake_has(Address address, size_t bytes) {
  return machine().memory.has(address, bytes);
}
