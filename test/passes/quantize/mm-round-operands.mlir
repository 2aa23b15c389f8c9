// RUN: mmcc-opt %s -mm-round-operands | FileCheck %s -DTO=bf16
// RUN: mmcc-opt %s -mm-round-operands=attention=i8 | FileCheck %s -DTO=i8
// RUN: mmcc-opt %s -mm-round-operands=attention=f16 | FileCheck %s --check-prefix=F16

// Nothing bounds an argument.
// F16-LABEL: func @fuse_when_f32
// F16: mm.attention {{.*}} {scale
// F16-LABEL: func @fuse_when_conv
// F16-NOT: arithmetic
// F16-LABEL: func @keep_when_f64

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

// F16-LABEL: func @fuse_when_all_three_are_bounded
func.func @fuse_when_all_three_are_bounded(%x: tensor<1x2x8x16xf32>) -> (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) {
  %q = mm.tanh %x : tensor<1x2x8x16xf32> -> tensor<1x2x8x16xf32>
  // F16: mm.attention {{.*}} {arithmetic = "f16"
  // F16: mm.attention {{.*}} {scale
  %0 = mm.attention %q, %q, %q {scale = 0.25 : f64}
      : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32> -> tensor<1x2x8x16xf32>
  %1 = mm.attention %q, %q, %x {scale = 0.25 : f64}
      : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32> -> tensor<1x2x8x16xf32>
  return %0, %1 : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>
}
