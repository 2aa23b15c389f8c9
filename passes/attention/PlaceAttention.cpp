//===- PlaceAttention.cpp - Approximate attention on request --------------===//

#include "dialects/mm/MM.h"
#include "passes/attention/AttentionKind.h"
#include "passes/attention/AttentionPattern.h"
#include "passes/attention/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_PLACEATTENTION
#include "passes/attention/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

struct PlaceAttention : mmcc::impl::PlaceAttentionBase<PlaceAttention> {
  using PlaceAttentionBase::PlaceAttentionBase;

  void runOnOperation() override {
    SmallVector<AttentionPattern> parsed;
    SmallVector<StringRef> texts;
    StringRef(patterns).split(texts, ';', -1, /*KeepEmpty=*/false);
    for (StringRef text : texts) {
      std::string error;
      auto pattern = AttentionPattern::parse(text, error);
      if (!pattern) {
        getOperation().emitError("--attention=") << text << ": " << error;
        return signalPassFailure();
      }
      parsed.push_back(*pattern);
    }
    // Layers are counted in each function anew.
    SmallVector<bool> used(parsed.size(), false);
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      int64_t layer = 0;
      func.walk([&](mm::AttentionOp op) {
        if (isAmongOwnTokens(op))
          place(op, layer++, parsed, used);
        if (explain) {
          AttentionKind is = getKind(op);
          op.emitRemark("attention is ")
              << is.kind << is.limits << ": " << is.size;
        }
      });
    }
    for (auto [text, pattern, wasUsed] : llvm::zip(texts, parsed, used)) {
      if (pattern.isFull() || wasUsed)
        continue;
      getOperation().emitError("--attention=")
          << text << ": there is no self-attention that it applies to";
      signalPassFailure();
    }
  }

  /// As many keys as queries: nearness has a meaning.
  static bool isAmongOwnTokens(mm::AttentionOp op) {
    return mm::getShape(op.getQuery().getType())[2] ==
           mm::getShape(op.getKey().getType())[2];
  }

  /// Limits the attention as the last rule for its layer says. What the model
  /// itself leaves out stays left out.
  void place(mm::AttentionOp op, int64_t layer,
             ArrayRef<AttentionPattern> parsed, SmallVectorImpl<bool> &used) {
    const AttentionPattern *rule = nullptr;
    for (auto [index, pattern] : llvm::enumerate(parsed))
      if (pattern.appliesTo(layer)) {
        used[index] = true;
        rule = &pattern;
      }
    if (!rule || rule->isFull())
      return;
    if (op.getWindow() > 0 || int64_t(op.getAhead()) >= 0) {
      op.emitWarning(
          "--attention: its keys are limited already; it stays as it "
          "is");
      return;
    }
    op.setWindow(rule->window + 1);
    if (!op.getCausal())
      op.setAhead(rule->window);
    op.setStride(rule->stride);
    ++numPlaced;
  }
};

} // namespace
