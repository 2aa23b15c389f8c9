//===- TensorArrays.h - Between numpy arrays and tensors --------*- C++ -*-===//
//
// What numpy has no name for travels as something that it has: bfloat16 as
// uint16 bits, float8 and float4 as uint8 bits, integers below 8 bits as
// (u)int8 values.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TOOLS_NPZ_TENSORARRAYS_H
#define MMCC_TOOLS_NPZ_TENSORARRAYS_H

#include "mmcc/runtime.hpp"
#include "tools/npz/Npz.h"

#include <string>

namespace mmcc {

/// Makes `tensor` what the input `info` asks for, from `array`, which it goes
/// on using. Only the element type is converted; the runtime checks shapes.
/// Empty on success, else what is wrong.
std::string tensorFromArray(const ValueInfo &info, npz::Array &array,
                            Tensor &tensor);

/// The reverse, with a copy of the data.
std::string arrayFromTensor(const ValueInfo &info, const Tensor &tensor,
                            npz::Array &array);

} // namespace mmcc

#endif // MMCC_TOOLS_NPZ_TENSORARRAYS_H
