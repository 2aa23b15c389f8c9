//===- MicrosoftOperators.cpp - com.microsoft -----------------------------===//
//
// What ONNX Runtime's graph optimiser and its quantizer write into models that
// they save.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"

using namespace mlir;

namespace mmcc::import {

static void importGelu(Node &n) {
  n.set(0, n.gelu(n.required(0), mm::GeluKind::Erf));
}

static void importBiasGelu(Node &n) {
  Tensor x = n.required(0), bias = n.required(1);
  n.set(0, n.gelu(n.add(x, bias), mm::GeluKind::Erf));
}

static void importFastGelu(Node &n) {
  Tensor x = n.required(0), bias = n.input(1);
  n.set(0, n.gelu(bias ? n.add(x, bias) : x, mm::GeluKind::Tanh));
}

static void importQuickGelu(Node &n) {
  double alpha = n.number("alpha", 1.702);
  Tensor x = n.required(0);
  // As f32, which is what the attribute is.
  if (static_cast<float>(alpha) == 1.702f)
    n.set(0, n.gelu(x, mm::GeluKind::Quick));
  else
    n.set(0, n.mul(x, n.unary<mm::SigmoidOp>(n.mul(x, alpha))));
}

/// Normalises input + skip (+ bias); output 3 is that sum.
static void importSkipNorm(Node &n) {
  bool simplified = n.type() == "SkipSimplifiedLayerNormalization";
  double epsilon = n.number("epsilon", simplified ? 1e-5 : 1e-12);
  Tensor x = n.required(0), skip = n.required(1), scale = n.required(2);
  Tensor offset = simplified ? Tensor() : n.input(3);
  Tensor bias = n.input(simplified ? 3 : 4);
  Tensor sum = n.add(x, skip);
  if (bias)
    sum = n.add(sum, bias);
  if (!sum || !scale)
    return;
  int64_t axis = sum.rank() - 1;
  n.set(0, simplified ? n.emit<mm::RmsNormOp>(
                            {sum, scale},
                            {n.named("axis", axis), n.real("epsilon", epsilon)})
                      : n.emit<mm::LayerNormOp>(
                            {sum, scale, offset},
                            {n.named("axis", axis), n.real("epsilon", epsilon),
                             n.segments({1, 1, offset ? 1 : 0})}));
  n.set(3, sum);
}

static void importFusedMatMul(Node &n) {
  double alpha = n.number("alpha", 1);
  bool transA = n.integer("transA", 0) != 0;
  bool transB = n.integer("transB", 0) != 0;
  if (n.integer("transBatchA", 0) || n.integer("transBatchB", 0)) {
    n.fail("transposed batches are not supported");
    return;
  }
  Tensor a = n.required(0), b = n.required(1);
  Tensor y = n.matmul(transA ? n.transposeLast(a) : a,
                      transB ? n.transposeLast(b) : b);
  n.set(0, alpha == 1 ? y : n.mul(y, alpha));
}

ArrayRef<OperatorRow> microsoftOperators() {
  static const OperatorRow rows[] = {
      {"Gelu", importGelu},
      {"BiasGelu", importBiasGelu},
      {"FastGelu", importFastGelu},
      {"QuickGelu", importQuickGelu},
      {"SkipLayerNormalization", importSkipNorm},
      {"SkipSimplifiedLayerNormalization", importSkipNorm},
      {"FusedMatMul", importFusedMatMul},
      {"MatMulNBits", importMatMulNBits},
      {"QGemm", importQGemm},
      {"MatMulIntegerToFloat", importMatMulIntegerToFloat},
      {"DynamicQuantizeMatMul", importDynamicQuantizeMatMul},
      {"Attention", importMicrosoftAttention},
      {"MultiHeadAttention", importMultiHeadAttention},
      {"GroupQueryAttention", importGroupQueryAttention},
  };
  return rows;
}

} // namespace mmcc::import
