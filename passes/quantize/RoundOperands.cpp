//===- RoundOperands.cpp - What products may round ------------------------===//

#include "dialects/mm/MM.h"
#include "passes/quantize/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mmcc {
#define GEN_PASS_DEF_ROUNDOPERANDS
#include "passes/quantize/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

struct RoundOperands : mmcc::impl::RoundOperandsBase<RoundOperands> {
  using RoundOperandsBase::RoundOperandsBase;

  void runOnOperation() override {
    if (attention != "bf16" && attention != "i8") {
      getOperation().emitError("mm-round-operands: impossible options");
      return signalPassFailure();
    }
    getOperation().walk([&](Operation *op) {
      if (!isa<mm::AttentionOp, mm::ConvOp>(op) ||
          !getElementTypeOrSelf(op->getResult(0)).isF32())
        return;
      if (auto conv = dyn_cast<mm::ConvOp>(op))
        conv.setArithmetic("bf16");
      else
        cast<mm::AttentionOp>(op).setArithmetic(attention);
      ++numRounded;
    });
  }
};

} // namespace
