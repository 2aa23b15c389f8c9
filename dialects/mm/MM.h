//===- MM.h - The mm dialect ------------------------------------*- C++ -*-===//
//
// What a multimodal model means. See README.md for the families of operations
// and for what is deliberately not here.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_DIALECTS_MM_MM_H
#define MMCC_DIALECTS_MM_MM_H

#include "dialects/mm/Dim.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mmcc::mm {
/// Marks operations that compute each element of the result from the elements
/// of the operands at the same (broadcast) position.
template <typename ConcreteType>
class Elementwise : public mlir::OpTrait::TraitBase<ConcreteType, Elementwise> {
};
} // namespace mmcc::mm

#include "dialects/mm/MMDialect.h.inc"
#include "dialects/mm/MMEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/mm/MMAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/mm/MMOps.h.inc"

#endif // MMCC_DIALECTS_MM_MM_H
