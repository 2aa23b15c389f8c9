//===- CublasLt.h - NVIDIA's products, opened at run time -------*- C++ -*-===//
//
// As with the driver, nothing of NVIDIA's is linked or included: functions and
// numbers are declared here as cublasLt.h of cuBLAS 13.1.1 has them, and
// libcublasLt.so.13 (or the file that $MMCC_CUBLASLT names) is opened when a
// model has a use for it. A machine without it runs the model's own kernels.
//
// The library thinks of matrices as columns. A row-major product [m, n] is one
// of [n, m] there: its A are the weights, K along memory and transposed, its B
// the activations, and a bias is a number a row.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_DEVICE_CUDA_CUBLASLT_H
#define MMCC_RUNTIME_DEVICE_CUDA_CUBLASLT_H

#include "runtime/core/MatmulForm.h"
#include "runtime/device/cuda/Device.h"

#include <array>
#include <memory>

namespace mmcc::runtime::cuda {

using LtStatus = int;
using LtHandle = struct LtHandleTag *;
using LtOperation = struct LtOperationTag *;
using LtLayout = struct LtLayoutTag *;
using LtPreference = struct LtPreferenceTag *;

/// cublasLtMatmulAlgo_t.
struct LtAlgorithm {
  uint64_t data[8];
};
/// cublasLtMatmulHeuristicResult_t.
struct LtChoice {
  LtAlgorithm algorithm;
  size_t workspace_bytes;
  LtStatus state;
  float waves;
  int reserved[4];
};

constexpr LtStatus kLtSuccess = 0, kLtNotSupported = 15;
// cudaDataType
constexpr int kLtFloat32 = 0, kLtFloat16 = 2, kLtBFloat16 = 14;
constexpr int kLtComputeFloat32 = 68; // cublasComputeType_t
constexpr int kLtTranspose = 1;       // cublasOperation_t
// Attributes of an operation (cublasLtMatmulDescAttributes_t).
constexpr int kLtTransposeA = 3, kLtEpilogue = 7, kLtBiasPointer = 8;
// cublasLtEpilogue_t, of which `bias` is added to the others as a bit.
constexpr uint32_t kLtPlain = 1, kLtRelu = 2, kLtBias = 4, kLtGelu = 32;
// Of a preference (cublasLtMatmulPreferenceAttributes_t); the least alignments
// of A, B, C and D follow each other.
constexpr int kLtMostWorkspace = 1, kLtLeastAlignment = 5;

// Name in this table, exported symbol, parameters; all return an LtStatus.
#define MMCC_CUBLASLT_FUNCTIONS(X)                                             \
  X(create, "cublasLtCreate", (LtHandle * handle))                             \
  X(destroy, "cublasLtDestroy", (LtHandle handle))                             \
  X(operationCreate, "cublasLtMatmulDescCreate",                               \
    (LtOperation * operation, int compute, int scale))                         \
  X(operationDestroy, "cublasLtMatmulDescDestroy", (LtOperation operation))    \
  X(operationSet, "cublasLtMatmulDescSetAttribute",                            \
    (LtOperation operation, int attribute, const void *value, size_t bytes))   \
  X(layoutCreate, "cublasLtMatrixLayoutCreate",                                \
    (LtLayout * layout, int type, uint64_t rows, uint64_t columns,             \
     int64_t stride))                                                          \
  X(layoutDestroy, "cublasLtMatrixLayoutDestroy", (LtLayout layout))           \
  X(preferenceCreate, "cublasLtMatmulPreferenceCreate",                        \
    (LtPreference * preference))                                               \
  X(preferenceDestroy, "cublasLtMatmulPreferenceDestroy",                      \
    (LtPreference preference))                                                 \
  X(preferenceSet, "cublasLtMatmulPreferenceSetAttribute",                     \
    (LtPreference preference, int attribute, const void *value, size_t bytes)) \
  X(heuristic, "cublasLtMatmulAlgoGetHeuristic",                               \
    (LtHandle handle, LtOperation operation, LtLayout a, LtLayout b,           \
     LtLayout c, LtLayout d, LtPreference preference, int asked,               \
     LtChoice *choices, int *given))                                           \
  X(check, "cublasLtMatmulAlgoCheck",                                          \
    (LtHandle handle, LtOperation operation, LtLayout a, LtLayout b,           \
     LtLayout c, LtLayout d, const LtAlgorithm *algorithm, LtChoice *choice))  \
  X(matmul, "cublasLtMatmul",                                                  \
    (LtHandle handle, LtOperation operation, const void *alpha, const void *a, \
     LtLayout a_layout, const void *b, LtLayout b_layout, const void *beta,    \
     const void *c, LtLayout c_layout, void *d, LtLayout d_layout,             \
     const LtAlgorithm *algorithm, void *workspace, size_t workspace_bytes,    \
     StreamHandle stream))

/// The library's functions. One for the process, never closed.
struct CublasLt {
#define MMCC_CUBLASLT_MEMBER(name, symbol, parameters)                         \
  LtStatus(*name) parameters;
  MMCC_CUBLASLT_FUNCTIONS(MMCC_CUBLASLT_MEMBER)
#undef MMCC_CUBLASLT_MEMBER
  size_t (*version)(); // 10000 major + 100 minor + patch
  const char *(*statusName)(LtStatus status);

  /// Opens it at the first call. `reason` says why there is none, or which one
  /// there is ("cuBLASLt 13.1.1").
  static const CublasLt *open(std::string &reason);
};

/// A product of rows of bf16 with weights of bf16: its sizes by MatmulSize,
/// then its form.
using MatmulProblem = std::array<int64_t, kMatmulSizes + 1>;

/// The library at work on one GPU.
class MatmulLibrary {
public:
  /// Nothing, and a reason, if there is none.
  static std::unique_ptr<MatmulLibrary> open(std::shared_ptr<Device> device,
                                             std::string &reason);
  ~MatmulLibrary();
  MatmulLibrary(const MatmulLibrary &) = delete;

  const CublasLt &functions() const { return functions_; }
  LtHandle handle() const { return handle_; }
  const Device &device() const { return *device_; }
  /// As large as NVIDIA says that a product may want it.
  uint64_t workspaceBytes() const {
    return device_->major() >= 9 ? 32 << 20 : 4 << 20;
  }
  Status check(LtStatus status, const char *what) const;

private:
  MatmulLibrary(std::shared_ptr<Device> device, const CublasLt &functions)
      : device_(std::move(device)), functions_(functions) {}

  std::shared_ptr<Device> device_;
  const CublasLt &functions_;
  LtHandle handle_ = nullptr;
};

/// One product and how the library carries it out.
class Matmul {
public:
  explicit Matmul(const MatmulLibrary &library) : library_(library) {}
  ~Matmul();
  Matmul(const Matmul &) = delete;

  /// Once, before anything else: makes descriptions, and takes the library's
  /// first choice, or `wanted` if that is not null and will do.
  Status start(const MatmulProblem &problem, const LtAlgorithm *wanted);
  /// False: the library has no way to do it.
  bool isPossible() const { return is_possible_; }
  /// At most `count` choices, the library's best first.
  Status choices(LtChoice *choices, int &count) const;
  void choose(const LtChoice &choice);
  uint64_t workspaceBytes() const { return choice_.workspace_bytes; }

  /// Puts it into a stream. `arguments` are addresses on the GPU: by
  /// MatmulOperand, any where the form has none, then that of the workspace.
  Status run(const uint64_t *arguments, StreamHandle stream);

  /// What its operands' addresses are multiples of.
  static constexpr uint64_t kAlignment = 16;
  /// Whether it has run before, so that its code is on the GPU.
  bool has_run = false;

private:
  enum Matrix { a_matrix, b_matrix, d_matrix, matrix_count };
  bool has(MatmulForm bit) const { return problem_[kMatmulSizes] & bit; }

  const MatmulLibrary &library_;
  MatmulProblem problem_ = {};
  LtOperation operation_ = nullptr;
  LtLayout layouts_[matrix_count] = {};
  LtChoice choice_ = {};
  bool is_possible_ = false;
};

} // namespace mmcc::runtime::cuda

#endif // MMCC_RUNTIME_DEVICE_CUDA_CUBLASLT_H
