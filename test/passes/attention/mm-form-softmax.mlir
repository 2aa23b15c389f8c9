// RUN: mmcc-opt %s --mm-form-softmax | FileCheck %s

// CHECK-LABEL: @fuse_when_divided
// CHECK: mm.softmax %arg0 axis 1
// CHECK-NEXT: return
func.func @fuse_when_divided(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %m = mm.reduce max %x axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %d = mm.sub %x, %m : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %e = mm.exp %d : tensor<4x8xf32> -> tensor<4x8xf32>
  %s = mm.reduce sum %e axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %p = mm.div %e, %s : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return %p : tensor<4x8xf32>
}

// CHECK-LABEL: @fuse_when_multiplied_by_reciprocal
// CHECK: mm.softmax %arg0 axis 0
// CHECK-NEXT: return
func.func @fuse_when_multiplied_by_reciprocal(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %m = mm.reduce max %x axes [0] keep true : tensor<4x8xf32> -> tensor<1x8xf32>
  %d = mm.sub %x, %m : tensor<4x8xf32>, tensor<1x8xf32> -> tensor<4x8xf32>
  %e = mm.exp %d : tensor<4x8xf32> -> tensor<4x8xf32>
  %s = mm.reduce sum %e axes [0] keep true : tensor<4x8xf32> -> tensor<1x8xf32>
  %r = mm.reciprocal %s : tensor<1x8xf32> -> tensor<1x8xf32>
  %p = mm.mul %r, %e : tensor<1x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %p : tensor<4x8xf32>
}

// The sum runs along another dimension than the maximum.
// CHECK-LABEL: @keep_when_dimensions_differ
// CHECK-NOT: mm.softmax
func.func @keep_when_dimensions_differ(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %m = mm.reduce max %x axes [0] keep true : tensor<8x8xf32> -> tensor<1x8xf32>
  %d = mm.sub %x, %m : tensor<8x8xf32>, tensor<1x8xf32> -> tensor<8x8xf32>
  %e = mm.exp %d : tensor<8x8xf32> -> tensor<8x8xf32>
  %s = mm.reduce sum %e axes [1] keep true : tensor<8x8xf32> -> tensor<8x1xf32>
  %p = mm.div %e, %s : tensor<8x8xf32>, tensor<8x1xf32> -> tensor<8x8xf32>
  return %p : tensor<8x8xf32>
}

// Without the maximum, large inputs overflow in the model too.
// CHECK-LABEL: @keep_when_maximum_is_missing
// CHECK-NOT: mm.softmax
func.func @keep_when_maximum_is_missing(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %e = mm.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %s = mm.reduce sum %e axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %p = mm.div %e, %s : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return %p : tensor<4x8xf32>
}
