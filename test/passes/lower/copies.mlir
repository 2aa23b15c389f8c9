// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v4" | FileCheck %s

// What a product reads in another type is stored by whoever makes the value: the
// norm's kernel writes both, and no launch is there for the cast.

// CHECK-LABEL: plan.variant
// CHECK: plan.kernel @[[NORM:.*]] row "loops"
// CHECK: plan.block "map"
// CHECK: plan.store %[[N:[0-9]+]], {{.*}} : f32
// CHECK-NEXT: %[[B:[0-9]+]] = arith.truncf %[[N]] : f32 to bf16
// CHECK-NEXT: plan.store %[[B]], {{.*}} : bf16
// CHECK: plan.kernel @[[PRODUCT:.*]] row "gemm_bf16_bf16"
// CHECK: plan.entry
// CHECK: plan.dispatch @[[NORM]]
// CHECK-NEXT: plan.dispatch @[[PRODUCT]]
// CHECK-NOT: plan.dispatch
func.func @main(%x: tensor<4x32xf32>) -> tensor<4x32xf32> {
  %w = mm.constant dense<1.0> : tensor<32x32xbf16>
  %n = mm.layer_norm %x {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<4x32xf32> -> tensor<4x32xf32>
  %b = mm.cast %n : tensor<4x32xf32> -> tensor<4x32xbf16>
  %y = mm.linear %b, %w wide : tensor<4x32xbf16>, tensor<32x32xbf16> -> tensor<4x32xf32>
  %s = mm.add %y, %n : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  return %s : tensor<4x32xf32>
}
