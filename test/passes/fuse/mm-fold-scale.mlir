// RUN: mmcc-opt %s --mm-fold-scale | FileCheck %s
// RUN: mmcc-opt %s --mm-fold-scale=max-elements=100 | FileCheck %s --check-prefix=SMALL

// CHECK-LABEL: @fuse_when_scale_is_a_channel_vector
// CHECK: %[[W:.*]] = mm.mul {{.*}}tensor<8x16xf32>
// CHECK: %[[B:.*]] = mm.mul {{.*}}tensor<16xf32>
// CHECK: mm.linear %arg0, %[[W]] bias %[[B]]
// CHECK-NEXT: return
// SMALL-LABEL: @fuse_when_scale_is_a_channel_vector
// SMALL: mm.linear
// SMALL: mm.mul
func.func @fuse_when_scale_is_a_channel_vector(%x: tensor<4x8xf32>, %unused: tensor<4xf32>) -> tensor<4x16xf32> {
  %w = mm.constant dense_resource<w> : tensor<8x16xf32>
  %b = mm.constant dense_resource<b> : tensor<16xf32>
  %g = mm.constant dense_resource<g> : tensor<16xf32>
  %0 = mm.linear %x, %w bias %b : tensor<16xf32> : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  %1 = mm.mul %g, %0 : tensor<16xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
  return %1 : tensor<4x16xf32>
}

// CHECK-LABEL: @fuse_when_convolution_is_scaled
// CHECK: mm.constant dense_resource<g> : tensor<4x1x1x1xf32>
// CHECK: %[[W:.*]] = mm.mul {{.*}}tensor<4x3x3x3xf32>
// CHECK: mm.conv %arg0, %[[W]]
// CHECK-NEXT: return
func.func @fuse_when_convolution_is_scaled(%x: tensor<1x3x8x8xf32>) -> tensor<1x4x6x6xf32> {
  %w = mm.constant dense_resource<w> : tensor<4x3x3x3xf32>
  %g = mm.constant dense_resource<g> : tensor<4x1x1xf32>
  %0 = mm.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  %1 = mm.mul %0, %g : tensor<1x4x6x6xf32>, tensor<4x1x1xf32> -> tensor<1x4x6x6xf32>
  return %1 : tensor<1x4x6x6xf32>
}

// The weight is read twice: it would be stored twice.
// CHECK-LABEL: @keep_when_weight_is_shared
// CHECK: mm.linear
// CHECK: mm.mul
func.func @keep_when_weight_is_shared(%x: tensor<4x8xf32>) -> (tensor<4x16xf32>, tensor<4x16xf32>) {
  %w = mm.constant dense_resource<w> : tensor<8x16xf32>
  %g = mm.constant dense_resource<g> : tensor<16xf32>
  %0 = mm.linear %x, %w : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  %1 = mm.mul %0, %g : tensor<4x16xf32>, tensor<16xf32> -> tensor<4x16xf32>
  %h = mm.constant dense_resource<h> : tensor<16x8xf32>
  %2 = mm.linear %1, %h : tensor<4x16xf32>, tensor<16x8xf32> -> tensor<4x8xf32>
  %3 = mm.linear %2, %w : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  return %1, %3 : tensor<4x16xf32>, tensor<4x16xf32>
}

// A factor a row.
// CHECK-LABEL: @keep_when_scale_varies_along_rows
// CHECK: mm.linear
// CHECK: mm.mul
func.func @keep_when_scale_varies_along_rows(%x: tensor<4x8xf32>) -> tensor<4x16xf32> {
  %w = mm.constant dense_resource<w> : tensor<8x16xf32>
  %g = mm.constant dense_resource<g> : tensor<4x1xf32>
  %0 = mm.linear %x, %w : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  %1 = mm.mul %0, %g : tensor<4x16xf32>, tensor<4x1xf32> -> tensor<4x16xf32>
  return %1 : tensor<4x16xf32>
}
