// RUN: mmcc-opt %s -mm-round-operands | FileCheck %s -DTO=bf16
// RUN: mmcc-opt %s -mm-round-operands=attention=i8 | FileCheck %s -DTO=i8

// CHECK-LABEL: func @fuse_when_f32
func.func @fuse_when_f32(%q: tensor<1x2x8x16xf32>, %k: tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32> {
  // CHECK: mm.attention {{.*}} {arithmetic = "[[TO]]", scale = 2.500000e-01 : f64}
  %0 = mm.attention %q, %k, %k {scale = 0.25 : f64}
      : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32> -> tensor<1x2x8x16xf32>
  return %0 : tensor<1x2x8x16xf32>
}

// CHECK-LABEL: func @fuse_when_conv
func.func @fuse_when_conv(%x: tensor<1x8x4xf32>, %w: tensor<6x4x3xf32>) -> tensor<1x8x6xf32> {
  // CHECK: mm.conv {{.*}} {arithmetic = "bf16"
  %0 = mm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, groups = 1 : i64, channels_last = true}
      : tensor<1x8x4xf32>, tensor<6x4x3xf32> -> tensor<1x8x6xf32>
  return %0 : tensor<1x8x6xf32>
}

// CHECK-LABEL: func @keep_when_f64
func.func @keep_when_f64(%q: tensor<1x2x8x16xf64>) -> tensor<1x2x8x16xf64> {
  // CHECK: mm.attention {{.*}} {scale = 2.500000e-01 : f64}
  %0 = mm.attention %q, %q, %q {scale = 0.25 : f64}
      : tensor<1x2x8x16xf64>, tensor<1x2x8x16xf64>, tensor<1x2x8x16xf64> -> tensor<1x2x8x16xf64>
  return %0 : tensor<1x2x8x16xf64>
}
