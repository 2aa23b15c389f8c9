//===- RoundOperands.cpp - What products may round ------------------------===//

#include "dialects/mm/MM.h"
#include "passes/quantize/Magnitudes.h"
#include "passes/quantize/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mmcc {
#define GEN_PASS_DEF_ROUNDOPERANDS
#include "passes/quantize/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;
using namespace mmcc::quantize;

namespace {

struct RoundOperands : mmcc::impl::RoundOperandsBase<RoundOperands> {
  using RoundOperandsBase::RoundOperandsBase;

  void runOnOperation() override {
    if (attention != "bf16" && attention != "f16" && attention != "i8") {
      getOperation().emitError("mm-round-operands: impossible options");
      return signalPassFailure();
    }
    std::optional<Magnitudes> magnitudes;
    if (attention == "f16")
      magnitudes.emplace(getOperation());
    getOperation().walk([&](Operation *op) {
      if (!isa<mm::AttentionOp, mm::ConvOp>(op) ||
          !getElementTypeOrSelf(op->getResult(0)).isF32())
        return;
      auto conv = dyn_cast<mm::ConvOp>(op);
      // Few convolutions read what something bounds.
      if (magnitudes && (conv || !fitsF16(op, *magnitudes)))
        return;
      if (conv)
        conv.setArithmetic("bf16");
      else
        cast<mm::AttentionOp>(op).setArithmetic(attention);
      ++numRounded;
    });
  }

  /// Whether query, key and value stay in f16's range whatever the model is
  /// given.
  static bool fitsF16(Operation *attention, const Magnitudes &magnitudes) {
    return llvm::all_of(attention->getOperands().take_front(3),
                        [&](Value operand) {
                          return magnitudes.of(operand).largest() <= kMostInF16;
                        });
  }
};

} // namespace
