//===- PlanDialect.cpp - Registration and verification --------------------===//

#include "dialects/plan/Plan.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "dialects/plan/PlanDialect.cpp.inc"
#include "dialects/plan/PlanEnums.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/plan/PlanTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.cpp.inc"

namespace mmcc::plan {

void PlanDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/plan/PlanTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/plan/PlanOps.cpp.inc"
      >();
}

/// What a kernel does with pieces of rows, and the memory that it has for them.
static LogicalResult verifyPieces(KernelOp kernel) {
  if (std::optional<AffineMap> pieces = kernel.getPieces();
      pieces && (pieces->getNumDims() || pieces->getNumResults() != 4))
    return kernel.emitOpError("needs four extents of pieces");
  std::optional<uint64_t> local = kernel.getLocal();
  if (!local)
    return success();
  if (!kernel.getPieces())
    return kernel.emitOpError("has memory of its own, but no pieces");
  if (*local % 64 || int64_t(*local) < 0)
    return kernel.emitOpError("has memory of its own at no multiple of 64");
  Region &body = kernel.getBody();
  if (!cast<BufferType>(body.getArguments().back().getType())
           .getElementType()
           .isF32())
    return kernel.emitOpError("has memory of its own that is not f32");
  return success();
}

LogicalResult KernelOp::verify() {
  if (getLocal() && !getBody().getNumArguments())
    return emitOpError("has no argument for memory of its own");
  for (int64_t index : getWritten())
    if (index < 0 || index >= getOperandCount())
      return emitOpError("written operand ") << index << " does not exist";
  if (getParallel() < 0 || getParallel() > getExtents().getNumResults())
    return emitOpError("has more parallel dimensions than extents");
  for (Type type : getBody().getArgumentTypes())
    if (!isa<BufferType>(type))
      return emitOpError("operands must be buffers, got ") << type;
  return verifyPieces(*this);
}

LogicalResult BlockOp::verify() {
  static constexpr StringLiteral roles[] = {"map",  "reduce", "finish",
                                            "post", "score",  "sequential"};
  if (!llvm::is_contained(roles, getRole()))
    return emitOpError("has unknown role '") << getRole() << "'";
  if (getRole() == "reduce" && !getCombine())
    return emitOpError("reduces without saying how to combine");
  return success();
}

LogicalResult StateOp::verify() {
  auto isOf = [](AffineMap map) {
    return map.getNumDims() == 0 && map.getNumResults() == 1;
  };
  if (!isOf(getBatch()) || !isOf(getRows()) || !isOf(getLength()) ||
      !isa<AffineSymbolExpr>(getLength().getResult(0)))
    return emitOpError("needs a batch and rows, and a symbol as its length");
  if (getHeads() < 1 || getWidth() < 1 || getBlockTokens() < 1)
    return emitOpError("has blocks without elements");
  return success();
}

LogicalResult EntryOp::verify() {
  size_t count = getBody().getNumArguments();
  if (getInputNames().size() + getOutputNames().size() != count ||
      getShapes().size() != count || getElementTypes().size() != count)
    return emitOpError("needs a name, a type and a shape for each argument");
  if (getRanges().size() != 2 * getSymbols().size())
    return emitOpError("needs a lower and an upper bound for each symbol");
  for (NamedAttribute absence :
       getAbsences().value_or(DictionaryAttr::get(getContext()))) {
    auto inputs = dyn_cast<ArrayAttr>(absence.getValue());
    if (!inputs || !llvm::all_of(inputs, [&](Attribute input) {
          return llvm::is_contained(getInputNames(), input);
        }))
      return emitOpError("the absence '")
             << absence.getName().getValue() << "' names what is no input";
  }
  return success();
}

} // namespace mmcc::plan
