//===- mmcc-opt.cpp - MLIR's opt driver with our dialects and passes -------===//

#include "dialects/mm/MM.h"
#include "dialects/plan/Plan.h"
#ifdef HAVE_MMCC_SIMPLIFY_PASSES
#include "passes/simplify/Passes.h"
#endif
#ifdef HAVE_MMCC_FUSE_PASSES
#include "passes/fuse/Passes.h"
#endif
#ifdef HAVE_MMCC_ATTENTION_PASSES
#include "passes/attention/Passes.h"
#endif
#ifdef HAVE_MMCC_LOWER_PASSES
#include "passes/lower/Passes.h"
#endif
#ifdef HAVE_MMCC_SCHEDULE_PASSES
#include "passes/schedule/Passes.h"
#endif
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::arith::ArithDialect, mlir::func::FuncDialect,
                  mlir::math::MathDialect, mmcc::mm::MMDialect,
                  mmcc::plan::PlanDialect>();
  mlir::registerTransformsPasses();
#ifdef HAVE_MMCC_SIMPLIFY_PASSES
  mmcc::registerSimplifyPasses();
#endif
#ifdef HAVE_MMCC_FUSE_PASSES
  mmcc::registerFusePasses();
#endif
#ifdef HAVE_MMCC_ATTENTION_PASSES
  mmcc::registerAttentionPasses();
#endif
#ifdef HAVE_MMCC_LOWER_PASSES
  mmcc::registerLowerPasses();
#endif
#ifdef HAVE_MMCC_SCHEDULE_PASSES
  mmcc::registerSchedulePasses();
#endif
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "mmcc optimizer driver\n", registry));
}
