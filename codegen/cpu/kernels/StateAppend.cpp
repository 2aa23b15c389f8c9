//===- StateAppend.cpp - New tokens into a state's blocks -----------------===//
//
// state[b, h, length + t, :] = x[b, h, t, :] for t < rows, in the state's type.
// The scale of a token of i8 or f8 is its largest magnitude over what the type
// reaches. A cell is one head.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/StateBlocks.h"

using namespace mmcc::cpu;

namespace {

MMK_INLINE uint32_t bitsOf(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}

/// NaN if there is one: a scale of NaN tells of it.
MMK_INLINE float largestOf(const float *x, int64_t n) {
  float largest = 0.0f;
  for (int64_t e = 0; e < n; ++e) {
    float magnitude = __builtin_fabsf(x[e]);
    largest =
        magnitude > largest || magnitude != magnitude ? magnitude : largest;
  }
  return largest;
}

/// The nearest e4m3 of a magnitude up to 448, ties to even.
MMK_INLINE uint8_t nearestF8(float x) {
  uint32_t bits = bitsOf(x), sign = bits >> 24 & 0x80;
  bits &= 0x7fffffff;
  uint32_t code;
  if (bits < bitsOf(0x1p-6f)) {
    // Steps of 2^-9: adding 2^14 leaves so many in the low bits.
    float shifted = __builtin_fabsf(x) + 0x1p14f;
    code = bitsOf(shifted) - bitsOf(0x1p14f);
  } else {
    bits += 0x7ffff + (bits >> 20 & 1);
    code = (bits >> 20) - (120 << 3);
  }
  return static_cast<uint8_t>(sign | (code > 0x7e ? 0x7e : code));
}

struct ToF32 : StoredF32 {
  MMK_INLINE static void store(float *to, float *, const float *x, int64_t n) {
    copyRun(to, x, n);
  }
};

struct ToF16 : StoredF16 {
  MMK_INLINE static void store(uint16_t *to, float *, const float *x,
                               int64_t n) {
    for (int64_t e = 0; e < n; ++e)
      to[e] = _cvtss_sh(x[e], _MM_FROUND_TO_NEAREST_INT);
  }
};

struct ToI8 : StoredI8 {
  MMK_INLINE static void store(int8_t *to, float *scale, const float *x,
                               int64_t n) {
    const float largest = largestOf(x, n);
    *scale = largest / 127.0f;
    const float by = largest > 0.0f ? 127.0f / largest : 0.0f;
    for (int64_t e = 0; e < n; ++e)
      to[e] = static_cast<int8_t>(_mm_cvtss_si32(_mm_set_ss(x[e] * by)));
  }
};

struct ToF8 : StoredF8 {
  MMK_INLINE static void store(uint8_t *to, float *scale, const float *x,
                               int64_t n) {
    const float largest = largestOf(x, n);
    *scale = largest / 448.0f * 256.0f; // see Stored.h
    const float by = largest > 0.0f ? 448.0f / largest : 0.0f;
    for (int64_t e = 0; e < n; ++e)
      to[e] = nearestF8(x[e] * by);
  }
};

template <typename Stored> MMK_INLINE void append(const MicroCall *call) {
  const int64_t *p = call->params;
  const int64_t heads = p[1], rows = p[2], width = p[3], length = p[4];
  const float *x = static_cast<const float *>(call->tensors[0]) +
                   call->z * p[5] + call->y * p[6];
  const StateTokens<Stored> state(call->tensors[1], width,
                                  call->z * heads + call->y);
  for (int64_t t = 0; t < rows; ++t, x += p[7])
    Stored::store(state.at(length + t), state.scale(length + t), x, width);
}

} // namespace

extern "C" void mmk_state_append_f32(const MicroCall *call) {
  append<ToF32>(call);
}
extern "C" void mmk_state_append_f16(const MicroCall *call) {
  append<ToF16>(call);
}
extern "C" void mmk_state_append_i8(const MicroCall *call) {
  append<ToI8>(call);
}
extern "C" void mmk_state_append_f8(const MicroCall *call) {
  append<ToF8>(call);
}
