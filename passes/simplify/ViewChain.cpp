//===- ViewChain.cpp - Reshapes and transposes as atoms -------------------===//

#include "passes/simplify/ViewChain.h"
#include "passes/simplify/ViewPatterns.h"

using namespace mlir;

namespace mmcc {

ViewChain::ViewChain(ArrayRef<mm::Dim> shape)
    : sourceShape(shape.begin(), shape.end()),
      resultShape(shape.begin(), shape.end()) {
  context = shape.empty() ? nullptr : shape.front().getContext();
  for (const mm::Dim &dim : shape) {
    Group group;
    if (!dim.isConstant(1)) {
      group.push_back(sizes.size());
      sizes.push_back(dim);
    }
    source.push_back(group);
    result.push_back(group);
  }
}

bool ViewChain::reshape(ArrayRef<mm::Dim> shape) {
  if (!context && !shape.empty())
    context = shape.front().getContext();
  ViewChain next = *this;
  SmallVector<unsigned> pending = resultOrder();
  size_t position = 0;
  next.result.clear();
  for (const mm::Dim &dim : shape) {
    Group group;
    mm::Dim need = dim;
    while (!need.isConstant(1)) {
      if (position == pending.size() || need.isConstant(0))
        return false;
      unsigned atom = pending[position];
      if (std::optional<mm::Dim> rest = need.exactDiv(next.sizes[atom])) {
        group.push_back(atom);
        ++position;
        need = *rest;
        continue;
      }
      // The atom is larger: its outer part fills this dimension.
      std::optional<mm::Dim> rest = next.sizes[atom].exactDiv(need);
      if (!rest)
        return false;
      unsigned inner = next.sizes.size();
      next.sizes.push_back(*rest);
      next.sizes[atom] = need;
      group.push_back(atom);
      pending[position] = inner;
      for (Group &dimension : next.source)
        if (auto *it = llvm::find(dimension, atom); it != dimension.end()) {
          dimension.insert(it + 1, inner);
          break;
        }
      break;
    }
    next.result.push_back(group);
  }
  if (position != pending.size())
    return false;
  next.resultShape.assign(shape.begin(), shape.end());
  *this = std::move(next);
  return true;
}

void ViewChain::transpose(ArrayRef<int64_t> permutation) {
  SmallVector<Group> moved;
  mm::Shape shape;
  for (int64_t dimension : permutation) {
    moved.push_back(result[dimension]);
    shape.push_back(resultShape[dimension]);
  }
  result = std::move(moved);
  resultShape = std::move(shape);
}

SmallVector<unsigned> ViewChain::sourceOrder() const {
  SmallVector<unsigned> order;
  for (const Group &group : source)
    order.append(group.begin(), group.end());
  return order;
}

SmallVector<unsigned> ViewChain::resultOrder() const {
  SmallVector<unsigned> order;
  for (const Group &group : result)
    order.append(group.begin(), group.end());
  return order;
}

void ViewChain::coalesce(bool acrossSource, bool acrossResult) {
  auto follows = [](ArrayRef<Group> groups, bool across, unsigned a,
                    unsigned b) {
    std::optional<unsigned> previous;
    for (const Group &group : groups) {
      for (unsigned atom : group) {
        if (atom == b)
          return previous == a;
        previous = atom;
      }
      if (!across)
        previous.reset();
    }
    return false;
  };
  bool changed = true;
  while (changed) {
    changed = false;
    SmallVector<unsigned> order = sourceOrder();
    for (size_t i = 1; i < order.size() && !changed; ++i) {
      unsigned a = order[i - 1], b = order[i];
      if (!follows(source, acrossSource, a, b) ||
          !follows(result, acrossResult, a, b))
        continue;
      sizes[a] = sizes[a] * sizes[b];
      for (SmallVector<Group> *groups : {&source, &result})
        for (Group &group : *groups)
          llvm::erase(group, b);
      changed = true;
    }
  }
}

bool ViewChain::oneAtomEach(ArrayRef<Group> groups) const {
  return llvm::all_of(groups,
                      [](const Group &group) { return group.size() <= 1; });
}

/// The permutation of one-atom dimensions, `to` from `from`; dimensions without
/// an atom are matched in their order. Both hold as many of each.
static SmallVector<int64_t>
permutationOf(ArrayRef<SmallVector<unsigned, 4>> to,
              ArrayRef<SmallVector<unsigned, 4>> from) {
  SmallVector<int64_t> permutation, units;
  for (auto [index, group] : llvm::enumerate(from))
    if (group.empty())
      units.push_back(index);
  size_t nextUnit = 0;
  for (const auto &group : to) {
    if (group.empty()) {
      permutation.push_back(units[nextUnit++]);
      continue;
    }
    for (auto [index, other] : llvm::enumerate(from))
      if (!other.empty() && other[0] == group[0])
        permutation.push_back(index);
  }
  return permutation;
}

/// `order` dealt to the dimensions of `pattern` that hold an atom.
static SmallVector<SmallVector<unsigned, 4>>
deal(ArrayRef<SmallVector<unsigned, 4>> pattern, ArrayRef<unsigned> order) {
  SmallVector<SmallVector<unsigned, 4>> dealt;
  size_t next = 0;
  for (const auto &group : pattern) {
    dealt.emplace_back();
    if (!group.empty())
      dealt.back().push_back(order[next++]);
  }
  return dealt;
}

std::vector<ViewChain::Step> ViewChain::shortest() const {
  std::vector<Step> steps;
  if (!context)
    return steps;
  auto addReshape = [&](const mm::Shape &from, const mm::Shape &to) {
    if (from == to)
      return;
    steps.emplace_back();
    steps.back().shape = to;
  };
  auto addTranspose = [&](ArrayRef<int64_t> permutation) {
    steps.emplace_back();
    steps.back().permutation.assign(permutation.begin(), permutation.end());
    steps.back().isTranspose = true;
  };
  if (sourceOrder() == resultOrder()) {
    addReshape(sourceShape, resultShape);
    return steps;
  }
  auto shapeOf = [&](const ViewChain &chain, ArrayRef<Group> groups) {
    mm::Shape shape;
    for (const Group &group : groups)
      shape.push_back(group.empty() ? mm::Dim::constant(context, 1)
                                    : chain.sizes[group[0]]);
    return shape;
  };

  // One transpose: both sides have one atom a dimension, and as many 1s.
  ViewChain exact = *this;
  exact.coalesce(/*acrossSource=*/false, /*acrossResult=*/false);
  if (source.size() == result.size() && exact.oneAtomEach(exact.source) &&
      exact.oneAtomEach(exact.result)) {
    addTranspose(permutationOf(exact.result, exact.source));
    return steps;
  }
  // Reshape, then transpose: one atom a dimension of the result.
  ViewChain late = *this;
  late.coalesce(/*acrossSource=*/true, /*acrossResult=*/false);
  if (late.oneAtomEach(late.result)) {
    SmallVector<Group> before = deal(late.result, late.sourceOrder());
    addReshape(sourceShape, shapeOf(late, before));
    addTranspose(permutationOf(late.result, before));
    return steps;
  }
  // Transpose, then reshape: one atom a dimension of the source.
  ViewChain early = *this;
  early.coalesce(/*acrossSource=*/false, /*acrossResult=*/true);
  if (early.oneAtomEach(early.source)) {
    SmallVector<Group> after = deal(early.source, early.resultOrder());
    addTranspose(permutationOf(after, early.source));
    addReshape(shapeOf(early, after), resultShape);
    return steps;
  }
  ViewChain both = *this;
  both.coalesce(/*acrossSource=*/true, /*acrossResult=*/true);
  SmallVector<Group> before, after;
  for (unsigned atom : both.sourceOrder())
    before.push_back({atom});
  for (unsigned atom : both.resultOrder())
    after.push_back({atom});
  addReshape(sourceShape, shapeOf(both, before));
  addTranspose(permutationOf(after, before));
  addReshape(shapeOf(both, after), resultShape);
  return steps;
}

//===----------------------------------------------------------------------===//
// The pattern
//===----------------------------------------------------------------------===//

namespace {

bool isView(Operation *op) {
  return op && isa<mm::ReshapeOp, mm::TransposeOp>(op);
}

/// Replaces the longest chain that ends at this view, if a shorter one does
/// the same, or one as short with the transpose last.
struct ShortenViewChain : RewritePattern {
  ShortenViewChain(MLIRContext *context, StringRef root)
      : RewritePattern(root, /*benefit=*/2, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    SmallVector<Operation *> views;
    for (Operation *view = op; isView(view);
         view = view->getOperand(0).getDefiningOp())
      views.push_back(view);
    std::reverse(views.begin(), views.end());
    // A reshape that cuts through atoms ends what can be followed, so that a
    // chain may have to start later.
    for (size_t start = 0; start < views.size(); ++start) {
      ArrayRef<Operation *> chain = ArrayRef(views).drop_front(start);
      if (succeeded(shorten(chain, op, rewriter)))
        return success();
    }
    return failure();
  }

  LogicalResult shorten(ArrayRef<Operation *> views, Operation *op,
                        PatternRewriter &rewriter) const {
    Value source = views.front()->getOperand(0);
    ViewChain chain(mm::getShape(source.getType()));
    for (Operation *view : views) {
      if (auto transpose = dyn_cast<mm::TransposeOp>(view))
        chain.transpose(transpose.getPermutation());
      else if (!chain.reshape(mm::getShape(view->getResult(0).getType())))
        return failure();
    }
    std::vector<ViewChain::Step> steps = chain.shortest();
    bool reorders = steps.size() == 2 && views.size() == 2 &&
                    steps[1].isTranspose && isa<mm::TransposeOp>(views[0]);
    if (steps.size() >= views.size() && !reorders)
      return failure();
    Value value = source;
    for (const ViewChain::Step &step : steps) {
      if (step.isTranspose)
        value = rewriter.create<mm::TransposeOp>(op->getLoc(), value,
                                                 step.permutation);
      else
        value = createReshape(rewriter, op->getLoc(), value, step.shape);
    }
    rewriter.replaceOp(op,
                       createReshape(rewriter, op->getLoc(), value,
                                     mm::getShape(op->getResult(0).getType())));
    return success();
  }
};

} // namespace

void populateViewChainPatterns(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<ShortenViewChain>(context, mm::ReshapeOp::getOperationName());
  patterns.add<ShortenViewChain>(context, mm::TransposeOp::getOperationName());
}

} // namespace mmcc
