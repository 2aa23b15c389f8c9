//===- kernels.cpp - GFLOP/s of the CPU microkernels ----------------------===//
//
// kernel_bench [--level=x86-64-v4] [--only=TEXT] [--seconds=0.2]
//
// Runs the microkernels of a level on one thread over the shapes of real
// models and prints GFLOP/s and the share of the FMA peak measured in the same
// run. The post block adds a bias and stores, as the simplest epilogue does.
// `cold` rows walk through copies of the weights that no cache holds, as in a
// whole model; they also print the weights' GB/s.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Levels.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "runtime/loader/CpuLevel.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <functional>
#include <immintrin.h>
#include <string>
#include <sys/mman.h>
#include <vector>

using namespace mmcc::cpu;

namespace {

/// CPU time of this thread: others on the machine do not count.
double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

/// GFLOP/s of independent 256-bit FMAs, one core. AVX-512 cores that split
/// their vectors reach the same.
__attribute__((target("avx2,fma"))) double fmaPeak256() {
  __m256 sum[12];
  for (int i = 0; i < 12; ++i)
    sum[i] = _mm256_set1_ps(float(i));
  __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-3f);
  const long count = 300000;
  double start = now();
  for (long k = 0; k < count; ++k) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 12; ++i)
      asm volatile("vfmadd213ps %2,%1,%0" : "+x"(sum[i]) : "x"(x), "x"(y));
  }
  return 12.0 * 8 * 2 * count / (now() - start) * 1e-9;
}

__attribute__((target("avx512f"))) double fmaPeak512() {
  __m512 sum[12];
  for (int i = 0; i < 12; ++i)
    sum[i] = _mm512_set1_ps(float(i));
  __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-3f);
  const long count = 300000;
  double start = now();
  for (long k = 0; k < count; ++k) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 12; ++i)
      asm volatile("vfmadd213ps %2,%1,%0" : "+v"(sum[i]) : "v"(x), "v"(y));
  }
  return 12.0 * 16 * 2 * count / (now() - start) * 1e-9;
}

/// Float storage in huge pages where the system gives them.
class Buffer {
public:
  explicit Buffer(size_t count)
      : bytes((count * 4 + (2 << 20)) & ~size_t((2 << 20) - 1)) {
    data = static_cast<float *>(std::aligned_alloc(2 << 20, bytes));
    madvise(data, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < bytes / 4; ++i)
      data[i] = float(int(i * 2654435761u >> 20) % 1000 - 500) * 1e-3f;
  }
  ~Buffer() { std::free(data); }
  Buffer(const Buffer &) = delete;
  /// The same numbers in 16 bits, so that none is below the normal range.
  void makeHalves() {
    auto *bits = reinterpret_cast<uint32_t *>(data);
    for (size_t i = 0; i < bytes / 4; ++i)
      bits[i] = (bits[i] & 0xffff0000) | bits[i] >> 16;
  }
  float *data;

private:
  size_t bytes;
};

struct Output {
  float *out;
  const float *bias;
  int64_t rows, cols, inner; // inner: extent of outer[1], or 1
};

__attribute__((target_clones("avx512f", "avx2", "default"))) void
post(const KernelArgs *args, const int64_t *outer, int64_t row0, int64_t col0,
     int64_t rows, int64_t cols, float *tile, int64_t stride) {
  auto *o = static_cast<Output *>(args->buffers[0]);
  int64_t outerAt = outer[0] * o->inner + (o->inner > 1 ? outer[1] : 0);
  for (int64_t r = 0; r < rows; ++r) {
    float *to = o->out + (outerAt * o->rows + row0 + r) * o->cols + col0;
    const float *from = tile + r * stride, *bias = o->bias + col0;
    for (int64_t c = 0; c < cols; ++c)
      to[c] = from[c] + bias[c];
  }
}

struct Bench {
  void *library;
  bool avx512;
  double peak, seconds;
  std::string only;

  /// Least time of one pass over the grid; `move` shifts the tensors between
  /// passes.
  void run(const std::string &name, const char *row,
           const std::vector<int64_t> &params,
           std::vector<const void *> tensors, int64_t x, int64_t y, int64_t z,
           int64_t scratchBytes, Output output, double flops,
           double weightBytes = 0,
           const std::function<void(std::vector<const void *> &)> &move =
               nullptr) const {
    auto *kernel = reinterpret_cast<void (*)(const MicroCall *)>(
        dlsym(library, (std::string("mmk_") + row).c_str()));
    static Buffer scratch(16 << 20);
    if (!kernel || scratchBytes > 64 << 20) {
      std::printf("%s: no kernel, or too much scratch\n", name.c_str());
      return;
    }
    void *buffers[1] = {&output};
    KernelArgs args = {buffers, nullptr, scratch.data};
    double best = 1e30, begin = now();
    int passes = 0;
    std::vector<double> times;
    while (passes < 3 || now() - begin < seconds) {
      if (move)
        move(tensors);
      double start = now();
      for (int64_t k = 0; k < z; ++k)
        for (int64_t j = 0; j < y; ++j)
          for (int64_t i = 0; i < x; ++i) {
            MicroCall call = {&args, params.data(), tensors.data(), i, j,
                              k,     post,          nullptr};
            kernel(&call);
          }
      double time = now() - start;
      times.push_back(time);
      best = std::min(best, time);
      ++passes;
    }
    std::sort(times.begin(), times.end());
    double median = times[times.size() / 2];
    std::printf("%-38s %4ld cells %9.1f us (median %9.1f) %7.1f GF %5.1f%%",
                name.c_str(), long(x * y * z), best * 1e6, median * 1e6,
                flops / best * 1e-9, 100 * flops / best * 1e-9 / peak);
    if (weightBytes > 0)
      std::printf("  %5.1f GB/s", weightBytes / best * 1e-9);
    std::printf("\n");
    std::fflush(stdout);
  }

  bool wanted(const std::string &name) const {
    return only.empty() || name.find(only) != std::string::npos;
  }

  void gemm(const char *model, int64_t M, int64_t N, int64_t K,
            bool cold = false) const {
    char name[96];
    std::snprintf(name, sizeof name, "gemm %s %ldx%ldx%ld%s", model, long(M),
                  long(N), long(K), cold ? " cold" : "");
    if (!wanted(name))
      return;
    int64_t panelled = (N + 15) / 16 * 16 * K;
    int64_t copies = cold ? std::max<int64_t>(2, 40000000 / panelled) : 1;
    Buffer a(M * K), w(panelled * copies), out(M * N), bias(N);
    Blocks blocks = gemmBlocks(M, N, K, 1, avx512);
    int64_t copy = 0;
    auto move = [&](std::vector<const void *> &tensors) {
      copy = (copy + 1) % copies;
      tensors[1] = w.data + copy * panelled;
    };
    run(name, "gemm_f32",
        {1, M, N, K, M * K, K, blocks.m_block, blocks.n_block},
        {a.data, w.data}, blocking::ceilDivide(N, blocks.n_block),
        blocking::ceilDivide(M, blocks.m_block), 1, gemmScratchBytes(),
        {out.data, bias.data, M, N, 1}, 2.0 * M * N * K,
        cold ? 4.0 * panelled : 0, move);
  }

  /// `row`: a product with weights of `bits`, in groups of 128 (4 bits) or
  /// columns (8); `integers`: with activations of 8 bits.
  void narrow(const char *row, int bits, bool integers, int64_t M, int64_t N,
              int64_t K, bool cold) const {
    char name[96];
    std::snprintf(name, sizeof name, "%s %ldx%ldx%ld%s", row, long(M), long(N),
                  long(K), cold ? " cold" : "");
    if (!wanted(name))
      return;
    int64_t bytes = (N + 15) / 16 * 16 * K * bits / 8;
    int64_t group = bits == 4 ? 128 : K,
            scales = (N + 15) / 16 * 16 * K / group;
    int64_t copies = cold ? std::max<int64_t>(2, 160000000 / bytes) : 1;
    Buffer a(M * K), w(bytes / 4 * copies), scale(scales),
        aScale(M * K / group), out(M * N), bias(N);
    Blocks blocks = narrowBlocks(M, N, K, 1, avx512);
    int64_t copy = 0;
    auto move = [&](std::vector<const void *> &tensors) {
      copy = (copy + 1) % copies;
      tensors[integers ? 2 : 1] = w.data + copy * (bytes / 4);
    };
    std::vector<int64_t> params = {1, M, N, K, M * K, K};
    std::vector<const void *> tensors = {a.data, w.data, scale.data,
                                         scale.data};
    if (integers) {
      params.insert(params.end(), {M * K / group, K / group, group, group});
      tensors.insert(tensors.begin() + 1, aScale.data);
    } else {
      params.push_back(group);
    }
    params.insert(params.end(), {0, blocks.m_block, blocks.n_block});
    if (integers && bits == 8) {
      params.push_back(1);
      tensors.push_back(scale.data);
    }
    run(name, row, params, tensors, blocking::ceilDivide(N, blocks.n_block),
        blocking::ceilDivide(M, blocks.m_block), 1,
        integers ? gemmInt8ScratchBytes(K, blocks.m_block)
                 : gemmNarrowScratchBytes(K, blocks.m_block),
        {out.data, bias.data, M, N, 1}, 2.0 * M * N * K,
        cold ? double(bytes + scales * 4) : 0, move);
  }

  /// `row`: a product with weights stored in `bytes` each, and scales by column
  /// for those of one, and by row where activations have one, too.
  void stored(const char *row, int64_t bytes, int64_t M, int64_t N, int64_t K,
              bool cold) const {
    char name[96];
    std::snprintf(name, sizeof name, "%s %ldx%ldx%ld%s", row, long(M), long(N),
                  long(K), cold ? " cold" : "");
    if (!wanted(name))
      return;
    int64_t size = (N + 15) / 16 * 16 * K * bytes;
    int64_t copies = cold ? std::max<int64_t>(2, 160000000 / size) : 1;
    Buffer a(M * K), w(size / 4 * copies), scale((N + 15) / 16 * 16),
        out(M * N), bias(N);
    if (bytes == 2)
      w.makeHalves();
    const bool both = std::strcmp(row, "gemm_f8_f8") == 0;
    Buffer rowScale(M);
    const bool splits = std::strcmp(row, "gemm_f16_f16") == 0;
    if (splits || std::strcmp(row, "gemm_bf16_bf16") == 0)
      a.makeHalves();
    Blocks blocks = splits ? splitBlocks(M, N, K, 1, avx512)
                           : narrowBlocks(M, N, K, 1, avx512);
    int64_t copy = 0;
    auto move = [&](std::vector<const void *> &tensors) {
      copy = (copy + 1) % copies;
      tensors[both ? 2 : 1] = w.data + copy * (size / 4);
    };
    std::vector<int64_t> params = {1, M, N, K, M * K, K};
    if (both)
      params.insert(params.end(), {M, 1});
    else if (bytes == 1)
      params.push_back(K);
    params.insert(params.end(), {blocks.m_block, blocks.n_block});
    std::vector<const void *> tensors = {a.data, w.data, scale.data};
    if (both)
      tensors.insert(tensors.begin() + 1, rowScale.data);
    run(name, row, params, tensors, blocking::ceilDivide(N, blocks.n_block),
        blocking::ceilDivide(M, blocks.m_block), 1,
        std::max(gemmSplitScratchBytes(K, blocks.m_block),
                 gemmRoundedScratchBytes(K, blocks.m_block)),
        {out.data, bias.data, M, N, 1}, 2.0 * M * N * K,
        cold ? double(size) : 0, move);
  }

  void allNarrow(int64_t M, int64_t N, int64_t K, bool cold) const {
    narrow("gemm_f32_u4", 4, false, M, N, K, cold);
    narrow("gemm_i8_u4", 4, true, M, N, K, cold);
    narrow("gemm_f32_i8", 8, false, M, N, K, cold);
    narrow("gemm_i8_i8", 8, true, M, N, K, cold);
    stored("gemm_f32_bf16", 2, M, N, K, cold);
    stored("gemm_bf16_bf16", 2, M, N, K, cold);
    stored("gemm_f32_f16", 2, M, N, K, cold);
    stored("gemm_f16_f16", 2, M, N, K, cold);
    stored("gemm_f32_f8e4m3", 1, M, N, K, cold);
    stored("gemm_f32_f8e5m2", 1, M, N, K, cold);
    stored("gemm_f8_f8", 1, M, N, K, cold);
  }

  void batchGemm(const char *model, int64_t B, int64_t M, int64_t N, int64_t K,
                 bool transposed) const {
    char name[96];
    std::snprintf(name, sizeof name, "batch_gemm %s %ldx%ldx%ldx%ld%s", model,
                  long(B), long(M), long(N), long(K), transposed ? " T" : "");
    if (!wanted(name))
      return;
    Buffer a(B * M * K), b(B * N * K), out(B * M * N), bias(N);
    Blocks blocks = batchGemmBlocks(M, N, K, B, avx512);
    run(name, "batch_gemm_f32",
        {1, B, M, N, K, 0, M * K, K, 1, 0, N * K, transposed ? 1 : N,
         transposed ? K : 1, blocks.m_block, blocks.n_block},
        {a.data, b.data}, blocking::ceilDivide(N, blocks.n_block),
        blocking::ceilDivide(M, blocks.m_block), B,
        batchGemmScratchBytes(K, blocks.m_block, true),
        {out.data, bias.data, M, N, B}, 2.0 * B * M * N * K);
  }

  void attention(const char *model, int64_t H, int64_t group, int64_t Sq,
                 int64_t Skv, int64_t D, bool causal = false) const {
    for (const char *row : {"attention_f32", "attention_bf16", "attention_i8"})
      attention(row, model, H, group, Sq, Skv, D, causal);
  }

  void attention(const char *row, const char *model, int64_t H, int64_t group,
                 int64_t Sq, int64_t Skv, int64_t D, bool causal) const {
    char name[96];
    std::snprintf(name, sizeof name, "%s %s H%ld %ldx%ld D%ld%s", row, model,
                  long(H), long(Sq), long(Skv), long(D),
                  causal ? " causal" : "");
    if (!wanted(name))
      return;
    int64_t qRow = H * D, kvRow = H / group * D;
    Buffer q(Sq * qRow), k(Skv * kvRow), v(Skv * kvRow), out(Sq * qRow),
        bias(D);
    std::memset(bias.data, 0, D * 4);
    double scale = 1 / std::sqrt(double(D));
    int64_t bits;
    std::memcpy(&bits, &scale, 8);
    int64_t block = attentionBlock(Sq, H);
    double pairs = double(Sq) * Skv;
    if (causal)
      pairs = double(Sq) * (Skv - Sq) + double(Sq) * (Sq + 1) / 2;
    run(name, row,
        {1,      H,           group, Sq,        Skv,   D,    D,           bits,
         causal, Skv - Sq,    0,     Sq * qRow, D,     qRow, Skv * kvRow, D,
         kvRow,  Skv * kvRow, D,     kvRow,     block, 0,    0,           0},
        {q.data, k.data, v.data, k.data}, blocking::ceilDivide(Sq, block), H, 1,
        attentionScratchBytes(D, D, block), {out.data, bias.data, Sq, D, H},
        4.0 * pairs * D * H, Sq <= 4 ? 8.0 * Skv * D * H / group : 0);
  }

  void conv(const char *model, int64_t H, int64_t W, int64_t C, int64_t N,
            int64_t KH, int64_t KW, int64_t stride, int64_t pad,
            int64_t G = 1) const {
    for (const char *row : {"conv_f32", "conv_bf16"})
      conv(row, model, H, W, C, N, KH, KW, stride, pad, G);
  }

  void conv(const char *row, const char *model, int64_t H, int64_t W, int64_t C,
            int64_t N, int64_t KH, int64_t KW, int64_t stride, int64_t pad,
            int64_t G) const {
    char name[96];
    std::snprintf(name, sizeof name, "%s %s %ldx%ldx%ld>%ld %ldx%ld/%ld", row,
                  model, long(H), long(W), long(C), long(N), long(KH), long(KW),
                  long(stride));
    if (!wanted(name))
      return;
    bool flat = H == 1 && KH == 1;
    int64_t OH = flat ? 1 : (H + 2 * pad - KH) / stride + 1;
    int64_t OW = (W + 2 * pad - KW) / stride + 1, M = OH * OW;
    int64_t K = KH * KW * C / G, Ng = N / G;
    Buffer x(H * W * C), w(G * ((Ng + 15) / 16 * 16) * K), out(M * N), bias(N);
    Blocks blocks = gemmBlocks(M, Ng, K, G, avx512);
    run(name, row,
        {1,
         H,
         W,
         C,
         OH,
         OW,
         N,
         G,
         KH,
         KW,
         stride,
         stride,
         1,
         1,
         flat ? 0 : pad,
         pad,
         H * W * C,
         W * C,
         C,
         blocks.m_block,
         blocks.n_block},
        {x.data, w.data}, blocking::ceilDivide(Ng, blocks.n_block),
        blocking::ceilDivide(M, blocks.m_block), G,
        convRoundedScratchBytes(C, G, KH, KW), {out.data, bias.data, M, N, 1},
        2.0 * M * N * K);
  }

  void depthwise(const char *model, int64_t H, int64_t W, int64_t C, int64_t KH,
                 int64_t KW, int64_t stride) const {
    char name[96];
    std::snprintf(name, sizeof name, "depthwise %s %ldx%ldx%ld %ldx%ld/%ld",
                  model, long(H), long(W), long(C), long(KH), long(KW),
                  long(stride));
    if (!wanted(name))
      return;
    int64_t OH = H == 1 ? 1 : (H - 1) / stride + 1, OW = (W - 1) / stride + 1;
    int64_t M = OH * OW;
    Buffer x(H * W * C), w(KH * KW * C), out(M * C), bias(C);
    Blocks blocks = depthwiseBlocks(M, C, KH * KW, 1);
    run(name, "depthwise_f32",
        {1, H, W, C, OH, OW, KH, KW, stride, stride, 1, 1, KH / 2, KW / 2,
         H * W * C, W * C, C, blocks.m_block, blocks.n_block},
        {x.data, w.data}, blocking::ceilDivide(C, blocks.n_block),
        blocking::ceilDivide(M, blocks.m_block), 1,
        depthwiseScratchBytes(KH, KW, blocks.n_block),
        {out.data, bias.data, M, C, 1}, 2.0 * M * C * KH * KW);
  }

  void all() const {
    for (bool cold : {false, true}) {
      for (int64_t M : {50, 128, 197}) {
        const char *model = M == 50 ? "CLIP-B/32" : M == 128 ? "BERT" : "ViT-B";
        gemm(model, M, 768, 768, cold);
        gemm(model, M, 3072, 768, cold);
        gemm(model, M, 768, 3072, cold);
      }
      gemm("CLIP-text", 77, 512, 512, cold);
      gemm("ViT-L", 257, 4096, 1024, cold);
      gemm("ViT-L", 257, 1024, 4096, cold);
      gemm("Whisper", 1500, 384, 384, cold);
      gemm("Whisper", 1500, 1536, 384, cold);
      gemm("Whisper", 1500, 384, 1536, cold);
      for (int64_t M : {1, 2, 4, 8, 14, 128}) {
        gemm("Qwen", M, 896, 896, cold);
        gemm("Qwen", M, 4864, 896, cold);
        gemm("Qwen", M, 896, 4864, cold);
        allNarrow(M, 4864, 896, cold);
        allNarrow(M, 896, 4864, cold);
      }
      allNarrow(128, 3072, 768, cold);
      allNarrow(128, 768, 3072, cold);
      allNarrow(197, 3072, 768, cold);
      allNarrow(197, 768, 768, cold);
      allNarrow(197, 768, 3072, cold);
      allNarrow(1500, 2048, 512, cold);
      allNarrow(1500, 512, 2048, cold);
    }
    batchGemm("scores", 12, 197, 197, 64, true);
    batchGemm("values", 12, 197, 64, 197, false);
    attention("CLIP-B/32", 12, 1, 50, 50, 64);
    attention("CLIP-text", 8, 1, 77, 77, 64, true);
    attention("BERT", 12, 1, 128, 128, 64);
    attention("ViT-B", 12, 1, 197, 197, 64);
    attention("ViT-L/336", 16, 1, 577, 577, 64);
    attention("Whisper", 6, 1, 1500, 1500, 64);
    attention("Qwen", 14, 7, 128, 128, 64, true);
    attention("Qwen", 14, 7, 1024, 1024, 64, true);
    attention("D128", 8, 1, 512, 512, 128);
    attention("Qwen", 14, 7, 1, 128, 64);
    attention("Qwen", 14, 7, 1, 4096, 64);
    attention("Whisper", 6, 1, 1, 1500, 64);
    attention("D128", 8, 8, 4, 4096, 128);
    conv("ViT-B", 224, 224, 3, 768, 16, 16, 16, 0);
    conv("CLIP-B/32", 224, 224, 3, 768, 32, 32, 32, 0);
    conv("ResNet", 224, 224, 3, 64, 7, 7, 2, 3);
    conv("ResNet", 56, 56, 64, 64, 1, 1, 1, 0);
    conv("ResNet", 56, 56, 64, 64, 3, 3, 1, 1);
    conv("ResNet", 56, 56, 64, 256, 1, 1, 1, 0);
    conv("ResNet", 56, 56, 256, 64, 1, 1, 1, 0);
    conv("ResNet", 56, 56, 128, 128, 3, 3, 2, 1);
    conv("ResNet", 28, 28, 128, 128, 3, 3, 1, 1);
    conv("ResNet", 14, 14, 256, 256, 3, 3, 1, 1);
    conv("ResNet", 14, 14, 1024, 256, 1, 1, 1, 0);
    conv("ResNet", 7, 7, 512, 512, 3, 3, 1, 1);
    conv("ResNet", 7, 7, 512, 2048, 1, 1, 1, 0);
    conv("Whisper", 1, 3000, 80, 384, 1, 3, 1, 1);
    conv("Whisper", 1, 3000, 384, 384, 1, 3, 2, 1);
    conv("wav2vec", 1, 16000, 1, 512, 1, 10, 5, 0);
    conv("wav2vec", 1, 3199, 512, 512, 1, 3, 2, 0);
    conv("wav2vec", 1, 49, 768, 768, 1, 128, 1, 64, 16);
    depthwise("MobileNet", 112, 112, 32, 3, 3, 1);
    depthwise("MobileNet", 56, 56, 144, 3, 3, 2);
    depthwise("MobileNet", 14, 14, 384, 3, 3, 1);
    depthwise("ConvNeXt", 56, 56, 96, 7, 7, 1);
    depthwise("ConvNeXt", 14, 14, 384, 7, 7, 1);
    depthwise("Conformer", 1, 400, 256, 1, 31, 1);
  }
};

} // namespace

int main(int argc, char **argv) {
  std::string name;
  for (const Level &level : kLevels)
    if (mmcc::runtime::machineRuns(level.name))
      name = level.name;
  Bench bench;
  bench.seconds = 0.2;
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    if (arg.rfind("--level=", 0) == 0)
      name = arg.substr(8);
    else if (arg.rfind("--only=", 0) == 0)
      bench.only = arg.substr(7);
    else if (arg.rfind("--seconds=", 0) == 0)
      bench.seconds = std::atof(arg.c_str() + 10);
    else {
      std::fprintf(stderr, "kernel_bench [--level=x86-64-v4] [--only=TEXT] "
                           "[--seconds=0.2]\n");
      return 1;
    }
  }
  const Level *level = findLevel(name);
  if (!level || !mmcc::runtime::machineRuns(level->name)) {
    std::fprintf(stderr, "this machine has no level '%s'\n", name.c_str());
    return 1;
  }
  const bool avx512 = bench.avx512 = level->lanes == 16;
  bench.library =
      dlopen((MMK_SHARED + name + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!bench.library) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  bench.peak = 0;
  for (int i = 0; i < 100; ++i)
    bench.peak = std::max(bench.peak, avx512 ? fmaPeak512() : fmaPeak256());
  std::printf("level %s, FMA peak of a core %.1f GF/s\n", name.c_str(),
              bench.peak);
  bench.all();
}
