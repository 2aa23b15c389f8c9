//===- TuneProducts.cpp - Times what a GPU's library may do ---------------===//
//
// Each product of known rows is timed as the library would do it, in each of
// the ways that it proposes, and as the artifact's own kernel does it. Before
// each run the GPU's cache is filled with something else, since in a model what
// was used last is not there any more.
//
//===----------------------------------------------------------------------===//

#include "compiler/pipeline/TuningRecord.h"
#include "runtime/core/Expression.h"
#include "runtime/core/MatmulForm.h"
#include "runtime/device/cuda/Queue.h"
#include "runtime/executor/GpuProgram.h"
#include "runtime/loader/ProgramVerifier.h"
#include "tools/mmcc/Verbs.h"
#include "llvm/Support/Format.h"
#include <algorithm>

using namespace mmcc;
using namespace mmcc::runtime;

namespace {

/// Ways of the library's that are timed, and how often; the median counts.
constexpr int kChoices = 16, kRuns = 9;
/// Another way than the library's first must be better by that factor.
constexpr double kBetter = 0.98;
constexpr int kL2Bytes = 38; // CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE

class ProductTimer {
public:
  ProductTimer(const Artifact &file, std::shared_ptr<const GpuProgram> program)
      : file(file), program(std::move(program)),
        queue(this->program->device(), 1, 0), clock(queue),
        flushed(this->program->device()), workspace(this->program->device()) {}

  Status start() {
    const std::shared_ptr<cuda::Device> &device = program->device();
    int id = 0, bytes = 0;
    MMCC_RETURN_IF_ERROR(device->check(
        device->driver().deviceGet(&id, device->ordinal()), "opening it"));
    MMCC_RETURN_IF_ERROR(
        device->check(device->driver().deviceAttribute(&bytes, kL2Bytes, id),
                      "asking for its cache's size"));
    flushed_bytes = 2 * uint64_t(bytes);
    MMCC_RETURN_IF_ERROR(
        flushed.reserve(flushed_bytes, "what flushes a cache"));
    MMCC_RETURN_IF_ERROR(workspace.reserve(program->library()->workspaceBytes(),
                                           "the library's workspace"));
    return queue.start();
  }

  /// The best way, its time and that of the library's first.
  Status time(const schema::Entry &entry, const schema::Dispatch &dispatch,
              const cuda::MatmulProblem &problem, std::string &choice,
              double &best, double &first);

private:
  /// A number that does not depend on the call.
  static bool constantOf(const schema::Entry &entry, uint32_t expression,
                         int64_t &value) {
    Span<const int64_t> code = expressionOf(entry, expression);
    value = code.size() == 2 ? code[1] : 0;
    return code.size() == 2 && code[0] == int64_t(schema::ExprOp::constant);
  }
  /// Where an operand lies: a weight of the model, or memory of our own.
  Status placeOf(const schema::Entry &entry, const schema::Operand &operand,
                 uint64_t &address);
  Status medianOf(llvm::function_ref<Status()> run, double &microseconds);
  /// Of the artifact's kernel.
  Status timeKernel(const schema::Entry &entry,
                    const schema::Dispatch &dispatch, double &microseconds);

  const Artifact &file;
  std::shared_ptr<const GpuProgram> program;
  cuda::Queue queue;
  cuda::Clock clock;
  cuda::Memory flushed, workspace;
  uint64_t flushed_bytes = 0;
  std::map<uint32_t, cuda::Memory> buffers; // of one product
};

Status unknownSize() {
  return {Code::unsupported, "its operands' sizes show at the call"};
}

Status ProductTimer::placeOf(const schema::Entry &entry,
                             const schema::Operand &operand,
                             uint64_t &address) {
  const schema::Buffer &buffer = *entry.buffers()->Get(operand.buffer());
  int64_t offset = 0, bytes = 0;
  if ((operand.offset() >= 0 &&
       !constantOf(entry, uint32_t(operand.offset()), offset)) ||
      !constantOf(entry, buffer.size(), bytes))
    return unknownSize();
  if (buffer.kind() == schema::BufferKind::constant) {
    address = reinterpret_cast<uint64_t>(program->constant(buffer)) +
              uint64_t(offset);
    return {};
  }
  auto [memory, added] =
      buffers.try_emplace(operand.buffer(), program->device());
  if (added) {
    MMCC_RETURN_IF_ERROR(
        memory->second.reserve(uint64_t(bytes), "a product's operands"));
    // Small numbers, whatever the type.
    MMCC_RETURN_IF_ERROR(
        queue.fill(0, memory->second.data(), uint64_t(bytes), 0x3c, 1));
  }
  address =
      reinterpret_cast<uint64_t>(memory->second.data()) + uint64_t(offset);
  return {};
}

Status ProductTimer::medianOf(llvm::function_ref<Status()> run,
                              double &microseconds) {
  std::vector<double> times;
  // The first one also loads code.
  for (int i = 0; i <= kRuns; ++i) {
    MMCC_RETURN_IF_ERROR(
        queue.fill(0, flushed.data(), flushed_bytes, uint64_t(i), 1));
    MMCC_RETURN_IF_ERROR(clock.mark(0, 0));
    MMCC_RETURN_IF_ERROR(run());
    MMCC_RETURN_IF_ERROR(clock.mark(0, 1));
    MMCC_RETURN_IF_ERROR(queue.synchronize());
    uint64_t nanoseconds = 0;
    MMCC_RETURN_IF_ERROR(clock.nanoseconds(0, 1, nanoseconds));
    if (i > 0)
      times.push_back(double(nanoseconds) / 1e3);
  }
  std::nth_element(times.begin(), times.begin() + kRuns / 2, times.end());
  microseconds = times[kRuns / 2];
  return {};
}

Status ProductTimer::timeKernel(const schema::Entry &entry,
                                const schema::Dispatch &dispatch,
                                double &microseconds) {
  std::vector<uint64_t> parameters;
  for (uint32_t i = 0; i < lengthOf(dispatch.operands()); ++i) {
    parameters.emplace_back();
    MMCC_RETURN_IF_ERROR(
        placeOf(entry, *dispatch.operands()->Get(i), parameters.back()));
  }
  int64_t size = 0;
  for (uint32_t i = 0; i < lengthOf(dispatch.sizes()); ++i) {
    if (!constantOf(entry, dispatch.sizes()->Get(i), size))
      return unknownSize();
    parameters.push_back(uint64_t(size));
  }
  if (lengthOf(dispatch.sizes()) == 0)
    parameters.push_back(0);
  const GpuProgram::Function &function = program->function(dispatch.kernel());
  cuda::Grid grid = {1, 1, 1, function.threads, function.shared_bytes};
  if (!constantOf(entry, dispatch.grid_x(), grid.x) ||
      !constantOf(entry, dispatch.grid_y(), grid.y) ||
      !constantOf(entry, dispatch.grid_z(), grid.z))
    return unknownSize();
  return medianOf(
      [&] {
        return queue.launch(0, function.handle, grid,
                            {parameters.data(), parameters.size()});
      },
      microseconds);
}

/// As the runtime reads it (executor/LibraryCalls.cpp).
std::string textOf(const cuda::LtAlgorithm &algorithm) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (uint64_t word : algorithm.data)
    os << llvm::format_hex_no_prefix(word, 16);
  return text;
}

Status ProductTimer::time(const schema::Entry &entry,
                          const schema::Dispatch &dispatch,
                          const cuda::MatmulProblem &problem,
                          std::string &choice, double &best, double &first) {
  buffers.clear();
  const schema::LibraryCall &call = *dispatch.library();
  uint64_t arguments[kMatmulOperands + 1] = {};
  uint32_t next = 0;
  for (uint32_t i = 0; i < kMatmulOperands; ++i)
    if (hasMatmulOperand(uint32_t(problem[kMatmulSizes]), i))
      MMCC_RETURN_IF_ERROR(
          placeOf(entry, *call.operands()->Get(next++), arguments[i]));
  arguments[kMatmulOperands] = reinterpret_cast<uint64_t>(workspace.data());
  double kernel = 0;
  MMCC_RETURN_IF_ERROR(timeKernel(entry, dispatch, kernel));
  cuda::Matmul matmul(*program->library());
  MMCC_RETURN_IF_ERROR(matmul.start(problem, nullptr));
  cuda::LtChoice choices[kChoices];
  int count = kChoices;
  MMCC_RETURN_IF_ERROR(matmul.choices(choices, count));
  choice = "kernel";
  first = best = kernel;
  for (int i = 0; i < count; ++i) {
    matmul.choose(choices[i]);
    double now = 0;
    MMCC_RETURN_IF_ERROR(
        medianOf([&] { return matmul.run(arguments, queue.stream(0)); }, now));
    // The kernel and later ways stand against the library's first.
    if (i == 0) {
      first = now;
      if (kernel < now * kBetter)
        continue;
      best = now;
      choice = "library";
    } else if (now < best && now < first * kBetter) {
      best = now;
      choice = textOf(choices[i].algorithm);
    }
  }
  return {};
}

ExitCode fail(const Status &status) {
  llvm::errs() << "mmcc: " << status.message() << "\n";
  return status.code() == Code::invalid_file ? ExitCode::input
                                             : ExitCode::environment;
}

} // namespace

ExitCode mmcc::tuneProducts(Artifact &file, int gpu, TuningRecord &record) {
  std::shared_ptr<cuda::Device> device;
  if (Status status = cuda::Device::open(gpu, device); !status.ok())
    return fail(status);
  if (Status status = file.chooseGpuVariant(device->major(), device->minor(),
                                            device->name());
      !status.ok())
    return fail(status);
  std::shared_ptr<const GpuProgram> program;
  if (Status status = GpuProgram::load(file, device, program); !status.ok())
    return fail(status);
  if (!program->library()) {
    const std::string &why = program->libraryText();
    return why.empty() ? fail({Code::invalid_file,
                               file.name() + ": has no product for a library"})
                       : fail({Code::no_device, why});
  }
  const std::string machine = device->name() + ", " + program->libraryText();
  llvm::outs() << machine << "\n";
  ProductTimer timer(file, program);
  if (Status status = timer.start(); !status.ok())
    return fail(status);
  for (uint32_t e = 0; e < lengthOf(file.variant().entries()); ++e) {
    const schema::Entry &entry = *file.entry(e);
    const auto *commands = entry.blocks()->Get(0)->commands();
    for (uint32_t i = 0; i < lengthOf(commands); ++i) {
      const schema::Dispatch *dispatch = commands->Get(i)->body_as_Dispatch();
      const schema::LibraryCall *call =
          dispatch ? dispatch->library() : nullptr;
      uint32_t form = 0;
      if (!call || !isMatmul(*call) || !readMatmulForm(*call, form))
        continue;
      cuda::MatmulProblem problem;
      bool known = true;
      for (uint32_t s = 0; s < kMatmulSizes; ++s) {
        Span<const int64_t> code = expressionOf(entry, call->sizes()->Get(s));
        known &=
            code.size() == 2 && code[0] == int64_t(schema::ExprOp::constant);
        problem[s] = code[code.size() == 2];
      }
      problem[kMatmulSizes] = form;
      if (!known)
        continue; // rows that show at the call take the library's choice
      std::string name = TuningRecord::productName(
          problem[kMatmulM], problem[kMatmulN], problem[kMatmulK],
          problem[kMatmulARow], matmulFormText(form));
      if (!record.findProduct(machine, name).empty())
        continue;
      std::string choice;
      double best = 0, first = 0;
      if (Status status =
              timer.time(entry, *dispatch, problem, choice, best, first);
          !status.ok())
        return fail({status.code(), name + ": " + status.message()});
      record.addProduct(machine, name, choice, best);
      bool isAlgorithm = choice != "library" && choice != "kernel";
      llvm::outs() << name << ": "
                   << (isAlgorithm ? "another algorithm" : choice)
                   << llvm::format(" %.1f us, the library's first %.1f us\n",
                                   best, first);
      llvm::outs().flush();
    }
  }
  return ExitCode::done;
}
