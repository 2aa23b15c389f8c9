//===- mmcc-opt.cpp - MLIR's opt driver with our dialects and passes ------===//

#include "compiler/pipeline/Stages.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mmcc::registerStages(registry);
  mlir::registerTransformsPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "mmcc optimizer driver\n", registry));
}
