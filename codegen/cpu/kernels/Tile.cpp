//===- Tile.cpp - The register tile under every product -------------------===//

#include "codegen/cpu/kernels/Tile.h"

using namespace mmcc::cpu;

namespace {

/// Steps of K from one fetch of far and nextRows to the next.
constexpr int64_t kFetchEvery = kLanes == 16 ? 1 : 2;

/// How many interleaved classes of k have sums of their own.
constexpr int splitOf(int rows, int vecs) {
#if defined(__AVX512F__)
  int wanted = 6; // one FMA a cycle or two, latency four
#else
  int wanted = 8;
#endif
  int sums = rows * vecs;
  return sums * 2 > wanted + 1 ? (sums >= wanted ? 1 : 2) : 4;
}

/// rows x (vecs vectors) sums; vector v of b's row k is at
/// b + k * bRow + v * vecStride.
template <int Rows, int Vecs>
MMK_NOINLINE void tile(const TileArgs &t, int64_t vecStride) {
  constexpr int Split = splitOf(Rows, Vecs);
  constexpr int Step = 4;
  Vec sum[Split][Rows][Vecs];
#pragma clang loop unroll(full)
  for (int s = 0; s < Split; ++s)
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
      for (int v = 0; v < Vecs; ++v)
        sum[s][r][v] = vzero();

  const float *const *rows = t.rows;
  const float *b = t.b;
  const char *far = t.far, *nextRows = t.nextRows;
  const int64_t bRow = t.bRow, segLen = t.segLen;
  for (int64_t seg = 0; seg < t.segs; ++seg, rows += Rows) {
    const float *a[Rows];
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
      a[r] = rows[r];
    int64_t k = 0;
    for (; k + Step <= segLen; k += Step) {
#pragma clang loop unroll(full)
      for (int u = 0; u < Step; ++u) {
        Vec bv[Vecs];
#pragma clang loop unroll(full)
        for (int v = 0; v < Vecs; ++v)
          bv[v] = vload(b + v * vecStride);
        b += bRow;
        _mm_prefetch(b + kAhead, _MM_HINT_T0);
        // AVX2 tiles are short of load slots: there the two take turns.
        if (kLanes == 16 || u % 2 == 0) {
          _mm_prefetch(far, _MM_HINT_T1);
          far += t.farStep * kFetchEvery;
        }
        if (kLanes == 16 || u % 2 == 1) {
          _mm_prefetch(nextRows, _MM_HINT_T1);
          nextRows += t.nextRowsStep * kFetchEvery;
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; ++r) {
          Vec av = vset(a[r][k + u]);
#pragma clang loop unroll(full)
          for (int v = 0; v < Vecs; ++v)
            sum[u % Split][r][v] = vfma(av, bv[v], sum[u % Split][r][v]);
        }
      }
    }
#pragma clang loop unroll(disable)
    for (; k < segLen; ++k) {
      Vec bv[Vecs];
#pragma clang loop unroll(full)
      for (int v = 0; v < Vecs; ++v)
        bv[v] = vload(b + v * vecStride);
      b += bRow;
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r) {
        Vec av = vset(a[r][k]);
#pragma clang loop unroll(full)
        for (int v = 0; v < Vecs; ++v)
          sum[0][r][v] = vfma(av, bv[v], sum[0][r][v]);
      }
    }
  }

  float *out = t.out;
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r, out += t.outRow)
#pragma clang loop unroll(full)
    for (int v = 0; v < Vecs; ++v) {
      Vec total = sum[0][r][v];
#pragma clang loop unroll(full)
      for (int s = 1; s < Split; ++s)
        total = vadd(total, sum[s][r][v]);
      vstore(out + v * kLanes, total);
    }
}

} // namespace

namespace mmcc::cpu {

void runTile(int64_t mr, [[maybe_unused]] int64_t panels,
             const TileArgs &args) {
#if defined(__AVX512F__)
#define MMK_ROWS(R)                                                            \
  case R:                                                                      \
    if (panels == 2)                                                           \
      return tile<R, 2>(args, args.panelStride);                               \
    return tile<R, 1>(args, 0);
#else
#define MMK_ROWS(R)                                                            \
  case R:                                                                      \
    return tile<R, 2>(args, kLanes);
#endif
  switch (mr) {
    MMK_ROWS(1)
    MMK_ROWS(2)
    MMK_ROWS(3)
    MMK_ROWS(4)
    MMK_ROWS(5)
    MMK_ROWS(6)
#if defined(__AVX512F__)
    MMK_ROWS(7)
    MMK_ROWS(8)
    MMK_ROWS(9)
    MMK_ROWS(10)
    MMK_ROWS(11)
    MMK_ROWS(12)
    MMK_ROWS(13)
    MMK_ROWS(14)
#endif
  }
#undef MMK_ROWS
}

} // namespace mmcc::cpu
