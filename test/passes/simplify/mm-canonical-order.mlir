// RUN: mmcc-opt %s --mm-canonical-order | FileCheck %s

// Constants by first use, then the first operand's history before the second's.
// CHECK-LABEL: func @order_when_independent
// CHECK-NEXT: mm.constant dense<1.000000e+00>
// CHECK-NEXT: mm.constant dense<2.000000e+00>
// CHECK-NEXT: %[[A:.*]] = mm.add %arg0
// CHECK-NEXT: %[[B:.*]] = mm.mul %arg1
// CHECK-NEXT: %[[C:.*]] = mm.neg %[[B]]
// CHECK-NEXT: %[[S:.*]] = mm.sub %[[A]], %[[C]]
// CHECK-NEXT: return %[[S]]
func.func @order_when_independent(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %two = mm.constant dense<2.0> : tensor<f32>
  %b = mm.mul %y, %two : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %c = mm.neg %b : tensor<4xf32> -> tensor<4xf32>
  %a = mm.add %x, %one : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %s = mm.sub %a, %c : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %s : tensor<4xf32>
}

// The first result before the second; what nothing needs comes last.
// CHECK-LABEL: func @keep_when_nothing_needs_it
// CHECK-NEXT: mm.neg
// CHECK-NEXT: mm.abs
// CHECK-NEXT: mm.exp
// CHECK-NEXT: return
func.func @keep_when_nothing_needs_it(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %e = mm.exp %x : tensor<4xf32> -> tensor<4xf32>
  %a = mm.abs %x : tensor<4xf32> -> tensor<4xf32>
  %n = mm.neg %x : tensor<4xf32> -> tensor<4xf32>
  return %n, %a : tensor<4xf32>, tensor<4xf32>
}
