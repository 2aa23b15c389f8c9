#include "codegen/cpu/BlockEmitter.h"

#include "codegen/cpu/NumberConversion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace mmcc::cpu {

llvm::Value *BlockEmitter::error(Operation *op, const llvm::Twine &message) {
  if (!hasFailed)
    op->emitError() << "CPU code generation: " << message;
  hasFailed = true;
  llvm::Type *type = op->getNumResults()
                         ? valueType(op->getResult(0).getType(), b.getContext())
                         : nullptr;
  return llvm::PoisonValue::get(type ? type : b.getInt8Ty());
}

llvm::Value *BlockEmitter::get(Value value) {
  if (!known.lookup(value)) {
    if (!hasFailed)
      emitError(value.getLoc(),
                "CPU code generation: value from outside of the block");
    hasFailed = true;
    llvm::Type *type = valueType(value.getType(), b.getContext());
    known[value] = llvm::PoisonValue::get(type ? type : b.getInt8Ty());
  }
  if (value == laneIndex && lanes.width > 1) {
    if (!laneIndexVector)
      laneIndexVector =
          b.CreateNSWAdd(splat(b, known.lookup(value), lanes.width),
                         laneNumbers(b.getInt64Ty(), lanes.width));
    return laneIndexVector;
  }
  return known.lookup(value);
}

std::pair<llvm::Value *, llvm::Value *>
BlockEmitter::operandPair(Operation *op) {
  llvm::Value *lhs = get(op->getOperand(0));
  llvm::Value *rhs = get(op->getOperand(1));
  matchLanes(b, lhs, rhs);
  return {lhs, rhs};
}

/// Reports a map that does not fit; false then.
bool BlockEmitter::checkMap(Operation *op, AffineMap map, size_t dims) {
  if (map.getNumResults() == 1 && map.getNumDims() == dims)
    return true;
  error(op, "map needs one result and " + llvm::Twine(dims) + " dimensions");
  return false;
}

static llvm::Value *constantValue(llvm::IRBuilder<> &b, arith::ConstantOp op) {
  llvm::Type *type = valueType(op.getType(), b.getContext());
  if (!type)
    return nullptr;
  if (auto integer = dyn_cast<IntegerAttr>(op.getValue()))
    return llvm::ConstantInt::get(type, integer.getValue());
  if (auto number = dyn_cast<FloatAttr>(op.getValue())) {
    llvm::APFloat value = number.getValue();
    if (type->isIntegerTy())
      return llvm::ConstantInt::get(type, value.bitcastToAPInt());
    return llvm::ConstantFP::get(type, value);
  }
  return nullptr;
}

llvm::Value *BlockEmitter::emitOp(Operation *op) {
  for (Type type : op->getOperandTypes())
    if (!isa<plan::BufferType>(type) && !valueType(type, b.getContext())) {
      op->emitError() << "CPU code generation has no values of type " << type;
      hasFailed = true;
      return nullptr;
    }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (llvm::Value *value = constantValue(b, constant))
      return value;
    return error(op, "constant of a type that has no values");
  }
  if (auto access = dyn_cast<plan::LoadOp>(op))
    return load(access);
  if (auto size = dyn_cast<plan::SizeOp>(op);
      size && checkMap(op, size.getMap(), 0))
    return affine.emitSizes(size.getMap(), frame.symbols)[0];
  if (auto choice = dyn_cast<arith::SelectOp>(op)) {
    llvm::Value *condition = get(choice.getCondition());
    llvm::Value *yes = get(choice.getTrueValue());
    llvm::Value *no = get(choice.getFalseValue());
    matchLanes(b, yes, no);
    if (condition->getType()->isVectorTy())
      matchLanes(b, condition, yes), matchLanes(b, condition, no);
    return b.CreateSelect(condition, yes, no);
  }
  if (op->getNumResults() != 1)
    return error(op, "operation is not one of a block's");
  if (llvm::Value *value = castOp(op))
    return value;
  bool isFloat =
      op->getNumOperands() > 0 && isa<FloatType>(op->getOperand(0).getType());
  if (llvm::Value *value = isFloat ? floatOp(op) : integerOp(op))
    return value;
  return error(op,
               "operation '" + op->getName().getStringRef() + "' is not known");
}

BlockEmitter::Values BlockEmitter::emit(plan::BlockOp block,
                                        ArrayRef<llvm::Value *> indices,
                                        ArrayRef<llvm::Value *> values,
                                        const Lanes &blockLanes) {
  lanes = blockLanes;
  known.clear();
  laneIndex = Value();
  laneIndexVector = nullptr;
  Block &body = block.getBody().front();
  unsigned position = 0;
  for (BlockArgument arg : body.getArguments()) {
    if (position < indices.size()) {
      known[arg] = indices[position];
      if (int(position) == lanes.dim)
        laneIndex = arg;
    } else if (position - indices.size() < values.size()) {
      known[arg] = values[position - indices.size()];
    } else if (!arg.use_empty()) {
      error(block, "block has more arguments than indices and values");
      return {};
    }
    ++position;
  }
  Values yields;
  for (Operation &op : body) {
    if (hasFailed)
      break;
    if (auto write = dyn_cast<plan::StoreOp>(op)) {
      store(write);
    } else if (auto yield = dyn_cast<plan::YieldOp>(op)) {
      for (Value value : yield.getValues())
        yields.push_back(get(value));
    } else if (llvm::Value *value = emitOp(&op)) {
      known[op.getResult(0)] = value;
    }
  }
  return yields;
}

} // namespace mmcc::cpu
