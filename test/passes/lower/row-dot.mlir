// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v3" | FileCheck %s

// Two layers of which the second has one output are one kernel.
// CHECK: plan.kernel @gemm_dot_f32
// CHECK: plan.entry @fuse_when_there_are_many_rows
func.func @fuse_when_there_are_many_rows(%x: tensor<256x512xf32>) -> tensor<256x1xf32> {
  %w = mm.constant dense<0.5> : tensor<512x512xf32>
  %v = mm.constant dense<0.5> : tensor<512x1xf32>
  %0 = mm.linear %x, %w : tensor<256x512xf32>, tensor<512x512xf32> -> tensor<256x512xf32>
  %1 = mm.relu %0 : tensor<256x512xf32> -> tensor<256x512xf32>
  %2 = mm.linear %1, %v : tensor<256x512xf32>, tensor<512x1xf32> -> tensor<256x1xf32>
  return %2 : tensor<256x1xf32>
}

// So few rows would leave all of a large product to one thread.
// CHECK: plan.entry @keep_when_rows_are_few_and_weights_many
// CHECK-NOT: plan.dispatch @gemm_dot_f32
// CHECK: plan.dispatch @gemm_f32
// CHECK: plan.dispatch @gemm_f32
func.func @keep_when_rows_are_few_and_weights_many(%x: tensor<8x512xf32>) -> tensor<8x1xf32> {
  %w = mm.constant dense<0.5> : tensor<512x512xf32>
  %v = mm.constant dense<0.5> : tensor<512x1xf32>
  %0 = mm.linear %x, %w : tensor<8x512xf32>, tensor<512x512xf32> -> tensor<8x512xf32>
  %1 = mm.relu %0 : tensor<8x512xf32> -> tensor<8x512xf32>
  %2 = mm.linear %1, %v : tensor<8x512xf32>, tensor<512x1xf32> -> tensor<8x1xf32>
  return %2 : tensor<8x1xf32>
}
