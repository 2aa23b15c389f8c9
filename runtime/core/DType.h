//===- DType.h - Element types ----------------------------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_CORE_DTYPE_H
#define MMCC_RUNTIME_CORE_DTYPE_H

#include "runtime/schema/program_generated.h"

#include <cstdint>

namespace mmcc::runtime {

/// Bits of one element; 0 for a type without a fixed size (undefined, string)
/// and for a number that names no type.
unsigned bitsOf(schema::DType type);

/// "f32", "i4", ...; "unknown" for a number that names no type.
const char *nameOf(schema::DType type);

/// Bytes of `elements` elements, sub-byte ones packed; false on overflow or
/// when the type has no size.
bool bytesOf(schema::DType type, int64_t elements, int64_t &bytes);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_CORE_DTYPE_H
