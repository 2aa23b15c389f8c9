// Whether CublasLt.h says what NVIDIA's header does. Not part of the build,
// since that header comes in a package of 400 MB. Where it is:
//
//     clang++ -std=c++20 -fsyntax-only -I CUDA/include -I . -I build
//     test/runtime/cuda/CublasLtDeclarations.cpp
//
// Last done with cuBLAS 13.1.1 (2026-11-27).

#include <cublasLt.h>

#include "runtime/device/cuda/CublasLt.h"

#include <cstddef>
#include <type_traits>

using namespace mmcc::runtime::cuda;

template <typename A, typename B>
constexpr bool sameParameter =
    sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B> &&
    std::is_floating_point_v<A> == std::is_floating_point_v<B>;
template <typename A, typename B> constexpr bool sameShape = false;
template <typename... A, typename... B>
constexpr bool sameShape<LtStatus (*)(A...), cublasStatus_t (*)(B...)> = [] {
  if constexpr (sizeof...(A) == sizeof...(B))
    return (sameParameter<A, B> && ...);
  else
    return false;
}();

#define SYMBOL(name, symbol, parameters)                                       \
  constexpr const char *of_##name = symbol;
MMCC_CUBLASLT_FUNCTIONS(SYMBOL)
#undef SYMBOL
#define SAME(name, function)                                                   \
  static_assert(sameShape<decltype(CublasLt::name), decltype(&function)> &&    \
                std::char_traits<char>::compare(of_##name, #function,          \
                                                sizeof(#function)) == 0)
SAME(create, cublasLtCreate);
SAME(destroy, cublasLtDestroy);
SAME(operationCreate, cublasLtMatmulDescCreate);
SAME(operationDestroy, cublasLtMatmulDescDestroy);
SAME(operationSet, cublasLtMatmulDescSetAttribute);
SAME(layoutCreate, cublasLtMatrixLayoutCreate);
SAME(layoutDestroy, cublasLtMatrixLayoutDestroy);
SAME(preferenceCreate, cublasLtMatmulPreferenceCreate);
SAME(preferenceDestroy, cublasLtMatmulPreferenceDestroy);
SAME(preferenceSet, cublasLtMatmulPreferenceSetAttribute);
SAME(heuristic, cublasLtMatmulAlgoGetHeuristic);
SAME(check, cublasLtMatmulAlgoCheck);
SAME(matmul, cublasLtMatmul);
static_assert(
    std::is_same_v<decltype(CublasLt::version), decltype(&cublasLtGetVersion)>);
static_assert(sameParameter<decltype(CublasLt::statusName),
                            decltype(&cublasLtGetStatusName)>);

static_assert(CUBLAS_VERSION / 10000 == 13);
static_assert(kLtSuccess == CUBLAS_STATUS_SUCCESS &&
              kLtNotSupported == CUBLAS_STATUS_NOT_SUPPORTED);
static_assert(kLtFloat32 == CUDA_R_32F && kLtBFloat16 == CUDA_R_16BF &&
              kLtComputeFloat32 == CUBLAS_COMPUTE_32F &&
              kLtTranspose == CUBLAS_OP_T);
static_assert(kLtTransposeA == CUBLASLT_MATMUL_DESC_TRANSA &&
              kLtEpilogue == CUBLASLT_MATMUL_DESC_EPILOGUE &&
              kLtBiasPointer == CUBLASLT_MATMUL_DESC_BIAS_POINTER);
static_assert(kLtPlain == CUBLASLT_EPILOGUE_DEFAULT &&
              kLtRelu == CUBLASLT_EPILOGUE_RELU &&
              kLtBias == CUBLASLT_EPILOGUE_BIAS &&
              kLtGelu == CUBLASLT_EPILOGUE_GELU &&
              (kLtRelu | kLtBias) == CUBLASLT_EPILOGUE_RELU_BIAS &&
              (kLtGelu | kLtBias) == CUBLASLT_EPILOGUE_GELU_BIAS);
static_assert(
    kLtMostWorkspace == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES &&
    kLtLeastAlignment == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES &&
    kLtLeastAlignment + 1 == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES &&
    kLtLeastAlignment + 2 == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES &&
    kLtLeastAlignment + 3 == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
static_assert(sizeof(LtAlgorithm) == sizeof(cublasLtMatmulAlgo_t) &&
              sizeof(LtChoice) == sizeof(cublasLtMatmulHeuristicResult_t) &&
              offsetof(LtChoice, workspace_bytes) ==
                  offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) &&
              offsetof(LtChoice, state) ==
                  offsetof(cublasLtMatmulHeuristicResult_t, state) &&
              offsetof(LtChoice, waves) ==
                  offsetof(cublasLtMatmulHeuristicResult_t, wavesCount));
