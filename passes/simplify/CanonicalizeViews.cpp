//===- CanonicalizeViews.cpp - One form for data movement -----------------===//

#include "passes/simplify/BoundedRewrite.h"
#include "passes/simplify/Passes.h"
#include "passes/simplify/ViewPatterns.h"

namespace mmcc {
#define GEN_PASS_DEF_CANONICALIZEVIEWS
#include "passes/simplify/Passes.h.inc"

using namespace mlir;

Value createReshape(OpBuilder &builder, Location location, Value value,
                    ArrayRef<mm::Dim> shape) {
  auto type = mm::makeTensorType(shape, tensorTypeOf(value).getElementType());
  if (type == value.getType())
    return value;
  return builder.createOrFold<mm::ReshapeOp>(location, type, value);
}

Value createTranspose(OpBuilder &builder, Location location, Value value,
                      ArrayRef<int64_t> permutation) {
  return builder.createOrFold<mm::TransposeOp>(
      location, value, builder.getDenseI64ArrayAttr(permutation));
}

Value cloneWithOperands(RewriterBase &rewriter, Operation *op,
                        ValueRange operands, ArrayRef<mm::Dim> shape) {
  Operation *copy = rewriter.clone(*op);
  rewriter.modifyOpInPlace(copy, [&] {
    copy->setOperands(operands);
    Type element = tensorTypeOf(op->getResult(0)).getElementType();
    copy->getResult(0).setType(mm::makeTensorType(shape, element));
  });
  return copy->getResult(0);
}

bool isElementwise(Operation *op) {
  return op->getNumResults() == 1 && op->hasTrait<mm::Elementwise>();
}

mm::Shape extendRank(MLIRContext *context, ArrayRef<mm::Dim> shape,
                     size_t rank) {
  mm::Shape extended(rank - std::min(rank, shape.size()),
                     mm::Dim::constant(context, 1));
  extended.append(shape.begin(), shape.end());
  return extended;
}

mm::Shape withoutLeadingUnits(ArrayRef<mm::Dim> shape, size_t rank) {
  while (shape.size() > rank && shape.front().isConstant(1))
    shape = shape.drop_front();
  return mm::Shape(shape.begin(), shape.end());
}

bool isSingleElement(ArrayRef<mm::Dim> shape) {
  return llvm::all_of(shape,
                      [](const mm::Dim &dim) { return dim.isConstant(1); });
}

namespace {

size_t countViews(Operation *root) {
  size_t count = 0;
  root->walk([&](Operation *op) {
    count += isa<mm::ReshapeOp, mm::TransposeOp, mm::BroadcastOp, mm::SliceOp,
                 mm::ConcatOp, mm::PadOp, mm::GatherOp>(op);
  });
  return count;
}

struct CanonicalizeViews
    : public impl::CanonicalizeViewsBase<CanonicalizeViews> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    populateViewChainPatterns(set);
    populateSinkTransposePatterns(set);
    populateSinkReshapePatterns(set);
    populateReshapedSlicePatterns(set);
    populateSliceFormPatterns(set);
    mm::TransposeOp::getCanonicalizationPatterns(set, context);
    mm::ConcatOp::getCanonicalizationPatterns(set, context);
    mm::SliceOp::getCanonicalizationPatterns(set, context);
    patterns = std::move(set);
    return success();
  }

  void runOnOperation() override {
    numViewsBefore += countViews(getOperation());
    rewriteBounded(getOperation(), patterns);
    numViewsAfter += countViews(getOperation());
  }

  FrozenRewritePatternSet patterns;
};

} // namespace
} // namespace mmcc
