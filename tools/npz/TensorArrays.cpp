#include "tools/npz/TensorArrays.h"

#include <cstring>

namespace mmcc {

/// What carries the type in an npz; kind 0 when nothing does.
static npz::ElementType carrierOf(mmcc_dtype dtype) {
  switch (dtype) {
  case MMCC_F16:
    return {'f', 2};
  case MMCC_F32:
    return {'f', 4};
  case MMCC_F64:
    return {'f', 8};
  case MMCC_I2:
  case MMCC_I4:
  case MMCC_I8:
    return {'i', 1};
  case MMCC_I16:
    return {'i', 2};
  case MMCC_I32:
    return {'i', 4};
  case MMCC_I64:
    return {'i', 8};
  case MMCC_BOOL:
    return {'b', 1};
  case MMCC_U16:
  case MMCC_BF16:
    return {'u', 2};
  case MMCC_U32:
    return {'u', 4};
  case MMCC_U64:
    return {'u', 8};
  case MMCC_COMPLEX64:
    return {'c', 8};
  case MMCC_COMPLEX128:
    return {'c', 16};
  case MMCC_U2:
  case MMCC_U4:
  case MMCC_U8:
  case MMCC_F8E4M3FN:
  case MMCC_F8E4M3FNUZ:
  case MMCC_F8E5M2:
  case MMCC_F8E5M2FNUZ:
  case MMCC_F4E2M1:
  case MMCC_F8E8M0:
    return {'u', 1};
  default:
    return {};
  }
}

/// Packs one value a byte into `bits` bits each, the first in the low bits.
/// False when a value does not fit.
static bool pack(std::vector<uint8_t> &data, unsigned bits, bool is_signed) {
  int low = is_signed ? -(1 << (bits - 1)) : 0;
  int high = low + (1 << bits) - 1;
  unsigned per_byte = 8 / bits;
  std::vector<uint8_t> packed((data.size() + per_byte - 1) / per_byte, 0);
  for (size_t i = 0; i < data.size(); ++i) {
    int value = is_signed ? int(int8_t(data[i])) : int(data[i]);
    if (value < low || value > high)
      return false;
    unsigned mask = (1u << bits) - 1;
    packed[i / per_byte] |=
        uint8_t((unsigned(value) & mask) << (i % per_byte * bits));
  }
  data = std::move(packed);
  return true;
}

static void unpack(const uint8_t *packed, unsigned bits, bool is_signed,
                   std::vector<uint8_t> &data) {
  unsigned per_byte = 8 / bits, mask = (1u << bits) - 1;
  for (size_t i = 0; i < data.size(); ++i) {
    unsigned value = packed[i / per_byte] >> (i % per_byte * bits) & mask;
    bool negative = is_signed && (value >> (bits - 1)) != 0;
    data[i] = uint8_t(negative ? value | ~mask : value);
  }
}

static bool isSigned(mmcc_dtype dtype) {
  return dtype == MMCC_I4 || dtype == MMCC_I2;
}

std::string tensorFromArray(const ValueInfo &info, npz::Array &array,
                            Tensor &tensor) {
  std::string input = "input '" + std::string(info.name) + "'";
  npz::ElementType carrier = carrierOf(info.dtype);
  if (carrier.kind == 0)
    return input + " is " + mmcc_dtype_name(info.dtype) +
           ", which mmcc-run cannot read";
  if (!(array.type == carrier))
    return input + " is " + mmcc_dtype_name(info.dtype) + " (numpy " +
           carrier.text() + "), but the array is numpy " + array.type.text();
  if (array.dims.size() > MMCC_MAX_RANK)
    return input + ": the array has more than 16 dimensions";
  unsigned bits = mmcc_dtype_bits(info.dtype);
  if (bits < 8 && !pack(array.data, bits, isSigned(info.dtype)))
    return input + ": a value does not fit " + mmcc_dtype_name(info.dtype);
  tensor.dtype = info.dtype;
  tensor.rank = uint32_t(array.dims.size());
  for (size_t d = 0; d < array.dims.size(); ++d)
    tensor.dims[d] = array.dims[d];
  tensor.data = array.data.data();
  tensor.bytes = array.data.size();
  return "";
}

std::string arrayFromTensor(const ValueInfo &info, const Tensor &tensor,
                            npz::Array &array) {
  array.name = info.name;
  array.type = carrierOf(tensor.dtype);
  if (array.type.kind == 0)
    return "output '" + array.name + "' is " + mmcc_dtype_name(tensor.dtype) +
           ", which mmcc-run cannot write";
  array.dims.assign(tensor.dims, tensor.dims + tensor.rank);
  array.data.resize(size_t(array.elements()) * array.type.bytes);
  unsigned bits = mmcc_dtype_bits(tensor.dtype);
  const uint8_t *from = static_cast<const uint8_t *>(tensor.data);
  if (bits < 8)
    unpack(from, bits, isSigned(tensor.dtype), array.data);
  else if (!array.data.empty())
    std::memcpy(array.data.data(), from, array.data.size());
  return "";
}

} // namespace mmcc
