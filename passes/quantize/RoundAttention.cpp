//===- RoundAttention.cpp - Attention over narrow operands
//-----------------===//

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
    if (to != "bf16" && to != "i8") {
      getOperation().emitError("mm-round-attention: impossible options");
      return signalPassFailure();
    }
    getOperation().walk([&](mm::AttentionOp op) {
      if (getElementTypeOrSelf(op.getResult()).isF32()) {
        op.setArithmetic(to);
        ++numAttentions;
      }
    });
  }
};

} // namespace
