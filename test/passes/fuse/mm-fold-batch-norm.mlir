// RUN: mmcc-opt %s --mm-fold-batch-norm | FileCheck %s

// w' = w * f, b' = offset - (mean - b) * f, f = scale / sqrt(variance + eps)
// CHECK-LABEL: @fuse_when_convolution_is_before
// CHECK: %[[R:.*]] = mm.sqrt
// CHECK: %[[F:.*]] = mm.div %{{.*}}, %[[R]]
// CHECK: %[[W:.*]] = mm.mul {{.*}}tensor<4x1x1x1xf32>{{.*}} -> tensor<4x3x3x3xf32>
// CHECK: %[[D:.*]] = mm.sub
// CHECK: %[[S:.*]] = mm.mul %[[D]], %[[F]]
// CHECK: %[[B:.*]] = mm.sub %{{.*}}, %[[S]]
// CHECK: mm.conv %arg0, %[[W]] bias %[[B]]
// CHECK-NEXT: return
func.func @fuse_when_convolution_is_before(%x: tensor<1x3x8x8xf32>) -> tensor<1x4x6x6xf32> {
  %w = mm.constant dense_resource<w> : tensor<4x3x3x3xf32>
  %b = mm.constant dense_resource<b> : tensor<4xf32>
  %scale = mm.constant dense_resource<s> : tensor<4xf32>
  %offset = mm.constant dense_resource<o> : tensor<4xf32>
  %mean = mm.constant dense_resource<m> : tensor<4xf32>
  %var = mm.constant dense_resource<v> : tensor<4xf32>
  %0 = mm.conv %x, %w bias %b : tensor<4xf32> {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  %1 = mm.batch_norm %0, %scale, %offset, %mean, %var {epsilon = 1.0e-5 : f64} : tensor<1x4x6x6xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<1x4x6x6xf32>
  return %1 : tensor<1x4x6x6xf32>
}

// CHECK-LABEL: @fuse_when_linear_is_before
// CHECK: mm.mul {{.*}} -> tensor<8x4xf32>
// CHECK: mm.linear %arg0, {{.*}} bias
// CHECK-NEXT: return
func.func @fuse_when_linear_is_before(%x: tensor<2x8xf32>) -> tensor<2x4xf32> {
  %w = mm.constant dense_resource<w> : tensor<8x4xf32>
  %p = mm.constant dense_resource<p> : tensor<4xf32>
  %0 = mm.linear %x, %w : tensor<2x8xf32>, tensor<8x4xf32> -> tensor<2x4xf32>
  %1 = mm.batch_norm %0, %p, %p, %p, %p {epsilon = 1.0e-5 : f64} : tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}

// CHECK-LABEL: @keep_when_alone
// CHECK-NOT: mm.batch_norm
// CHECK: %[[M:.*]] = mm.mul %arg0, {{.*}}tensor<1x4x1xf32>
// CHECK: mm.add %[[M]], {{.*}}tensor<1x4x1xf32>
func.func @keep_when_alone(%x: tensor<1x4x6xf32>) -> tensor<1x4x6xf32> {
  %p = mm.constant dense_resource<p> : tensor<4xf32>
  %1 = mm.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0e-5 : f64} : tensor<1x4x6xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<1x4x6xf32>
  return %1 : tensor<1x4x6xf32>
}

// The convolution is read without the norm, too: its weight stays.
// CHECK-LABEL: @keep_when_convolution_is_read
// CHECK: %[[C:.*]] = mm.conv %arg0, %[[W:.*]] {
// CHECK: mm.mul %[[C]]
func.func @keep_when_convolution_is_read(%x: tensor<1x3x8xf32>) -> (tensor<1x4x6xf32>, tensor<1x4x6xf32>) {
  %w = mm.constant dense_resource<w> : tensor<4x3x3xf32>
  %p = mm.constant dense_resource<p> : tensor<4xf32>
  %0 = mm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x3x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6xf32>
  %1 = mm.batch_norm %0, %p, %p, %p, %p {epsilon = 1.0e-5 : f64} : tensor<1x4x6xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<1x4x6xf32>
  return %0, %1 : tensor<1x4x6xf32>, tensor<1x4x6xf32>
}
