//===- QuantizationOperators.cpp - Quantisation as exact arithmetic -------===//
//
// quantised = saturate(round(x / scale) + zero_point), rounding ties to even
// real      = (quantised - zero_point) * scale
//
//===----------------------------------------------------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Quantization.h"
#include <cmath>

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

// ConvolutionOperators.cpp
Tensor convolve(Node &n, const Tensor &input, const Tensor &weight,
                const Tensor &bias);

static Type f32(Node &n) { return Float32Type::get(n.context()); }
static Type i32(Node &n) { return IntegerType::get(n.context(), 32); }

/// A scale or zero point with x's rank: one for all, one an index of `axis`, or
/// one a block along it.
static Tensor aligned(Node &n, const Tensor &parameter, const Tensor &x,
                      int64_t axis, int64_t blockSize) {
  if (!parameter || !x)
    return {};
  if (blockSize == 0 && parameter.hasOneElement())
    return n.reshape(parameter, Shape(x.rank(), n.dim(1)));
  if (axis >= x.rank())
    return n.fail("scale or zero point has the wrong shape");
  if (parameter.rank() == 1 && blockSize == 0) {
    Shape shape(x.rank(), n.dim(1));
    shape[axis] = parameter.dim(0);
    if (!n.demandEqual(parameter.dim(0), x.dim(axis),
                       "the number of scales is not the dimension's size"))
      return {};
    return n.reshape(parameter, shape);
  }
  if (blockSize < 1 || blockSize > (1 << 20) || parameter.rank() != x.rank())
    return n.fail("scale or zero point has the wrong shape");
  for (int64_t i = 0; i < x.rank(); ++i) {
    Dim size = i == axis ? x.dim(i).ceilDiv(n.dim(blockSize)) : x.dim(i);
    if (!n.demandEqual(parameter.dim(i), size,
                       "the scales or zero points are not one a block"))
      return {};
  }
  return parameter;
}

/// Likewise as it broadcasts to x.
static Tensor spread(Node &n, const Tensor &parameter, const Tensor &x,
                     int64_t axis, int64_t blockSize) {
  if (blockSize == 0 && parameter.hasOneElement())
    return n.reshape(parameter, {});
  Tensor whole = aligned(n, parameter, x, axis, blockSize);
  if (!whole || blockSize == 0)
    return whole;
  Shape wide = whole.shape(), merged = wide;
  wide.insert(wide.begin() + axis + 1, n.dim(blockSize));
  merged[axis] = merged[axis] * blockSize;
  Tensor repeated =
      n.reshape(n.broadcast(n.unsqueeze(whole, axis + 1), wide), merged);
  if (!repeated)
    return {};
  // The last block may be shorter than the others.
  return n.sliceAlong(repeated, axis, n.dim(0), x.dim(axis));
}

/// The axis that scales lie along; nothing after a failure.
static std::optional<int64_t> scaleAxis(Node &n, const Tensor &x,
                                        const Tensor &scale, int64_t given,
                                        int64_t blockSize) {
  if (blockSize == 0 && scale.hasOneElement())
    return 0;
  return n.axis(given, x.rank());
}

bool checkZero(Node &n, const Tensor &zero, const Tensor &numbers,
               const Tensor &scale) {
  if (!zero)
    return true;
  if (numbers && (zero.elementType() != numbers.elementType() ||
                  zero.isHalfByte != numbers.isHalfByte))
    n.fail("the zero point is not of the numbers' type");
  else if (scale && zero.shape() != scale.shape() &&
           !(zero.hasOneElement() && scale.hasOneElement()))
    n.fail("the zero point does not have the scale's shape");
  return !n.hasFailed();
}

/// saturate(value), value a float that is whole already.
static Tensor saturate(Node &n, const Tensor &value, Type type) {
  if (!value)
    return {};
  unsigned width = type.getIntOrFloatBitWidth();
  double low = isUnsigned(type) ? 0 : -std::ldexp(1.0, width - 1);
  double high = std::ldexp(1.0, isUnsigned(type) ? width : width - 1) - 1;
  Type from = value.elementType();
  return n.castTo(
      n.min(n.max(value, n.scalar(low, from)), n.scalar(high, from)), type);
}

bool isQuantized(Type type) {
  return isInteger(type) && type.getIntOrFloatBitWidth() <= 16;
}

static bool isByte(Type type) {
  return isInteger(type) && type.getIntOrFloatBitWidth() == 8;
}

Tensor quantize(Node &n, const Tensor &x, const Tensor &scale,
                const Tensor &zeroPoint, Type type) {
  Tensor wide = n.castTo(x, f32(n)), steps = n.castTo(scale, f32(n));
  Tensor zero = n.castTo(zeroPoint, f32(n));
  if (isByte(type)) {
    SmallVector<NamedAttribute> attributes;
    if (isUnsigned(type))
      attributes.push_back(n.named("is_unsigned", UnitAttr::get(n.context())));
    return n.emit<mm::QuantizeOp>({wide, steps, zero}, attributes);
  }
  Tensor number = n.unary<mm::RoundOp>(n.div(wide, steps));
  return saturate(n, zero ? n.add(number, zero) : number, type);
}

// Sizes do not come from such arithmetic, and a small weight shall look like a
// large one: elements are not followed.
Tensor centered(Node &n, const Tensor &x, const Tensor &zeroPoint) {
  Tensor wide = x ? n.castTo(n.wrap(n.value(x)), i32(n)) : x;
  return zeroPoint ? n.sub(wide, n.castTo(zeroPoint, i32(n))) : wide;
}

static void importQuantizeLinear(Node &n) {
  Tensor x = n.required(0), scale = n.required(1), zero = n.input(2);
  int64_t given = n.integer("axis", 1), block = n.integer("block_size", 0);
  int64_t output = n.integer("output_dtype", 0);
  bool saturating = n.integer("saturate", 1) != 0;
  if (n.integer("precision", 0) != 0)
    n.fail("precision is not supported");
  if (!x || !scale || n.hasFailed())
    return;
  Type type = zero ? zero.elementType()
              : output
                  ? elementTypeFor(output, n.context())
                  : IntegerType::get(n.context(), 8, IntegerType::Unsigned);
  if (!type || (!isQuantized(type) && !isFloat(type))) {
    n.fail("the quantised type is not supported");
    return;
  }
  std::optional<int64_t> axis = scaleAxis(n, x, scale, given, block);
  if (!axis || !checkZero(n, zero, {}, scale))
    return;
  scale = spread(n, scale, x, *axis, block);
  if (isFloat(type)) {
    // 8-bit floats: the cast rounds and saturates; their zero point is 0.
    n.set(0, n.castTo(n.div(n.castTo(x, f32(n)), n.castTo(scale, f32(n))), type,
                      saturating));
    return;
  }
  if (zero)
    zero = spread(n, zero, x, *axis, block);
  n.set(0, quantize(n, x, scale, zero, type));
}

/// Whether x is computed from constants only: a weight, or what makes one.
static bool isConstant(const Tensor &x) {
  SmallVector<Value> open;
  if (x.value)
    open.push_back(x.value);
  for (unsigned seen = 0; !open.empty(); ++seen) {
    Operation *op = open.pop_back_val().getDefiningOp();
    if (!op || seen > 16)
      return false;
    llvm::append_range(open, op->getOperands());
  }
  return true;
}

static void importDequantizeLinear(Node &n) {
  Tensor x = n.required(0), scale = n.required(1), zero = n.input(2);
  int64_t given = n.integer("axis", 1), block = n.integer("block_size", 0);
  int64_t output = n.integer("output_dtype", 0);
  if (!x || !scale)
    return;
  Type type =
      output ? elementTypeFor(output, n.context()) : scale.elementType();
  if (!type || !isFloat(type)) {
    n.fail("the result's type is not supported");
    return;
  }
  std::optional<int64_t> axis = scaleAxis(n, x, scale, given, block);
  if (!axis || !checkZero(n, zero, x, scale))
    return;
  // Weights stay numbers of their type for passes to see.
  if (isByte(x.elementType()) && x.rank() > 0 && isConstant(x)) {
    Tensor factor = n.castTo(aligned(n, scale, x, *axis, block), f32(n));
    Tensor offset = n.castTo(aligned(n, zero, x, *axis, block), f32(n));
    Tensor real = n.emit<mm::DequantizeOp>(
        {x, factor, offset}, {n.named("axis", *axis),
                              n.named("block", std::max<int64_t>(block, 1))});
    n.set(0, n.castTo(real, type));
    return;
  }
  Tensor factor = n.castTo(spread(n, scale, x, *axis, block), f32(n));
  Tensor offset = zero ? spread(n, zero, x, *axis, block) : zero;
  Tensor real;
  if (isQuantized(x.elementType())) {
    // Exact in f32, and arithmetic that passes know.
    real = n.castTo(x, f32(n));
    if (offset)
      real = n.sub(real, n.castTo(offset, f32(n)));
  } else if (isFloat(x.elementType())) {
    real = n.castTo(x, f32(n));
  } else {
    real = n.castTo(centered(n, x, offset), f32(n));
  }
  n.set(0, n.castTo(n.mul(real, factor), type));
}

DynamicNumbers quantizeDynamically(Node &n, const Tensor &x) {
  if (!x)
    return {};
  Type byte = IntegerType::get(n.context(), 8, IntegerType::Unsigned);
  Type f64 = Float64Type::get(n.context());
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  Tensor zero = n.scalar(0, x.elementType());
  Tensor high = n.max(n.reduce(mm::ReduceKind::Max, x, axes, false), zero);
  Tensor low = n.min(n.reduce(mm::ReduceKind::Min, x, axes, false), zero);
  Tensor range = n.sub(high, low);
  // A product with 1 / 255 instead gives the quotient, too, if it is one of
  // doubles. Of zeros only the scale is ONNX Runtime's.
  Tensor scale =
      n.castTo(n.div(n.castTo(range, f64), n.scalar(255, f64)), f32(n));
  scale = n.select(n.compare(mm::Predicate::EQ, range, zero),
                   n.scalar(1, f32(n)), scale);
  Tensor zeroPoint = saturate(
      n, n.unary<mm::RoundOp>(n.div(n.unary<mm::NegOp>(low), scale)), byte);
  return {quantize(n, x, scale, zeroPoint, byte), scale, zeroPoint};
}

static void importDynamicQuantizeLinear(Node &n) {
  DynamicNumbers result = quantizeDynamically(n, n.required(0));
  n.set(0, result.numbers);
  n.set(1, result.scale);
  n.set(2, result.zeroPoint);
}

Tensor single(Node &n, const Tensor &x) {
  return x && x.rank() == 1 && x.hasOneElement() ? n.reshape(x, {}) : x;
}

static void importConvInteger(Node &n) {
  Tensor x = n.required(0), w = n.required(1);
  Tensor zeroX = single(n, n.input(2)), zeroW = single(n, n.input(3));
  if (!x || !w)
    return;
  if (w.rank() < 3 || x.rank() < 3) {
    n.fail("input and weight must have the same rank, at least 3");
    return;
  }
  if (zeroW && zeroW.rank() == 1) {
    Shape shape(w.rank(), n.dim(1));
    shape[0] = zeroW.dim(0);
    zeroW = n.reshape(zeroW, shape);
  }
  n.set(0, convolve(n, centered(n, x, zeroX), centered(n, w, zeroW), {}));
}

void requantize(Node &n, const Tensor &sums, const Tensor &scaleA,
                const Tensor &scaleB, const Tensor &scaleY,
                const Tensor &zeroY) {
  if (!sums || !scaleA || !scaleB || !scaleY || !zeroY)
    return;
  if (!isQuantized(zeroY.elementType())) {
    n.fail("the quantised type is not supported");
    return;
  }
  Tensor factor =
      n.div(n.mul(n.castTo(scaleA, f32(n)), n.castTo(scaleB, f32(n))),
            n.castTo(scaleY, f32(n)));
  Tensor steps = n.unary<mm::RoundOp>(n.mul(n.castTo(sums, f32(n)), factor));
  n.set(0, saturate(n, n.add(steps, n.castTo(zeroY, f32(n))),
                    zeroY.elementType()));
}

static void importQLinearConv(Node &n) {
  Tensor x = n.required(0), scaleX = single(n, n.required(1));
  Tensor zeroX = single(n, n.required(2)), w = n.required(3);
  Tensor scaleW = single(n, n.required(4)), zeroW = single(n, n.required(5));
  Tensor scaleY = single(n, n.required(6)), zeroY = single(n, n.required(7));
  Tensor bias = n.input(8);
  if (n.hasFailed())
    return;
  if (x.rank() < 3 || w.rank() != x.rank()) {
    n.fail("input and weight must have the same rank, at least 3");
    return;
  }
  auto aligned = [&](const Tensor &t, int64_t axis) {
    if (t.rank() != 1)
      return t;
    Shape shape(x.rank(), n.dim(1));
    shape[axis] = t.dim(0);
    return n.reshape(t, shape);
  };
  Tensor sums = convolve(n, centered(n, x, zeroX),
                         centered(n, w, aligned(zeroW, 0)), bias);
  requantize(n, sums, scaleX, aligned(scaleW, 1), scaleY, zeroY);
}

ArrayRef<OperatorRow> quantizationOperators() {
  static const OperatorRow rows[] = {
      {"QuantizeLinear", importQuantizeLinear},
      {"DequantizeLinear", importDequantizeLinear},
      {"DynamicQuantizeLinear", importDynamicQuantizeLinear},
      {"ConvInteger", importConvInteger},
      {"QLinearConv", importQLinearConv},
  };
  return rows;
}

} // namespace mmcc::import
