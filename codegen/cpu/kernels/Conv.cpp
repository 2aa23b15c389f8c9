//===- Conv.cpp - Convolution, channels last ------------------------------===//
//
// out[b, oh*OW + ow, n] = sum over kh, kw, c of
//     x[b, oh*stride_h + kh*dilation_h - pad_top,
//          ow*stride_w + kw*dilation_w - pad_left, c] * w[kh, kw, c, n]
//
// within each of G groups of channels. The product is that of a matrix whose
// row m lists the inputs under the filter at pixel m; it is never built. Each
// row is a list of pointers to runs of contiguous inputs:
//
//   taps    a run a tap: KH*KW runs of C/G, of zeros outside the image
//   merged  the taps of a filter row are neighbours in memory: KH runs of KW*C.
//           A run that hangs over the image's left or right edge is copied to
//           scratch with its zeros when the image has few channels; with many,
//           padded convolutions use taps.
//
// Which form is used depends on the shape alone.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Tile.h"

using namespace mmcc::cpu;

namespace {

struct Shape {
  int64_t H, W, OW, KH, KW, strideH, strideW, dilationH, dilationW, padTop,
      padLeft, xRow, xCol, channels;
};

/// Writes the runs of pixels m .. m + mr to pointers [segs][mr].
MMK_NOINLINE void tapRuns(const Shape &s, const float *x, const float *zeros,
                          int64_t m, int64_t mr, const float **pointers) {
  int64_t oh = m / s.OW, ow = m % s.OW - 1;
  for (int64_t r = 0; r < mr; ++r) {
    if (++ow == s.OW) {
      ow = 0;
      ++oh;
    }
    int64_t h0 = oh * s.strideH - s.padTop, w0 = ow * s.strideW - s.padLeft;
    const float **to = pointers + r;
    for (int64_t kh = 0; kh < s.KH; ++kh) {
      int64_t h = h0 + kh * s.dilationH;
      bool inside = h >= 0 && h < s.H;
      const float *row = x + h * s.xRow;
      for (int64_t kw = 0; kw < s.KW; ++kw, to += mr) {
        int64_t w = w0 + kw * s.dilationW;
        *to = inside && w >= 0 && w < s.W ? row + w * s.xCol : zeros;
      }
    }
  }
}

MMK_NOINLINE void mergedRuns(const Shape &s, const float *x, const float *zeros,
                             float *edges, int64_t m, int64_t mr,
                             const float **pointers) {
  const int64_t C = s.channels, run = s.KW * C;
  int64_t oh = m / s.OW, ow = m % s.OW - 1;
  for (int64_t r = 0; r < mr; ++r) {
    if (++ow == s.OW) {
      ow = 0;
      ++oh;
    }
    int64_t h0 = oh * s.strideH - s.padTop, w0 = ow * s.strideW - s.padLeft;
    int64_t left = minOf(maxOf(-w0, 0), s.KW);
    int64_t right = maxOf(minOf(s.W - w0, s.KW), left);
    const float **to = pointers + r;
    for (int64_t kh = 0; kh < s.KH; ++kh, to += mr) {
      int64_t h = h0 + kh * s.dilationH;
      if (h < 0 || h >= s.H || right == left) {
        *to = zeros;
        continue;
      }
      const float *from = x + h * s.xRow + (w0 + left) * s.xCol;
      if (right - left == s.KW) {
        *to = from;
        continue;
      }
      *to = edges;
      zeroRun(edges, left * C);
      copyRun(edges + left * C, from, (right - left) * C);
      zeroRun(edges + right * C, (s.KW - right) * C);
      edges += run;
    }
  }
}

} // namespace

extern "C" void mmk_conv_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  const int64_t C = p[3], OH = p[4], OW = p[5], N = p[6], G = p[7];
  Shape s;
  s.H = p[1], s.W = p[2], s.OW = OW, s.KH = p[8], s.KW = p[9];
  s.strideH = p[10], s.strideW = p[11], s.dilationH = p[12];
  s.dilationW = p[13], s.padTop = p[14], s.padLeft = p[15];
  s.xRow = p[17], s.xCol = p[18], s.channels = C / G;
  const int64_t mBlock = p[19], nBlock = p[20];

  const int64_t M = OH * OW, Ng = N / G;
  const int64_t outer[1] = {call->z / G}, group = call->z % G;
  const int64_t m0 = call->y * mBlock, rows = minOf(mBlock, M - m0);
  const int64_t n0 = call->x * nBlock, n1 = minOf(n0 + nBlock, Ng);
  const int64_t depth = s.KH * s.KW * s.channels;
  const float *x = static_cast<const float *>(call->tensors[0]) +
                   outer[0] * p[16] + group * s.channels;
  const float *w = static_cast<const float *>(call->tensors[1]) +
                   group * ceilDiv(Ng, kPanel) * depth * kPanel;

  bool never = s.padLeft == 0 && (OW - 1) * s.strideW + s.KW <= s.W;
  bool merge = convRowsMerge(C, G, s.dilationW, s.xCol) &&
               (never || s.channels < kConvEdgeCopyChannels);
  const int64_t segs = merge ? s.KH : s.KH * s.KW;
  const int64_t segLen = merge ? s.KW * s.channels : s.channels;

  auto *out = static_cast<float *>(call->args->scratch);
  auto *pointers =
      reinterpret_cast<const float **>(out + kScratchRows * kPostCols);
  auto *zeros = reinterpret_cast<float *>(
      pointers + roundUp(s.KH * s.KW * kScratchRows, 8));
  float *edges = zeros + roundUp(segLen, 16);
  zeroRun(zeros, segLen);

  const int64_t tiles = rowTiles(rows, s.strideW * s.xCol);
  const int64_t groupCols = panelsPerGroup(depth) * kPanel;
  for (int64_t n = n0; n < n1; n += groupCols) {
    int64_t cols = minOf(groupCols, n1 - n);
    int64_t panels = ceilDiv(cols, kPanel);
    const float *b = w + n * depth;
    for (int64_t t = 0; t < tiles; ++t) {
      int64_t r0 = tileBegin(rows, tiles, t);
      int64_t mr = tileBegin(rows, tiles, t + 1) - r0;
      if (merge)
        mergedRuns(s, x, zeros, edges, m0 + r0, mr, pointers);
      else
        tapRuns(s, x, zeros, m0 + r0, mr, pointers);
      runPanels(mr, panels, pointers, segs, segLen, b, out,
                b + panels * depth * kPanel, t, tiles,
                pointers[0] + mr * s.strideW * s.xCol, mr * s.strideW * s.xCol);
      call->post(call->args, outer, m0 + r0, group * Ng + n, mr, cols, out,
                 kPostCols);
    }
  }
}
