// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v4" | FileCheck %s

// Entries of one variant share kernels and constants.

// CHECK: plan.constant @constant_0 : f32 "dense"
// CHECK-NOT: plan.constant
// CHECK-LABEL: plan.variant "cpu:x86-64-v4"
// CHECK: plan.kernel @loops_0
// CHECK: plan.entry @first
// CHECK: plan.dispatch @loops_0
func.func @first(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %c = mm.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
  %0 = mm.add %x, %c : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK: plan.kernel @loops_1
// CHECK: plan.entry @second
// CHECK: plan.dispatch @loops_0
// CHECK: plan.dispatch @loops_1
func.func @second(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %c = mm.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
  %0 = mm.add %x, %c : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %1 = mm.sub %x, %c : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  return %0, %1 : tensor<4x8xf32>, tensor<4x8xf32>
}
