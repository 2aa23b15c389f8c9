//===- BlockMemory.cpp - plan.load and plan.store -------------------------===//

#include "codegen/cpu/BlockEmitter.h"
#include "codegen/cpu/NumberConversion.h"

using namespace mlir;

namespace mmcc::cpu {

SmallVector<IndexOperand> BlockEmitter::indexOperands(ValueRange indices) {
  SmallVector<IndexOperand> operands;
  for (Value index : indices) {
    bool isArgument = isa<BlockArgument>(index);
    if (index == laneIndex && lanes.width > 1)
      operands.push_back({known.lookup(index), true, true});
    else
      operands.push_back({get(index), false, isArgument});
  }
  return operands;
}

BlockEmitter::Address BlockEmitter::address(AffineMap map, ValueRange indices) {
  SmallVector<IndexOperand> operands = indexOperands(indices);
  AffineExpr expr = map.getResult(0);
  SmallVector<bool> laneDims;
  for (auto [position, operand] : llvm::enumerate(operands))
    laneDims.push_back(operand.lane);
  // An index that was computed per lane has no stride.
  bool isComputed = false;
  for (auto [position, operand] : llvm::enumerate(operands))
    if (operand.value->getType()->isVectorTy())
      isComputed |= expr.isFunctionOfDim(position);
  if (!isComputed)
    if (auto stride = laneStride(expr, laneDims, lanes))
      return {affine.emit(expr, operands, frame.symbols), stride};
  for (auto [operand, index] : llvm::zip(operands, indices))
    if (operand.lane)
      operand.value = get(index);
  return {splat(b, affine.emit(expr, operands, frame.symbols), lanes.width),
          std::nullopt};
}

llvm::Value *BlockEmitter::laneMask() {
  if (lanes.mask)
    return lanes.mask;
  return llvm::ConstantVector::getSplat(
      llvm::ElementCount::getFixed(lanes.width), b.getTrue());
}

/// One address per lane.
llvm::Value *BlockEmitter::pointers(const Address &address, llvm::Type *element,
                                    llvm::Value *base) {
  llvm::Value *index = address.index;
  if (address.stride) {
    llvm::Value *stride = affine.emit(*address.stride, {}, frame.symbols);
    base = b.CreateGEP(element, base, index);
    index = b.CreateNSWMul(splat(b, stride, lanes.width),
                           laneNumbers(b.getInt64Ty(), lanes.width));
  }
  return b.CreateGEP(element, base, index);
}

static bool isConstant(std::optional<AffineExpr> expr, int64_t value) {
  auto constant = expr ? dyn_cast<AffineConstantExpr>(*expr) : nullptr;
  return constant && constant.getValue() == value;
}

static std::optional<unsigned> operandNumber(Value buffer) {
  if (auto argument = dyn_cast<BlockArgument>(buffer))
    return argument.getArgNumber();
  return std::nullopt;
}

llvm::Value *BlockEmitter::load(plan::LoadOp op) {
  Type type = op.getResult().getType();
  llvm::Type *element = memoryType(type, b.getContext());
  std::optional<unsigned> operand = operandNumber(op.getBuffer());
  if (!element || !operand ||
      element !=
          memoryType(op.getBuffer().getType().getElementType(), b.getContext()))
    return error(op, "cannot load this type");
  if (!checkMap(op, op.getMap(), op.getIndices().size()))
    return llvm::PoisonValue::get(valueType(type, b.getContext()));
  if (llvm::Value *row = tileRow(op, element))
    return type.isInteger(1)
               ? b.CreateICmpNE(row,
                                llvm::Constant::getNullValue(row->getType()))
               : row;
  llvm::Value *base = frame.buffers[*operand];
  Address from = address(op.getMap(), op.getIndices());
  llvm::Align align(element->getPrimitiveSizeInBits() / 8);
  llvm::Instruction *access;
  if (isConstant(from.stride, 0) || lanes.width == 1) {
    access = b.CreateAlignedLoad(element,
                                 b.CreateGEP(element, base, from.index), align);
  } else {
    auto *vector = llvm::FixedVectorType::get(element, lanes.width);
    llvm::Value *nothing = llvm::Constant::getNullValue(vector);
    if (isConstant(from.stride, 1)) {
      llvm::Value *first = b.CreateGEP(element, base, from.index);
      access = lanes.mask ? llvm::cast<llvm::Instruction>(b.CreateMaskedLoad(
                                vector, first, align, lanes.mask, nothing))
                          : b.CreateAlignedLoad(vector, first, align);
    } else {
      access = b.CreateMaskedGather(vector, pointers(from, element, base),
                                    align, laneMask(), nothing);
    }
  }
  frame.annotate(access, *operand);
  if (!type.isInteger(1))
    return access;
  return b.CreateICmpNE(access,
                        llvm::Constant::getNullValue(access->getType()));
}

void BlockEmitter::store(plan::StoreOp op) {
  Type type = op.getValue().getType();
  llvm::Type *element = memoryType(type, b.getContext());
  std::optional<unsigned> operand = operandNumber(op.getBuffer());
  if (!element || !operand ||
      element != memoryType(op.getBuffer().getType().getElementType(),
                            b.getContext())) {
    error(op, "cannot store this type");
    return;
  }
  if (!checkMap(op, op.getMap(), op.getIndices().size()))
    return;
  llvm::Value *base = frame.buffers[*operand];
  llvm::Value *value = get(op.getValue());
  if (type.isInteger(1))
    value = b.CreateZExt(value, withLanesOf(element, value->getType()));
  Address to = address(op.getMap(), op.getIndices());
  llvm::Align align(element->getPrimitiveSizeInBits() / 8);
  llvm::Instruction *access;
  if (lanes.width == 1) {
    access = b.CreateAlignedStore(value, b.CreateGEP(element, base, to.index),
                                  align);
  } else {
    value = splat(b, value, lanes.width);
    if (weave(op, value, to))
      return;
    if (isConstant(to.stride, 1)) {
      llvm::Value *first = b.CreateGEP(element, base, to.index);
      access = lanes.mask ? llvm::cast<llvm::Instruction>(b.CreateMaskedStore(
                                value, first, align, lanes.mask))
                          : b.CreateAlignedStore(value, first, align);
    } else {
      access = b.CreateMaskedScatter(value, pointers(to, element, base), align,
                                     laneMask());
    }
  }
  frame.annotate(access, *operand);
}

} // namespace mmcc::cpu
