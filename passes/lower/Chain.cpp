//===- Chain.cpp - What an anchor's kernel does beyond the anchor ---------===//

#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

bool isViewOp(Operation *op) {
  return isa<mm::TransposeOp, mm::ReshapeOp, mm::SliceOp, mm::BroadcastOp>(op);
}

bool isAnchor(Operation *op) {
  return isa<mm::LinearOp, mm::QuantizedLinearOp, mm::QuantizeRowsOp,
             mm::MatmulOp, mm::ConvOp, mm::ConvTransposeOp, mm::AttentionOp,
             mm::PoolOp, mm::ReduceOp, mm::ArgReduceOp, mm::SoftmaxOp,
             mm::LayerNormOp, mm::RmsNormOp, mm::GroupNormOp, mm::MatchTokensOp,
             mm::MergeTokensOp, mm::SelectTokensOp, mm::SimilarityOp>(op);
}

bool isComputable(Operation *op) {
  return op->hasTrait<mm::Elementwise>() ||
         isa<mm::IotaOp, mm::SizesOp, mm::GatherOp, mm::GatherElementsOp,
             mm::GatherNDOp, mm::PadOp, mm::ResizeOp, mm::RopeOp,
             mm::BatchNormOp, mm::DequantizeOp>(op);
}

namespace {

/// Operations that read memory through pointers and strides, so that their
/// tensor operands must be stored.
bool needsMemory(Operation *user, Value operand) {
  if (isa<mm::LinearOp, mm::QuantizedLinearOp, mm::MatmulOp, mm::ConvOp,
          mm::ScatterOp, mm::TopKOp, mm::ConcatOp, mm::MatchTokensOp,
          mm::MergeTokensOp, mm::SelectTokensOp, mm::SimilarityOp,
          mm::RetrieveOp, mm::StateAppendOp, func::ReturnOp>(user))
    return true;
  if (auto attention = dyn_cast<mm::AttentionOp>(user))
    return operand != attention.getMask();
  return false;
}

/// Costs more than a load to compute again.
bool isExpensive(Operation *op) {
  return isa<mm::ExpOp, mm::LogOp, mm::ErfOp, mm::GeluOp, mm::SiluOp,
             mm::SigmoidOp, mm::TanhOp, mm::PowOp, mm::SinOp, mm::CosOp,
             mm::TanOp, mm::AsinOp, mm::AcosOp, mm::AtanOp, mm::SinhOp,
             mm::CoshOp, mm::AsinhOp, mm::AcoshOp, mm::AtanhOp, mm::ResizeOp,
             mm::RopeOp>(op);
}

/// Reads its operand more than once per element.
bool readsRepeatedly(Operation *user) {
  return isa<mm::SoftmaxOp, mm::LayerNormOp, mm::RmsNormOp, mm::GroupNormOp,
             mm::QuantizeRowsOp, mm::PoolOp, mm::ConvTransposeOp, mm::RopeOp,
             mm::CumulativeOp, mm::GatherOp, mm::GatherElementsOp,
             mm::GatherNDOp, mm::ResizeOp, mm::AttentionOp>(user);
}

/// All elements come from constants of one element, positions and sizes.
bool isTrivial(Value value, unsigned depth = 0) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > 6)
    return false;
  if (auto constant = dyn_cast<mm::ConstantOp>(op)) {
    auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
    return dense && dense.isSplat();
  }
  if (isa<mm::IotaOp, mm::SizesOp>(op))
    return true;
  if (isExpensive(op) || !(isViewOp(op) || op->hasTrait<mm::Elementwise>()))
    return false;
  return llvm::all_of(op->getOperands(),
                      [&](Value v) { return isTrivial(v, depth + 1); });
}

bool anyExpensive(Value value, unsigned depth = 0) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > 8 || !(isViewOp(op) || isComputable(op)))
    return false;
  return isExpensive(op) || llvm::any_of(op->getOperands(), [&](Value v) {
           return v.hasOneUse() && anyExpensive(v, depth + 1);
         });
}

struct Uses {
  unsigned count = 0;
  bool memory = false, repeated = false;
};

/// Uses of a value, looking through data movement.
void collectUses(Value value, Uses &uses) {
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (isViewOp(user)) {
      collectUses(user->getResult(0), uses);
      continue;
    }
    ++uses.count;
    uses.memory |= needsMemory(user, value);
    uses.repeated |= readsRepeatedly(user);
  }
}

} // namespace

namespace {

/// The value that follows another in a chain.
struct Step {
  Value result;
  std::optional<Rotation> rotation;
};

/// torch.roll along one axis: the two parts of a value change places, and
/// nothing else reads it.
std::optional<Step> rotationOf(Value value) {
  if (!llvm::hasNItems(value.getUses(), 2))
    return std::nullopt;
  auto first = dyn_cast<mm::SliceOp>(*value.getUsers().begin());
  if (!first || !first.getResult().hasOneUse())
    return std::nullopt;
  auto concat = dyn_cast<mm::ConcatOp>(*first.getResult().getUsers().begin());
  if (!concat || concat.getInputs().size() != 2)
    return std::nullopt;
  unsigned axis = concat.getAxis();
  Shape whole = mm::getShape(value.getType());
  Dim begin = Dim::constant(value.getContext(), 0);
  // Of the parts in memory order, the concatenation has the second first.
  for (Value part : {concat.getInputs()[1], concat.getInputs()[0]}) {
    auto slice = part.getDefiningOp<mm::SliceOp>();
    if (!slice || slice.getInput() != value || !part.hasOneUse() ||
        llvm::any_of(slice.getSteps(), [](int64_t step) { return step != 1; }))
      return std::nullopt;
    Shape shape = mm::getShape(part.getType());
    for (unsigned i = 0; i < whole.size(); ++i)
      if (i != axis && shape[i] != whole[i])
        return std::nullopt;
    if (slice.getOffsets().getDim(axis) != begin)
      return std::nullopt;
    begin = begin + shape[axis];
  }
  std::optional<int64_t> size = whole[axis].getConstant();
  std::optional<int64_t> shift =
      mm::getShape(concat.getInputs()[0].getType())[axis].getConstant();
  if (begin != whole[axis] || !size || !shift)
    return std::nullopt;
  return Step{concat.getResult(), Rotation{value, axis, *shift, *size}};
}

std::optional<Step> stepAfter(Value value) {
  if (std::optional<Step> rotation = rotationOf(value))
    return rotation;
  if (!value.hasOneUse())
    return std::nullopt;
  Operation *user = *value.getUsers().begin();
  bool follows = user->getNumResults() == 1 &&
                 (isa<mm::TransposeOp, mm::ReshapeOp>(user) ||
                  user->hasTrait<mm::Elementwise>());
  if (!follows)
    return std::nullopt;
  return Step{user->getResult(0), std::nullopt};
}

} // namespace

bool Lowering::isInlined(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || views.count(value) || !isComputable(op))
    return false;
  // A member of the chain whose kernel is being built.
  if (done.contains(op))
    return true;
  auto [it, isNew] = inlined.try_emplace(value, false);
  if (!isNew)
    return it->second;
  Uses uses;
  collectUses(value, uses);
  bool result;
  if (isTrivial(value))
    result = true;
  else if (uses.memory || uses.count > 1)
    result = false;
  else
    result = !(uses.repeated && anyExpensive(value));
  inlined[value] = result;
  return result;
}

bool Lowering::dependsOn(Value value, Operation *anchor) {
  SmallVector<Value> work{value};
  DenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op || !seen.insert(op).second)
      continue;
    if (op == anchor)
      return true;
    if (!anchor->isBeforeInBlock(op))
      continue;
    llvm::append_range(work, op->getOperands());
  }
  return false;
}

Chain Lowering::chain(Value anchorResult) {
  Operation *anchor = anchorResult.getDefiningOp();
  SmallVector<Value> members{anchorResult};
  Value current = anchorResult;
  Dim count = mm::product(symbols.context, mm::getShape(current.getType()));
  while (std::optional<Step> step = stepAfter(current)) {
    Value next = step->result;
    Operation *user = next.getDefiningOp();
    // An operation of two anchors belongs to whichever is lowered first.
    if (done.contains(user))
      break;
    if (mm::product(symbols.context, mm::getShape(next.getType())) != count)
      break;
    bool independent =
        step->rotation || llvm::all_of(user->getOperands(), [&](Value operand) {
          return operand == current || !dependsOn(operand, anchor);
        });
    if (!independent)
      break;
    if (step->rotation)
      rotations[next] = *step->rotation;
    members.push_back(next);
    current = next;
  }
  // Trailing data movement stays a view, unless whoever follows wants the
  // elements in that order: products read rows, loops read anything but run
  // fastest along contiguous elements, attention strides over heads and tokens.
  auto wantsOrder = [&](Value value) {
    auto transpose = value.getDefiningOp<mm::TransposeOp>();
    bool scatters =
        transpose && transpose.getPermutation().back() !=
                         int64_t(transpose.getPermutation().size()) - 1;
    return llvm::any_of(value.getUses(), [&](OpOperand &use) {
      Operation *user = use.getOwner();
      if (isa<mm::LinearOp, mm::QuantizedLinearOp, mm::MatmulOp, mm::ConvOp,
              func::ReturnOp, mm::ConcatOp>(user))
        return true;
      return !scatters && !isViewOp(user) && !isa<mm::AttentionOp>(user);
    });
  };
  while (members.size() > 1 && isViewOp(members.back().getDefiningOp()) &&
         !wantsOrder(members.back()))
    members.pop_back();
  for (Value member : members)
    done.insert(member.getDefiningOp());
  for (Value member : ArrayRef(members).drop_front())
    for (Value operand : member.getDefiningOp()->getOperands())
      if (!llvm::is_contained(members, operand))
        prepare(operand);
  Chain result;
  result.last = members.back();
  for (Value member : members)
    result.locations.push_back(member.getLoc());
  result.destination = destination(result.last);
  result.copies = copiesOf(result.last);
  return result;
}

SmallVector<std::pair<Value, View>, 1> Lowering::copiesOf(Value value) {
  SmallVector<std::pair<Value, View>, 1> copies;
  for (Operation *user : value.getUsers())
    if (auto cast = dyn_cast<mm::CastOp>(user);
        cast && !done.contains(cast) && !isInlined(cast.getResult())) {
      done.insert(cast);
      copies.emplace_back(cast.getResult(), destination(cast.getResult()));
    }
  return copies;
}

void Lowering::stored(const Chain &chain) {
  views[chain.last] = chain.destination;
  for (auto &[value, view] : chain.copies)
    views[value] = view;
}

SmallVector<AffineExpr>
Lowering::chainIndex(Value anchorResult, const Chain &chain,
                     ArrayRef<AffineExpr> index, ArrayRef<Dim> extents,
                     function_ref<void(const Moved &)> rotated) {
  SmallVector<AffineExpr> at(index);
  Value current = anchorResult;
  bool isRotated = false;
  while (current != chain.last) {
    std::optional<Step> step = stepAfter(current);
    Value next = step->result;
    SmallVector<AffineExpr> before = at;
    if (step->rotation) {
      AffineExpr &position = at[step->rotation->axis];
      position = (position + step->rotation->shift) % step->rotation->size;
      isRotated = true;
    } else if (auto transpose = next.getDefiningOp<mm::TransposeOp>()) {
      for (auto [to, from] : llvm::enumerate(transpose.getPermutation()))
        at[to] = before[from];
    } else {
      // Elementwise operations may add or drop dimensions of size 1.
      Shape from = mm::getShape(current.getType());
      Shape to = mm::getShape(next.getType());
      if (from != to)
        at = reshapeIndex(at, from, to, extents, symbols);
    }
    Operation *op = next.getDefiningOp();
    if (isRotated && (step->rotation || isViewOp(op)))
      rotated({current, before, next, at});
    current = next;
  }
  return at;
}

void Lowering::prepare(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || views.count(value))
    return;
  // Constants need no command; whoever reads one asks for the layout it wants.
  if (isConstantData(value))
    return;
  if (isViewOp(op) || isInlined(value)) {
    for (Value operand : op->getOperands())
      prepare(operand);
    return;
  }
  // An anchor may take its user along, and then has no stored result itself.
  if (!done.contains(op))
    lowerOp(op, /*wanted=*/true);
}

} // namespace mmcc::lower
