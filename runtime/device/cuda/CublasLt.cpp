#include "runtime/device/cuda/CublasLt.h"

#include <cstdlib>
#include <dlfcn.h>
#include <type_traits>

namespace mmcc::runtime::cuda {

// As the library's header lays them out.
static_assert(sizeof(LtAlgorithm) == 64 && sizeof(LtChoice) == 96);

//===----------------------------------------------------------------------===//
// CublasLt
//===----------------------------------------------------------------------===//

namespace {

/// The only one whose functions and numbers are known to be those above.
constexpr size_t kMajor = 13;

/// The library, or why there is none; found out once.
struct Opened {
  CublasLt library = {};
  std::string reason;
  bool good;

  Opened() : good(open()) {}

  bool open() {
    const char *path = std::getenv("MMCC_CUBLASLT");
    if (!path || !*path)
      path = "libcublasLt.so.13";
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      const char *why = dlerror();
      reason = std::string("no cuBLASLt: ") + (why ? why : path);
      return false;
    }
    const char *lacking = nullptr;
    auto find = [&](auto &function, const char *symbol) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(
          dlsym(handle, symbol));
      if (!function && !lacking)
        lacking = symbol;
    };
    find(library.version, "cublasLtGetVersion");
    find(library.statusName, "cublasLtGetStatusName");
#define MMCC_CUBLASLT_FIND(name, symbol, parameters) find(library.name, symbol);
    MMCC_CUBLASLT_FUNCTIONS(MMCC_CUBLASLT_FIND)
#undef MMCC_CUBLASLT_FIND
    if (lacking) {
      reason = std::string("no cuBLASLt: ") + path + " has no " + lacking;
      return false;
    }
    size_t version = library.version();
    reason = "cuBLASLt " + std::to_string(version / 10000) + "." +
             std::to_string(version / 100 % 100) + "." +
             std::to_string(version % 100);
    if (version / 10000 == kMajor)
      return true;
    reason = "no cuBLASLt: " + reason + " is none of " + std::to_string(kMajor);
    return false;
  }
};

} // namespace

const CublasLt *CublasLt::open(std::string &reason) {
  static const Opened opened;
  reason = opened.reason;
  return opened.good ? &opened.library : nullptr;
}

//===----------------------------------------------------------------------===//
// MatmulLibrary
//===----------------------------------------------------------------------===//

std::unique_ptr<MatmulLibrary>
MatmulLibrary::open(std::shared_ptr<Device> device, std::string &reason) {
  const CublasLt *functions = CublasLt::open(reason);
  if (!functions)
    return nullptr;
  std::unique_ptr<MatmulLibrary> made(
      new MatmulLibrary(std::move(device), *functions));
  Status status = made->check(functions->create(&made->handle_), "starting");
  if (status.ok())
    return made;
  reason = "no cuBLASLt: " + status.message();
  made->handle_ = nullptr;
  return nullptr;
}

MatmulLibrary::~MatmulLibrary() {
  if (handle_)
    (void)functions_.destroy(handle_);
}

Status MatmulLibrary::check(LtStatus status, const char *what) const {
  if (status == kLtSuccess)
    return {};
  const char *name = functions_.statusName(status);
  return {Code::no_device, "GPU " + std::to_string(device_->ordinal()) + " (" +
                               device_->name() + "): cuBLASLt: " + what + ": " +
                               (name ? name : std::to_string(status))};
}

//===----------------------------------------------------------------------===//
// Matmul
//===----------------------------------------------------------------------===//

Matmul::~Matmul() {
  const CublasLt &functions = library_.functions();
  for (LtLayout layout : layouts_)
    if (layout)
      (void)functions.layoutDestroy(layout);
  if (operation_)
    (void)functions.operationDestroy(operation_);
}

Status Matmul::start(const MatmulProblem &problem, const LtAlgorithm *wanted) {
  const CublasLt &functions = library_.functions();
  problem_ = problem;
  const char *what = "describing a product";
  MMCC_RETURN_IF_ERROR(library_.check(
      functions.operationCreate(&operation_, kLtComputeFloat32, kLtFloat32),
      what));
  const int transpose = kLtTranspose;
  uint32_t epilogue = has(kMatmulRelu)   ? kLtRelu
                      : has(kMatmulGelu) ? kLtGelu
                                         : 0;
  if (has(kMatmulBias))
    epilogue |= kLtBias;
  if (!epilogue)
    epilogue = kLtPlain;
  MMCC_RETURN_IF_ERROR(library_.check(
      functions.operationSet(operation_, kLtTransposeA, &transpose, 4), what));
  MMCC_RETURN_IF_ERROR(library_.check(
      functions.operationSet(operation_, kLtEpilogue, &epilogue, 4), what));
  // Where it lies is said at the call; until then its alignment alone counts.
  const uint64_t somewhere = kAlignment;
  if (has(kMatmulBias))
    MMCC_RETURN_IF_ERROR(library_.check(
        functions.operationSet(operation_, kLtBiasPointer, &somewhere, 8),
        what));
  const int64_t m = problem[kMatmulM], n = problem[kMatmulN],
                k = problem[kMatmulK];
  const int half = has(kMatmulF16) ? kLtFloat16 : kLtBFloat16;
  const int out = has(kMatmulNarrow) ? half : kLtFloat32;
  const struct {
    int type;
    int64_t rows, columns, stride;
  } matrices[matrix_count] = {
      {half, k, n, problem[kMatmulWRow]},
      {half, k, m, problem[kMatmulARow]},
      {out, n, m, n},
  };
  for (int i = 0; i < matrix_count; ++i)
    MMCC_RETURN_IF_ERROR(library_.check(
        functions.layoutCreate(
            &layouts_[i], matrices[i].type, uint64_t(matrices[i].rows),
            uint64_t(matrices[i].columns), matrices[i].stride),
        what));
  if (wanted) {
    LtChoice known = {};
    if (functions.check(library_.handle(), operation_, layouts_[a_matrix],
                        layouts_[b_matrix], layouts_[d_matrix],
                        layouts_[d_matrix], wanted, &known) == kLtSuccess &&
        known.workspace_bytes <= library_.workspaceBytes()) {
      known.algorithm = *wanted;
      choose(known);
      return {};
    }
  }
  LtChoice best = {};
  int count = 1;
  MMCC_RETURN_IF_ERROR(choices(&best, count));
  if (count > 0)
    choose(best);
  return {};
}

void Matmul::choose(const LtChoice &choice) {
  choice_ = choice;
  is_possible_ = true;
}

Status Matmul::choices(LtChoice *choices, int &count) const {
  const CublasLt &functions = library_.functions();
  const char *what = "choosing how to do a product";
  LtPreference preference = nullptr;
  MMCC_RETURN_IF_ERROR(
      library_.check(functions.preferenceCreate(&preference), what));
  const uint64_t workspace = library_.workspaceBytes();
  const uint32_t alignment = kAlignment;
  LtStatus status =
      functions.preferenceSet(preference, kLtMostWorkspace, &workspace, 8);
  for (int i = 0; status == kLtSuccess && i < 4; ++i)
    status = functions.preferenceSet(preference, kLtLeastAlignment + i,
                                     &alignment, 4);
  int given = 0;
  if (status == kLtSuccess)
    status = functions.heuristic(library_.handle(), operation_,
                                 layouts_[a_matrix], layouts_[b_matrix],
                                 layouts_[d_matrix], layouts_[d_matrix],
                                 preference, count, choices, &given);
  (void)functions.preferenceDestroy(preference);
  // What it cannot do, the model's own kernel does.
  if (status == kLtNotSupported)
    status = given = 0;
  count = 0;
  for (int i = 0; i < given; ++i)
    if (choices[i].state == kLtSuccess)
      choices[count++] = choices[i];
  return library_.check(status, what);
}

Status Matmul::run(const uint64_t *arguments, StreamHandle stream) {
  const CublasLt &functions = library_.functions();
  bool adds = has(kMatmulResidual);
  const float alpha = 1, beta = adds;
  auto at = [&](uint32_t argument) {
    return reinterpret_cast<void *>(arguments[argument]);
  };
  if (has(kMatmulBias))
    MMCC_RETURN_IF_ERROR(
        library_.check(functions.operationSet(operation_, kLtBiasPointer,
                                              &arguments[kMatmulBiases], 8),
                       "telling it the bias"));
  LtLayout out = layouts_[d_matrix];
  MMCC_RETURN_IF_ERROR(library_.check(
      functions.matmul(library_.handle(), operation_, &alpha,
                       at(kMatmulWeights), layouts_[a_matrix],
                       at(kMatmulActivations), layouts_[b_matrix], &beta,
                       at(adds ? kMatmulResiduals : kMatmulResult), out,
                       at(kMatmulResult), out, &choice_.algorithm,
                       at(kMatmulOperands), choice_.workspace_bytes, stream),
      "starting a product"));
  has_run = true;
  return {};
}

} // namespace mmcc::runtime::cuda
