//===- QuantizedProducts.cpp - Matrix products of integers ----------------===//
//
// Sums of i32, exactly. Where a weight is on the right and what follows is
// real, mm-float-products says so afterwards.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Quantization.h"

using namespace mlir;

namespace mmcc::import {

// ProductOperators.cpp
Tensor matmulOfAnyRank(Node &n, Tensor a, Tensor b);

/// A zero point a row of the left matrix, or a column of the right one.
static Tensor alongRows(Node &n, const Tensor &zero) {
  return zero && zero.rank() == 1 && !zero.hasOneElement()
             ? n.unsqueeze(zero, 1)
             : zero;
}

/// (a - zeroA) * (b - zeroB); null after a failure.
static Tensor sumProducts(Node &n, const Tensor &a, const Tensor &b,
                          const Tensor &zeroA, const Tensor &zeroB) {
  if (!a || !b)
    return {};
  if (!isQuantized(a.elementType()) || !isQuantized(b.elementType()))
    return n.fail("the quantised type is not supported");
  if (!checkZero(n, zeroA, a, {}) || !checkZero(n, zeroB, b, {}))
    return {};
  return matmulOfAnyRank(n, centered(n, a, single(n, alongRows(n, zeroA))),
                         centered(n, b, single(n, zeroB)));
}

static void importMatMulInteger(Node &n) {
  Tensor a = n.required(0), b = n.required(1);
  n.set(0, sumProducts(n, a, b, n.input(2), n.input(3)));
}

static void importQLinearMatMul(Node &n) {
  Tensor a = n.required(0), scaleA = single(n, n.required(1));
  Tensor zeroA = n.required(2), b = n.required(3);
  Tensor scaleB = single(n, n.required(4)), zeroB = n.required(5);
  Tensor scaleY = single(n, n.required(6)), zeroY = single(n, n.required(7));
  if (n.hasFailed())
    return;
  requantize(n, sumProducts(n, a, b, zeroA, zeroB), alongRows(n, scaleA),
             scaleB, alongRows(n, scaleY), alongRows(n, zeroY));
}

//===----------------------------------------------------------------------===//
// com.microsoft
//===----------------------------------------------------------------------===//

static Tensor toFloat(Node &n, const Tensor &x) {
  return n.castTo(x, Float32Type::get(n.context()));
}

/// sums * scaleA * scaleB + bias
static void setReal(Node &n, const Tensor &sums, const Tensor &scaleA,
                    const Tensor &scaleB, const Tensor &bias) {
  Tensor y = n.mul(toFloat(n, sums), n.mul(scaleA, scaleB));
  n.set(0, bias ? n.add(y, bias) : y);
}

void importMatMulIntegerToFloat(Node &n) {
  Tensor a = n.required(0), b = n.required(1);
  Tensor scaleA = single(n, n.required(2)), scaleB = single(n, n.required(3));
  Tensor zeroA = n.input(4), zeroB = n.input(5), bias = n.input(6);
  setReal(n, sumProducts(n, a, b, zeroA, zeroB), alongRows(n, scaleA), scaleB,
          bias);
}

void importDynamicQuantizeMatMul(Node &n) {
  DynamicNumbers a = quantizeDynamically(n, n.required(0));
  Tensor b = n.required(1), scaleB = single(n, n.required(2));
  Tensor zeroB = n.input(3), bias = n.input(4);
  setReal(n, sumProducts(n, a.numbers, b, a.zeroPoint, zeroB), a.scale, scaleB,
          bias);
}

/// alpha * (A * B + C), C of i32 with the scale of the product.
void importQGemm(Node &n) {
  Tensor a = n.required(0), scaleA = single(n, n.required(1));
  Tensor zeroA = n.required(2), b = n.required(3);
  Tensor scaleB = single(n, n.required(4)), zeroB = n.required(5);
  Tensor c = n.input(6), scaleY = single(n, n.input(7));
  Tensor zeroY = single(n, n.input(8));
  double alpha = n.number("alpha", 1);
  bool transA = n.integer("transA", 0) != 0;
  bool transB = n.integer("transB", 0) != 0;
  if (n.hasFailed())
    return;
  if (a.rank() != 2 || b.rank() != 2) {
    n.fail("the inputs are not matrices");
    return;
  }
  Tensor sums =
      toFloat(n, sumProducts(n, transA ? n.transposeLast(a) : a,
                             transB ? n.transposeLast(b) : b, zeroA, zeroB));
  if (c)
    sums = n.add(sums, toFloat(n, c));
  if (alpha != 1)
    scaleA = n.mul(scaleA, alpha);
  if (scaleY)
    requantize(n, sums, scaleA, scaleB, scaleY, zeroY);
  else
    setReal(n, sums, scaleA, scaleB, {});
}

ArrayRef<OperatorRow> quantizedProductOperators() {
  static const OperatorRow rows[] = {
      {"MatMulInteger", importMatMulInteger},
      {"QLinearMatMul", importQLinearMatMul},
  };
  return rows;
}

} // namespace mmcc::import
