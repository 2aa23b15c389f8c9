// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v3,cuda:sm_80 tf32=true" --mlir-print-local-scope > %t
// RUN: FileCheck %s < %t
// RUN: cuda_source %t --print | FileCheck %s --check-prefix=SOURCE

// Products of f32 become tf32 where tensor cores have it: on a GPU, with weights
// in columns. Depthwise convolutions are no products.

// CHECK: plan.variant "cpu:x86-64-v3"
// CHECK: row "conv_f32"
// CHECK: row "depthwise_f32"
// CHECK: row "gemm_f32"
// CHECK-NOT: columns
// CHECK: plan.variant "cuda:sm_80"
// CHECK: row "conv_tf32"
// CHECK: row "depthwise_f32"
// CHECK: row "gemm_tf32"
// CHECK: plan.get_constant @{{.*}} columns : <f32>
// SOURCE: tensorConv<64, 64>(
// SOURCE: gemmTf32<64, 64>(
func.func @main(%x: tensor<1x10x10x8xf32>) -> tensor<64x24xf32> {
  %u = mm.constant dense<0.5> : tensor<16x8x3x3xf32>
  %0 = mm.conv %x, %u {channels_last = true, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x10x10x8xf32>, tensor<16x8x3x3xf32> -> tensor<1x8x8x16xf32>
  %v = mm.constant dense<0.25> : tensor<16x1x1x1xf32>
  %1 = mm.conv %0, %v {channels_last = true, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 16 : i64} : tensor<1x8x8x16xf32>, tensor<16x1x1x1xf32> -> tensor<1x8x8x16xf32>
  %2 = mm.reshape %1 : tensor<1x8x8x16xf32> -> tensor<64x16xf32>
  %w = mm.constant dense<0.5> : tensor<16x24xf32>
  %3 = mm.linear %2, %w : tensor<64x16xf32>, tensor<16x24xf32> -> tensor<64x24xf32>
  return %3 : tensor<64x24xf32>
}
