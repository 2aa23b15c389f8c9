//===- LowerToPlan.cpp - The pass mm-lower-to-plan ------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Lowering.h"
#include "passes/lower/NarrowFloats.h"
#include "passes/lower/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_LOWERTOPLAN
#include "passes/lower/Passes.h.inc"

namespace {
struct LowerToPlan : impl::LowerToPlanBase<LowerToPlan> {
  using LowerToPlanBase::LowerToPlanBase;

  void runOnOperation() override {
    mlir::ModuleOp module = getOperation();
    auto funcs = llvm::to_vector(module.getOps<mlir::func::FuncOp>());
    for (mlir::func::FuncOp func : funcs)
      lower::widenAnchors(func);
    mlir::OpBuilder builder(&getContext());
    for (const std::string &target : targets) {
      builder.setInsertionPointToEnd(module.getBody());
      auto variant = builder.create<plan::VariantOp>(module.getLoc(), target);
      variant.getBody().emplaceBlock();
      lower::KernelNames kernels;
      for (mlir::func::FuncOp func : funcs) {
        lower::Lowering lowering(func, variant, module, target, kernels);
        if (mlir::failed(lowering.run()))
          return signalPassFailure();
      }
    }
    for (mlir::func::FuncOp func : funcs)
      func.erase();
  }
};
} // namespace

std::unique_ptr<mlir::Pass>
createLowerToPlan(const std::vector<std::string> &targets) {
  LowerToPlanOptions options;
  options.targets = targets;
  return createLowerToPlan(std::move(options));
}
} // namespace mmcc
