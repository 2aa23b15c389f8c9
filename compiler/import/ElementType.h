//===- ElementType.h - ONNX data types as MLIR types ------------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_ELEMENTTYPE_H
#define MMCC_COMPILER_IMPORT_ELEMENTTYPE_H

#include "mlir/IR/BuiltinTypes.h"
#include <string>

namespace mmcc::import {

/// The element type for a TensorProto.DataType: signless integers for signed
/// ones, ui8.. for unsigned ones, i1 for bool. Null for what `mm` has no type
/// for (strings, complex numbers, 2-, 4- and 6-bit elements, float8e8m0).
mlir::Type elementTypeFor(int32_t dataType, mlir::MLIRContext *context);
/// The name of a TensorProto.DataType as ONNX writes it: "FLOAT16".
std::string dataTypeName(int32_t dataType);
/// The TensorProto.DataType of an element type made by elementTypeFor.
int32_t dataTypeOf(mlir::Type elementType);

/// Bytes of one stored element; bool takes one.
int64_t bytesPerElement(mlir::Type elementType);

bool isFloat(mlir::Type elementType);
bool isBool(mlir::Type elementType);
/// Signed or unsigned, not bool.
bool isInteger(mlir::Type elementType);
bool isUnsigned(mlir::Type elementType);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_ELEMENTTYPE_H
