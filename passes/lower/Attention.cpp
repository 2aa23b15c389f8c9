//===- Attention.cpp - Lowering of mm.attention ---------------------------===//

#include "passes/lower/Attention.h"
#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cuda/kernels/Blocking.cuh"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;

namespace mmcc::lower {

bool fitsTensorCores(mm::AttentionOp op) {
  auto fits = [](Value heads) {
    Dim width = mm::getShape(heads.getType()).back();
    return width.getConstant().value_or(INT64_MAX) <= cuda::kTensorWidest;
  };
  return fits(op.getQuery()) && fits(op.getValue());
}

View headsView(Lowering &lowering, Value value) {
  View view = lowering.view(value);
  Shape shape = mm::getShape(value.getType());
  if (view.strides[3].isConstant(1) || shape[3].isConstant(1))
    return view;
  return lowering.denseView(value);
}

/// Queries that share a row of `spans`.
constexpr int64_t kSpanQueries = 64;

/// Keys in all spans of a constant table.
static std::optional<int64_t> countSpanKeys(Value spans) {
  auto constant = spans.getDefiningOp<mm::ConstantOp>();
  auto table =
      constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  if (!table)
    return std::nullopt;
  SmallVector<int32_t> numbers(table.getValues<int32_t>());
  int64_t keys = 0;
  for (size_t i = 0; i + 2 < numbers.size(); i += 3)
    keys += numbers[i + 1] - numbers[i];
  return keys;
}

void addScore(Kernel &kernel, mm::AttentionOp op, ArrayRef<Dim> pairs) {
  Value mask = op.getMask();
  double softcap = op.getSoftcap().convertToDouble();
  if (!mask && softcap <= 0)
    return;
  MLIRContext *context = op.getContext();
  Type f32 = Float32Type::get(context);
  Element score(kernel, "score", "", pairs, {f32});
  Value s = score.value(0);
  OpBuilder &b = score.builder;
  if (softcap > 0) {
    Value cap = score.floatConstant(f32, softcap);
    s = b.create<arith::MulFOp>(
        score.loc, cap,
        b.create<math::TanhOp>(score.loc,
                               b.create<arith::DivFOp>(score.loc, s, cap)));
  }
  if (mask) {
    Shape maskShape = mm::getShape(mask.getType());
    SmallVector<AffineExpr> at;
    for (size_t i = 0; i < maskShape.size(); ++i)
      at.push_back(maskShape[i].isConstant(1)
                       ? getAffineConstantExpr(0, context)
                       : score.dim(4 - maskShape.size() + i));
    Value m = score.at(mask, at);
    if (m.getType().isInteger(1))
      s = b.create<arith::SelectOp>(score.loc, m, s,
                                    score.floatConstant(f32, -INFINITY));
    else
      s = b.create<arith::AddFOp>(score.loc, s,
                                  emitCast(b, score.loc, m, m.getType(), f32));
  }
  score.yield(s);
}

void addPost(Kernel &kernel, const Chain &chain, Value result) {
  Element post(kernel, "post", "", mm::getShape(result.getType()),
               {Float32Type::get(result.getContext())});
  post.define(result,
              [&](ArrayRef<AffineExpr>) -> Value { return post.value(0); });
  SmallVector<AffineExpr> index;
  for (unsigned i = 0; i < 4; ++i)
    index.push_back(post.dim(i));
  post.storeChain(chain, result, index);
  post.yield();
}

void StepMemory::addTo(Kernel &kernel, SmallVectorImpl<Dim> &offsets) const {
  for (Value buffer : {partials, counters}) {
    kernel.tensor(buffer);
    kernel.markWritten(buffer);
    offsets.push_back(kernel.lowering.symbols.constant(0));
  }
}

StepMemory stepMemory(Lowering &lowering, ArrayRef<Dim> heads, const Dim &keys,
                      int64_t group, int64_t width, Location loc) {
  const Symbols &symbols = lowering.symbols;
  Dim all = heads[0] * heads[1], wanted = symbols.constant(cuda::kStepBlocks);
  int64_t queries = heads[2].getConstant().value_or(cuda::kStepQueries);
  // A batch that shows at the call may be empty.
  Dim blocks = wanted.ceilDiv(all.getConstant() ? all : all + 1);
  Dim elements = symbols.constant(1);
  StepMemory memory;
  memory.blocks = symbols.constant(0);
  // One block of heads that share no keys has all of them.
  memory.isCut = queries <= cuda::kStepQueries &&
                 keys.getConstant().value_or(INT64_MAX) > cuda::kKeysOfSplit &&
                 (group > 1 || !blocks.isConstant(1));
  if (memory.isCut) {
    memory.blocks = blocks - 1;
    // all * blocks, or more: where a size has a bound, memory is that of the
    // bound, and must be enough below it.
    elements = (all + wanted) * (group * queries * (width + 2));
  }
  memory.partials =
      lowering.alloc(elements, Float32Type::get(symbols.context), loc);
  return memory;
}

bool mayBeStep(mm::AttentionOp op) {
  Shape q = mm::getShape(op.getQuery().getType());
  Shape k = mm::getShape(op.getKey().getType());
  Dim width = mm::getShape(op.getValue().getType())[3];
  std::optional<Dim> group = q[1].exactDiv(k[1]);
  if (op.getSpans() || !group || !group->getConstant())
    return false;
  for (const Dim &dim : {q[3], width})
    if (dim.getConstant().value_or(INT64_MAX) > cuda::kStepWidest)
      return false;
  // As many queries as keys, however many: an encoder.
  return q[2].getConstant() ? *q[2].getConstant() <= cuda::kStepQueries
                            : q[2] != k[2];
}

/// The memory for attention whose keys are no state's, where a call may have
/// few queries.
static std::optional<StepMemory> plainSteps(Lowering &lowering,
                                            mm::AttentionOp op) {
  if (!lowering.isCuda() || !mayBeStep(op))
    return std::nullopt;
  const Symbols &symbols = lowering.symbols;
  Shape q = mm::getShape(op.getQuery().getType());
  Shape k = mm::getShape(op.getKey().getType());
  Shape v = mm::getShape(op.getValue().getType());
  int64_t heads = *q[1].exactDiv(k[1])->getConstant();
  StepMemory memory = stepMemory(lowering, ArrayRef(q).take_front(3), k[2],
                                 heads, *v[3].getConstant(), op.getLoc());
  Type i32 = IntegerType::get(symbols.context, 32);
  Domain domain;
  domain.extents = {q[0] * k[1]};
  domain.parallel = 1;
  View zeros = lowering.allocDense(domain.extents, i32, op.getLoc());
  memory.counters = zeros.buffer;
  if (memory.isCut)
    buildLoops(
        lowering, op.getLoc(), domain,
        [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
          Element map(kernel, "map", "", domain.extents, {});
          map.store(map.intConstant(i32, 0), zeros, index);
          map.yield();
        });
  return memory;
}

void lowerAttention(Lowering &lowering, mm::AttentionOp op) {
  const Symbols &symbols = lowering.symbols;
  Value result = op.getResult();
  if (!cast<RankedTensorType>(result.getType()).getElementType().isF32()) {
    op.emitOpError("attention is computed in f32; the export's type is "
                   "converted before lowering");
    lowering.failed = true;
    return;
  }
  Type operand =
      cast<RankedTensorType>(op.getQuery().getType()).getElementType();
  if (!operand.isF32() && !lowering.isCuda()) {
    op.emitOpError("with operands of ") << operand << " is for GPUs";
    lowering.failed = true;
    return;
  }
  if (op.getKey().getDefiningOp<mm::StateAppendOp>())
    return lowerStateAttention(lowering, op);
  View q = headsView(lowering, op.getQuery());
  View k = headsView(lowering, op.getKey());
  View v = headsView(lowering, op.getValue());
  Shape qShape = mm::getShape(op.getQuery().getType());
  Shape kShape = mm::getShape(op.getKey().getType());
  Shape out = mm::getShape(result.getType());
  Dim B = out[0], H = out[1], Sq = out[2], Dv = out[3];
  Dim Skv = kShape[2], D = qShape[3];
  std::optional<Dim> group = H.exactDiv(kShape[1]);
  if (op.getMask())
    lowering.prepare(op.getMask());
  Chain chain = lowering.chain(result);

  // Without spans the kernel is handed what it does not read.
  View spans = op.getSpans() ? lowering.denseView(op.getSpans(), 3) : k;

  std::optional<StepMemory> steps = plainSteps(lowering, op);
  bool isStep = steps && Sq.getConstant();
  // No level of a CPU multiplies f16 and adds in f32.
  bool isF32 =
      op.getArithmetic() == "f32" || isStep ||
      (lowering.isCuda() ? !fitsTensorCores(op) : op.getArithmetic() == "f16");
  Kernel kernel(lowering,
                isF32 ? "attention_f32"
                      : ("attention_" + op.getArithmetic()).str(),
                op.getLoc());
  for (const View &view : {q, k, v, spans})
    kernel.tensor(view.buffer);
  SmallVector<Dim> offsets{q.offset, k.offset, v.offset, spans.offset};
  if (steps)
    steps->addTo(kernel, offsets);
  addScore(kernel, op, {B, H, Sq, Skv});
  addPost(kernel, chain, result);

  int64_t heads = B.getConstant().value_or(1) * H.getConstant().value_or(1);
  int64_t block =
      op.getSpans() ? kSpanQueries
      : lowering.isCuda()
          ? (isF32 ? cuda::kQueryTile
                   : cuda::tensorQueries(Sq.getConstant().value_or(0), heads))
      : Sq.getConstant() ? cpu::attentionBlock(*Sq.getConstant(), heads)
                         : 128;
  Dim qBlock = symbols.constant(block);
  Dim scratch = symbols.constant(cpu::attentionScratchBytes(
      D.getConstant().value_or(256), Dv.getConstant().value_or(256), block));
  // A bound ahead shifts the diagonal, and the window with it.
  int64_t ahead = std::max<int64_t>(op.getAhead(), 0);
  bool bounded = op.getCausal() || int64_t(op.getAhead()) >= 0;
  int64_t window = op.getWindow() > 0 ? op.getWindow() + ahead : 0;
  Dim offset = Skv - Sq, all = symbols.constant(int64_t(1) << 40);
  Dim pairs = B * H * Sq * Skv;
  // Keys that a row sees at most, for reports and the choice of threads.
  int64_t stride = op.getStride();
  if (auto keys = Skv.getConstant(); keys && window > 0 && bounded)
    pairs = B * H * Sq *
            std::min(*keys, window + (stride ? *keys / stride + 1 : 0));
  int64_t spanCount = 0;
  if (op.getSpans()) {
    spanCount = *mm::getShape(op.getSpans().getType())[1].getConstant();
    if (std::optional<int64_t> seen = countSpanKeys(op.getSpans()))
      pairs = B * H * (*seen * kSpanQueries);
  }
  int64_t scaleBits = llvm::bit_cast<int64_t>(op.getScale().convertToDouble());
  kernel.finish(
      out, 4,
      {B,
       H,
       *group,
       Sq,
       Skv,
       D,
       Dv,
       symbols.constant(scaleBits),
       symbols.constant(bounded),
       offset + ahead,
       symbols.constant(window),
       q.strides[0],
       q.strides[1],
       q.strides[2],
       k.strides[0],
       k.strides[1],
       k.strides[2],
       v.strides[0],
       v.strides[1],
       v.strides[2],
       qBlock,
       symbols.constant(stride),
       op.getCausal() ? offset : all,
       symbols.constant(spanCount)},
      offsets, scratch, pairs * (D + Dv) * 2,
      {steps ? Sq.ceilDiv(qBlock) + steps->blocks : Sq.ceilDiv(qBlock), H, B});
  lowering.stored(chain);
}

} // namespace mmcc::lower
