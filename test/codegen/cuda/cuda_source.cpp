// Writes the CUDA C++ of every kernel of a plan: `cuda_source PLAN.mlir FOLDER`
// makes FOLDER/NAME.cu; with --print instead of a folder, to standard output.
// Fails where a row has no form yet.

#include "codegen/cuda/KernelSource.h"
#include "dialects/mm/MM.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"

#include <fstream>

using namespace mmcc;

int main(int argc, char **argv) {
  if (argc != 3) {
    llvm::errs() << "usage: cuda_source PLAN.mlir FOLDER | --print\n";
    return 2;
  }
  mlir::MLIRContext context;
  context.loadDialect<mm::MMDialect, plan::PlanDialect,
                      mlir::arith::ArithDialect, mlir::math::MathDialect>();
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(argv[1], &context);
  if (!module)
    return 1;
  bool failed = false;
  std::string folder = argv[2];
  module->walk([&](plan::KernelOp kernel) {
    mlir::FailureOr<cuda::KernelSource> source = cuda::writeKernel(kernel);
    if (mlir::failed(source))
      failed = true;
    else if (folder == "--print")
      llvm::outs() << "// " << kernel.getSymName() << "\n" << source->text;
    else
      std::ofstream(folder + "/" + kernel.getSymName().str() + ".cu")
          << source->text;
  });
  return failed;
}
