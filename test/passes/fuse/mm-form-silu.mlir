// RUN: mmcc-opt %s --mm-form-silu | FileCheck %s

// CHECK-LABEL: @fuse_when_gated_by_itself
// CHECK-NEXT: mm.silu %arg0
// CHECK-NEXT: return
func.func @fuse_when_gated_by_itself(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = mm.sigmoid %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %1 = mm.mul %0, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// CHECK-LABEL: @fuse_when_multiplied_first
// CHECK-NEXT: %[[S:.*]] = mm.silu %arg0
// CHECK-NEXT: mm.mul %[[S]], %arg1
func.func @fuse_when_multiplied_first(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = mm.sigmoid %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %1 = mm.mul %x, %y : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = mm.mul %1, %0 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}

// CHECK-LABEL: @keep_when_gated_by_another
// CHECK-NOT: mm.silu
func.func @keep_when_gated_by_another(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = mm.sigmoid %y : tensor<4x8xf32> -> tensor<4x8xf32>
  %1 = mm.mul %x, %0 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}
