// RUN: mmcc-opt %s -mm-round-attention | FileCheck %s -DTO=bf16
// RUN: mmcc-opt %s -mm-round-attention=to=i8 | FileCheck %s -DTO=i8

// CHECK-LABEL: func @fuse_when_f32
func.func @fuse_when_f32(%q: tensor<1x2x8x16xf32>, %k: tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32> {
  // CHECK: mm.attention {{.*}} {arithmetic = "[[TO]]", scale = 2.500000e-01 : f64}
  %0 = mm.attention %q, %k, %k {scale = 0.25 : f64}
      : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32> -> tensor<1x2x8x16xf32>
  return %0 : tensor<1x2x8x16xf32>
}

// CHECK-LABEL: func @keep_when_f64
func.func @keep_when_f64(%q: tensor<1x2x8x16xf64>) -> tensor<1x2x8x16xf64> {
  // CHECK: mm.attention {{.*}} {scale = 2.500000e-01 : f64}
  %0 = mm.attention %q, %q, %q {scale = 0.25 : f64}
      : tensor<1x2x8x16xf64>, tensor<1x2x8x16xf64>, tensor<1x2x8x16xf64> -> tensor<1x2x8x16xf64>
  return %0 : tensor<1x2x8x16xf64>
}
