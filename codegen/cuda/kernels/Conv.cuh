//===- Conv.cuh - conv_f32, conv_bf16, conv_tf32, depthwise_f32 -----------===//
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
  int64_t batch, group, channels, columns, depth, pixels;

  __device__ ConvCell(const ConvParams &p)
      : batch(blockIdx.z / p.G), group(blockIdx.z % p.G), channels(p.C / p.G),
        columns(p.N / p.G), depth(p.KH * p.KW * channels), pixels(p.OH * p.OW) {
  }
  /// Of this block's image, the channels of its group.
  template <typename T>
  __device__ const T *image(const T *x, const ConvParams &p) const {
    return x + batch * p.x_batch + group * channels;
  }
};

template <int MBlock, int NBlock, typename Post>
__device__ void conv(const float *__restrict__ x, const float *__restrict__ w,
                     const ConvParams &p, Post post) {
  const ConvCell cell(p);
  static_assert(MBlock == NBlock);
  multiplyCell<MBlock>(
      cell.pixels, cell.columns, cell.depth,
      PixelMatrix{cell.image(x, p), p, cell.channels},
      Panels<float>{w + cell.group * panelsOf(cell.columns) * cell.depth * 16,
                    cell.depth},
      [&](int64_t m, int64_t n, float sum) {
        post(cell.batch, m, cell.group * cell.columns + n, sum);
      });
}

/// Brings rows [m0, m0 + Count) of the matrix of pixels under each tap, as
/// Math's words. A thread has the same rows in every stage, so that their
/// pixels are found once. Neighbours along K of 16 bytes of a stage are
/// channels of one tap, if their number divides that of channels: those that
/// need no rounding are copied.
template <typename Math, int Count, typename T> class PixelRows {
public:
  __device__ PixelRows(const T *image, const ConvParams &p,
                       const ConvCell &cell, int64_t m0)
      : image(image), p(p), channels(int(cell.channels)),
        depth(int(cell.depth)),
        inPieces(channels % kPiece == 0 &&
                 (reinterpret_cast<uint64_t>(image) |
                  uint64_t((p.x_row | p.x_col) * int64_t(sizeof(T)))) %
                         16 ==
                     0) {
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
      const int64_t m = m0 + (threadIdx.x + i * cuda::kThreads) / 4;
      // A row that is not there is above the image.
      const bool isIn = m < cell.pixels;
      top[i] = isIn ? int(m / p.OW * p.stride_h - p.pad_top) : kNowhere;
      left[i] = int(m % p.OW * p.stride_w - p.pad_left);
    }
  }

  __device__ void begin(StageRows<Count> &stage, int64_t word) {
    const int at = threadIdx.x % 4 * 4, k = int(word + at) * Math::kPerWord;
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
      uint32_t *to = &stage[(threadIdx.x + i * cuda::kThreads) / 4][at];
      if (inPieces) {
        bringPiece(to, k < depth ? placeOf(i, k) : nullptr);
        continue;
      }
#pragma unroll
      for (int w = 0; w < 4; ++w)
        if constexpr (Math::kPerWord == 1)
          to[w] = __float_as_uint(number(i, k + w));
        else
          to[w] = packed<bf16>(number(i, k + w * 2), number(i, k + w * 2 + 1));
    }
  }
  __device__ void end(StageRows<Count> &) {}

private:
  static constexpr int kChunks = Count * 4 / cuda::kThreads;
  static constexpr int kPiece = 4 * Math::kPerWord;
  static constexpr int kNowhere = -(1 << 30);

  /// Null where the tap is outside of the image.
  __device__ const T *placeOf(int i, int k) const {
    const int tap = k / channels;
    const int h = top[i] + tap / int(p.KW) * int(p.dilation_h);
    const int v = left[i] + tap % int(p.KW) * int(p.dilation_w);
    return h >= 0 && h < p.H && v >= 0 && v < p.W
               ? image + h * p.x_row + v * p.x_col + k % channels
               : nullptr;
  }
  __device__ float number(int i, int k) const {
    const T *from = k < depth ? placeOf(i, k) : nullptr;
    return from ? float(*from) : 0.0f;
  }
  __device__ void bringPiece(uint32_t *to, const T *from) const {
    if constexpr (kPiece * sizeof(T) == 16) {
      copyAsync(to, from ? from : image, from ? 16 : 0);
    } else {
      FourFloats four[2] = {};
      if (from) {
        four[0] = reinterpret_cast<const FourFloats *>(from)[0];
        four[1] = reinterpret_cast<const FourFloats *>(from)[1];
      }
      uint32_t words[4];
#pragma unroll
      for (int w = 0; w < 4; ++w)
        words[w] = packed<bf16>(four[w / 2].of[w % 2 * 2],
                                four[w / 2].of[w % 2 * 2 + 1]);
      storeWords(to, words);
    }
  }

  const T *image;
  const ConvParams &p;
  int channels, depth;
  bool inPieces;
  int top[kChunks], left[kChunks];
};

/// On tensor cores, in the type of the filter, which is in columns: bf16, to
/// which an image of f32 is rounded on its way, or f32 as tf32.
template <int MBlock, int NBlock, typename T, typename Filter, typename Post>
__device__ void tensorConv(const T *__restrict__ x,
                           const Filter *__restrict__ w, const ConvParams &p,
                           Post post) {
  using Math = std::conditional_t<std::is_same_v<Filter, bf16>, HalfMath<bf16>,
                                  RoundingTf32Math>;
  const ConvCell cell(p);
  const int64_t length = cell.depth * int64_t(sizeof(Filter));
  const int64_t pitch = (length + 15) / 16 * 16;
  const char *filter = reinterpret_cast<const char *>(w) +
                       cell.group * panelsOf(cell.columns) * kPanel * pitch;
  tensorCell<Math, MBlock, NBlock>(
      cell.pixels, cell.columns, cell.depth,
      [&](int64_t m0) {
        return PixelRows<Math, MBlock, T>(cell.image(x, p), p, cell, m0);
      },
      [&](int64_t n0) {
        return storedColumns<NBlock>(filter, n0, cell.columns, length);
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
