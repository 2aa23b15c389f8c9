//===- Depthwise.cpp - Depthwise convolution, channels last ---------------===//
//
// out[b, oh*OW + ow, c] = sum over kh, kw of
//     x[b, oh*stride_h + kh*dilation_h - pad_top,
//          ow*stride_w + kw*dilation_w - pad_left, c] * w[kh*KW + kw, c]
//
// Vectors run over channels, which are contiguous in x and w. Up to eight
// neighbouring pixels of an output row share each weight that is loaded. Inside
// the image their inputs lie at fixed distances; a group that touches the edge
// has one pointer a pixel and tap, to a row of zeros outside the image.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cpu/kernels/Simd.h"

using namespace mmcc::cpu;

namespace {

constexpr int kPixels = kDepthwisePixels;
/// Vectors of channels that share a pointer at the edge.
constexpr int kEdgeVecs = kLanes == 16 ? 2 : 1;

/// Strides in floats and the range of filter rows inside the image.
struct Window {
  int64_t kh0, kh1, KW, C;
  int64_t xTapRow, xTap, xPixel;
};

/// Channels [0, kLanes) of P pixels inside the image, x and w at the channel;
/// Part: the first n of them.
template <int P, bool Part>
MMK_INLINE void inside(const Window &s, const float *x, const float *w,
                       int64_t n, float *out) {
  Vec sum[P];
#pragma clang loop unroll(full)
  for (int r = 0; r < P; ++r)
    sum[r] = vzero();
  for (int64_t kh = s.kh0; kh < s.kh1; ++kh) {
    const float *tap = x + kh * s.xTapRow;
    const float *wt = w + kh * s.KW * s.C;
#pragma clang loop unroll(disable)
    for (int64_t kw = 0; kw < s.KW; ++kw, tap += s.xTap, wt += s.C) {
      Vec wv = Part ? vloadPart(wt, n) : vload(wt);
#pragma clang loop unroll(full)
      for (int r = 0; r < P; ++r) {
        const float *at = tap + r * s.xPixel;
        sum[r] = vfma(Part ? vloadPart(at, n) : vload(at), wv, sum[r]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < P; ++r)
    vstore(out + r * kPostCols, sum[r]);
}

template <int P>
MMK_NOINLINE void insideChannels(const Window &s, const float *x,
                                 const float *w, int64_t cols, float *out) {
  int64_t i = 0;
  for (; i + kLanes <= cols; i += kLanes)
    inside<P, false>(s, x + i, w + i, 0, out + i);
  if (i < cols)
    inside<P, true>(s, x + i, w + i, cols - i, out + i);
}

/// The same for eight pixels with pointers [kh1 - kh0][KW][8], at channel c.
template <int Vecs, bool Part>
MMK_INLINE void edge(const Window &s, const float *const *pointers, int64_t c,
                     const float *w, int64_t n, float *out) {
  Vec sum[kPixels][Vecs];
#pragma clang loop unroll(full)
  for (int r = 0; r < kPixels; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < Vecs; ++v)
      sum[r][v] = vzero();
  const int64_t taps = (s.kh1 - s.kh0) * s.KW;
  w += s.kh0 * s.KW * s.C;
#pragma clang loop unroll(disable)
  for (int64_t t = 0; t < taps; ++t, pointers += kPixels, w += s.C) {
    Vec wv[Vecs];
#pragma clang loop unroll(full)
    for (int v = 0; v < Vecs; ++v)
      wv[v] = Part ? vloadPart(w, n) : vload(w + v * kLanes);
#pragma clang loop unroll(full)
    for (int r = 0; r < kPixels; ++r) {
      const float *x = pointers[r] + c;
#pragma clang loop unroll(full)
      for (int v = 0; v < Vecs; ++v)
        sum[r][v] = vfma(Part ? vloadPart(x, n) : vload(x + v * kLanes), wv[v],
                         sum[r][v]);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < kPixels; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < Vecs; ++v)
      vstore(out + r * kPostCols + v * kLanes, sum[r][v]);
}

MMK_NOINLINE void edgeChannels(const Window &s, const float *const *pointers,
                               int64_t c, const float *w, int64_t cols,
                               float *out) {
  constexpr int wide = kEdgeVecs * kLanes;
  int64_t i = 0;
  for (; i + wide <= cols; i += wide)
    edge<kEdgeVecs, false>(s, pointers, c + i, w + i, 0, out + i);
  for (; i + kLanes <= cols; i += kLanes)
    edge<1, false>(s, pointers, c + i, w + i, 0, out + i);
  if (i < cols)
    edge<1, true>(s, pointers, c + i, w + i, cols - i, out + i);
}

} // namespace

extern "C" void mmk_depthwise_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  const int64_t H = p[1], W = p[2], C = p[3], OH = p[4], OW = p[5];
  const int64_t KH = p[6], KW = p[7], strideH = p[8], strideW = p[9];
  const int64_t dilationH = p[10], dilationW = p[11], padTop = p[12];
  const int64_t padLeft = p[13], xRow = p[15], xCol = p[16];
  const int64_t mBlock = p[17], nBlock = p[18];

  const int64_t outer[1] = {call->z};
  const int64_t m0 = call->y * mBlock, m1 = minOf(m0 + mBlock, OH * OW);
  const int64_t c0 = call->x * nBlock, c1 = minOf(c0 + nBlock, C);
  const float *x =
      static_cast<const float *>(call->tensors[0]) + call->z * p[14] + c0;
  const float *w = static_cast<const float *>(call->tensors[1]) + c0;

  auto *out = static_cast<float *>(call->args->scratch);
  auto *pointers = reinterpret_cast<const float **>(out + kPixels * kPostCols);
  auto *zeros = reinterpret_cast<float *>(pointers + KH * KW * kPixels);
  zeroRun(zeros, c1 - c0);

  Window s;
  s.KW = KW, s.C = C;
  s.xTapRow = dilationH * xRow, s.xTap = dilationW * xCol;
  s.xPixel = strideW * xCol;

  int64_t oh = m0 / OW, ow = m0 % OW;
  for (int64_t m = m0; m < m1;) {
    const int64_t left = minOf(OW - ow, m1 - m);
    const int64_t mr = ceilDiv(left, ceilDiv(left, kPixels));
    const int64_t h0 = oh * strideH - padTop, w0 = ow * strideW - padLeft;
    s.kh0 = h0 < 0 ? minOf(ceilDiv(-h0, dilationH), KH) : 0;
    s.kh1 = H > h0 ? minOf(ceilDiv(H - h0, dilationH), KH) : 0;
    const int64_t last = w0 + (mr - 1) * strideW + (KW - 1) * dilationW;
    const bool interior = mr >= 4 && w0 >= 0 && last < W;
    const float *first = x + h0 * xRow + w0 * xCol;
    if (!interior) {
      const float **to = pointers;
      for (int64_t kh = s.kh0; kh < s.kh1; ++kh)
        for (int64_t kw = 0; kw < KW; ++kw)
          for (int64_t r = 0; r < kPixels; ++r) {
            // Pixels beyond the group repeat its last one; post does not see
            // them.
            int64_t at = minOf(r, mr - 1) * strideW + kw * dilationW;
            bool in = w0 + at >= 0 && w0 + at < W;
            *to++ = in ? first + kh * s.xTapRow + at * xCol : zeros;
          }
    }
    for (int64_t c = 0; c < c1 - c0; c += kPostCols) {
      const int64_t cols = minOf(kPostCols, c1 - c0 - c);
      switch (interior ? mr : 0) {
      case 8:
        insideChannels<8>(s, first + c, w + c, cols, out);
        break;
      case 7:
        insideChannels<7>(s, first + c, w + c, cols, out);
        break;
      case 6:
        insideChannels<6>(s, first + c, w + c, cols, out);
        break;
      case 5:
        insideChannels<5>(s, first + c, w + c, cols, out);
        break;
      case 4:
        insideChannels<4>(s, first + c, w + c, cols, out);
        break;
      default:
        edgeChannels(s, pointers, c, w + c, cols, out);
      }
      call->post(call->args, outer, m, c0 + c, mr, cols, out, kPostCols);
    }
    m += mr;
    ow += mr;
    if (ow == OW) {
      ow = 0;
      ++oh;
    }
  }
}
