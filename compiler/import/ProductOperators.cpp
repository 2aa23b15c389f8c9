//===- ProductOperators.cpp - Matrix products -----------------------------===//

#include "compiler/import/Einsum.h"
#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"

using namespace mlir;

namespace mmcc::import {

/// numpy.matmul: a vector counts as a row on the left, a column on the right,
/// and the dimension goes away again.
Tensor matmulOfAnyRank(Node &n, Tensor a, Tensor b) {
  if (!a || !b)
    return {};
  if (a.rank() == 0 || b.rank() == 0)
    return n.fail("a product needs matrices");
  bool row = a.rank() == 1, column = b.rank() == 1;
  if (row)
    a = n.unsqueeze(a, 0);
  if (column)
    b = n.unsqueeze(b, 1);
  Tensor y = n.matmul(a, b);
  if (!y)
    return {};
  SmallVector<int64_t> dropped;
  if (row)
    dropped.push_back(y.rank() - 2);
  if (column)
    dropped.push_back(y.rank() - 1);
  return n.squeeze(y, dropped);
}

static void importMatMul(Node &n) {
  Tensor a = n.required(0), b = n.required(1);
  n.set(0, matmulOfAnyRank(n, a, b));
}

static void importGemm(Node &n) {
  Tensor a = n.required(0), b = n.required(1), c = n.input(2);
  double alpha = n.number("alpha", 1), beta = n.number("beta", 1);
  bool transA = n.integer("transA", 0) != 0;
  bool transB = n.integer("transB", 0) != 0;
  if (!a || !b)
    return;
  if (a.rank() != 2 || b.rank() != 2) {
    n.fail("the inputs are not matrices");
    return;
  }
  if (!isFloat(a.elementType()) &&
      (!isWholeNumber(alpha) || !isWholeNumber(beta))) {
    n.fail("fractional alpha or beta for integers is not supported");
    return;
  }
  Tensor y = n.matmul(transA ? n.transposeLast(a) : a,
                      transB ? n.transposeLast(b) : b);
  if (alpha != 1)
    y = n.mul(y, alpha);
  if (c && beta != 0)
    y = n.add(y, beta == 1 ? c : n.mul(c, beta));
  n.set(0, y);
}

static void importEinsum(Node &n) {
  std::string equation = n.text("equation", "");
  SmallVector<Tensor> inputs;
  for (size_t i = 0; i < n.inputCount(); ++i)
    inputs.push_back(n.required(i));
  if (!n.hasFailed())
    n.set(0, einsum(n, equation, inputs));
}

ArrayRef<OperatorRow> productOperators() {
  static const OperatorRow rows[] = {
      {"MatMul", importMatMul},
      {"Gemm", importGemm},
      {"Einsum", importEinsum},
  };
  return rows;
}

} // namespace mmcc::import
