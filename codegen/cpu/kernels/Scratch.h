//===- Scratch.h - Scratch memory of every CPU microkernel ------*- C++ -*-===//
//
// What KernelArgs::scratch must hold, in bytes, 64-byte aligned. The results
// serve every level. Each function is an affine expression of extents that may
// be symbolic and of constants of the model (filter sizes, head dims), so that
// lowering can build the same expression over symbols.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_SCRATCH_H
#define MMCC_CODEGEN_CPU_KERNELS_SCRATCH_H

#include <cstdint>

namespace mmcc::cpu {

/// The most rows that any level's register tile has.
constexpr int64_t kScratchRows = 14;
/// Columns of the tile that one call of a post block sees at most.
constexpr int64_t kPostCols = 128;
/// The most keys that attention packs at a time.
constexpr int64_t kKeyBlock = 768;
/// The most rows of attention's score tile, and its row stride: not a multiple
/// of a page's worth of floats.
constexpr int64_t kScoreRows = 32;
constexpr int64_t kScoreRow = kKeyBlock + 16;
/// Tokens of a state's block: a multiple of what attention packs as one.
constexpr int64_t kStateTokens = 64;
/// Output pixels that a depthwise convolution treats at a time.
constexpr int64_t kDepthwisePixels = 8;

constexpr int64_t roundUp16(int64_t floats) { return (floats + 15) / 16 * 16; }

/// The tile handed to post blocks.
constexpr int64_t postTileBytes() { return kScratchRows * kPostCols * 4; }

constexpr int64_t gemmScratchBytes() { return postTileBytes(); }

constexpr int64_t gemmDotScratchBytes(int64_t m_block) {
  return postTileBytes() + roundUp16(m_block) * 4 + 64;
}

/// Rows of panels, and of K, that narrow weights are widened by, when many rows
/// meet them; fewer rows than kFewRows + 1 meet them widened in registers.
constexpr int64_t kGroupRows = 8192, kWidenedDepth = 1024, kFewRows = 4;

constexpr int64_t gemmNarrowScratchBytes(int64_t K, int64_t m_block) {
  int64_t few = kFewRows * (K + K / 32) * 4;
  int64_t sums = K > kWidenedDepth ? m_block * kPostCols : 0;
  int64_t many = (kGroupRows * 16 + sums) * 4;
  return postTileBytes() + few + many + 64;
}

/// The rows of a tile as f32, beside what these want.
constexpr int64_t gemmWidenedScratchBytes(int64_t K, int64_t m_block) {
  return gemmNarrowScratchBytes(K, m_block) + kScratchRows * (K + 16) * 4;
}

/// gemm_bf16_bf16: that; or a block of results, and copies of the rows and of
/// 32 columns as tiles want them.
constexpr int64_t gemmRoundedScratchBytes(int64_t K, int64_t m_block) {
  int64_t wide = gemmWidenedScratchBytes(K, m_block);
  int64_t tiles = 32 * kPostCols * 4 + (m_block + 32) * (K + 64) * 2;
  return (wide > tiles ? wide : tiles) + 64;
}

/// gemm_f16_f16: the rows as f32, beside what these want; or a block of
/// results, and the rows and 32 columns in two halves of bf16 as tiles want
/// them.
constexpr int64_t gemmSplitScratchBytes(int64_t K, int64_t m_block) {
  int64_t wide = gemmWidenedScratchBytes(K, m_block);
  int64_t tiles = 32 * kPostCols * 4 + (m_block + 32) * (K + 64) * 4;
  return (wide > tiles ? wide : tiles) + 64;
}

/// For each row, sums of 32 numbers; then the numbers in 16 bits, or what tiles
/// want: 32 columns of K as bytes, a block of integers and one of results.
constexpr int64_t gemmInt8ScratchBytes(int64_t K, int64_t m_block) {
  int64_t numbers = m_block * (K + 32) * 2,
          tiles = 32 * K + 32 * (32 + kPostCols) * 4;
  return postTileBytes() + m_block * (K / 32 * 4) +
         (numbers > tiles ? numbers : tiles) + 2 * 64;
}

/// a_contiguous: a_col is 1. Linear in K.
constexpr int64_t batchGemmScratchBytes(int64_t K, int64_t m_block,
                                        bool a_contiguous) {
  int64_t packed_b = 32 * K * 4;
  int64_t packed_a = a_contiguous ? 0 : m_block * (K + 16) * 4;
  return postTileBytes() + packed_b + packed_a;
}

/// Does not depend on Sq and Skv.
constexpr int64_t attentionScratchBytes(int64_t D, int64_t Dv,
                                        int64_t q_block) {
  int64_t d = roundUp16(D), dv = roundUp16(Dv);
  int64_t keys = kKeyBlock * d * 4;
  int64_t values = kKeyBlock * dv * 4;
  int64_t scores = kScoreRows * kScoreRow * 4;
  int64_t tiles = kScoreRows * (d + dv) * 4;
  int64_t panel = (16 * (d + 32) + kKeyBlock + d) * 4;
  int64_t out = (q_block + kScoreRows) * dv * 4;
  int64_t queries = (q_block + kScoreRows) * (d + 16) * 2;
  int64_t stats = 2 * (q_block + kScoreRows) * 4;
  return keys + values + scores + tiles + panel + out + queries + stats +
         8 * 64;
}

/// attention_state_*: a panel's worth of keys as f32, beside the rest.
constexpr int64_t stateAttentionScratchBytes(int64_t D, int64_t Dv,
                                             int64_t q_block) {
  return 16 * roundUp16(D) * 4 + attentionScratchBytes(D, Dv, q_block);
}

/// True when the taps of one filter row are one run of memory.
constexpr bool convRowsMerge(int64_t C, int64_t G, int64_t dilation_w,
                             int64_t x_col) {
  return G == 1 && dilation_w == 1 && x_col == C;
}

/// Below this many channels a filter row that hangs over the image's edge is
/// copied, so that rows stay merged.
constexpr int64_t kConvEdgeCopyChannels = 32;

constexpr int64_t convScratchBytes(int64_t C, int64_t G, int64_t KH,
                                   int64_t KW) {
  int64_t cg = C / G;
  int64_t pointers = KH * KW * kScratchRows * 8;
  int64_t zeros = (KW * cg + 16) * 4;
  int64_t edges =
      cg < kConvEdgeCopyChannels ? kScratchRows * KH * KW * cg * 4 : 0;
  return postTileBytes() + pointers + zeros + edges + 4 * 64;
}

/// conv_bf16: rows of the matrix that it builds, and the panels that are
/// rounded for all of them, at a time.
constexpr int64_t kConvRoundedRows = 128;
constexpr int64_t convRoundedPanels(int64_t depth) {
  int64_t panels = (int64_t(192) << 10) / (depth * 32 + 1);
  return panels < 1 ? 1 : panels < kPostCols / 16 ? panels : kPostCols / 16;
}

constexpr int64_t convRoundedScratchBytes(int64_t C, int64_t G, int64_t KH,
                                          int64_t KW) {
  int64_t depth = KH * KW * (C / G);
  int64_t numbers = kConvRoundedRows + convRoundedPanels(depth) * 16;
  return convScratchBytes(C, G, KH, KW) + numbers * (depth + 63) * 2 + 2 * 64;
}

constexpr int64_t depthwiseScratchBytes(int64_t KH, int64_t KW,
                                        int64_t n_block) {
  int64_t pointers = KH * KW * kDepthwisePixels * 8;
  return kDepthwisePixels * kPostCols * 4 + pointers + (n_block + 16) * 4 +
         2 * 64;
}

/// Rows of token_match_f32's score tile; 16 rows of B pass through it, too.
constexpr int64_t kTokenScoreRows = 16;

/// Row stride of that tile: a score each token of B, or a row of the metric.
constexpr int64_t tokenScoreRow(int64_t N, int64_t D) {
  int64_t scores = (N / 2 + 31) / 32 * 32, d = roundUp16(D);
  return scores > d ? scores : d;
}

constexpr int64_t tokenMatchScratchBytes(int64_t N, int64_t D) {
  int64_t rows = (N + 1) / 2 + roundUp16(N / 2);
  return (rows * roundUp16(D) + kTokenScoreRows * tokenScoreRow(N, D) + 3 * N) *
             4 +
         2 * 64;
}

/// Keys that a selector of the k best holds.
constexpr int64_t selectorKeys(int64_t k) { return 3 * k + 64; }
/// The place of what is not there; places are below it.
constexpr float kNoPlace = 16777215.0f;

constexpr int64_t topKScratchBytes(int64_t k) {
  return selectorKeys(k) * 8 + 2 * roundUp16(k) * 4 + 64;
}

constexpr int64_t retrieveScratchBytes(int64_t k, int64_t m_block) {
  constexpr int64_t selector = 64;
  return postTileBytes() + 2 * roundUp16(k) * 4 +
         m_block * (selectorKeys(k) * 8 + selector) + 64;
}

/// Linear in D, which must be known.
constexpr int64_t similarityScratchBytes(int64_t D, int64_t m_block,
                                         int64_t n_block) {
  return postTileBytes() +
         (m_block + roundUp16(n_block) + 16) * roundUp16(D) * 4 + 4 * 64;
}

/// For each token, how near the chosen ones are; then the chosen places.
constexpr int64_t tokenSelectScratchBytes(int64_t N, int64_t K) {
  return (roundUp16(N) + roundUp16(K)) * 4 + 64;
}

/// M tokens are left.
constexpr int64_t tokenMergeScratchBytes(int64_t M, int64_t n_block) {
  return (M * roundUp16(n_block) + M + 16) * 4 + 64;
}

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_SCRATCH_H
