//===- Resize.cpp - One interpolated element ------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

namespace {

/// Arithmetic on f32 coordinates.
struct Coordinates {
  Element &e;
  Type f32 = e.builder.getF32Type();

  Value constant(double v) { return e.floatConstant(f32, v); }
  Value add(Value a, Value b) {
    return e.builder.create<arith::AddFOp>(e.loc, a, b);
  }
  Value sub(Value a, Value b) {
    return e.builder.create<arith::SubFOp>(e.loc, a, b);
  }
  Value mul(Value a, Value b) {
    return e.builder.create<arith::MulFOp>(e.loc, a, b);
  }
  Value floor(Value a) { return e.builder.create<math::FloorOp>(e.loc, a); }
  Value ceil(Value a) { return e.builder.create<math::CeilOp>(e.loc, a); }
  Value toFloat(Value index) {
    Value wide = e.builder.create<arith::IndexCastOp>(
        e.loc, e.builder.getI64Type(), index);
    return e.builder.create<arith::SIToFPOp>(e.loc, f32, wide);
  }
  Value toIndex(Value v) {
    Value wide =
        e.builder.create<arith::FPToSIOp>(e.loc, e.builder.getI64Type(), v);
    return e.builder.create<arith::IndexCastOp>(e.loc, e.builder.getIndexType(),
                                                wide);
  }

  /// The input coordinate of an output position, by ONNX's formulas.
  Value source(StringRef mode, Value x, const Dim &in, const Dim &out,
               double scale) {
    double inSize = *in.getConstant(), outSize = *out.getConstant();
    if (mode == "asymmetric")
      return e.builder.create<arith::DivFOp>(e.loc, x, constant(scale));
    if (mode == "align_corners")
      return outSize == 1 ? constant(0)
                          : mul(x, constant((inSize - 1) / (outSize - 1)));
    if (mode == "pytorch_half_pixel" && outSize == 1)
      return constant(0);
    Value half = constant(0.5);
    Value centre = sub(
        e.builder.create<arith::DivFOp>(e.loc, add(x, half), constant(scale)),
        half);
    if (mode != "half_pixel_symmetric")
      return centre;
    // The part that an output of a rounded size cuts off is shared evenly.
    double adjustment = outSize / (scale * inSize);
    return add(centre, constant(inSize / 2 * (1 - adjustment)));
  }

  Value nearest(StringRef rounding, Value x) {
    Value half = constant(0.5);
    if (rounding == "floor")
      return floor(x);
    if (rounding == "ceil")
      return ceil(x);
    if (rounding == "round_prefer_ceil")
      return floor(add(x, half));
    return ceil(sub(x, half));
  }
};

} // namespace

Value Element::resizeElement(mm::ResizeOp op, ArrayRef<AffineExpr> index) {
  Shape in = mm::getShape(op.getInput().getType());
  Shape out = mm::getShape(op.getResult().getType());
  Coordinates c{*this};
  if (op.getAntialias()) {
    op.emitOpError("has a filter, which import makes a sum of neighbours");
    kernel.lowering.failed = true;
    return floatConstant(builder.getF32Type(), 0);
  }
  // Each resized dimension contributes taps: an input index and a weight.
  struct Tap {
    AffineExpr index;
    Value weight;
  };
  SmallVector<SmallVector<Tap>> taps(index.size());
  for (size_t i = 0; i < index.size(); ++i) {
    double scale = op.getScales()[i];
    if (in[i] == out[i] && scale == 1.0) {
      taps[i].push_back({index[i], Value()});
      continue;
    }
    if (!in[i].getConstant() || !out[i].getConstant()) {
      op.emitOpError("resizes a dimension whose size is not static");
      kernel.lowering.failed = true;
      return floatConstant(builder.getF32Type(), 0);
    }
    Value x = c.source(op.getCoordinates(), c.toFloat(indexValue(index[i])),
                       in[i], out[i], scale);
    auto tapAt = [&](Value position, Value weight) {
      AffineExpr at = computedDim(c.toIndex(position), in[i]);
      taps[i].push_back({clamped(at, in[i]), weight});
    };
    if (op.getMode() == "nearest") {
      tapAt(c.nearest(op.getRounding(), x), Value());
      continue;
    }
    Value low = c.floor(x), t = c.sub(x, low), one = c.constant(1);
    if (op.getMode() == "linear") {
      tapAt(low, c.sub(one, t));
      tapAt(c.add(low, one), t);
      continue;
    }
    // Cubic convolution (Keys, 1981) with parameter a, at distances 1 + t, t,
    // 1 - t and 2 - t.
    double a = op.getCubicA().convertToDouble();
    auto inner = [&](Value d) { // ((a + 2) d - (a + 3)) d² + 1
      Value p = c.sub(c.mul(c.constant(a + 2), d), c.constant(a + 3));
      return c.add(c.mul(c.mul(p, d), d), one);
    };
    auto outer = [&](Value d) { // ((a d - 5a) d + 8a) d - 4a
      Value p = c.sub(c.mul(c.constant(a), d), c.constant(5 * a));
      p = c.add(c.mul(p, d), c.constant(8 * a));
      return c.sub(c.mul(p, d), c.constant(4 * a));
    };
    Value distances[4] = {c.add(t, one), t, c.sub(one, t),
                          c.sub(c.constant(2), t)};
    Value total;
    SmallVector<Value> weights, positions;
    for (int k = 0; k < 4; ++k) {
      Value weight =
          k == 1 || k == 2 ? inner(distances[k]) : outer(distances[k]);
      Value position = c.add(low, c.constant(k - 1));
      if (op.getExcludeOutside()) {
        Value outside = builder.create<arith::OrIOp>(
            loc,
            builder.create<arith::CmpFOp>(loc, arith::CmpFPredicate::OLT,
                                          position, c.constant(0)),
            builder.create<arith::CmpFOp>(loc, arith::CmpFPredicate::OGE,
                                          position,
                                          c.constant(*in[i].getConstant())));
        weight = builder.create<arith::SelectOp>(loc, outside, c.constant(0),
                                                 weight);
        total = total ? c.add(total, weight) : weight;
      }
      weights.push_back(weight);
      positions.push_back(position);
    }
    for (int k = 0; k < 4; ++k)
      tapAt(positions[k],
            total ? builder.create<arith::DivFOp>(loc, weights[k], total)
                        .getResult()
                  : weights[k]);
  }
  // The weighted sum over all combinations of taps.
  Type element = cast<RankedTensorType>(op.getType()).getElementType();
  SmallVector<AffineExpr> at(index.size());
  bool weighted = llvm::any_of(taps, [](auto &t) { return t.size() > 1; });
  std::function<Value(size_t)> sum = [&](size_t i) -> Value {
    if (i == index.size()) {
      Value v = this->at(op.getInput(), at);
      return weighted ? emitCast(builder, loc, v, element, c.f32) : v;
    }
    Value total;
    for (Tap &tap : taps[i]) {
      at[i] = tap.index;
      Value v = sum(i + 1);
      if (tap.weight)
        v = c.mul(v, tap.weight);
      total = total ? c.add(total, v) : v;
    }
    return total;
  };
  Value result = sum(0);
  return weighted ? emitCast(builder, loc, result, c.f32, element) : result;
}

} // namespace mmcc::lower
