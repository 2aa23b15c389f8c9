//===- ElementType.cpp - ONNX data types as MLIR types --------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/onnx.pb.h"

using namespace mlir;
using onnx::TensorProto;

namespace mmcc::import {

Type elementTypeFor(int32_t dataType, MLIRContext *context) {
  auto integer = [&](unsigned width, bool isUnsigned) -> Type {
    return IntegerType::get(context, width,
                            isUnsigned ? IntegerType::Unsigned
                                       : IntegerType::Signless);
  };
  switch (dataType) {
  case TensorProto::FLOAT:
    return Float32Type::get(context);
  case TensorProto::DOUBLE:
    return Float64Type::get(context);
  case TensorProto::FLOAT16:
    return Float16Type::get(context);
  case TensorProto::BFLOAT16:
    return BFloat16Type::get(context);
  case TensorProto::FLOAT8E4M3FN:
    return Float8E4M3FNType::get(context);
  case TensorProto::FLOAT8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case TensorProto::FLOAT8E5M2:
    return Float8E5M2Type::get(context);
  case TensorProto::FLOAT8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case TensorProto::BOOL:
    return integer(1, false);
  case TensorProto::INT8:
    return integer(8, false);
  case TensorProto::INT16:
    return integer(16, false);
  case TensorProto::INT32:
    return integer(32, false);
  case TensorProto::INT64:
    return integer(64, false);
  case TensorProto::UINT8:
    return integer(8, true);
  case TensorProto::UINT16:
    return integer(16, true);
  case TensorProto::UINT32:
    return integer(32, true);
  case TensorProto::UINT64:
    return integer(64, true);
  default:
    return {};
  }
}

std::string dataTypeName(int32_t dataType) {
  if (TensorProto::DataType_IsValid(dataType))
    return TensorProto::DataType_Name(
        static_cast<TensorProto::DataType>(dataType));
  return "data type " + std::to_string(dataType);
}

int32_t dataTypeOf(Type elementType) {
  for (int32_t candidate = TensorProto::DataType_MIN;
       candidate <= TensorProto::DataType_MAX; ++candidate)
    if (elementTypeFor(candidate, elementType.getContext()) == elementType)
      return candidate;
  return TensorProto::UNDEFINED;
}

int64_t bytesPerElement(Type elementType) {
  return (elementType.getIntOrFloatBitWidth() + 7) / 8;
}

bool isFloat(Type elementType) {
  return isa_and_nonnull<FloatType>(elementType);
}
bool isBool(Type elementType) {
  return elementType && elementType.isInteger(1);
}
bool isInteger(Type elementType) {
  return isa_and_nonnull<IntegerType>(elementType) && !isBool(elementType);
}
bool isUnsigned(Type elementType) {
  return elementType && elementType.isUnsignedInteger();
}

} // namespace mmcc::import
