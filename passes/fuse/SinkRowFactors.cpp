//===- SinkRowFactors.cpp - Factors of rows move behind products ----------===//
//
// A factor a row of x is a factor a row of x · w:
//
//     (x · diag) w  =  diag (x w)
//
// Behind the product it lies in the epilogue, and the scaled x is never
// written: the gate of gated cross-attention before keys and values, the
// lengths of contrastive features before their similarity.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_SINKROWFACTORS
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// value == base * factor or, when `divides`, base / factor; the factor has
/// size 1 where products sum.
struct ScaledRows {
  Value base, factor;
  bool divides = false;
};

std::optional<ScaledRows> matchScaledRows(Value value) {
  Operation *op = value.getDefiningOp();
  if (!isa_and_nonnull<mm::MulOp, mm::DivOp>(op) ||
      !isa<FloatType>(getElementTypeOrSelf(value)))
    return std::nullopt;
  for (int side : {0, 1}) {
    Value base = op->getOperand(side), factor = op->getOperand(1 - side);
    auto type = getTensorType(factor);
    if (isa<mm::DivOp>(op) && side == 1)
      continue;
    // One number for all is no matter of rows.
    bool isRow = type.getRank() >= 2 && type.getShape().back() == 1 &&
                 !(type.hasStaticShape() && type.getNumElements() == 1);
    if (isRow && base.getType() == value.getType() &&
        getTensorType(value).getShape().back() != 1)
      return ScaledRows{base, factor, isa<mm::DivOp>(op)};
  }
  return std::nullopt;
}

/// Scaled rows behind a transpose that ends with their channels at dimension
/// `axis` (counted from the right), everything transposed as that does.
std::optional<ScaledRows> matchOperand(OpBuilder &builder, Value value,
                                       int64_t axis) {
  auto transpose = value.getDefiningOp<mm::TransposeOp>();
  if (!transpose)
    return axis == 1 ? matchScaledRows(value) : std::nullopt;
  ArrayRef<int64_t> permutation = transpose.getPermutation();
  int64_t rank = permutation.size();
  if (rank < axis || permutation[rank - axis] != rank - 1 ||
      !transpose.getInput().hasOneUse())
    return std::nullopt;
  std::optional<ScaledRows> scaled = matchScaledRows(transpose.getInput());
  if (!scaled)
    return std::nullopt;
  Location loc = value.getLoc();
  mm::Shape shape = mm::getShape(scaled->factor.getType());
  shape.insert(shape.begin(), rank - shape.size(),
               mm::Dim::constant(builder.getContext(), 1));
  Value factor = reshapeTo(builder, loc, scaled->factor, shape);
  return ScaledRows{transposeTo(builder, loc, scaled->base, permutation),
                    transposeTo(builder, loc, factor, permutation),
                    scaled->divides};
}

/// Whether only products read `value`, as operand `index` alone.
bool isOnlyMultiplied(Value value, unsigned index) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    return isa<mm::MatmulOp, mm::LinearOp>(user) &&
           user->getOperand(index) == value &&
           user->getOperand(1 - index) != value;
  });
}

/// `product`, whose operand `index` is to be read without its factor, and the
/// factor, its rows or columns now, behind it.
void sink(PatternRewriter &rewriter, Operation *product, int64_t index,
          Value unscaled, Value factor, bool divides) {
  Location loc = product->getLoc();
  Value a = product->getOperand(0), b = product->getOperand(1);
  (index == 0 ? a : b) = unscaled;
  Type type = product->getResult(0).getType();
  Value result;
  if (isa<mm::LinearOp>(product))
    result = rewriter.create<mm::LinearOp>(loc, type, a, b, Value());
  else
    result = rewriter.create<mm::MatmulOp>(loc, type, a, b);
  if (divides)
    result = rewriter.create<mm::DivOp>(loc, type, result, factor);
  else
    result = rewriter.create<mm::MulOp>(loc, type, result, factor);
  // The bias is not scaled.
  if (product->getNumOperands() > 2)
    result =
        rewriter.create<mm::AddOp>(loc, type, result, product->getOperand(2));
  rewriter.replaceOp(product, result);
}

struct SinkFactor : RewritePattern {
  SinkFactor(StringRef rootName, MLIRContext *context, Pass::Statistic &count)
      : RewritePattern(rootName, 1, context), count(count) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    // Rows of the left operand, columns of a right one that is no weight.
    for (unsigned index : {0u, 1u}) {
      Value operand = op->getOperand(index);
      if (!isOnlyMultiplied(operand, index) ||
          (index == 1 && isConstantExpression(operand)))
        continue;
      std::optional<ScaledRows> scaled =
          matchOperand(rewriter, operand, index + 1);
      if (!scaled)
        continue;
      sink(rewriter, op, index, scaled->base, scaled->factor, scaled->divides);
      ++count;
      return success();
    }
    return failure();
  }

  Pass::Statistic &count;
};

struct SinkRowFactors : mmcc::impl::SinkRowFactorsBase<SinkRowFactors> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    for (StringRef name :
         {mm::MatmulOp::getOperationName(), mm::LinearOp::getOperationName()})
      patterns.add<SinkFactor>(name, context, numSunk);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
