//===- RoundAttention.cpp - Attention in bf16 -----------------------------===//

#include "dialects/mm/MM.h"
#include "passes/quantize/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mmcc {
#define GEN_PASS_DEF_ROUNDATTENTION
#include "passes/quantize/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

struct RoundAttention : mmcc::impl::RoundAttentionBase<RoundAttention> {
  using RoundAttentionBase::RoundAttentionBase;

  void runOnOperation() override {
    getOperation().walk([&](mm::AttentionOp op) {
      if (getElementTypeOrSelf(op.getResult()).isF32()) {
        op.setRound(true);
        ++numAttentions;
      }
    });
  }
};

} // namespace
