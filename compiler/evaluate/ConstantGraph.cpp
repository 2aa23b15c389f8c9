//===- ConstantGraph.cpp - Which values to compute at compile time --------===//

#include "compiler/evaluate/ConstantGraph.h"
#include "dialects/mm/MM.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/MathExtras.h"

using namespace mmcc;
using namespace mlir;

std::optional<int64_t> mmcc::getByteSize(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape() ||
      !tensor.getElementType().isIntOrFloat())
    return std::nullopt;
  int64_t bytes = llvm::divideCeil(tensor.getElementTypeBitWidth(), 8);
  for (int64_t size : tensor.getShape())
    if (llvm::MulOverflow(bytes, size, bytes))
      return std::nullopt;
  return bytes;
}

/// Costs nothing where it stands: lowering makes index maps of it.
static bool isFree(Operation *op) {
  return isa<mm::TransposeOp, mm::ReshapeOp, mm::SliceOp, mm::ConcatOp,
             mm::BroadcastOp, mm::IotaOp, mm::SizesOp>(op);
}

/// Whether lowering packs the operand at compile time.
static bool isWeight(OpOperand &operand) {
  return isa<mm::LinearOp, mm::QuantizedLinearOp, mm::ConvOp, mm::RetrieveOp>(
             operand.getOwner()) &&
         operand.getOperandNumber() == 1;
}

/// Whether it is one of the few numbers of a narrow weight's blocks: packed,
/// too, but repeated and cut on the way, which packing does not follow.
static bool isOfBlocks(OpOperand &operand) {
  auto linear = dyn_cast<mm::QuantizedLinearOp>(operand.getOwner());
  return linear && (operand.get() == linear.getScale() ||
                    operand.get() == linear.getZero());
}

/// Whether a product reads the value, perhaps moved or times a factor.
static bool isReadByProduct(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    if (isa<mm::LinearOp, mm::MatmulOp>(user))
      return true;
    return isa<mm::TransposeOp, mm::ReshapeOp, mm::ConcatOp, mm::MulOp,
               mm::DivOp>(user) &&
           isReadByProduct(user->getResult(0));
  });
}

/// Whether the operand's elements are read in the order of its user's own: a
/// scattered constant would be gathered there, element by element.
static bool isReadInOrder(OpOperand &operand) {
  return operand.getOwner()->hasTrait<mm::Elementwise>() ||
         isa<mm::AttentionOp>(operand.getOwner());
}

/// Puts neighbours apart.
static bool scatters(Operation *op) {
  auto transpose = dyn_cast<mm::TransposeOp>(op);
  return transpose && transpose.getPermutation().back() + 1 !=
                          int64_t(transpose.getPermutation().size());
}

/// Bytes that a value stands for: what is only repeated or counted is not
/// there yet. Nothing for a type that getByteSize() declines.
static std::optional<int64_t> getStoredBytes(Value value) {
  if (value.getDefiningOp<mm::IotaOp>())
    return 0;
  if (auto broadcast = value.getDefiningOp<mm::BroadcastOp>())
    return getByteSize(broadcast.getInput().getType());
  return getByteSize(value.getType());
}

ConstantGraph::ConstantGraph(func::FuncOp func, int64_t growth, bool keepNarrow)
    : func(func) {
  for (Operation &op : func.getBody().getOps()) {
    bool stays =
        isa<mm::ConstantOp>(op) || (keepNarrow && isa<mm::DequantizeOp>(op) &&
                                    isReadByProduct(op.getResult(0)));
    if (!stays && isEvaluable(&op, growth))
      members.insert(&op);
  }
  for (Operation &op : func.getBody().getOps()) {
    if (members.contains(&op))
      continue;
    for (OpOperand &operand : op.getOpOperands()) {
      Operation *source = operand.get().getDefiningOp();
      if (isOfBlocks(operand) && members.contains(source))
        rootList.insert(operand.get());
      else
        need(operand.get(), isWeight(operand), isReadInOrder(operand));
    }
  }
  // Program order, so that the outlined program does not depend on who asked
  // first.
  SmallVector<Value> ordered = rootList.takeVector();
  llvm::sort(ordered, [](Value a, Value b) {
    auto left = cast<OpResult>(a), right = cast<OpResult>(b);
    if (left.getOwner() == right.getOwner())
      return left.getResultNumber() < right.getResultNumber();
    return left.getOwner()->isBeforeInBlock(right.getOwner());
  });
  rootList.insert(ordered.begin(), ordered.end());
}

bool ConstantGraph::isEvaluable(Operation *op, int64_t growth) const {
  if (!isa<mm::MMDialect>(op->getDialect()) || !isPure(op))
    return false;
  int64_t operandBytes = 0;
  for (Value operand : op->getOperands()) {
    Operation *source = operand.getDefiningOp();
    if (!source || !(isa<mm::ConstantOp>(source) || members.contains(source)))
      return false;
    std::optional<int64_t> bytes = getStoredBytes(operand);
    if (!bytes || llvm::AddOverflow(operandBytes, *bytes, operandBytes))
      return false;
  }
  for (Attribute attribute : llvm::map_range(
           op->getAttrs(), [](NamedAttribute a) { return a.getValue(); }))
    if (auto dims = dyn_cast<mm::DimsAttr>(attribute))
      if (!dims.getNames().empty())
        return false;
  for (Type type : op->getResultTypes()) {
    std::optional<int64_t> bytes = getByteSize(type);
    if (!bytes)
      return false;
    if (!isFree(op) && (*bytes - growth) / 4 > operandBytes)
      return false;
  }
  return true;
}

void ConstantGraph::need(Value value, bool asWeight, bool inOrder) {
  Operation *source = value.getDefiningOp();
  if (!source || !members.contains(source) || rootList.contains(value))
    return;
  // Only packing reads through a concatenation; elsewhere it is a copy.
  if (!isFree(source) || (isa<mm::ConcatOp>(source) && !asWeight) ||
      (scatters(source) && inOrder)) {
    rootList.insert(value);
    return;
  }
  for (Value operand : source->getOperands())
    need(operand, asWeight, inOrder);
}

OwningOpRef<ModuleOp> ConstantGraph::outline() {
  Location location = func.getLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(location);
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  SmallVector<Type> types;
  for (Value root : rootList)
    types.push_back(root.getType());
  auto main = builder.create<func::FuncOp>(location, "main",
                                           builder.getFunctionType({}, types));
  for (auto [index, root] : llvm::enumerate(rootList))
    main.setResultAttr(index, "mm.name",
                       builder.getStringAttr("value" + Twine(index)));
  builder.setInsertionPointToStart(main.addEntryBlock());

  llvm::SetVector<Operation *> needed;
  SmallVector<Operation *> open;
  for (Value root : rootList)
    open.push_back(root.getDefiningOp());
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    if (!needed.insert(op))
      continue;
    for (Value operand : op->getOperands())
      open.push_back(operand.getDefiningOp());
  }
  IRMapping mapping;
  for (Operation &op : func.getBody().getOps())
    if (needed.contains(&op))
      builder.clone(op, mapping);
  SmallVector<Value> results;
  for (Value root : rootList)
    results.push_back(mapping.lookup(root));
  builder.create<func::ReturnOp>(location, results);
  return module;
}
