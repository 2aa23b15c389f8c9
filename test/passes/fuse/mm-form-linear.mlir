// RUN: mmcc-opt %s --mm-form-linear | FileCheck %s

// CHECK-LABEL: @fuse_when_weight_is_constant
// CHECK-DAG: %[[W:.*]] = mm.constant dense<1.000000e+00> : tensor<8x16xf32>
// CHECK-DAG: %[[B:.*]] = mm.constant dense<2.000000e+00> : tensor<16xf32>
// CHECK: mm.linear %arg0, %[[W]] bias %[[B]] : tensor<16xf32>
// CHECK-NEXT: return
func.func @fuse_when_weight_is_constant(%x: tensor<1x4x8xf32>) -> tensor<1x4x16xf32> {
  %w = mm.constant dense<1.0> : tensor<8x16xf32>
  %b = mm.constant dense<2.0> : tensor<16xf32>
  %0 = mm.matmul %x, %w : tensor<1x4x8xf32>, tensor<8x16xf32> -> tensor<1x4x16xf32>
  %1 = mm.add %b, %0 : tensor<16xf32>, tensor<1x4x16xf32> -> tensor<1x4x16xf32>
  return %1 : tensor<1x4x16xf32>
}

// The weight transposed, with a leading 1; the bias behind a reshape.
// CHECK-LABEL: @fuse_when_weight_is_viewed
// CHECK: mm.linear {{.*}} bias
// CHECK-NOT: mm.add
func.func @fuse_when_weight_is_viewed(%x: tensor<4x8xf32>) -> tensor<1x2x2x16xf32> {
  %c = mm.constant dense<1.0> : tensor<1x16x8xf32>
  %b = mm.constant dense<2.0> : tensor<1x1x16xf32>
  %w = mm.transpose %c [0, 2, 1] : tensor<1x16x8xf32> -> tensor<1x8x16xf32>
  %0 = mm.matmul %x, %w : tensor<4x8xf32>, tensor<1x8x16xf32> -> tensor<1x4x16xf32>
  %1 = mm.reshape %0 : tensor<1x4x16xf32> -> tensor<1x2x2x16xf32>
  %2 = mm.add %1, %b : tensor<1x2x2x16xf32>, tensor<1x1x16xf32> -> tensor<1x2x2x16xf32>
  return %2 : tensor<1x2x2x16xf32>
}

// CHECK-LABEL: @fuse_when_constant_is_on_the_left
// CHECK-DAG: %[[W:.*]] = mm.{{constant|transpose}} {{.*}}tensor<8x16xf32>
// CHECK-DAG: %[[X:.*]] = mm.transpose %arg0 [0, 2, 1]
// CHECK: %[[L:.*]] = mm.linear %[[X]], %[[W]]
// CHECK: mm.transpose %[[L]] [0, 2, 1]
func.func @fuse_when_constant_is_on_the_left(%x: tensor<2x8x4xf32>) -> tensor<2x16x4xf32> {
  %w = mm.constant dense<1.0> : tensor<16x8xf32>
  %0 = mm.matmul %w, %x : tensor<16x8xf32>, tensor<2x8x4xf32> -> tensor<2x16x4xf32>
  return %0 : tensor<2x16x4xf32>
}

// CHECK-LABEL: @keep_when_weights_differ_by_batch
// CHECK-NOT: mm.linear
func.func @keep_when_weights_differ_by_batch(%x: tensor<2x4x8xf32>) -> tensor<2x4x16xf32> {
  %w = mm.constant dense<1.0> : tensor<2x8x16xf32>
  %0 = mm.matmul %x, %w : tensor<2x4x8xf32>, tensor<2x8x16xf32> -> tensor<2x4x16xf32>
  return %0 : tensor<2x4x16xf32>
}

// CHECK-LABEL: @keep_when_weight_is_an_input
// CHECK-NOT: mm.linear
func.func @keep_when_weight_is_an_input(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %0 = mm.matmul %x, %w : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// The product without the bias is read too.
// CHECK-LABEL: @keep_when_product_is_read_before_the_bias
// CHECK: mm.linear
// CHECK-NOT: bias
// CHECK: mm.add
func.func @keep_when_product_is_read_before_the_bias(%x: tensor<4x8xf32>) -> (tensor<4x16xf32>, tensor<4x16xf32>) {
  %w = mm.constant dense<1.0> : tensor<8x16xf32>
  %b = mm.constant dense<2.0> : tensor<16xf32>
  %0 = mm.matmul %x, %w : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  %1 = mm.add %0, %b : tensor<4x16xf32>, tensor<16xf32> -> tensor<4x16xf32>
  return %0, %1 : tensor<4x16xf32>, tensor<4x16xf32>
}
