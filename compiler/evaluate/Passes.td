//===- Passes.td - Evaluation of constant subgraphs ----------*- tablegen -*-===//

#ifndef MMCC_COMPILER_EVALUATE_PASSES
#define MMCC_COMPILER_EVALUATE_PASSES

include "mlir/Pass/PassBase.td"

def EvaluateConstants : Pass<"mm-evaluate-constants", "::mlir::ModuleOp"> {
  let summary = "computes at compile time what depends on constants only";
  let description = [{
    Operations whose operands are all constants are gathered into a program,
    compiled by the CPU back end for x86-64-v3 (so that every build host gives
    the same bytes) and run in this process; their results come back as
    constants.

    Data movement alone is not evaluated: lowering reads constants through it.
    A concatenation is, unless it is a weight, which is packed piece by piece;
    so is a transpose that puts neighbours apart in front of elementwise
    operations and attention, which read in order. What would grow much (a mask from two iotas) stays as well,
    and with `keep-narrow` the mm.dequantize of a product's weight.

    Before:
    ```mlir
    %w = mm.constant dense_resource<w> : tensor<768x768xf16>
    %0 = mm.cast %w : tensor<768x768xf16> -> tensor<768x768xf32>
    %1 = mm.transpose %0 [1, 0] : tensor<768x768xf32> -> tensor<768x768xf32>
    %2 = mm.linear %x, %1 : tensor<4x768xf32>, tensor<768x768xf32> -> tensor<4x768xf32>
    ```
    After:
    ```mlir
    %0 = mm.constant dense_resource<evaluated> : tensor<768x768xf32>
    %1 = mm.transpose %0 [1, 0] : tensor<768x768xf32> -> tensor<768x768xf32>
    %2 = mm.linear %x, %1 : tensor<4x768xf32>, tensor<768x768xf32> -> tensor<4x768xf32>
    ```
  }];
  let options = [
    Option<"growth", "growth", "int64_t", "16777216",
           "Bytes by which a result may exceed four times its operands">,
    Option<"keepNarrow", "keep-narrow", "bool", "false",
           "Leave weights of products that mm.dequantize widens for passes to see">];
  let statistics = [
    Statistic<"numEvaluated", "evaluated", "values that became constants">];
  let dependentDialects = ["::mmcc::mm::MMDialect"];
}

#endif // MMCC_COMPILER_EVALUATE_PASSES
