//===- AttentionOperators.cpp - Attention and rotary embedding ------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Heads.h"
#include "compiler/import/onnx.pb.h"
#include <cmath>
#include <limits>

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

Tensor splitHeads(Node &n, const Tensor &x, int64_t heads) {
  if (!x)
    return {};
  std::optional<Dim> width =
      heads > 0 ? x.dim(2).exactDiv(n.dim(heads)) : std::nullopt;
  if (!width)
    return n.fail("the number of heads does not divide the channels");
  return n.transpose(n.reshape(x, {x.dim(0), x.dim(1), n.dim(heads), *width}),
                     {0, 2, 1, 3});
}

Tensor mergeHeads(Node &n, const Tensor &x) {
  if (!x)
    return {};
  return n.reshape(n.transpose(x, {0, 2, 1, 3}),
                   {x.dim(0), x.dim(2), x.dim(1) * x.dim(3)});
}

Tensor pairPositions(Node &n, const Dim &length, int64_t axis) {
  Shape shape(4, n.dim(1));
  shape[axis] = length;
  return n.reshape(n.iota(n.dim(0), 1, length), shape);
}

namespace {
/// One Attention node of opset 23 and later.
class AttentionImport {
public:
  explicit AttentionImport(Node &n) : n(n) {}
  void run();

private:
  bool readInputs();
  void applyCausalAndWindow();
  void restrict(const Tensor &allowed);
  void emitPieces(int64_t outputMode);

  Node &n;
  Tensor query, key, value, mask, nonPad;
  Dim keyTokens; // without the cache
  bool flat = false, causal = false;
  int64_t window = 0;
  double scale = 0, softcap = 0;
};
} // namespace

bool AttentionImport::readInputs() {
  query = n.required(0), key = n.required(1), value = n.required(2);
  mask = n.input(3);
  Tensor pastKey = n.input(4), pastValue = n.input(5);
  nonPad = n.input(6);
  int64_t heads = n.integer("q_num_heads", 0);
  int64_t kvHeads = n.integer("kv_num_heads", 0);
  if (!query || !key || !value)
    return false;
  if (query.rank() != key.rank() || query.rank() != value.rank() ||
      (query.rank() != 3 && query.rank() != 4)) {
    n.fail("query, key and value must all have rank 3 or all rank 4");
    return false;
  }
  flat = query.rank() == 3;
  if (flat) {
    query = splitHeads(n, query, heads);
    key = splitHeads(n, key, kvHeads);
    value = splitHeads(n, value, kvHeads);
  }
  if (n.hasFailed())
    return false;
  keyTokens = key.dim(2);
  if (pastKey)
    key = n.concat({pastKey, key}, 2);
  if (pastValue)
    value = n.concat({pastValue, value}, 2);
  if (n.hasFailed() || !key || !value)
    return false;
  n.set(1, key);
  n.set(2, value);
  std::optional<int64_t> width = query.dim(3).getConstant();
  if (!width) {
    n.fail("the size of a head is not fixed");
    return false;
  }
  scale = n.number("scale", 1 / std::sqrt(double(*width)));
  softcap = n.number("softcap", 0);
  using onnx::TensorProto;
  int64_t precision = n.integer("softmax_precision", TensorProto::FLOAT);
  if (precision == TensorProto::DOUBLE && !query.elementType().isF64()) {
    n.fail("softmax_precision = DOUBLE is not supported");
    return false;
  }
  return n.demandEqual(query.dim(0), key.dim(0), "batch sizes differ") &&
         n.demandEqual(query.dim(0), value.dim(0), "batch sizes differ") &&
         n.demandEqual(key.dim(2), value.dim(2),
                       "key and value differ in length");
}

/// Adds a boolean condition to the mask.
void AttentionImport::restrict(const Tensor &allowed) {
  if (!mask)
    mask = allowed;
  else if (isBool(mask.elementType()))
    mask = n.binary<mm::AndOp>(mask, allowed);
  else
    mask = n.select(
        allowed, mask,
        n.scalar(-std::numeric_limits<double>::infinity(), mask.elementType()));
}

void AttentionImport::applyCausalAndWindow() {
  bool isCausal = n.integer("is_causal", 0) != 0;
  int64_t left = n.integer("left_window_size", -1);
  int64_t right = n.integer("right_window_size", -1);
  if (left < -1 || right < -1) {
    n.fail("a window size is negative");
    return;
  }
  // Wider than any sequence.
  if (left > INT32_MAX)
    left = -1;
  if (right > INT32_MAX)
    right = -1;
  Dim queries = query.dim(2), keys = key.dim(2);
  if (mask) {
    // A mask shorter than the keys leaves out the rest.
    Shape shape = mask.shape();
    if (!shape.empty() && !shape.back().isConstant(1) &&
        n.facts.less(shape.back(), keys) == true) {
      shape.back() = keys;
      double none = isBool(mask.elementType())
                        ? 0
                        : -std::numeric_limits<double>::infinity();
      mask = n.pad(mask, Shape(mask.rank(), n.dim(0)), shape, "constant",
                   n.scalar(none, mask.elementType()));
    }
  }
  // mm.attention aligns the last query with the last key; so does ONNX when
  // the new keys are those of the queries.
  if (isCausal && !nonPad && n.facts.equal(keyTokens, queries) == true) {
    causal = true;
    if (left >= 0)
      window = left + 1;
    return;
  }
  Tensor j = pairPositions(n, keys, 3), i = pairPositions(n, queries, 2);
  if (nonPad) {
    Tensor length =
        n.reshape(n.castTo(nonPad, IntegerType::get(n.context(), 64)),
                  {query.dim(0), n.dim(1), n.dim(1), n.dim(1)});
    restrict(n.compare(mm::Predicate::LT, j, length));
    i = n.add(i, n.sub(length, n.reshape(n.sizes(queries), {})));
  } else {
    i = n.add(i, n.reshape(n.sizes(keys - keyTokens), {}));
  }
  if (isCausal)
    restrict(n.compare(mm::Predicate::LE, j, i));
  Tensor distance = n.sub(i, j);
  auto bound = [&](int64_t size) {
    return n.whole(size, IntegerType::get(n.context(), 64));
  };
  if (left >= 0)
    restrict(n.compare(mm::Predicate::LE, distance, bound(left)));
  if (right >= 0)
    restrict(n.compare(mm::Predicate::GE, distance, bound(-right)));
}

/// Writes the scores out, for a model that wants to see them.
void AttentionImport::emitPieces(int64_t outputMode) {
  Type type = query.elementType();
  Dim queries = query.dim(2), keys = key.dim(2);
  if (causal) {
    Tensor i = n.add(pairPositions(n, queries, 2),
                     n.reshape(n.sizes(keys - keyTokens), {}));
    Tensor j = pairPositions(n, keys, 3);
    restrict(n.compare(mm::Predicate::LE, j, i));
    if (window > 0)
      restrict(n.compare(
          mm::Predicate::GT, j,
          n.add(i, n.whole(-window, IntegerType::get(n.context(), 64)))));
  }
  // Repeat key and value for the query heads that share them.
  auto repeat = [&](const Tensor &x) -> Tensor {
    std::optional<Dim> times = query.dim(1).exactDiv(x.dim(1));
    if (!times)
      return n.fail("heads is no multiple of kv_heads");
    Tensor one = n.unsqueeze(x, 2);
    if (!one || times->isConstant(1))
      return x;
    Shape wide = one.shape();
    wide[2] = *times;
    return n.reshape(n.broadcast(one, wide),
                     {x.dim(0), query.dim(1), x.dim(2), x.dim(3)});
  };
  Tensor scores = n.mul(n.matmul(query, n.transposeLast(repeat(key))), scale);
  if (outputMode == 0)
    n.set(3, scores);
  if (softcap > 0)
    scores = n.mul(n.unary<mm::TanhOp>(n.mul(scores, 1 / softcap)), softcap);
  if (outputMode == 1)
    n.set(3, scores);
  Tensor minusInfinity =
      n.scalar(-std::numeric_limits<double>::infinity(), type);
  Tensor bias = mask;
  if (mask && isBool(mask.elementType()))
    bias = n.select(mask, n.scalar(0, type), minusInfinity);
  if (bias)
    scores = n.add(scores, bias);
  if (outputMode == 2)
    n.set(3, scores);
  Tensor weights = n.softmax(scores, 3);
  if (bias) {
    // A row without any pair left gives zeros, not NaN.
    Tensor best = n.reduce(mm::ReduceKind::Max, bias, {bias.rank() - 1}, true);
    weights = n.select(n.compare(mm::Predicate::EQ, best, minusInfinity),
                       n.scalar(0, type), weights);
  }
  if (outputMode == 3)
    n.set(3, weights);
  Tensor result = n.matmul(weights, repeat(value));
  n.set(0, flat ? mergeHeads(n, result) : result);
}

void AttentionImport::run() {
  if (!readInputs())
    return;
  applyCausalAndWindow();
  int64_t outputMode = n.integer("qk_matmul_output_mode", 0);
  if (n.hasFailed())
    return;
  if (n.outputCount() > 3) {
    emitPieces(outputMode);
    return;
  }
  if (mask && !isBool(mask.elementType()))
    mask = n.castTo(mask, query.elementType());
  Tensor result = n.emit<mm::AttentionOp>(
      {query, key, value, mask},
      {n.real("scale", scale), n.flag("causal", causal),
       n.named("window", window), n.real("softcap", softcap),
       n.segments({1, 1, 1, mask ? 1 : 0, 0})});
  n.set(0, flat ? mergeHeads(n, result) : result);
}

static void importAttention(Node &n) { AttentionImport(n).run(); }

Tensor rotate(Node &n, const Tensor &x, const Tensor &cos, const Tensor &sin,
              const Tensor &ids, int64_t rotaryDim, bool interleaved) {
  // The table's rows at the positions, for each head: [batch, 1, tokens, dim].
  auto rows = [&](Tensor table) -> Tensor {
    if (ids)
      table = n.gather(table, ids, 0);
    if (!table)
      return {};
    if (table.rank() != 3)
      return n.fail("the cosines and sines do not fit position_ids");
    table = n.unsqueeze(table, 1);
    return interleaved ? table : n.concat({table, table}, 3);
  };
  return n.emit<mm::RopeOp>(
      {x, rows(cos), rows(sin)},
      {n.named("rotary_dim", rotaryDim), n.flag("interleaved", interleaved)});
}

static void importRotaryEmbedding(Node &n) {
  bool interleaved = n.integer("interleaved", 0) != 0;
  int64_t rotary = n.integer("rotary_embedding_dim", 0);
  int64_t heads = n.integer("num_heads", 0);
  Tensor x = n.required(0), cos = n.required(1), sin = n.required(2);
  Tensor ids = n.input(3);
  if (!x || !cos || !sin)
    return;
  bool flat = x.rank() == 3;
  if (flat)
    x = splitHeads(n, x, heads);
  if (!x)
    return;
  if (x.rank() != 4) {
    n.fail("the input must have rank 3 or 4");
    return;
  }
  std::optional<int64_t> width = x.dim(3).getConstant();
  if (!width) {
    n.fail("the size of a head is not fixed");
    return;
  }
  Tensor result =
      rotate(n, x, cos, sin, ids, rotary == 0 ? *width : rotary, interleaved);
  n.set(0, flat ? mergeHeads(n, result) : result);
}

ArrayRef<OperatorRow> attentionOperators() {
  static const OperatorRow rows[] = {
      {"Attention", importAttention},
      {"RotaryEmbedding", importRotaryEmbedding},
  };
  return rows;
}

} // namespace mmcc::import
