#include "runtime/executor/GpuProgram.h"

#include "runtime/core/CheckedMath.h"
#include "runtime/device/cuda/Queue.h"
#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

namespace mmcc::runtime {

using namespace schema;

namespace {

/// What code generation calls every kernel (codegen/cuda).
constexpr char kSymbol[] = "mmcc_kernel";

/// Copies a mapped file's bytes to a GPU by page-locked memory in two parts:
/// one is filled while the other is on its way.
class Upload {
public:
  explicit Upload(const std::shared_ptr<cuda::Device> &device)
      : device_(device), queues_{{device, 1, 0}, {device, 1, 0}} {}

  Status start() {
    for (cuda::Queue &queue : queues_)
      MMCC_RETURN_IF_ERROR(queue.start());
    return staging_.allocate(device_, 2 * kPartBytes);
  }

  Status copy(uint8_t *target, const uint8_t *source, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += kPartBytes) {
      uint64_t part = std::min(kPartBytes, bytes - at);
      cuda::Queue &queue = queues_[next_];
      MMCC_RETURN_IF_ERROR(queue.synchronize());
      uint8_t *staged = staging_.data() + next_ * kPartBytes;
      std::memcpy(staged, source + at, part);
      MMCC_RETURN_IF_ERROR(queue.copyIn(0, target + at, staged, part));
      next_ ^= 1;
    }
    return {};
  }

  Status finish() {
    MMCC_RETURN_IF_ERROR(queues_[0].synchronize());
    return queues_[1].synchronize();
  }

private:
  static constexpr uint64_t kPartBytes = 8 << 20;

  std::shared_ptr<cuda::Device> device_;
  cuda::PinnedMemory staging_;
  cuda::Queue queues_[2]; // are done before what they copy from is freed
  unsigned next_ = 0;
};

} // namespace

Status GpuProgram::load(const Artifact &artifact,
                        std::shared_ptr<cuda::Device> device,
                        std::shared_ptr<const GpuProgram> &program) {
  std::shared_ptr<GpuProgram> made(new GpuProgram);
  made->device_ = std::move(device);
  MMCC_RETURN_IF_ERROR(made->device_->makeCurrent());
  Status status = made->loadKernels(artifact);
  if (status.ok())
    status = made->uploadConstants(artifact);
  if (!status.ok())
    return {status.code(), artifact.name() + ": " + status.message()};
  program = std::move(made);
  return {};
}

GpuProgram::~GpuProgram() {
  if (device_->makeCurrent().ok())
    for (cuda::Module module : modules_)
      (void)device_->driver().moduleUnload(module);
}

Status GpuProgram::loadKernels(const Artifact &artifact) {
  // By place: kernels may be equal.
  std::map<uint64_t, Function> known;
  const Variant &variant = artifact.variant();
  for (uint32_t i = 0; i < lengthOf(variant.kernels()); ++i) {
    const Kernel &kernel = *variant.kernels()->Get(i);
    auto [function, added] = known.try_emplace(kernel.entry_offset());
    if (added)
      if (Status status =
              loadKernel(kernel, artifact.image() + kernel.entry_offset(),
                         function->second);
          !status.ok())
        return {status.code(),
                "kernel '" + kernel.name()->str() + "': " + status.message()};
    functions_.push_back(function->second);
  }
  return {};
}

Status GpuProgram::loadKernel(const Kernel &kernel, const uint8_t *code,
                              Function &function) {
  const cuda::Driver &driver = device_->driver();
  cuda::Module module = nullptr;
  MMCC_RETURN_IF_ERROR(
      device_->check(driver.moduleLoad(&module, code), "loading its code"));
  modules_.push_back(module);
  MMCC_RETURN_IF_ERROR(
      device_->check(driver.moduleFunction(&function.handle, module, kSymbol),
                     "finding its function"));
  function.threads = kernel.threads();
  function.shared_bytes = unsigned(kernel.scratch_bytes()); // at most 2^30
  // As much as a kernel gets without asking.
  constexpr unsigned unasked = 48 << 10;
  if (function.shared_bytes <= unasked)
    return {};
  return device_->check(driver.functionSetAttribute(function.handle,
                                                    cuda::kMostDynamicShared,
                                                    int(function.shared_bytes)),
                        "getting its shared memory");
}

Status GpuProgram::uploadConstants(const Artifact &artifact) {
  const Program &program = artifact.program();
  const Variant &variant = artifact.variant();
  constants_.assign(lengthOf(program.constants()), nullptr);
  // By their place in the file, so that it is read from front to back.
  struct Part {
    const Constant *constant;
    int64_t offset; // in the GPU's memory
  };
  std::map<std::tuple<uint32_t, uint64_t, uint64_t>, Part> parts;
  std::vector<bool> isRead(constants_.size());
  auto placeOf = [](const Constant &constant) {
    return std::tuple(constant.segment(), constant.offset(), constant.bytes());
  };
  for (uint32_t e = 0; e < lengthOf(variant.entries()); ++e) {
    const Entry &entry = *artifact.entry(e);
    for (uint32_t i = 0; i < lengthOf(entry.buffers()); ++i) {
      const Buffer &buffer = *entry.buffers()->Get(i);
      if (buffer.kind() != BufferKind::constant)
        continue;
      const Constant &constant = *program.constants()->Get(buffer.index());
      isRead[buffer.index()] = true;
      parts[placeOf(constant)] = {&constant, 0};
    }
  }
  int64_t total = 0;
  for (auto &[place, part] : parts)
    // As aligned as what the driver allocates.
    if (!checkedAlign(total, 256, part.offset) ||
        !checkedAdd(part.offset, int64_t(part.constant->bytes()), total))
      return {Code::out_of_memory, "the weights exceed 64 bits"};
  if (parts.empty())
    return {};
  weights_ = cuda::Memory(device_);
  MMCC_RETURN_IF_ERROR(weights_.reserve(uint64_t(total), "the weights"));
  for (uint32_t i = 0; i < constants_.size(); ++i)
    if (isRead[i])
      constants_[i] =
          weights_.data() + parts[placeOf(*program.constants()->Get(i))].offset;
  Upload upload(device_);
  MMCC_RETURN_IF_ERROR(upload.start());
  for (const auto &[place, part] : parts)
    MMCC_RETURN_IF_ERROR(upload.copy(weights_.data() + part.offset,
                                     artifact.constantData(*part.constant),
                                     part.constant->bytes()));
  return upload.finish();
}

} // namespace mmcc::runtime
