// RUN: mmcc-opt %s --mm-place-attention="patterns=sparse=8,16;1:window=4;2:full" | FileCheck %s

// |i - j| <= 8: 9 keys up to the query's own, 8 ahead; layer 1 has a rule of its
// own, layer 2 none; a causal attention looks back only.
// CHECK-LABEL: func @fuse_when_asked
// CHECK: mm.attention {{.*}} {ahead = 8 : i64, scale = 2.500000e-01 : f64, stride = 16 : i64, window = 9 : i64}
// CHECK: mm.attention {{.*}} {ahead = 4 : i64, scale = 2.500000e-01 : f64, window = 5 : i64}
// CHECK: mm.attention {{.*}} {scale = 2.500000e-01 : f64}
// CHECK: mm.attention {{.*}} {causal = true, scale = 2.500000e-01 : f64, stride = 16 : i64, window = 9 : i64}
func.func @fuse_when_asked(%x: tensor<1x3x64x16xf32>) -> tensor<1x3x64x16xf32> {
  %0 = mm.attention %x, %x, %x {scale = 0.25 : f64} : tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32> -> tensor<1x3x64x16xf32>
  %1 = mm.attention %0, %0, %0 {scale = 0.25 : f64} : tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32> -> tensor<1x3x64x16xf32>
  %2 = mm.attention %1, %1, %1 {scale = 0.25 : f64} : tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32> -> tensor<1x3x64x16xf32>
  %3 = mm.attention %2, %2, %2 {scale = 0.25 : f64, causal = true} : tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32> -> tensor<1x3x64x16xf32>
  return %3 : tensor<1x3x64x16xf32>
}

// Keys of another kind, and a window of the model's own.
// CHECK-LABEL: func @keep_when_cross_or_limited
// CHECK: mm.attention {{.*}} {scale = 2.500000e-01 : f64} : tensor<1x3x64x16xf32>, tensor<1x3x20x16xf32>
// CHECK: mm.attention {{.*}} {causal = true, scale = 2.500000e-01 : f64, window = 3 : i64}
func.func @keep_when_cross_or_limited(%x: tensor<1x3x64x16xf32>, %k: tensor<1x3x20x16xf32>) -> tensor<1x3x64x16xf32> {
  %0 = mm.attention %x, %k, %k {scale = 0.25 : f64} : tensor<1x3x64x16xf32>, tensor<1x3x20x16xf32>, tensor<1x3x20x16xf32> -> tensor<1x3x64x16xf32>
  %1 = mm.attention %0, %0, %0 {scale = 0.25 : f64, causal = true, window = 3 : i64} : tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32> -> tensor<1x3x64x16xf32>
  return %1 : tensor<1x3x64x16xf32>
}
