//===- Int8Tiles.h - Bytes times narrow weights with AMX --------*- C++ -*-===//
//
// Two panels at a time meet all rows of the cell, 32 by 32 results in tiles. A
// line of 8-bit weights is a row of a tile as it lies; one of 4-bit weights
// becomes two, once for all rows. Tiles multiply signed by signed bytes, so
// that nothing has to be added to 8-bit weights.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_INT8TILES_H
#define MMCC_CODEGEN_CPU_KERNELS_INT8TILES_H

#include "codegen/cpu/kernels/AmxTiles.h"

#if defined(__AMX_INT8__)

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Int8Sums.h"
#include "codegen/cpu/kernels/Scratch.h"

namespace mmcc::cpu {

/// What a grid cell multiplies. `sums`: of each row over the steps, where
/// weights have zeros.
struct Int8Cell {
  const int8_t *a;
  int64_t aRow;
  const float *scales;
  int64_t sRow;
  const float *sums;
  int64_t m0, rows, n0, n1;
};

/// A panel of halves as one of bytes, less what they have added.
inline void widenHalves(const uint8_t *from, int64_t depth, int8_t added,
                        uint8_t *to) {
  const IVec low = iset32(0x0f0f0f0f), less = _mm512_set1_epi8(added);
  for (int64_t k = 0; k < depth;
       k += kLineRows<4>, from += kLineBytes, to += 2 * kLineBytes) {
    const IVec both = iload(from);
    const IVec first = iand(both, low), second = iand(ishr16<4>(both), low);
    _mm512_storeu_si512(to, _mm512_sub_epi8(first, less));
    _mm512_storeu_si512(to + kLineBytes, _mm512_sub_epi8(second, less));
  }
}

/// What a block's integers, of step s, add to the results of its rows and one
/// panel, whose row stride is outRow.
inline void addStep(const Int8Problem &p, const Int8Cell &cell, int64_t panel,
                    int64_t s, int64_t r0, int64_t rows,
                    const int32_t *integers, float *out, int64_t outRow) {
  const int64_t k = s * p.step, g = k / p.group, block = k / p.aBlock;
  const int64_t at = (panel * p.groups() + g) * kPanel;
  const Vec factor = vload(p.scale + at);
  const float *scales = cell.scales + r0 * cell.sRow + block;
  auto scaled = [&](int64_t r) {
    return vmul(factor, vset(scales[r * cell.sRow]));
  };
  auto all = [&](int64_t r) {
    return itoFloat(iload(integers + r * kAmxCols));
  };
  if (p.zero) {
    const Vec offset = vload(p.zero + at);
    for (int64_t r = 0; r < rows; ++r) {
      const Vec sum = vset(cell.sums[(r0 + r) * p.steps() + s]);
      float *to = out + r * outRow;
      vstore(to, vfma(scaled(r), vsub(all(r), vmul(offset, sum)),
                      s ? vload(to) : vzero()));
    }
  } else if (s) {
    for (int64_t r = 0; r < rows; ++r) {
      float *to = out + r * outRow;
      vstore(to, vfma(scaled(r), all(r), vload(to)));
    }
  } else {
    for (int64_t r = 0; r < rows; ++r)
      vstore(out + r * outRow, vmul(scaled(r), all(r)));
  }
}

/// `scratch`: a block of integers, 32 rows by kPostCols results, and for 4-bit
/// weights 32 columns of bytes.
template <int Bits>
inline void multiplyTiled(const MicroCall *call, const Int8Problem &p,
                          const Int8Cell &cell, void *scratch) {
  const int64_t groupCols = Bits == 8 ? tileGroup(p.depth) : kAmxCols;
  const int64_t outer[1] = {call->z};
  auto *integers = static_cast<int32_t *>(scratch);
  auto *out = reinterpret_cast<float *>(integers + kAmxRows * kAmxCols);
  auto *bytes = reinterpret_cast<uint8_t *>(out + kAmxRows * groupCols);
  const int64_t panelBytes = p.depth / kLineRows<Bits> * kLineBytes;
  TileOperands o;
  o.aRow = cell.aRow;
  o.chunk = p.step % kTileBytes ? kTileBytes / 2 : kTileBytes;
  o.chunks = p.step / o.chunk;
  const int64_t parts = ceilDiv(cell.rows, kAmxRows);
  // All parts fetch the next group of panels, a line a time each.
  o.aheadStep = roundUp(panelBytes / p.steps() / o.chunks * 2 / parts, 64);
  int64_t shaped = 0;
  for (int64_t n = cell.n0; n < cell.n1; n += groupCols) {
    const int64_t cols = minOf(groupCols, cell.n1 - n);
    const uint8_t *group = p.w + n / kPanel * panelBytes;
    const uint8_t *lines = group;
    if constexpr (Bits == 4) {
      for (int64_t c = 0; c < cols; c += kPanel)
        widenHalves(group + c / kPanel * panelBytes, p.depth, p.zero ? 0 : 8,
                    bytes + c * p.depth);
      lines = bytes;
    }
    o.ahead =
        reinterpret_cast<const char *>(group) + groupCols / kPanel * panelBytes;
    for (int64_t r0 = 0; r0 < cell.rows; r0 += kAmxRows) {
      const int64_t rows = minOf(kAmxRows, cell.rows - r0);
      if (rows != shaped)
        shapeTiles(shaped = rows, o.chunk);
      for (int64_t c = 0; c < cols; c += kAmxCols) {
        const int64_t panels = ceilDiv(minOf(kAmxCols, cols - c), kPanel);
        for (int64_t s = 0; s < p.steps(); ++s) {
          o.a = cell.a + r0 * cell.aRow + s * p.step;
          for (int64_t i = 0; i < 2; ++i)
            o.b[i] = lines + (c + i * kPanel) * p.depth + s * p.step * kPanel;
          multiplyBlock<TileType::s8s8>(rows, panels, o, integers);
          o.ahead += o.aheadStep * o.chunks;
          for (int64_t i = 0; i < panels; ++i)
            addStep(p, cell, (n + c) / kPanel + i, s, r0, rows,
                    integers + i * kPanel, out + c + i * kPanel, groupCols);
        }
      }
      call->post(call->args, outer, cell.m0 + r0, n, rows, cols, out,
                 groupCols);
    }
  }
  releaseTiles();
}

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_INT8TILES_H
