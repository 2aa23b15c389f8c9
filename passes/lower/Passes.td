//===- Passes.td - From mm to plan ----------------------------*- tablegen -*-===//

#ifndef MMCC_LOWER_PASSES
#define MMCC_LOWER_PASSES

include "mlir/Pass/PassBase.td"

def LowerToPlan : Pass<"mm-lower-to-plan", "mlir::ModuleOp"> {
  let summary = "turns mm entries into kernels and their launches, once for each target";
  let description = [{
    Regions form around products, convolutions, attention, norms and
    reductions, together with the elementwise operations that follow (their
    chain) and those that feed them. Data movement becomes index maps, the
    rotations (torch.roll) in a chain among them: windows that are shifted are
    partitioned and put back by the kernels that store them.
    A norm or an activation whose rows become bytes (mm.quantize_rows) is one
    kernel with that, too; so is a product on a CPU whose cells can have whole
    scales.
    Constants are recorded with the layout in which kernels read them. With
    `tf32` a GPU multiplies f32 on its tensor cores, rounded to 10 bits behind the
    point; a CPU stays exact.

    Before:
    ```mlir
    func.func @main(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
      %0 = mm.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
      %1 = mm.add %0, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
      return %1 : tensor<4x8xf32>
    }
    ```
    After:
    ```mlir
    plan.variant "cpu:x86-64-v4" {
      plan.kernel @loops_0 row "loops" extents affine_map<() -> (32)> parallel 1 ... {
      ^bb0(%arg0: !plan.buffer<f32>, %arg1: !plan.buffer<f32>):
        plan.block "map" {
        ^bb0(%i: index):
          %x = plan.load %arg0[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<f32> -> f32
          %e = math.exp %x : f32
          %s = arith.addf %e, %x : f32
          plan.store %s, %arg1[affine_map<(d0) -> (d0)>(%i)] : f32, !plan.buffer<f32>
          plan.yield
        }
      }
      plan.entry @main symbols [] ranges [] inputs ["x"] outputs ["y"] ... {
      ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
        plan.dispatch @loops_0 grid affine_map<() -> (1, 1, 1)> ... (%x, %y)
      }
    }
    ```
  }];
  let options = [
    ListOption<"targets", "target", "std::string", "targets, e.g. cpu:x86-64-v3">,
    Option<"tf32", "tf32", "bool", "false", "linear layers and convolutions of f32 may be multiplied in tf32 by a GPU">];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::math::MathDialect", "mmcc::plan::PlanDialect"];
}

#endif // MMCC_LOWER_PASSES
