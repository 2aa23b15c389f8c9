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

#include "codegen/cpu/kernels/TileProduct.h"

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

/// What a block's integers are multiplied by, and where that is: found once a
/// block, since it takes divisions.
struct StepScales {
  const float *factor, *offset; // of the block's columns; offset: null if none
  const float *rows, *sums;     // of the cell's first row
  int64_t sumsRow;
  bool adds; // to steps before

  StepScales() = default;
  StepScales(const Int8Problem &p, const Int8Cell &cell,
             const TileBlock &block) {
    const int64_t groups = p.groups(), k = block.step * p.step;
    const int64_t at = (block.n / kPanel * groups + k / p.group) * kPanel;
    factor = p.scale + at;
    offset = p.zero ? p.zero + at : nullptr;
    nextPanel = groups * kPanel;
    rows = cell.scales + k / p.aBlock;
    sumsRow = p.steps();
    sums = cell.sums + block.step;
    adds = block.step > 0;
  }
  int64_t nextPanel;
};

/// Adds `count` rows of a block's integers, from row `first` on, to results
/// [32][32]: those of one of its panels.
MMK_INLINE void addStep(const StepScales &scales, const Int8Cell &cell,
                        const TileBlock &block, int64_t panel, int64_t first,
                        int64_t count, float *out) {
  const Vec factor = vload(scales.factor + panel * scales.nextPanel);
  const int64_t row = block.row + first;
  const float *rows = scales.rows + row * cell.sRow;
  const int32_t *integers = block.sums + first * kAmxCols + panel * kPanel;
  out += first * kAmxCols + panel * kPanel;
  auto scaled = [&](int64_t r) {
    return vmul(factor, vset(rows[r * cell.sRow]));
  };
  auto all = [&](int64_t r) {
    return itoFloat(iload(integers + r * kAmxCols));
  };
  if (scales.offset) {
    const Vec offset = vload(scales.offset + panel * scales.nextPanel);
    for (int64_t r = 0; r < count; ++r) {
      const Vec sum = vset(scales.sums[(row + r) * scales.sumsRow]);
      float *to = out + r * kAmxCols;
      vstore(to, vfma(scaled(r), vsub(all(r), vmul(offset, sum)),
                      scales.adds ? vload(to) : vzero()));
    }
  } else if (scales.adds) {
    for (int64_t r = 0; r < count; ++r) {
      float *to = out + r * kAmxCols;
      vstore(to, vfma(scaled(r), all(r), vload(to)));
    }
  } else {
    for (int64_t r = 0; r < count; ++r)
      vstore(out + r * kAmxCols, vmul(scaled(r), all(r)));
  }
}

/// `scratch`: integers of kPostCols columns and results of 32, of 32 rows each,
/// and for 4-bit weights 32 columns of bytes.
template <int Bits>
inline void multiplyTiled(const MicroCall *call, const Int8Problem &p,
                          const Int8Cell &cell, void *scratch) {
  const int64_t outer[1] = {call->z};
  auto *integers = static_cast<int32_t *>(scratch);
  auto *out = reinterpret_cast<float *>(integers + kAmxRows * kPostCols);
  auto *bytes = reinterpret_cast<uint8_t *>(out + kAmxRows * kAmxCols);
  const int64_t panelBytes = p.depth / kLineRows<Bits> * kLineBytes;
  const int64_t groupCols =
      Bits == 8 ? tileGroup(p.depth, cell.n1 - cell.n0) : kAmxCols;
  auto panels = [&](int64_t n, int64_t cols) {
    const uint8_t *group = p.w + n / kPanel * panelBytes;
    const auto *ahead =
        reinterpret_cast<const char *>(group + groupCols / kPanel * panelBytes);
    if constexpr (Bits == 8)
      return TilePanels{group, ahead, panelBytes};
    for (int64_t c = 0; c < cols; c += kPanel)
      widenHalves(group + c / kPanel * panelBytes, p.depth, p.zero ? 0 : 8,
                  bytes + c * p.depth);
    return TilePanels{bytes, ahead, panelBytes};
  };
  const int64_t lastStep = p.steps() - 1;
  StepScales scales = {};
  auto finish = [&](const TileBlock &block, int64_t first, int64_t count) {
    if (first == 0)
      scales = StepScales(p, cell, block);
    for (int64_t i = 0; i * kPanel < block.cols; ++i)
      addStep(scales, cell, block, i, first, count, out);
    if (block.step == lastStep)
      call->post(call->args, outer, cell.m0 + block.row + first, block.n, count,
                 block.cols, out + first * kAmxCols, kAmxCols);
  };
  const int64_t chunk = p.step % kTileBytes ? kTileBytes / 2 : kTileBytes;
  multiplyCell<TileType::s8s8>({reinterpret_cast<const char *>(cell.a),
                                cell.aRow, cell.rows, cell.n0, cell.n1, p.depth,
                                p.step, chunk},
                               groupCols, integers, panels, finish);
}

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_INT8TILES_H
