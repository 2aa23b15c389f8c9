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
// Which form is used depends on the shape alone. conv_bf16 rounds x and w to
// bf16 where an instruction multiplies these.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/AmxTiles.h"
#include "codegen/cpu/kernels/RoundedTile.h"
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

/// One cell's view of the call, and its lists of runs.
struct Cell {
  Shape s;
  int64_t outer[1];
  int64_t firstColumn; // of the group
  int64_t m0, rows, n0, n1, depth;
  const float *x, *w; // of the image and group
  bool merge;
  int64_t segs, segLen;
  const float **pointers;
  float *zeros, *edges;

  /// `scratch` is what convScratchBytes has behind the tile.
  MMK_INLINE Cell(const MicroCall *call, float *scratch) {
    const int64_t *p = call->params;
    const int64_t C = p[3], OH = p[4], OW = p[5], N = p[6], G = p[7];
    s.H = p[1], s.W = p[2], s.OW = OW, s.KH = p[8], s.KW = p[9];
    s.strideH = p[10], s.strideW = p[11], s.dilationH = p[12];
    s.dilationW = p[13], s.padTop = p[14], s.padLeft = p[15];
    s.xRow = p[17], s.xCol = p[18], s.channels = C / G;
    const int64_t mBlock = p[19], nBlock = p[20];
    const int64_t Ng = N / G, group = call->z % G;
    outer[0] = call->z / G;
    firstColumn = group * Ng;
    m0 = call->y * mBlock, rows = minOf(mBlock, OH * OW - m0);
    n0 = call->x * nBlock, n1 = minOf(n0 + nBlock, Ng);
    depth = s.KH * s.KW * s.channels;
    x = static_cast<const float *>(call->tensors[0]) + outer[0] * p[16] +
        group * s.channels;
    w = static_cast<const float *>(call->tensors[1]) +
        group * ceilDiv(Ng, kPanel) * depth * kPanel;
    const bool never = s.padLeft == 0 && (OW - 1) * s.strideW + s.KW <= s.W;
    merge = convRowsMerge(C, G, s.dilationW, s.xCol) &&
            (never || s.channels < kConvEdgeCopyChannels);
    segs = merge ? s.KH : s.KH * s.KW;
    segLen = merge ? s.KW * s.channels : s.channels;
    pointers = reinterpret_cast<const float **>(scratch);
    zeros = reinterpret_cast<float *>(pointers +
                                      roundUp(s.KH * s.KW * kScratchRows, 8));
    edges = zeros + roundUp(segLen, 16);
    zeroRun(zeros, segLen);
  }

  /// Lists the runs of the cell's rows r0 .. r0 + mr.
  MMK_INLINE void list(int64_t r0, int64_t mr) const {
    if (merge)
      mergedRuns(s, x, zeros, edges, m0 + r0, mr, pointers);
    else
      tapRuns(s, x, zeros, m0 + r0, mr, pointers);
  }
};

void convolve(const MicroCall *call) {
  auto *out = static_cast<float *>(call->args->scratch);
  const Cell c(call, out + kScratchRows * kPostCols);
  const int64_t step = c.s.strideW * c.s.xCol;
  const int64_t tiles = rowTiles(c.rows, step);
  const int64_t groupCols = panelsPerGroup(c.depth) * kPanel;
  for (int64_t n = c.n0; n < c.n1; n += groupCols) {
    const int64_t cols = minOf(groupCols, c.n1 - n);
    const int64_t panels = ceilDiv(cols, kPanel);
    const float *b = c.w + n * c.depth;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t r0 = tileBegin(c.rows, tiles, t);
      const int64_t mr = tileBegin(c.rows, tiles, t + 1) - r0;
      c.list(r0, mr);
      runPanels(mr, panels, c.pointers, c.segs, c.segLen, b, out,
                {b + panels * c.depth * kPanel}, t, tiles,
                c.pointers[0] + mr * step, mr * step);
      call->post(call->args, c.outer, c.m0 + r0, c.firstColumn + n, mr, cols,
                 out, kPostCols);
    }
  }
}

#if defined(__AVX512BF16__)
/// Some rows of the matrix that convolve never builds, as bf16.
struct RoundedMatrix {
  uint16_t *a;
  int64_t aRow, padded, m, rows; // padded: depth, with zeros behind

  MMK_NOINLINE void build(const Cell &c) const {
    const int64_t tiles = ceilDiv(rows, kScratchRows);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t r0 = tileBegin(rows, tiles, t);
      const int64_t mr = tileBegin(rows, tiles, t + 1) - r0;
      c.list(m + r0, mr);
      for (int64_t r = 0; r < mr; ++r) {
        uint16_t *to = a + (r0 + r) * aRow;
        for (int64_t i = 0; i < c.segs; ++i)
          roundRow(c.pointers[i * mr + r], c.segLen, to + i * c.segLen,
                   c.segLen);
        for (int64_t k = c.depth; k < padded; ++k)
          to[k] = 0;
      }
    }
  }
};

#if defined(__AMX_BF16__)
constexpr int64_t kMatrixRows = kConvRoundedRows;
constexpr int64_t kMatrixStep = kTileBytes / 2;

/// Columns [n, n + cols) of the cell's filters as pairs, which meet all rows.
void meetPanels(const Cell &c, const RoundedMatrix &x, int64_t n, int64_t cols,
                uint16_t *panels, float *out, const MicroCall *call) {
  for (int64_t i = 0; i < cols; i += kPanel)
    pairFloats(c.w + (n + i) * c.depth, c.depth, x.padded,
               panels + i * x.padded);
  TileOperands o;
  o.aRow = x.aRow * 2;
  o.chunk = kTileBytes;
  o.chunks = x.padded / kMatrixStep;
  int64_t shaped = 0;
  for (int64_t r0 = 0; r0 < x.rows; r0 += kAmxRows) {
    const int64_t mr = minOf(kAmxRows, x.rows - r0);
    if (mr != shaped)
      shapeTiles(shaped = mr, o.chunk);
    o.a = x.a + r0 * x.aRow;
    for (int64_t i = 0; i < cols; i += kAmxCols) {
      const int64_t there = minOf(kAmxCols, cols - i);
      for (int64_t p = 0; p < 2; ++p)
        o.b[p] = reinterpret_cast<const uint8_t *>(panels +
                                                   (i + p * kPanel) * x.padded);
      multiplyBlock<TileType::bf16>(mr, ceilDiv(there, kPanel), o, out);
      call->post(call->args, c.outer, c.m0 + x.m + r0, c.firstColumn + n + i,
                 mr, there, out, kAmxCols);
    }
  }
  releaseTiles();
}
#else
constexpr int64_t kMatrixRows = kConvRoundedRows / kScratchRows * kScratchRows;
constexpr int64_t kMatrixStep = 2;

/// Columns [n, n + cols) of the cell's filters, rounded, which meet all rows.
void meetPanels(const Cell &c, const RoundedMatrix &x, int64_t n, int64_t cols,
                uint16_t *panels, float *out, const MicroCall *call) {
  for (int64_t i = 0; i < cols; i += kPanel)
    pairFloats(c.w + (n + i) * c.depth, c.depth, x.padded,
               panels + i * x.padded);
  RoundedTile tile = {x.a, x.aRow, panels, c.depth};
  const int64_t tiles = ceilDiv(x.rows, kScratchRows);
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t r0 = tileBegin(x.rows, tiles, t);
    const int64_t mr = tileBegin(x.rows, tiles, t + 1) - r0;
    tile.a = x.a + r0 * x.aRow;
    for (int64_t i = 0; i < cols; i += kPanel) {
      tile.panel = panels + i * x.padded;
      runRounded(mr, tile, out + i, kPostCols);
    }
    call->post(call->args, c.outer, c.m0 + x.m + r0, c.firstColumn + n, mr,
               cols, out, kPostCols);
  }
}
#endif

/// As convolve with inputs and filters of bf16: some rows of x are rounded at a
/// time, then panels for all of these.
void convolveRounded(const MicroCall *call) {
  auto *out = static_cast<float *>(call->args->scratch);
  RoundedMatrix x;
  x.a = reinterpret_cast<uint16_t *>(out + kScratchRows * kPostCols);
  const int64_t depth =
      call->params[8] * call->params[9] * (call->params[3] / call->params[7]);
  x.padded = roundUp(depth, kMatrixStep);
  x.aRow = roundedStride(x.padded);
  uint16_t *panels = x.a + roundUp(kMatrixRows * x.aRow, 32);
  const int64_t groupCols = convRoundedPanels(depth) * kPanel;
  const Cell c(call, reinterpret_cast<float *>(panels + groupCols * x.padded));
  for (x.m = 0; x.m < c.rows; x.m += kMatrixRows) {
    x.rows = minOf(kMatrixRows, c.rows - x.m);
    x.build(c);
    for (int64_t n = c.n0; n < c.n1; n += groupCols)
      meetPanels(c, x, n, minOf(groupCols, c.n1 - n), panels, out, call);
  }
}
#endif

} // namespace

extern "C" void mmk_conv_f32(const MicroCall *call) { convolve(call); }

extern "C" void mmk_conv_bf16(const MicroCall *call) {
#if defined(__AVX512BF16__)
  convolveRounded(call);
#else
  convolve(call);
#endif
}
