//===- Conv.cuh - conv_f32, conv_bf16, depthwise_f32 ----------------------===//
//
// Images have their channels last. A convolution is a product whose rows are
// the pixels of the result and whose depth runs over taps and channels; the
// matrix of the pixels under each tap is never made.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_CONV_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_CONV_CUH

#include "TensorGemm.cuh"

namespace mmcc {

struct ConvParams {
  int64_t B, H, W, C, OH, OW, N, G, KH, KW, stride_h, stride_w, dilation_h,
      dilation_w, pad_top, pad_left, x_batch, x_row, x_col, m_block, n_block;
};

/// Element (m, k) of the matrix of pixels under each tap, of one image and
/// group.
struct PixelMatrix {
  const float *__restrict__ image;
  const ConvParams &p;
  int64_t channels;

  __device__ float operator()(int64_t m, int64_t k) const {
    const int64_t tap = k / channels;
    const int64_t h =
        m / p.OW * p.stride_h - p.pad_top + tap / p.KW * p.dilation_h;
    const int64_t v =
        m % p.OW * p.stride_w - p.pad_left + tap % p.KW * p.dilation_w;
    return h >= 0 && h < p.H && v >= 0 && v < p.W
               ? image[h * p.x_row + v * p.x_col + k % channels]
               : 0.0f;
  }
};

/// What a block of a convolution multiplies.
struct ConvCell {
  int64_t batch, group, columns, depth;
  PixelMatrix pixels;
  const float *__restrict__ panels;

  __device__ ConvCell(const float *x, const float *w, const ConvParams &p)
      : batch(blockIdx.z / p.G), group(blockIdx.z % p.G), columns(p.N / p.G),
        depth(p.KH * p.KW * (p.C / p.G)),
        pixels{x + batch * p.x_batch + group * (p.C / p.G), p, p.C / p.G},
        panels(w + group * ((columns + 15) / 16) * depth * 16) {}
};

template <int MBlock, int NBlock, typename Post>
__device__ void conv(const float *__restrict__ x, const float *__restrict__ w,
                     const ConvParams &p, Post post) {
  const ConvCell cell(x, w, p);
  static_assert(MBlock == NBlock);
  multiplyCell<MBlock>(p.OH * p.OW, cell.columns, cell.depth, cell.pixels,
                       Panels<float>{cell.panels, cell.depth},
                       [&](int64_t m, int64_t n, float sum) {
                         post(cell.batch, m, cell.group * cell.columns + n,
                              sum);
                       });
}

/// Both operands rounded to bf16, on tensor cores.
template <int MBlock, int NBlock, typename Post>
__device__ void convBf16(const float *__restrict__ x,
                         const float *__restrict__ w, const ConvParams &p,
                         Post post) {
  const ConvCell cell(x, w, p);
  const int64_t pixels = p.OH * p.OW;
  tensorCell<Bf16Math, MBlock, NBlock>(
      pixels, cell.columns, cell.depth,
      [&](int64_t m0) {
        auto number = [&cell, m0](int64_t m, int64_t k) {
          return cell.pixels(m0 + m, k);
        };
        return RoundedRows<MBlock, decltype(number)>{number, pixels - m0,
                                                     cell.depth};
      },
      [&](int64_t first, int64_t last) {
        return RoundedPanels<NBlock>{cell.panels, cell.depth, first, last};
      },
      [&](int64_t m, int64_t n, float sum) {
        post(cell.batch, m, cell.group * cell.columns + n, sum);
      });
}

struct DepthwiseParams {
  int64_t B, H, W, C, OH, OW, KH, KW, stride_h, stride_w, dilation_h,
      dilation_w, pad_top, pad_left, x_batch, x_row, x_col, m_block, n_block;
};

/// A thread has one channel of one pixel after another: neighbours read
/// neighbours.
template <int Threads, typename Post>
__device__ void depthwise(const float *__restrict__ x,
                          const float *__restrict__ w, const DepthwiseParams &p,
                          Post post) {
  const int64_t batch = blockIdx.z;
  const int64_t m0 = blockIdx.y * p.m_block, n0 = blockIdx.x * p.n_block;
  const int64_t height = least(p.m_block, p.OH * p.OW - m0);
  const int64_t width = least(p.n_block, p.C - n0);
  for (int64_t i = threadIdx.x; i < height * width; i += Threads) {
    const int64_t m = m0 + i / width, n = n0 + i % width;
    const int64_t top = m / p.OW * p.stride_h - p.pad_top;
    const int64_t left = m % p.OW * p.stride_w - p.pad_left;
    float sum = 0;
    for (int64_t kh = 0; kh < p.KH; ++kh)
      for (int64_t kw = 0; kw < p.KW; ++kw) {
        const int64_t h = top + kh * p.dilation_h, v = left + kw * p.dilation_w;
        if (h >= 0 && h < p.H && v >= 0 && v < p.W)
          sum += x[batch * p.x_batch + h * p.x_row + v * p.x_col + n] *
                 w[(kh * p.KW + kw) * p.C + n];
      }
    post(batch, m, n, sum);
  }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_CONV_CUH
