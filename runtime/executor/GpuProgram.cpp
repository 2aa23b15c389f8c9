#include "runtime/executor/GpuProgram.h"

#include "runtime/core/CheckedMath.h"
#include "runtime/device/cuda/Queue.h"
#include "runtime/loader/PanelColumns.h"
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

/// Brings a mapped file's bytes to a GPU by page-locked memory in two parts:
/// one is filled while the other is on its way.
class Upload {
public:
  /// Pieces of up to `piece_bytes` bytes stay whole.
  Upload(const std::shared_ptr<cuda::Device> &device, uint64_t piece_bytes)
      : device_(device), queues_{{device, 1, 0}, {device, 1, 0}},
        part_bytes_(std::max(kPartBytes, piece_bytes)) {}

  Status start() {
    for (cuda::Queue &queue : queues_)
      MMCC_RETURN_IF_ERROR(queue.start());
    return staging_.allocate(device_, 2 * part_bytes_);
  }

  /// `pieces` pieces of `bytes` bytes; fill(first, count, staged) makes some.
  template <typename Fill>
  Status copy(uint8_t *target, uint64_t pieces, uint64_t bytes, Fill fill) {
    const uint64_t many = std::max<uint64_t>(part_bytes_ / bytes, 1);
    for (uint64_t at = 0; at < pieces; at += many) {
      const uint64_t count = std::min(many, pieces - at);
      cuda::Queue &queue = queues_[next_];
      MMCC_RETURN_IF_ERROR(queue.synchronize());
      uint8_t *staged = staging_.data() + next_ * part_bytes_;
      fill(at, count, staged);
      MMCC_RETURN_IF_ERROR(
          queue.copyIn(0, target + at * bytes, staged, count * bytes));
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
  const uint64_t part_bytes_;
};

/// A constant in the GPU's memory.
struct Part {
  const Constant *constant;
  bool in_columns;
  PanelColumns columns; // if so
  int64_t offset;

  uint64_t bytes() const {
    return in_columns ? columns.bytes() : constant->bytes();
  }
  /// What is brought there as a whole.
  uint64_t pieceBytes() const { return in_columns ? 16 * columns.pitch() : 1; }

  Status upload(const uint8_t *source, uint8_t *weights, Upload &upload) const {
    const uint64_t piece = pieceBytes();
    return upload.copy(weights + offset, bytes() / piece, piece,
                       [&](uint64_t first, uint64_t count, uint8_t *staged) {
                         if (in_columns)
                           columns.convert(source +
                                               first * columns.panelBytes(),
                                           count, staged);
                         else
                           std::memcpy(staged, source + first, count);
                       });
  }
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
  made->openLibrary(artifact);
  program = std::move(made);
  return {};
}

GpuProgram::~GpuProgram() {
  if (device_->makeCurrent().ok())
    for (cuda::Module module : modules_)
      (void)device_->driver().moduleUnload(module);
}

void GpuProgram::openLibrary(const Artifact &artifact) {
  bool is_wanted = false;
  const Variant &variant = artifact.variant();
  for (uint32_t e = 0; e < lengthOf(variant.entries()); ++e) {
    const auto *blocks = artifact.entry(e)->blocks();
    for (uint32_t b = 0; b < lengthOf(blocks); ++b)
      for (uint32_t i = 0; i < lengthOf(blocks->Get(b)->commands()); ++i) {
        const Dispatch *dispatch =
            blocks->Get(b)->commands()->Get(i)->body_as_Dispatch();
        is_wanted |= dispatch && dispatch->library();
      }
  }
  if (is_wanted)
    library_ = cuda::MatmulLibrary::open(device_, library_text_);
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
  // By their place in the file, so that it is read from front to back.
  std::map<std::tuple<uint32_t, uint64_t, uint64_t, unsigned>, Part> parts;
  auto partOf = [&](uint32_t index, unsigned form) -> Part & {
    const Constant &constant = *program.constants()->Get(index);
    Part &part =
        parts[{constant.segment(), constant.offset(), constant.bytes(), form}];
    part.constant = &constant;
    part.in_columns = form != 0;
    return part;
  };
  std::vector<bool> is_read[kForms];
  for (unsigned form = 0; form < kForms; ++form) {
    constants_[form].assign(lengthOf(program.constants()), nullptr);
    is_read[form].resize(constants_[form].size());
  }
  for (uint32_t e = 0; e < lengthOf(variant.entries()); ++e) {
    const Entry &entry = *artifact.entry(e);
    for (uint32_t i = 0; i < lengthOf(entry.buffers()); ++i) {
      const Buffer &buffer = *entry.buffers()->Get(i);
      if (buffer.kind() != BufferKind::constant)
        continue;
      is_read[formOf(buffer)][buffer.index()] = true;
      Part &part = partOf(buffer.index(), formOf(buffer));
      if (part.in_columns) // verified
        PanelColumns::of(*part.constant, buffer.rounded(), part.columns);
    }
  }
  int64_t total = 0;
  uint64_t largest_piece = 0;
  for (auto &[place, part] : parts) {
    // As aligned as what the driver allocates.
    if (!checkedAlign(total, 256, part.offset) ||
        !checkedAdd(part.offset, int64_t(part.bytes()), total))
      return {Code::out_of_memory, "the weights exceed 64 bits"};
    largest_piece = std::max(largest_piece, part.pieceBytes());
  }
  if (parts.empty())
    return {};
  weights_ = cuda::Memory(device_);
  MMCC_RETURN_IF_ERROR(weights_.reserve(uint64_t(total), "the weights"));
  for (unsigned form = 0; form < kForms; ++form)
    for (uint32_t i = 0; i < is_read[form].size(); ++i)
      if (is_read[form][i])
        constants_[form][i] = weights_.data() + partOf(i, form).offset;
  Upload upload(device_, largest_piece);
  MMCC_RETURN_IF_ERROR(upload.start());
  for (const auto &[place, part] : parts)
    MMCC_RETURN_IF_ERROR(part.upload(artifact.constantData(*part.constant),
                                     weights_.data(), upload));
  return upload.finish();
}

} // namespace mmcc::runtime
