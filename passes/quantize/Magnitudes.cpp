//===- Magnitudes.cpp - How large numbers can become ----------------------===//

#include "passes/quantize/Magnitudes.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/lower/ConstantSource.h"
#include "passes/quantize/WeightConstants.h"

#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <cstring>

using namespace mlir;

namespace mmcc::quantize {

double Magnitude::largest() const {
  return std::max(std::fabs(low), std::fabs(high));
}

static Magnitude between(double low, double high) { return {low, high}; }
static Magnitude within(double largest) { return {-largest, largest}; }

/// What holds of numbers of either.
static Magnitude either(const Magnitude &a, const Magnitude &b) {
  return between(std::min(a.low, b.low), std::max(a.high, b.high));
}

/// a * b, of which 0 times infinity is 0: some number times 0.
static double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

static Magnitude product(const Magnitude &a, const Magnitude &b) {
  auto [low, high] = std::minmax({times(a.low, b.low), times(a.low, b.high),
                                  times(a.high, b.low), times(a.high, b.high)});
  return between(low, high);
}

/// The number of elements from `axis` on; infinite if that is not known.
static double countFrom(Value value, int64_t axis) {
  double count = 1;
  for (int64_t size : getTensorType(value).getShape().drop_front(axis))
    count *= ShapedType::isDynamic(size) ? Magnitude::kUnknown : double(size);
  return count;
}

/// The length of a row whose numbers are no larger.
static double lengthOf(Value value, double largest) {
  auto type = getTensorType(value);
  int64_t rank = type.getRank();
  return times(std::sqrt(rank ? countFrom(value, rank - 1) : 1), largest);
}

static Magnitude ofConstant(mm::ConstantOp op) {
  auto type = getTensorType(op.getResult());
  std::optional<lower::ConstantBytes> bytes = lower::bytesOf(op.getValue());
  if (!type.getElementType().isF32() || !bytes || type.getNumElements() == 0)
    return {};
  Magnitude all = between(Magnitude::kUnknown, -Magnitude::kUnknown);
  double squares = 0;
  for (int64_t i = 0, n = type.getNumElements(); i < n; ++i) {
    float x;
    std::memcpy(&x, bytes->at(i), sizeof(x));
    if (std::isnan(x))
      return {};
    all = either(all, between(x, x));
    squares += double(x) * x;
  }
  if (type.getRank() == 1)
    all.length = std::sqrt(squares);
  return all;
}

/// Of rows of `input` times a matrix: its columns are weights that meet one
/// row, or, of a filter, all numbers of an output channel.
Magnitude Magnitudes::ofProduct(Value input, Value weight, Value bias,
                                bool columnsLast) const {
  Magnitude x = of(input);
  if (!std::isfinite(x.largest()) && !std::isfinite(x.length))
    return {};
  std::optional<WeightMatrix> matrix;
  if (columnsLast) {
    matrix = readWeight(weight);
  } else if (auto constant = weight.getDefiningOp<mm::ConstantOp>()) {
    auto type = getTensorType(weight);
    std::optional<lower::ConstantBytes> bytes =
        lower::bytesOf(constant.getValue());
    if (bytes && type.getElementType().isF32() && type.getNumElements() > 0) {
      matrix = WeightMatrix{
          type.getNumElements() / type.getDimSize(0), type.getDimSize(0), {}};
      matrix->numbers.resize(type.getNumElements());
      for (size_t i = 0; i < matrix->numbers.size(); ++i)
        std::memcpy(&matrix->numbers[i], bytes->at(i), sizeof(float));
    }
  }
  if (!matrix || !matrix->isFinite())
    return {};
  Magnitude offset = bias ? of(bias) : between(0, 0);
  double largest = 0, squares = 0;
  for (int64_t n = 0; n < matrix->out; ++n) {
    double square = 0, sum = 0;
    for (int64_t k = 0; k < matrix->in; ++k) {
      double w = matrix->column(n)[k];
      square += w * w;
      sum += std::fabs(w);
    }
    double byLength =
        columnsLast ? times(x.length, std::sqrt(square)) : Magnitude::kUnknown;
    largest = std::max(largest, std::min(byLength, times(x.largest(), sum)));
    squares += square;
  }
  Magnitude result = within(largest + offset.largest());
  if (columnsLast)
    result.length =
        times(x.length, std::sqrt(squares)) + (bias ? offset.length : 0);
  return result;
}

/// Of numbers whose mean square from `axis` on is at most 1, times a scale,
/// plus an offset.
Magnitude Magnitudes::ofNorm(Operation *op, Value scale, Value offset,
                             int64_t axis) const {
  Value result = op->getResult(0);
  double count = std::sqrt(countFrom(result, axis));
  double factor = scale ? of(scale).largest() : 1;
  Magnitude added = offset ? of(offset) : between(0, 0);
  Magnitude all = within(times(count, factor) + added.largest());
  bool isOneRow = axis == getTensorType(result).getRank() - 1;
  double addedLength = !offset ? 0
                       : getTensorType(offset).getRank() == 1
                           ? added.length
                           : lengthOf(result, added.largest());
  if (isOneRow)
    all.length = times(count, factor) + addedLength;
  return all;
}

Magnitude Magnitudes::find(Operation *op) const {
  auto x = [&](unsigned i) { return of(op->getOperand(i)); };
  // At most x, and above `least` where x is negative.
  auto rectified = [&](double least) {
    Magnitude input = x(0);
    return between(std::min(std::max(input.low, least), 0.0),
                   std::max(input.high, 0.0));
  };
  return TypeSwitch<Operation *, Magnitude>(op)
      .Case([&](mm::ConstantOp constant) { return ofConstant(constant); })
      // Data that moves. Rows stay only where they stay whole.
      .Case<mm::ReshapeOp, mm::TransposeOp, mm::SliceOp, mm::BroadcastOp,
            mm::GatherOp, mm::GatherElementsOp, mm::GatherNDOp>(
          [&](Operation *) { return between(x(0).low, x(0).high); })
      .Case([&](mm::ConcatOp) {
        Magnitude all = x(0);
        for (unsigned i = 1; i < op->getNumOperands(); ++i)
          all = either(all, x(i));
        return between(all.low, all.high);
      })
      .Case([&](mm::CastOp cast) {
        Type from = getTensorType(cast.getInput()).getElementType();
        if (from.isInteger(1))
          return between(0, 1);
        return isa<FloatType>(from) ? x(0) : Magnitude();
      })
      .Case([&](mm::SelectOp) { return either(x(1), x(2)); })
      // Arithmetic.
      .Case([&](mm::AddOp) {
        return between(x(0).low + x(1).low, x(0).high + x(1).high);
      })
      .Case([&](mm::SubOp) {
        return between(x(0).low - x(1).high, x(0).high - x(1).low);
      })
      .Case([&](mm::MulOp) { return product(x(0), x(1)); })
      .Case([&](mm::MaxOp) {
        return between(std::max(x(0).low, x(1).low),
                       std::max(x(0).high, x(1).high));
      })
      .Case([&](mm::MinOp) {
        return between(std::min(x(0).low, x(1).low),
                       std::min(x(0).high, x(1).high));
      })
      .Case([&](mm::NegOp) { return between(-x(0).high, -x(0).low); })
      .Case([&](mm::AbsOp) { return between(0, x(0).largest()); })
      .Case<mm::TanhOp, mm::ErfOp, mm::SinOp, mm::CosOp, mm::SimilarityOp>(
          [](Operation *) { return within(1); })
      .Case<mm::SigmoidOp>([](Operation *) { return between(0, 1); })
      .Case([](mm::SoftmaxOp softmax) {
        return softmax.getLog() ? between(-Magnitude::kUnknown, 0)
                                : between(0, 1);
      })
      .Case([&](mm::ReluOp) { return rectified(0); })
      // Their least values are -0.278 (SiLU), -0.170 and, quick, -0.164.
      .Case([&](mm::SiluOp) { return rectified(-0.279); })
      .Case([&](mm::GeluOp) { return rectified(-0.171); })
      .Case([&](mm::ReduceOp reduce) {
        if (reduce.getKind() == mm::ReduceKind::Sum ||
            reduce.getKind() == mm::ReduceKind::Prod)
          return Magnitude();
        return between(x(0).low, x(0).high);
      })
      .Case([&](mm::PoolOp) { return either(x(0), between(0, 0)); })
      .Case([&](mm::MergeTokensOp merge) {
        return merge.getSize() ? between(x(0).low, x(0).high) : Magnitude();
      })
      .Case([&](mm::RopeOp) {
        return within(std::max(1.0, x(1).largest() + x(2).largest()) *
                      x(0).largest());
      })
      // Models.
      .Case([&](mm::LayerNormOp norm) {
        return ofNorm(op, norm.getScale(), norm.getOffset(), norm.getAxis());
      })
      .Case([&](mm::RmsNormOp norm) {
        return ofNorm(op, norm.getScale(), Value(), norm.getAxis());
      })
      .Case([&](mm::LinearOp linear) {
        return ofProduct(linear.getInput(), linear.getWeight(),
                         linear.getBias(), /*columnsLast=*/true);
      })
      .Case([&](mm::ConvOp conv) {
        return ofProduct(conv.getInput(), conv.getWeight(), conv.getBias(),
                         /*columnsLast=*/false);
      })
      .Case([&](mm::AttentionOp attention) {
        return either(of(attention.getValue()), between(0, 0));
      })
      .Default([](Operation *) { return Magnitude(); });
}

Magnitudes::Magnitudes(func::FuncOp func) {
  func.walk([&](Operation *op) {
    if (op->getNumResults() != 1)
      return;
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!type || !isa<FloatType>(type.getElementType()))
      return;
    Magnitude found = find(op);
    // What came of unlike infinities says nothing.
    if (std::isnan(found.low) || std::isnan(found.high))
      found = {};
    Value result = op->getResult(0);
    found.length = std::min(found.length, lengthOf(result, found.largest()));
    known[result] = found;
  });
}

} // namespace mmcc::quantize
