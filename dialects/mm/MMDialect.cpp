//===- MMDialect.cpp - Registration ---------------------------------------===//

#include "dialects/mm/MM.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FoldInterfaces.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "dialects/mm/MMDialect.cpp.inc"
#include "dialects/mm/MMEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/mm/MMAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/mm/MMOps.cpp.inc"

namespace mmcc::mm {

void MMDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/mm/MMAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/mm/MMOps.cpp.inc"
      >();
}

Operation *MMDialect::materializeConstant(OpBuilder &builder, Attribute value,
                                          Type type, Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type)
    return nullptr;
  return builder.create<ConstantOp>(loc, type, elements);
}

} // namespace mmcc::mm
