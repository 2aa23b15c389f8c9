//===- TokenMatch.cpp - Which tokens merge into which ---------------------===//
//
// Bipartite matching (Bolya et al., Token Merging: Your ViT But Faster, 2022).
// Tokens at even positions form A, those at odd positions B. Each token of A
// has a partner in B: the one whose metric has the largest cosine with its own,
// the first of equals. The `merged` tokens of A that are nearest to their
// partners (the first of equals) become one with them. The result is the index
// of each token's successor among the N - merged that are left:
//
//   first `protect` tokens | A that stays | B          each in order
//
//   position      0  1  2  3  4  5     protect 1, merged 1: token 4 of A is
//   set           .  B  A  B  A  B     nearest to its partner, token 3 of B
//   successor     0  2  1  3  3  4
//
// The first `protect` tokens neither merge nor are partners. With `neighbours`
// the partner is one of the two tokens beside, and order of time is kept.
//
//   metric [B, N, D] f32, D contiguous, tokens strided, any alignment; nothing
//   is read beyond it. post((b), 0, i) gets the successor of i, a whole number.
//
// Cosines are dot products of rows scaled to length 1, summed in the order of
// d. A cell is one batch element.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Pack.h"
#include "codegen/cpu/kernels/Tile.h"
#include "codegen/cpu/kernels/UnitRow.h"

using namespace mmcc::cpu;

namespace {

constexpr float kLowest = -__builtin_inff();

struct Matching {
  int64_t N, D, protect, merged;
  const float *metric;
  int64_t row;
  int64_t evens, odds; // sizes of A and B; A[i] is token 2i, B[j] token 2j + 1
  int64_t firstA, firstB; // the first that are not protected

  /// Scratch: rows of A scaled to length 1, rows of B in panels, scores of one
  /// row tile, then what was chosen.
  float *a, *b, *scores, *best, *successor;
  int32_t *partner;
  int64_t d, scoreRow;
};

/// The index of the first largest of s[first, count), and that value. What
/// compares with nothing (NaN) is passed over.
MMK_INLINE int64_t firstLargest(const float *s, int64_t first, int64_t count,
                                float &value) {
  Vec m = vset(kLowest);
  int64_t j = first;
  for (; j + kLanes <= count; j += kLanes)
    m = vmax(vload(s + j), m);
  if (j < count)
    m = vmax(vkeepPart(vloadPart(s + j, count - j), vset(kLowest), count - j),
             m);
  value = vmaxAcross(m);
  for (j = first; j < count; ++j)
    if (s[j] == value)
      return j;
  return first;
}

/// Partners among all of B: A times B transposed, a row tile at a time.
MMK_NOINLINE void matchAll(const Matching &m) {
  for (int64_t i = m.firstA; i < m.evens; ++i)
    scaleToUnit(m.a + i * m.d, m.metric + 2 * i * m.row, m.D, kZeroStays);
  for (int64_t j = 0; j < m.odds; j += kPanel) {
    const int64_t columns = minOf(kPanel, m.odds - j);
    for (int64_t c = 0; c < columns; ++c)
      scaleToUnit(m.scores + c * m.d, m.metric + (2 * (j + c) + 1) * m.row, m.D,
                  kZeroStays);
    packPanel(m.b + j * m.D, m.scores, 1, m.d, m.D, columns);
  }
  const float *rows[kMaxRows];
  TileArgs t;
  t.rows = rows;
  t.segs = 1;
  t.segLen = m.D;
  t.bRow = kPanel;
  t.panelStride = m.D * kPanel;
  t.outRow = m.scoreRow;
  t.far = t.nextRows = reinterpret_cast<const char *>(m.scores);
  t.farStep = t.nextRowsStep = 0;
  const int64_t count = m.evens - m.firstA, tiles = rowTiles(count, m.d);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t r0 = m.firstA + tileBegin(count, tiles, tile);
    const int64_t r1 = m.firstA + tileBegin(count, tiles, tile + 1);
    for (int64_t r = r0; r < r1; ++r)
      rows[r - r0] = m.a + r * m.d;
    for (int64_t j = 0; j < m.odds; j += kTileCols) {
      t.b = m.b + j * m.D;
      t.out = m.scores + j;
      runTile(r1 - r0, minOf(kTilePanels, ceilDiv(m.odds - j, kPanel)), t);
    }
    for (int64_t r = r0; r < r1; ++r)
      m.partner[r] = static_cast<int32_t>(firstLargest(
          m.scores + (r - r0) * m.scoreRow, m.firstB, m.odds, m.best[r]));
  }
}

/// Partners among the tokens beside.
MMK_NOINLINE void matchNeighbours(const Matching &m) {
  float *left = m.scores, *middle = left + m.d, *right = middle + m.d;
  auto dot = [&](const float *x, const float *y) {
    Vec sum = vzero();
    for (int64_t e = 0; e < m.d; e += kLanes)
      sum = vfma(vload(x + e), vload(y + e), sum);
    return vsum(sum);
  };
  zeroRun(left, 3 * m.d);
  for (int64_t i = m.firstA; i < m.evens; ++i) {
    scaleToUnit(middle, m.metric + 2 * i * m.row, m.D, kZeroStays);
    float before = kLowest, after = kLowest;
    if (i - 1 >= m.firstB) {
      scaleToUnit(left, m.metric + (2 * i - 1) * m.row, m.D, kZeroStays);
      before = dot(middle, left);
    }
    if (i >= m.firstB && i < m.odds) {
      scaleToUnit(right, m.metric + (2 * i + 1) * m.row, m.D, kZeroStays);
      after = dot(middle, right);
    }
    const bool later = after > before || i - 1 < m.firstB;
    m.best[i] = later ? after : before;
    m.partner[i] = static_cast<int32_t>(later ? i : i - 1);
  }
}

/// A number's place in the order of floats.
MMK_INLINE uint32_t orderedBits(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/// The k-th largest place, k >= 1, among best[first, count), byte by byte from
/// the top, and how many of that very place belong to the k largest.
MMK_NOINLINE uint32_t kthLargest(const float *best, int64_t first,
                                 int64_t count, int64_t k, int64_t &equals) {
  uint32_t prefix = 0, mask = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    int64_t histogram[256];
    for (int64_t &bin : histogram)
      bin = 0;
    for (int64_t i = first; i < count; ++i)
      if (uint32_t bits = orderedBits(best[i]); (bits & mask) == prefix)
        ++histogram[bits >> shift & 255];
    uint32_t bin = 255;
    for (; bin > 0 && histogram[bin] < k; --bin)
      k -= histogram[bin];
    prefix |= bin << shift;
    mask |= 255u << shift;
  }
  equals = k;
  return prefix;
}

/// Successors, from the partners and how near they are.
MMK_NOINLINE void number(const Matching &m, bool neighbours) {
  int64_t equals = 0;
  const uint32_t least =
      kthLargest(m.best, m.firstA, m.evens, m.merged, equals);
  // A partner that is this or more: the token of A goes.
  auto goes = [&](int64_t i) {
    uint32_t bits = orderedBits(m.best[i]);
    return bits > least || (bits == least && equals-- > 0);
  };
  constexpr float kGone = -1.0f;
  int64_t next = 0;
  for (; next < m.protect; ++next)
    m.successor[next] = static_cast<float>(next);
  for (int64_t i = m.firstA; i < m.evens; ++i)
    m.successor[2 * i] = goes(i) ? kGone : 0.0f;
  if (neighbours) {
    for (int64_t p = m.protect; p < m.N; ++p)
      if (p % 2 == 1 || m.successor[p] != kGone)
        m.successor[p] = static_cast<float>(next++);
  } else {
    for (int64_t i = m.firstA; i < m.evens; ++i)
      if (m.successor[2 * i] != kGone)
        m.successor[2 * i] = static_cast<float>(next++);
    for (int64_t j = m.firstB; j < m.odds; ++j)
      m.successor[2 * j + 1] = static_cast<float>(next++);
  }
  for (int64_t i = m.firstA; i < m.evens; ++i)
    if (m.successor[2 * i] == kGone)
      m.successor[2 * i] = m.successor[2 * m.partner[i] + 1];
}

} // namespace

extern "C" void mmk_token_match_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  enum { B, N, D, Protect, Merged, Neighbours, MBatch, MRow };
  Matching m;
  m.N = p[N];
  m.D = p[D];
  m.protect = p[Protect];
  m.merged = p[Merged];
  m.metric = static_cast<const float *>(call->tensors[0]) + call->z * p[MBatch];
  m.row = p[MRow];
  m.evens = ceilDiv(m.N, 2);
  m.odds = m.N / 2;
  m.firstA = ceilDiv(m.protect, 2);
  m.firstB = m.protect / 2;
  m.d = roundUp16(m.D);
  m.scoreRow = tokenScoreRow(m.N, m.D);
  m.a = static_cast<float *>(call->args->scratch);
  m.b = m.a + m.evens * m.d;
  m.scores = m.b + roundUp(m.odds, kPanel) * m.d;
  m.best = m.scores + kTokenScoreRows * m.scoreRow;
  m.successor = m.best + m.N;
  m.partner = reinterpret_cast<int32_t *>(m.successor + m.N);
  if (p[Neighbours])
    matchNeighbours(m);
  else
    matchAll(m);
  number(m, p[Neighbours]);
  const int64_t outer[1] = {call->z};
  for (int64_t i = 0; i < m.N; i += kPostCols)
    call->post(call->args, outer, 0, i, 1, minOf(kPostCols, m.N - i),
               m.successor + i, m.N);
}
