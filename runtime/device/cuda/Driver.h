//===- Driver.h - The CUDA driver, opened at run time -----------*- C++ -*-===//
//
// The runtime links no CUDA library and needs none of its headers: what it
// calls is declared here, as NVIDIA's cuda.h has it (test/e2e compares them),
// and looked up in libcuda.so.1 when a GPU is first asked for.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_DEVICE_CUDA_DRIVER_H
#define MMCC_RUNTIME_DEVICE_CUDA_DRIVER_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <cstdint>

namespace mmcc::runtime::cuda {

using Result = int;
using DeviceId = int;
using Address = unsigned long long;
using Context = struct ContextTag *;
using Module = struct ModuleTag *;
using Function = struct FunctionTag *;
using StreamHandle = struct StreamTag *;
using EventHandle = struct EventTag *;
using Graph = struct GraphTag *;
using GraphExec = struct GraphExecTag *;
using GraphNode = struct GraphNodeTag *;

/// CUtensorMap.
struct alignas(128) TensorMap {
  uint64_t words[16];
};

/// CUDA_KERNEL_NODE_PARAMS_v2.
struct KernelNodeParams {
  Function function;
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
  void **parameters, **extra;
  void *kernel;
  Context context;
};

constexpr Result kSuccess = 0, kOutOfMemory = 2;
constexpr int kCaptureOfThread = 1;     // CUstreamCaptureMode
constexpr int kMajor = 75, kMinor = 76; // of compute capability
constexpr unsigned kStreamNonBlocking = 1;
constexpr unsigned kEventDefault = 0, kEventDisableTiming = 2;
constexpr int kPointerMemoryType = 2;
constexpr unsigned kMemoryTypeDevice = 2;
constexpr int kMostDynamicShared = 8; // of a function
// Of a tensor map: bytes, whose pieces of 16 trade places in each 128, and
// which are fetched by 256.
constexpr int kMapBytes = 0, kMapPlain = 0, kMapSwizzle128 = 3,
              kMapFetch256 = 3, kMapZeros = 0;
// What precedes the address and the size of all parameters together.
constexpr uintptr_t kLaunchParameters = 1, kLaunchParameterBytes = 2;

// Name in this table, exported symbol, parameters; all return a Result.
#define MMCC_CUDA_FUNCTIONS(X)                                                 \
  X(init, "cuInit", (unsigned flags))                                          \
  X(errorName, "cuGetErrorName", (Result result, const char **name))           \
  X(errorText, "cuGetErrorString", (Result result, const char **text))         \
  X(deviceCount, "cuDeviceGetCount", (int *count))                             \
  X(deviceGet, "cuDeviceGet", (DeviceId * device, int ordinal))                \
  X(deviceName, "cuDeviceGetName", (char *name, int length, DeviceId device))  \
  X(deviceAttribute, "cuDeviceGetAttribute",                                   \
    (int *value, int attribute, DeviceId device))                              \
  X(contextRetain, "cuDevicePrimaryCtxRetain",                                 \
    (Context * context, DeviceId device))                                      \
  X(contextRelease, "cuDevicePrimaryCtxRelease_v2", (DeviceId device))         \
  X(contextSetCurrent, "cuCtxSetCurrent", (Context context))                   \
  X(memoryInfo, "cuMemGetInfo_v2", (size_t *free, size_t *total))              \
  X(memoryAllocate, "cuMemAlloc_v2", (Address * address, size_t bytes))        \
  X(memoryFree, "cuMemFree_v2", (Address address))                             \
  X(pinnedAllocate, "cuMemHostAlloc",                                          \
    (void **address, size_t bytes, unsigned flags))                            \
  X(pinnedFree, "cuMemFreeHost", (void *address))                              \
  X(copyIn, "cuMemcpyHtoDAsync_v2",                                            \
    (Address target, const void *source, size_t bytes, StreamHandle stream))   \
  X(copyOut, "cuMemcpyDtoHAsync_v2",                                           \
    (void *target, Address source, size_t bytes, StreamHandle stream))         \
  X(copyWithin, "cuMemcpyDtoDAsync_v2",                                        \
    (Address target, Address source, size_t bytes, StreamHandle stream))       \
  X(fill8, "cuMemsetD8Async",                                                  \
    (Address target, unsigned char value, size_t count, StreamHandle stream))  \
  X(fill16, "cuMemsetD16Async",                                                \
    (Address target, unsigned short value, size_t count, StreamHandle stream)) \
  X(fill32, "cuMemsetD32Async",                                                \
    (Address target, unsigned value, size_t count, StreamHandle stream))       \
  X(fillColumns32, "cuMemsetD2D32Async",                                       \
    (Address target, size_t pitch_bytes, unsigned value, size_t width,         \
     size_t height, StreamHandle stream))                                      \
  X(pointerAttribute, "cuPointerGetAttribute",                                 \
    (void *value, int attribute, Address address))                             \
  X(streamCreate, "cuStreamCreate", (StreamHandle * stream, unsigned flags))   \
  X(streamDestroy, "cuStreamDestroy_v2", (StreamHandle stream))                \
  X(streamSynchronize, "cuStreamSynchronize", (StreamHandle stream))           \
  X(streamWait, "cuStreamWaitEvent",                                           \
    (StreamHandle stream, EventHandle event, unsigned flags))                  \
  X(eventCreate, "cuEventCreate", (EventHandle * event, unsigned flags))       \
  X(eventDestroy, "cuEventDestroy_v2", (EventHandle event))                    \
  X(eventRecord, "cuEventRecord", (EventHandle event, StreamHandle stream))    \
  X(eventSynchronize, "cuEventSynchronize", (EventHandle event))               \
  X(eventElapsed, "cuEventElapsedTime",                                        \
    (float *milliseconds, EventHandle begin, EventHandle end))                 \
  X(moduleLoad, "cuModuleLoadData", (Module * module, const void *image))      \
  X(moduleUnload, "cuModuleUnload", (Module module))                           \
  X(moduleFunction, "cuModuleGetFunction",                                     \
    (Function * function, Module module, const char *name))                    \
  X(functionSetAttribute, "cuFuncSetAttribute",                                \
    (Function function, int attribute, int value))                             \
  X(mapTensor, "cuTensorMapEncodeTiled",                                       \
    (TensorMap * map, int type, uint32_t rank, void *address,                  \
     const uint64_t *dims, const uint64_t *strides, const uint32_t *box,       \
     const uint32_t *steps, int interleave, int swizzle, int promotion,        \
     int fill))                                                                \
  X(launch, "cuLaunchKernel",                                                  \
    (Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z,     \
     unsigned block_x, unsigned block_y, unsigned block_z,                     \
     unsigned shared_bytes, StreamHandle stream, void **parameters,            \
     void **extra))                                                            \
  X(graphCreate, "cuGraphCreate", (Graph * graph, unsigned flags))             \
  X(graphAddKernel, "cuGraphAddKernelNode_v2",                                 \
    (GraphNode * node, Graph graph, const GraphNode *dependencies,             \
     size_t dependency_count, const KernelNodeParams *parameters))             \
  X(graphSetKernel, "cuGraphExecKernelNodeSetParams_v2",                       \
    (GraphExec exec, GraphNode node, const KernelNodeParams *parameters))      \
  X(graphAddChild, "cuGraphAddChildGraphNode",                                 \
    (GraphNode * node, Graph graph, const GraphNode *dependencies,             \
     size_t dependency_count, Graph child))                                    \
  X(graphSetChild, "cuGraphExecChildGraphNodeSetParams",                       \
    (GraphExec exec, GraphNode node, Graph child))                             \
  X(captureBegin, "cuStreamBeginCapture_v2", (StreamHandle stream, int mode))  \
  X(captureEnd, "cuStreamEndCapture", (StreamHandle stream, Graph * graph))    \
  X(graphInstantiate, "cuGraphInstantiateWithFlags",                           \
    (GraphExec * exec, Graph graph, unsigned long long flags))                 \
  X(graphDestroy, "cuGraphDestroy", (Graph graph))                             \
  X(graphExecDestroy, "cuGraphExecDestroy", (GraphExec exec))                  \
  X(graphLaunch, "cuGraphLaunch", (GraphExec exec, StreamHandle stream))

/// The driver's functions. One for the process, never closed.
struct Driver {
#define MMCC_CUDA_MEMBER(name, symbol, parameters) Result(*name) parameters;
  MMCC_CUDA_FUNCTIONS(MMCC_CUDA_MEMBER)
#undef MMCC_CUDA_MEMBER

  /// Opens it at the first call. No driver, too old a one, or one that finds no
  /// GPU: Code::no_device, with the reason.
  static Status open(const Driver *&driver);

  /// `what` and what the driver says of `result`.
  Status failure(Result result, const std::string &what) const;
};

} // namespace mmcc::runtime::cuda

#endif // MMCC_RUNTIME_DEVICE_CUDA_DRIVER_H
