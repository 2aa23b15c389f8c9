// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v3,cpu:x86-64-v3-avxvnni,cpu:x86-64-v4,cpu:x86-64-v4-vnni-bf16" | FileCheck %s
// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v4-vnni-bf16" | FileCheck %s --check-prefix=ALONE

// A level has a variant of its own where a kernel has a form of its own there,
// and is its base's otherwise. Beside nothing else it is what was asked for.

// CHECK: plan.variant "cpu:x86-64-v3" {
// CHECK: plan.kernel @gemm_bf16_bf16_0
// CHECK: plan.variant "cpu:x86-64-v4" {
// CHECK: plan.kernel @gemm_bf16_bf16_0
// CHECK: plan.variant "cpu:x86-64-v4-vnni-bf16" {
// CHECK: plan.kernel @gemm_bf16_bf16_0
// CHECK-NOT: plan.variant

// ALONE: plan.variant "cpu:x86-64-v4-vnni-bf16" {
// ALONE-NOT: plan.variant
func.func @main(%x: tensor<4x8xbf16>) -> tensor<4x24xf32> {
  %w = mm.constant dense<1.0> : tensor<8x24xbf16>
  %0 = mm.linear %x, %w wide : tensor<4x8xbf16>, tensor<8x24xbf16> -> tensor<4x24xf32>
  return %0 : tensor<4x24xf32>
}
