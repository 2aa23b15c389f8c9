//===- Depthwise.cpp - Depthwise convolution, channels last ---------------===//
//
// out[b, oh*OW + ow, c] = sum over kh, kw of
//     x[b, oh*stride_h + kh*dilation_h - pad_top,
//          ow*stride_w + kw*dilation_w - pad_left, c] * w[kh*KW + kw, c]
//
// Vectors run over channels, which are contiguous in x and w. Eight pixels
// share each weight that is loaded; each has one pointer a tap, to a row of
// zeros outside the image.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cpu/kernels/Simd.h"

using namespace mmcc::cpu;

namespace {

constexpr int kPixels = kDepthwisePixels;

/// Channels c .. c + kLanes of eight pixels; Part: the first n of them.
template <bool Part>
MMK_INLINE void pixels(const float *const *pointers, const float *w,
                       int64_t taps, int64_t C, int64_t c, int64_t n,
                       float *out) {
  Vec sum[kPixels];
#pragma clang loop unroll(full)
  for (int r = 0; r < kPixels; ++r)
    sum[r] = vzero();
#pragma clang loop unroll(disable)
  for (int64_t t = 0; t < taps; ++t, pointers += kPixels, w += C) {
    Vec wv = Part ? vloadPart(w, n) : vload(w);
#pragma clang loop unroll(full)
    for (int r = 0; r < kPixels; ++r) {
      const float *x = pointers[r] + c;
      sum[r] = vfma(Part ? vloadPart(x, n) : vload(x), wv, sum[r]);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < kPixels; ++r)
    vstore(out + r * kPostCols, sum[r]);
}

} // namespace

extern "C" void mmk_depthwise_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  const int64_t H = p[1], W = p[2], C = p[3], OH = p[4], OW = p[5];
  const int64_t KH = p[6], KW = p[7], strideH = p[8], strideW = p[9];
  const int64_t dilationH = p[10], dilationW = p[11], padTop = p[12];
  const int64_t padLeft = p[13], xRow = p[15], xCol = p[16];
  const int64_t mBlock = p[17], nBlock = p[18];

  const int64_t taps = KH * KW, outer[1] = {call->z};
  const int64_t m0 = call->y * mBlock, m1 = minOf(m0 + mBlock, OH * OW);
  const int64_t c0 = call->x * nBlock, c1 = minOf(c0 + nBlock, C);
  const float *x =
      static_cast<const float *>(call->tensors[0]) + call->z * p[14] + c0;
  const float *w = static_cast<const float *>(call->tensors[1]) + c0;

  auto *out = static_cast<float *>(call->args->scratch);
  auto *pointers = reinterpret_cast<const float **>(out + kPixels * kPostCols);
  auto *zeros = reinterpret_cast<float *>(pointers + taps * kPixels);
  zeroRun(zeros, c1 - c0);

  for (int64_t m = m0; m < m1; m += kPixels) {
    const int64_t mr = minOf(kPixels, m1 - m);
    for (int64_t r = 0; r < kPixels; ++r) {
      // Pixels beyond the block repeat its last one; post does not see them.
      int64_t pixel = minOf(m + r, m1 - 1);
      int64_t h0 = pixel / OW * strideH - padTop;
      int64_t w0 = pixel % OW * strideW - padLeft;
      const float **to = pointers + r;
      for (int64_t kh = 0; kh < KH; ++kh) {
        int64_t h = h0 + kh * dilationH;
        bool inside = h >= 0 && h < H;
        for (int64_t kw = 0; kw < KW; ++kw, to += kPixels) {
          int64_t v = w0 + kw * dilationW;
          *to = inside && v >= 0 && v < W ? x + h * xRow + v * xCol : zeros;
        }
      }
    }
    for (int64_t c = c0; c < c1; c += kPostCols) {
      const int64_t cols = minOf(kPostCols, c1 - c);
      int64_t i = 0;
      for (; i + kLanes <= cols; i += kLanes)
        pixels<false>(pointers, w + (c - c0) + i, taps, C, (c - c0) + i, 0,
                      out + i);
      if (i < cols)
        pixels<true>(pointers, w + (c - c0) + i, taps, C, (c - c0) + i,
                     cols - i, out + i);
      call->post(call->args, outer, m, c, mr, cols, out, kPostCols);
    }
  }
}
