//===- Passes.td - Passes that give one form to one meaning --*- tablegen -*-===//

#ifndef MMCC_PASSES_SIMPLIFY_PASSES
#define MMCC_PASSES_SIMPLIFY_PASSES

include "mlir/Pass/PassBase.td"

def CanonicalizeViews : Pass<"mm-canonicalize-views", "::mlir::func::FuncOp"> {
  let summary = "cancels data movement and moves the rest towards the results";
  let description = [{
    Exporters write one movement of data in many ways: heads are split before
    or after a scale, a window is cut by three views or by seven. This pass
    brings views into one form.

    * A chain of reshapes and transposes becomes the shortest chain of the same
      meaning; a transpose comes last where that is possible.
    * Transposes sink through elementwise operations, reductions, softmax,
      norms, concat, slice and pad; reshapes through those, and through linear
      and batched matmul, where the dimensions they change are not touched.
    * gather with constant, evenly spaced indices becomes slice; pad that only
      crops becomes slice; neighbouring slices are joined.
    * A broadcast goes where its user broadcasts anyway.

    No operation but views is ever duplicated. What a view moves is the same
    before and after, to the bit.

    Before:
    ```mlir
    %0 = mm.reshape %x : tensor<2x8x32xf32> -> tensor<2x8x4x8xf32>
    %1 = mm.transpose %0 [0, 2, 1, 3] : tensor<2x8x4x8xf32> -> tensor<2x4x8x8xf32>
    %2 = mm.mul %1, %scale : tensor<2x4x8x8xf32>, tensor<f32> -> tensor<2x4x8x8xf32>
    %3 = mm.transpose %2 [0, 2, 1, 3] : tensor<2x4x8x8xf32> -> tensor<2x8x4x8xf32>
    %4 = mm.reshape %3 : tensor<2x8x4x8xf32> -> tensor<2x8x32xf32>
    ```
    After:
    ```mlir
    %4 = mm.mul %x, %scale : tensor<2x8x32xf32>, tensor<f32> -> tensor<2x8x32xf32>
    ```
  }];
  let statistics = [
    Statistic<"numViewsBefore", "views-before", "views in the function at the start">,
    Statistic<"numViewsAfter", "views-after", "views in the function at the end">];
}

def Algebra : Pass<"mm-algebra", "::mlir::func::FuncOp"> {
  let summary = "simplifies arithmetic, masks, casts and reductions";
  let description = [{
    One form for what exporters write in several ways.

    * A constant with equal elements is a scalar, on the right of its operation.
    * Differences with a constant are sums, negations move into their
      neighbours, scalar factors in a row are one factor.
    * x / c is x * (1 / c) when c is a power of two or the type is f32 or f64;
      there the result may differ by one rounding from the quotient.
    * pow(x, 2), pow(x, 1/2), pow(x, -1), pow(x, -1/2) are x * x, sqrt,
      reciprocal, rsqrt; 1 / sqrt(x) is rsqrt(x); max(x, 0) is relu.
    * not(compare) is the inverse comparison for integers and for eq and ne;
      a comparison of a truth value with 0 or 1 is that value or its negation.
    * cast(b) * c, with b a truth value and c finite, is select(b, c, 0); a
      negated condition swaps the values that select chooses from.
    * cast(cast(x)) is one cast if the first loses nothing.
    * sum / n and sum * (1 / n) are mean when n is the number of elements; a
      reduction of a reduction of one kind is one.

    Before:
    ```mlir
    %0 = mm.reduce sum %x axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
    %1 = mm.div %0, %eight : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
    %2 = mm.pow %1, %two : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
    ```
    After:
    ```mlir
    %1 = mm.reduce mean %x axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
    %2 = mm.mul %1, %1 : tensor<4x1xf32>, tensor<4x1xf32> -> tensor<4x1xf32>
    ```
  }];
  let statistics = [
    Statistic<"numOpsBefore", "ops-before", "operations at the start">,
    Statistic<"numOpsAfter", "ops-after", "operations at the end">];
}

def CanonicalOrder : Pass<"mm-canonical-order", "::mlir::func::FuncOp"> {
  let summary = "puts operations in the order in which the results need them";
  let description = [{
    Exporters write independent operations in orders of their own. Here each
    operation follows its operands, the first operand's whole history before
    the second's, the first result's before the second's; constants come first,
    in the order of their first use. Equal graphs become equal programs.

    Before:
    ```mlir
    %b = mm.neg %y : tensor<4xf32> -> tensor<4xf32>
    %a = mm.abs %x : tensor<4xf32> -> tensor<4xf32>
    %s = mm.add %a, %b : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
    return %s : tensor<4xf32>
    ```
    After:
    ```mlir
    %a = mm.abs %x : tensor<4xf32> -> tensor<4xf32>
    %b = mm.neg %y : tensor<4xf32> -> tensor<4xf32>
    %s = mm.add %a, %b : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
    return %s : tensor<4xf32>
    ```
  }];
}

#endif // MMCC_PASSES_SIMPLIFY_PASSES
