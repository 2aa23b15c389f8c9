// RUN: mmcc-opt %s --mm-channels-last | FileCheck %s

// One transpose in front, one behind; nothing between the convolutions.
// CHECK-LABEL: @fuse_when_convolutions_follow
// CHECK: %[[X:.*]] = mm.transpose %arg0 [0, 2, 3, 1]
// CHECK: %[[A:.*]] = mm.conv %[[X]], {{.*}} bias {{.*}}channels_last = true{{.*}} -> tensor<1x8x8x4xf32>
// CHECK-NEXT: %[[R:.*]] = mm.relu %[[A]]
// CHECK-NEXT: %[[P:.*]] = mm.pool max %[[R]] {channels_last = true{{.*}} -> tensor<1x4x4x4xf32>
// CHECK-NEXT: %[[B:.*]] = mm.conv %[[P]], {{.*}} -> tensor<1x4x4x4xf32>
// CHECK-NEXT: %[[S:.*]] = mm.add %[[B]], %[[P]]
// CHECK-NEXT: %[[M:.*]] = mm.reduce mean %[[S]] axes [1, 2] keep false : tensor<1x4x4x4xf32> -> tensor<1x4xf32>
// CHECK-NEXT: return %[[M]]
func.func @fuse_when_convolutions_follow(%x: tensor<1x3x8x8xf32>) -> tensor<1x4xf32> {
  %w = mm.constant dense_resource<w> : tensor<4x3x3x3xf32>
  %b = mm.constant dense_resource<b> : tensor<4xf32>
  %d = mm.constant dense_resource<d> : tensor<4x1x3x3xf32>
  %0 = mm.conv %x, %w bias %b : tensor<4xf32> {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x8x8xf32>
  %1 = mm.relu %0 : tensor<1x4x8x8xf32> -> tensor<1x4x8x8xf32>
  %2 = mm.pool max %1 {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  %3 = mm.conv %2, %d {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 4 : i64} : tensor<1x4x4x4xf32>, tensor<4x1x3x3xf32> -> tensor<1x4x4x4xf32>
  %4 = mm.add %3, %2 : tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32> -> tensor<1x4x4x4xf32>
  %5 = mm.reduce mean %4 axes [2, 3] keep false : tensor<1x4x4x4xf32> -> tensor<1x4xf32>
  return %5 : tensor<1x4xf32>
}

// Patches flattened to tokens: the transposes were there, and go. The constant
// turns with the sum.
// CHECK-LABEL: @fuse_when_patches_become_tokens
// CHECK: %[[C:.*]] = mm.conv {{.*}} -> tensor<2x2x3x5xf32>
// CHECK: %[[G:.*]] = mm.mul %[[C]], {{.*}}tensor<1x1x1x5xf32>
// CHECK: %[[T:.*]] = mm.reshape %[[G]] : tensor<2x2x3x5xf32> -> tensor<2x6x5xf32>
// CHECK-NEXT: return %[[T]]
func.func @fuse_when_patches_become_tokens(%x: tensor<2x3x8x12xf32>) -> tensor<2x6x5xf32> {
  %w = mm.constant dense_resource<w> : tensor<5x3x4x4xf32>
  %g = mm.constant dense_resource<g> : tensor<5x1x1xf32>
  %0 = mm.conv %x, %w {strides = array<i64: 4, 4>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<2x3x8x12xf32>, tensor<5x3x4x4xf32> -> tensor<2x5x2x3xf32>
  %1 = mm.mul %0, %g : tensor<2x5x2x3xf32>, tensor<5x1x1xf32> -> tensor<2x5x2x3xf32>
  %2 = mm.reshape %1 : tensor<2x5x2x3xf32> -> tensor<2x5x6xf32>
  %3 = mm.transpose %2 [0, 2, 1] : tensor<2x5x6xf32> -> tensor<2x6x5xf32>
  return %3 : tensor<2x6x5xf32>
}

// One dimension of time.
// CHECK-LABEL: @fuse_when_time_is_convolved
// CHECK: mm.transpose %arg0 [0, 2, 1]
// CHECK: %[[C:.*]] = mm.conv {{.*}} -> tensor<1x10x6xf32>
// CHECK: %[[G:.*]] = mm.gelu erf %[[C]] : tensor<1x10x6xf32>
// CHECK-NEXT: return %[[G]]
func.func @fuse_when_time_is_convolved(%x: tensor<1x4x12xf32>) -> tensor<1x10x6xf32> {
  %w = mm.constant dense_resource<w> : tensor<6x4x3xf32>
  %0 = mm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x4x12xf32>, tensor<6x4x3xf32> -> tensor<1x6x10xf32>
  %1 = mm.gelu erf %0 : tensor<1x6x10xf32> -> tensor<1x6x10xf32>
  %2 = mm.transpose %1 [0, 2, 1] : tensor<1x6x10xf32> -> tensor<1x10x6xf32>
  return %2 : tensor<1x10x6xf32>
}

// CHECK-LABEL: @keep_when_convolution_is_transposed
// CHECK-NOT: mm.transpose
// CHECK: mm.conv_transpose
func.func @keep_when_convolution_is_transposed(%x: tensor<1x4x4x4xf32>) -> tensor<1x2x8x8xf32> {
  %w = mm.constant dense_resource<w> : tensor<4x2x2x2xf32>
  %0 = mm.conv_transpose %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x4x4x4xf32>, tensor<4x2x2x2xf32> -> tensor<1x2x8x8xf32>
  return %0 : tensor<1x2x8x8xf32>
}

// A reshape that mixes channels and space sees them in their order.
// CHECK-LABEL: @keep_when_reshape_mixes_channels
// CHECK: mm.conv {{.*}} -> tensor<1x2x3x4xf32>
// CHECK: mm.transpose {{.*}} [0, 3, 1, 2]
// CHECK: mm.reshape
func.func @keep_when_reshape_mixes_channels(%x: tensor<1x3x2x3xf32>) -> tensor<1x24xf32> {
  %w = mm.constant dense_resource<w> : tensor<4x3x1x1xf32>
  %0 = mm.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x3x2x3xf32>, tensor<4x3x1x1xf32> -> tensor<1x4x2x3xf32>
  %1 = mm.reshape %0 : tensor<1x4x2x3xf32> -> tensor<1x24xf32>
  return %1 : tensor<1x24xf32>
}

// In 1-D the two orders are views of each other: a sum of two lines does not
// turn for ever.
// CHECK-LABEL: @keep_when_all_operands_are_lines
// CHECK: mm.conv {{.*}}channels_last = true
// CHECK: mm.add %{{.*}}, %{{.*}} : tensor<1x{{.*}}xf32>
func.func @keep_when_all_operands_are_lines(%x: tensor<4x4x1xf32>, %w: tensor<8x4x1xf32>) -> tensor<1x8x1xf32> {
  %c = mm.conv %x, %w {dilations = array<i64: 1>, groups = 1 : i64, pads = array<i64: 0, 0>, strides = array<i64: 2>} : tensor<4x4x1xf32>, tensor<8x4x1xf32> -> tensor<4x8x1xf32>
  %m = mm.reduce max %c axes [0] keep true : tensor<4x8x1xf32> -> tensor<1x8x1xf32>
  %l = mm.log %m : tensor<1x8x1xf32> -> tensor<1x8x1xf32>
  %s = mm.add %l, %m : tensor<1x8x1xf32>, tensor<1x8x1xf32> -> tensor<1x8x1xf32>
  return %s : tensor<1x8x1xf32>
}
