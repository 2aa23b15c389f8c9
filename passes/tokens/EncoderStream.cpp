//===- EncoderStream.cpp - The layers that one row of tokens passes -------===//

#include "passes/tokens/EncoderStream.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

/// Whether `value` is computed from `source`, or is it.
static bool dependsOn(Value value, Value source) {
  SmallVector<Value> pending{value};
  DenseSet<Value> seen;
  Operation *first = source.getDefiningOp();
  while (!pending.empty()) {
    Value next = pending.pop_back_val();
    if (next == source)
      return true;
    Operation *op = next.getDefiningOp();
    if (!op || (first && op->isBeforeInBlock(first)) ||
        !seen.insert(next).second)
      continue;
    llvm::append_range(pending, op->getOperands());
  }
  return false;
}

constexpr const char *kGroups =
    "it attends in windows or other groups of tokens";

/// The layer around `attention`, or why there is none.
static std::optional<EncoderLayer> findLayer(mm::AttentionOp attention,
                                             const TokenSet &tokens,
                                             std::string &reason) {
  Value value = attention.getResult();
  int64_t axis = 2;
  while (value.hasOneUse()) {
    Operation *user = *value.getUsers().begin();
    TokenFlow flow = getTokenFlow(
        user, [&](Value v) { return v == value ? axis : -1; }, tokens);
    if (auto sum = dyn_cast<mm::AddOp>(user)) {
      Value other = sum.getLhs() == value ? sum.getRhs() : sum.getLhs();
      if (other.getType() == sum.getType() &&
          value.getType() == sum.getType() && !isConstantExpression(other)) {
        if (!dependsOn(attention.getQuery(), other) ||
            !dependsOn(attention.getKey(), other)) {
          reason = "its queries and keys are not computed from what its result "
                   "is added to";
          return std::nullopt;
        }
        if (getTensorType(sum).getRank() > 3 ||
            !hasBatchBesideTokens(mm::getShape(sum.getType()), axis, tokens)) {
          reason = kGroups;
          return std::nullopt;
        }
        return EncoderLayer{attention, sum, other, axis};
      }
    }
    bool passes = user->hasTrait<mm::Elementwise>() ||
                  isa<mm::LinearOp, mm::TransposeOp, mm::ReshapeOp>(user);
    if (flow.kind != TokenFlow::Carries || !passes) {
      reason = isa<mm::ReshapeOp>(user) ? std::string(kGroups)
               : passes                 ? "what follows it " + flow.reason
                        : "its result is not added to a residual";
      return std::nullopt;
    }
    value = user->getResult(0);
    axis = flow.axis;
  }
  reason = "its result is not added to a residual";
  return std::nullopt;
}

/// How many tokens were joined in front of the others: class and register
/// tokens before patches, text before an image. The others are the longest part
/// of the concatenation, looked into in turn.
static int64_t countLeading(Value value, int64_t axis) {
  int64_t count = 0;
  while (Operation *op = value.getDefiningOp()) {
    Value source;
    if (auto concat = dyn_cast<mm::ConcatOp>(op)) {
      if (int64_t(concat.getAxis()) != axis)
        return count;
      int64_t before = 0, longest = -1, start = 0;
      for (Value input : concat.getInputs()) {
        std::optional<int64_t> tokens =
            mm::getShape(input.getType())[axis].getConstant();
        if (!tokens)
          return count;
        if (*tokens > longest) {
          longest = *tokens;
          start = before;
          source = input;
        }
        before += *tokens;
      }
      count += start;
    } else if (op->hasTrait<mm::Elementwise>()) {
      for (Value operand : op->getOperands()) {
        if (isConstantExpression(operand))
          continue;
        if (source || operand.getType() != value.getType())
          return count;
        source = operand;
      }
    } else if (isa<mm::LayerNormOp, mm::RmsNormOp>(op)) {
      source = op->getOperand(0);
    }
    if (!source)
      return count;
    value = source;
  }
  return count;
}

/// What mm.match_tokens can number.
constexpr int64_t kMostTokens = int64_t(1) << 24;

/// Whether attention is among the tokens of one row, whatever its form.
static bool isSelfAttention(mm::AttentionOp attention) {
  return mm::getShape(attention.getQuery().getType())[2] ==
         mm::getShape(attention.getKey().getType())[2];
}

SmallVector<EncoderStream> findStreams(func::FuncOp func) {
  SmallVector<EncoderStream> streams;
  func.walk([&](mm::AttentionOp attention) {
    if (!isSelfAttention(attention))
      return;
    mm::Shape shape = mm::getShape(attention.getQuery().getType());
    std::optional<int64_t> count = shape[2].getConstant();
    TokenSet tokens{count.value_or(0), 0, shape[0]};
    std::string reason;
    std::optional<EncoderLayer> layer;
    if (!count)
      reason = "its number of tokens is not known when it is compiled (--dim "
               "fixes a dimension)";
    else if (attention.getCausal())
      reason = "it is causal";
    else if (attention.getWindow() > 0 || int64_t(attention.getAhead()) >= 0)
      reason = "it attends to neighbours only";
    else if (*count > kMostTokens)
      reason = "it has more tokens than can be numbered";
    else if (!getTensorType(attention).getElementType().isF32())
      reason = "its tokens are not f32";
    else
      layer = findLayer(attention, tokens, reason);
    if (layer && attention.getMask()) {
      reason = "it has a mask or a bias by position";
      layer.reset();
    }
    // The stream that it continues; one of another length begins anew.
    EncoderStream *stream = nullptr;
    for (EncoderStream &other : llvm::reverse(streams)) {
      Value last = other.layers.empty() ? other.where.getResult()
                                        : other.layers.back().sum.getResult();
      if (dependsOn(attention.getQuery(), last) &&
          other.tokens.count == tokens.count) {
        stream = &other;
        break;
      }
    }
    if (!stream) {
      streams.push_back({{}, tokens, "", attention});
      stream = &streams.back();
      if (layer)
        stream->tokens.protect = countLeading(layer->residual, layer->axis);
    }
    if (layer)
      stream->layers.push_back(*layer);
    else if (stream->reason.empty()) {
      stream->reason = reason;
      stream->where = attention;
    }
  });
  return streams;
}

} // namespace mmcc
