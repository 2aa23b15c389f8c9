//===- MicrosoftAttention.cpp - com.microsoft's attention -----------------===//
//
// What ONNX Runtime's optimiser and model builder put in the place of an
// attention: Attention with the joint projection inside, MultiHeadAttention
// behind projections, GroupQueryAttention with rotary embedding and cache.
// Masks fill with `mask_filter_value`, so a row without any pair left averages.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Heads.h"
#include <cmath>

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

namespace {
/// The heads of one attention, [batch, heads, tokens, dim].
struct Heads {
  Tensor query, key, value, mask;
  double scale = 0, softcap = 0;
  bool causal = false;
  int64_t window = 0;
};
} // namespace

/// Sets output 0 to the attention, its heads side by side.
static void setAttention(Node &n, const Heads &h) {
  if (n.hasFailed())
    return;
  std::optional<int64_t> width = h.query.dim(3).getConstant();
  if (!width) {
    n.fail("the size of a head is not fixed");
    return;
  }
  double scale = h.scale != 0 ? h.scale : 1 / std::sqrt(double(*width));
  n.set(0,
        mergeHeads(
            n, n.emit<mm::AttentionOp>(
                   {h.query, h.key, h.value, h.mask},
                   {n.real("scale", scale), n.flag("causal", h.causal),
                    n.named("window", h.window), n.real("softcap", h.softcap),
                    n.segments({1, 1, 1, h.mask ? 1 : 0, 0})})));
}

/// The condition of a mask [batch, keys], [batch, queries, keys],
/// [batch, 1, queries, keys] of 0 and 1, or [batch] of lengths.
static Tensor keptPairs(Node &n, const Tensor &mask, const Dim &batch,
                        const Dim &keys) {
  if (!mask)
    return {};
  if (isFloat(mask.elementType()))
    return n.fail("a mask of floats is not supported");
  Type i64 = IntegerType::get(n.context(), 64);
  Tensor numbers = n.castTo(mask, i64);
  if (!numbers)
    return {};
  Dim one = n.dim(1);
  switch (mask.rank()) {
  case 1:
    if (mask.dim(0) != batch)
      return n.fail("a mask of first positions or of packed rows is not "
                    "supported");
    return n.compare(mm::Predicate::LT, pairPositions(n, keys, 3),
                     n.reshape(numbers, {batch, one, one, one}));
  case 2:
    numbers = n.unsqueeze(numbers, {1, 2});
    break;
  case 3:
    numbers = n.unsqueeze(numbers, 1);
    break;
  case 4:
    break;
  default:
    return n.fail("a mask of this rank is not supported");
  }
  return n.compare(mm::Predicate::GT, numbers, n.whole(0, i64));
}

/// Condition and bias as the one mask that mm.attention takes.
static Tensor joinMask(Node &n, const Tensor &kept, const Tensor &bias,
                       double fill, Type type) {
  if (!kept)
    return bias;
  return n.select(kept, bias ? bias : n.scalar(0, type), n.scalar(fill, type));
}

void importMicrosoftAttention(Node &n) {
  Tensor x = n.required(0), weights = n.required(1), bias = n.input(2);
  Tensor mask = n.input(3), pairBias = n.input(5);
  int64_t heads = n.integer("num_heads", 0);
  SmallVector<int64_t> sizes = n.integerList("qkv_hidden_sizes");
  double fill = n.number("mask_filter_value", -10000);
  Heads h;
  h.scale = n.number("scale", 0);
  h.causal = n.integer("unidirectional", 0) != 0;
  if (n.integer("do_rotary", 0))
    n.fail("do_rotary is not supported");
  n.ignore({"rotary_embedding_dim"});      // it says how, were there a rotation
  n.ignore({"past_present_share_buffer"}); // and this, were there a past
  if (n.hasInput(4) || n.hasInput(6))
    n.fail("a past is not supported");
  if (n.hasFailed())
    return;
  Tensor joint = n.matmul(x, weights);
  if (bias)
    joint = n.add(joint, bias);
  if (!joint)
    return;
  if (joint.rank() != 3) {
    n.fail("the input must have rank 3");
    return;
  }
  std::optional<int64_t> width = joint.dim(2).getConstant();
  if (sizes.empty() && width && *width % 3 == 0)
    sizes.assign(3, *width / 3);
  if (!width || sizes.size() != 3 ||
      llvm::any_of(sizes,
                   [&](int64_t size) { return size <= 0 || size > *width; }) ||
      sizes[0] + sizes[1] + sizes[2] != *width) {
    n.fail("qkv_hidden_sizes do not fit the weights");
    return;
  }
  auto part = [&](int64_t offset, int64_t size) {
    return splitHeads(n, n.sliceAlong(joint, 2, n.dim(offset), n.dim(size)),
                      heads);
  };
  h.query = part(0, sizes[0]);
  h.key = part(sizes[0], sizes[1]);
  h.value = part(sizes[0] + sizes[1], sizes[2]);
  if (n.hasFailed())
    return;
  Tensor kept = keptPairs(n, mask, x.dim(0), h.key.dim(2));
  h.mask = joinMask(n, kept, pairBias, fill, x.elementType());
  setAttention(n, h);
}

void importMultiHeadAttention(Node &n) {
  Tensor q = n.required(0), k = n.input(1), v = n.input(2), bias = n.input(3);
  Tensor mask = n.input(4), pairBias = n.input(5);
  Tensor pastKey = n.input(6), pastValue = n.input(7);
  int64_t heads = n.integer("num_heads", 0);
  double fill = n.number("mask_filter_value", -10000);
  Heads h;
  h.scale = n.number("scale", 0);
  h.causal = n.integer("unidirectional", 0) != 0;
  if (n.hasInput(8) || n.hasInput(9))
    n.fail("beams and shared buffers are not supported");
  if (n.hasFailed())
    return;
  if (!k || !v || q.rank() != 3 || k.rank() != 3 || v.rank() != 3) {
    n.fail("packed queries, keys and values are not supported");
    return;
  }
  if (bias) {
    Dim offset = n.dim(0);
    for (Tensor *x : {&q, &k, &v}) {
      *x = n.add(*x, n.sliceAlong(bias, 0, offset, x->dim(2)));
      if (n.hasFailed())
        return;
      offset = offset + x->dim(2);
    }
    if (!n.demandEqual(offset, bias.dim(0), "the bias does not fit"))
      return;
  }
  h.query = splitHeads(n, q, heads);
  h.key = splitHeads(n, k, heads);
  h.value = splitHeads(n, v, heads);
  if (pastKey)
    h.key = n.concat({pastKey, h.key}, 2);
  if (pastValue)
    h.value = n.concat({pastValue, h.value}, 2);
  if (n.hasFailed())
    return;
  n.set(1, h.key);
  n.set(2, h.value);
  Tensor kept = keptPairs(n, mask, q.dim(0), h.key.dim(2));
  h.mask = joinMask(n, kept, pairBias, fill, q.elementType());
  setAttention(n, h);
}

void importGroupQueryAttention(Node &n) {
  Tensor q = n.required(0), k = n.input(1), v = n.input(2);
  Tensor pastKey = n.input(3), pastValue = n.input(4);
  Tensor lengths = n.required(5), cos = n.input(7), sin = n.input(8);
  n.ignoreInput(6); // the longest of the lengths, which are there
  Tensor ids = n.input(9);
  int64_t heads = n.integer("num_heads", 0),
          groups = n.integer("kv_num_heads", 0);
  bool rotary = n.integer("do_rotary", 0) != 0;
  bool interleaved = n.integer("rotary_interleaved", 0) != 0;
  int64_t window = n.integer("local_window_size", -1);
  Heads h;
  h.mask = n.input(10);
  h.scale = n.number("scale", 0);
  h.softcap = n.number("softcap", 0);
  h.causal = true;
  h.window = window > 0 && window <= INT32_MAX ? window : 0;
  if (n.integer("smooth_softmax", 0) > 0 || n.integer("qk_output", 0) != 0)
    n.fail("smooth_softmax and qk_output are not supported");
  if (window == 0)
    n.fail("local_window_size must be positive");
  if (n.hasFailed())
    return;
  if (q.rank() != 3 || heads <= 0 || groups <= 0) {
    n.fail("queries must have rank 3, num_heads and kv_num_heads be positive");
    return;
  }
  Dim batch = q.dim(0), tokens = q.dim(1);
  // With a cache, rows may have different lengths, and each would go on at a
  // place of its own.
  if (pastKey && !batch.isConstant(1)) {
    n.fail("a past needs a batch of 1 (--dim may fix it): rows may have "
           "different lengths");
    return;
  }
  if (!k && !v) {
    Dim all = n.dim(heads) + n.dim(groups) * 2;
    std::optional<Dim> width = q.dim(2).exactDiv(all);
    if (!width) {
      n.fail("the numbers of heads do not divide the channels");
      return;
    }
    Dim keys = *width * groups, queries = *width * heads;
    v = n.sliceAlong(q, 2, queries + keys, keys);
    k = n.sliceAlong(q, 2, queries, keys);
    q = n.sliceAlong(q, 2, n.dim(0), queries);
  }
  h.query = splitHeads(n, q, heads);
  h.key = splitHeads(n, k, groups);
  h.value = splitHeads(n, v, groups);
  // How much of the cache is filled; `lengths` count this call but for one.
  Type i64 = IntegerType::get(n.context(), 64);
  Tensor filled =
      n.sub(n.add(n.reshape(n.castTo(lengths, i64), {batch, n.dim(1)}),
                  n.whole(1, i64)),
            n.reshape(n.sizes(tokens), {}));
  if (n.hasFailed())
    return;
  if (rotary) {
    if (!cos || !sin || cos.rank() != 2 || !cos.dim(1).getConstant()) {
      n.fail("do_rotary needs tables of cosines and sines");
      return;
    }
    if (!ids) {
      ids = n.reshape(n.iota(n.dim(0), 1, tokens), {n.dim(1), tokens});
      if (pastKey)
        ids = n.add(ids, filled);
    }
    int64_t width = 2 * *cos.dim(1).getConstant();
    h.query = rotate(n, h.query, cos, sin, ids, width, interleaved);
    h.key = rotate(n, h.key, cos, sin, ids, width, interleaved);
  }
  if (pastKey) {
    h.key = n.concat({pastKey, h.key}, 2);
    h.value = n.concat({pastValue, h.value}, 2);
    if (n.hasFailed())
      return;
    // A cache with room to spare: what is not filled is not looked at.
    Tensor j = pairPositions(n, h.key.dim(2), 3);
    Tensor bound = n.reshape(filled, {n.dim(1), n.dim(1), n.dim(1), n.dim(1)});
    Tensor kept =
        n.binary<mm::OrOp>(n.compare(mm::Predicate::LT, j, bound),
                           n.compare(mm::Predicate::GE, j,
                                     n.reshape(n.sizes(pastKey.dim(2)), {})));
    h.mask =
        h.mask ? joinMask(n, kept, h.mask, -INFINITY, q.elementType()) : kept;
  }
  n.set(1, h.key);
  n.set(2, h.value);
  setAttention(n, h);
}

} // namespace mmcc::import
