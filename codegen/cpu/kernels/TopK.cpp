//===- TopK.cpp - The k largest or smallest of each row -------------------===//
//
//   x  [R, N] f32, rows strided, elements contiguous; nothing is read beyond it
//   at [R, N] f32, whole numbers: the place that stands for each element, used
//      with `indexed` only; ascending among equal elements
//
// A cell takes one chunk of `chunk` elements of r_block rows. It posts, in
// plane 0, the K best in order and, in plane 1, their places as whole numbers
// (below 2^24): post((plane), row, cell * K + i). Where a chunk has fewer than
// K the rest is NaN at place 2^24 - 1, which comes after every real element.
//
// Several chunks of a row are joined by a second pass over what they posted.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Selector.h"

using namespace mmcc::cpu;

extern "C" void mmk_topk_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  enum { R, N, K, Largest, Chunk, XRow, Indexed, AtRow, RBlock };
  const int64_t k = p[K], begin = call->x * p[Chunk];
  const int64_t n = minOf(p[Chunk], p[N] - begin);
  const int64_t r0 = call->y * p[RBlock], r1 = minOf(r0 + p[RBlock], p[R]);
  const float sign = p[Largest] ? 1.0f : -1.0f;
  const auto *x = static_cast<const float *>(call->tensors[0]) + begin;
  const auto *at = static_cast<const float *>(call->tensors[1]) + begin;
  auto *keys = static_cast<uint64_t *>(call->args->scratch);
  auto *scores = reinterpret_cast<float *>(keys + selectorKeys(k));
  float *places = scores + roundUp(k, 16);
  const int64_t planes[2] = {0, 1};
  for (int64_t r = r0; r < r1; ++r) {
    Selector selector(keys, k);
    selector.take(x + r * p[XRow], n, begin,
                  p[Indexed] ? at + r * p[AtRow] : nullptr, sign);
    selector.finish(scores, places, sign, kNoPlace);
    for (int64_t i = 0; i < k; i += kPostCols) {
      const int64_t columns = minOf(kPostCols, k - i);
      call->post(call->args, planes, r, call->x * k + i, 1, columns, scores + i,
                 k);
      call->post(call->args, planes + 1, r, call->x * k + i, 1, columns,
                 places + i, k);
    }
  }
}
