// What a library may do in a kernel's place.

#include "runtime/executor/GpuExecutor.h"
#include "runtime/loader/ProgramVerifier.h"

#include <charconv>

namespace mmcc::runtime {

using namespace schema;

/// With fewer rows a product is bound by reading weights, and kernels have a
/// form for that.
constexpr int64_t kLeastRows = 64;
/// Larger numbers are left to kernels: products of two, in bytes, have 64 bits.
constexpr int64_t kMost = int64_t(1) << 30;

Status LaunchList::library(const ResolveContext &context,
                           const LibraryCall &call, Launch &launch) {
  uint32_t form = 0;
  if (!isMatmul(call) || !readMatmulForm(call, form))
    return {};
  int64_t sizes[kMatmulSizes];
  for (uint32_t i = 0; i < kMatmulSizes; ++i)
    if (!context.values.get(call.sizes()->Get(i), sizes[i]))
      return {Code::invalid_file, "a size overflows"};
  int64_t m = sizes[kMatmulM], n = sizes[kMatmulN], k = sizes[kMatmulK];
  int64_t a_row = sizes[kMatmulARow], w_row = sizes[kMatmulWRow];
  if (m < kLeastRows || m > kMost)
    return {};
  if (n < 1 || k < 1 || a_row < k || w_row < k || n > kMost || a_row > kMost ||
      w_row > kMost)
    return {Code::invalid_file, "a library is given impossible sizes"};
  int64_t width = form & kMatmulNarrow ? 2 : 4;
  const int64_t bytes[kMatmulOperands] = {
      2 * ((n - 1) * w_row + k), 2 * ((m - 1) * a_row + k), width * m * n,
      width * n, width * m * n};
  uint32_t next = 0;
  for (uint32_t i = 0; i < kMatmulOperands; ++i)
    if (hasMatmulOperand(form, i))
      MMCC_RETURN_IF_ERROR(
          operand(context, *call.operands()->Get(next++), bytes[i]));
  for (int64_t size : sizes)
    addSize(size);
  addSize(form);
  launch.library = true;
  return {};
}

/// What was found best for these rows on such a GPU with such a library: an
/// algorithm's bytes in hexadecimal, or "kernel". Empty: nobody has looked.
static std::string choiceOf(const LibraryCall &call, const GpuProgram &gpu,
                            int64_t rows) {
  const std::string key = gpu.device()->name() + ", " + gpu.libraryText() +
                          ", " + std::to_string(rows) + " rows";
  for (uint32_t i = 0; i < lengthOf(call.attributes()); ++i) {
    const KeyValue &each = *call.attributes()->Get(i);
    if (each.value() && each.key()->str() == key)
      return each.value()->str();
  }
  return "";
}

static bool readAlgorithm(const std::string &text,
                          cuda::LtAlgorithm &algorithm) {
  constexpr size_t digits = 16;
  if (text.size() != digits * std::size(algorithm.data))
    return false;
  for (size_t i = 0; i < std::size(algorithm.data); ++i) {
    const char *begin = text.data() + i * digits;
    auto [end, error] =
        std::from_chars(begin, begin + digits, algorithm.data[i], 16);
    if (error != std::errc() || end != begin + digits)
      return false;
  }
  return true;
}

void GpuExecutor::limitMatmuls() {
  constexpr size_t most = 1024;
  if (matmuls_.size() < most)
    return;
  // Graphs compare what they hold with what there is now.
  for (Recorded &recorded : graphs_)
    recorded.graph.reset();
  matmuls_.clear();
}

Status GpuExecutor::findMatmul(const LaunchList &list, size_t index,
                               const Dispatch &dispatch, uint32_t stream,
                               cuda::Matmul *&matmul,
                               std::vector<uint64_t> &arguments) {
  const cuda::MatmulLibrary *library = gpu_->library();
  if (!library || !list.launches()[index].library)
    return {};
  Span<void *const> pointers = list.pointersOf(index);
  size_t next = lengthOf(dispatch.operands());
  for (size_t i = next; i < pointers.size(); ++i)
    if (reinterpret_cast<uint64_t>(pointers[i]) % cuda::Matmul::kAlignment)
      return {};
  cuda::MatmulProblem problem;
  std::copy_n(list.sizesOf(index).data() + lengthOf(dispatch.sizes()),
              problem.size(), problem.begin());
  std::unique_ptr<cuda::Matmul> &known = matmuls_[problem];
  if (!known) {
    auto made = std::make_unique<cuda::Matmul>(*library);
    std::string choice =
        choiceOf(*dispatch.library(), *gpu_, problem[kMatmulM]);
    cuda::LtAlgorithm wanted;
    if (choice != "kernel")
      MMCC_RETURN_IF_ERROR(made->start(
          problem, readAlgorithm(choice, wanted) ? &wanted : nullptr));
    known = std::move(made);
  }
  if (!known->isPossible())
    return {};
  cuda::Memory &workspace = workspaces_[stream];
  if (known->workspaceBytes())
    MMCC_RETURN_IF_ERROR(workspace.reserve(library->workspaceBytes(),
                                           "the library's workspace"));
  for (uint32_t i = 0; i < kMatmulOperands; ++i)
    arguments.push_back(hasMatmulOperand(uint32_t(problem[kMatmulSizes]), i)
                            ? reinterpret_cast<uint64_t>(pointers[next++])
                            : 0);
  arguments.push_back(reinterpret_cast<uint64_t>(workspace.data()));
  matmul = known.get();
  return {};
}

} // namespace mmcc::runtime
