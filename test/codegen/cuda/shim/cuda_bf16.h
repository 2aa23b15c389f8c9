//===- cuda_bf16.h - bf16 as a GPU rounds it ------------------------------===//

#pragma once

// CudaShim.h comes first.

struct __nv_bfloat16 {
  unsigned short bits;
};

/// To the nearest, ties to even; every NaN becomes 0x7fff.
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  if (x != x)
    return {0x7fff};
  const unsigned bits = __float_as_uint(x);
  return {
      static_cast<unsigned short>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }
