//===- LowerToPlan.cpp - The pass mm-lower-to-plan ------------------------===//

#include "codegen/cpu/kernels/Levels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Lowering.h"
#include "passes/lower/NarrowFloats.h"
#include "passes/lower/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_LOWERTOPLAN
#include "passes/lower/Passes.h.inc"

namespace {
/// What `level` has beside its base's variant: the same, if a kernel has a form
/// of its own there; else nothing, since the base's code is as good.
void deriveVariant(mlir::OpBuilder &builder, plan::VariantOp base,
                   const cpu::Level &level, llvm::StringRef target) {
  auto hasForm = [&](plan::KernelOp kernel) {
    return level.hasFormOf(kernel.getRow());
  };
  if (llvm::any_of(base.getBody().getOps<plan::KernelOp>(), hasForm))
    mlir::cast<plan::VariantOp>(builder.clone(*base)).setTarget(target);
}

struct LowerToPlan : impl::LowerToPlanBase<LowerToPlan> {
  using LowerToPlanBase::LowerToPlanBase;

  void runOnOperation() override {
    mlir::ModuleOp module = getOperation();
    auto funcs = llvm::to_vector(module.getOps<mlir::func::FuncOp>());
    for (mlir::func::FuncOp func : funcs)
      lower::widenAnchors(func);
    mlir::OpBuilder builder(&getContext());
    llvm::StringMap<plan::VariantOp> made;
    for (const std::string &target : targets) {
      builder.setInsertionPointToEnd(module.getBody());
      // A plan for a GPU is one for all; only its code differs.
      bool isCuda = llvm::StringRef(target).starts_with("cuda:");
      if (plan::VariantOp same = isCuda ? made.lookup("cuda") : nullptr) {
        mlir::cast<plan::VariantOp>(builder.clone(*same)).setTarget(target);
        continue;
      }
      if (const cpu::Level *level = cpu::findTarget(target))
        if (plan::VariantOp base =
                made.lookup((llvm::Twine("cpu:") + level->base).str())) {
          deriveVariant(builder, base, *level, target);
          continue;
        }
      auto variant = builder.create<plan::VariantOp>(module.getLoc(), target);
      variant.getBody().emplaceBlock();
      lower::KernelNames kernels;
      for (mlir::func::FuncOp func : funcs) {
        mlir::OwningOpRef<mlir::func::FuncOp> narrowed;
        if (isCuda) {
          narrowed = func.clone();
          lower::narrowOperands(*narrowed);
        }
        lower::Lowering lowering(isCuda ? *narrowed : func, variant, module,
                                 target, kernels);
        lowering.takesTf32 = isCuda && tf32;
        if (mlir::failed(lowering.run()))
          return signalPassFailure();
      }
      made[isCuda ? "cuda" : target] = variant;
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
