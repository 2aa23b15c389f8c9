// RUN: mmcc-opt %s --mm-form-gelu | FileCheck %s

// x/2 (1 + erf(x / sqrt 2)), the root divided by, the half last.
// CHECK-LABEL: @fuse_when_erf_is_divided
// CHECK-NEXT: mm.gelu erf %arg0
// CHECK-NEXT: return
func.func @fuse_when_erf_is_divided(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %sqrt2 = mm.constant dense<1.41421354> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %half = mm.constant dense<0.5> : tensor<f32>
  %0 = mm.div %x, %sqrt2 : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = mm.erf %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = mm.add %1, %one : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %3 = mm.mul %x, %2 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %4 = mm.mul %3, %half : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  return %4 : tensor<4x8xf32>
}

// The half inside of the sum, the root multiplied by, divided by two nowhere.
// CHECK-LABEL: @fuse_when_half_is_distributed
// CHECK-NEXT: mm.gelu erf %arg0
// CHECK-NEXT: return
func.func @fuse_when_half_is_distributed(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %r = mm.constant dense<0.707106769> : tensor<f32>
  %half = mm.constant dense<0.5> : tensor<f32>
  %0 = mm.mul %x, %r : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = mm.erf %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = mm.mul %1, %half : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %3 = mm.add %half, %2 : tensor<f32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %4 = mm.mul %3, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %4 : tensor<4x8xf32>
}

// x is itself a scaled value: y/4, seen through the constants.
// CHECK-LABEL: @fuse_when_x_carries_a_factor
// CHECK: %[[X:.*]] = mm.mul %arg0
// CHECK-NEXT: mm.gelu erf %[[X]]
// CHECK-NEXT: return
func.func @fuse_when_x_carries_a_factor(%y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = mm.constant dense<0.176776692> : tensor<f32>
  %eighth = mm.constant dense<0.125> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %0 = mm.mul %y, %a : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = mm.erf %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = mm.add %1, %one : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %3 = mm.mul %y, %eighth : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %4 = mm.mul %3, %2 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %4 : tensor<4x8xf32>
}

// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the cube a power.
// CHECK-LABEL: @fuse_when_tanh_has_a_power
// CHECK-NEXT: mm.gelu tanh %arg0
// CHECK-NEXT: return
func.func @fuse_when_tanh_has_a_power(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %three = mm.constant dense<3.0> : tensor<f32>
  %a = mm.constant dense<0.044715> : tensor<f32>
  %b = mm.constant dense<0.797884583> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %half = mm.constant dense<0.5> : tensor<f32>
  %0 = mm.pow %x, %three : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = mm.mul %0, %a : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %2 = mm.add %x, %1 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %3 = mm.mul %2, %b : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %4 = mm.tanh %3 : tensor<4x8xf32> -> tensor<4x8xf32>
  %5 = mm.add %4, %one : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %6 = mm.mul %x, %half : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %7 = mm.mul %6, %5 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %7 : tensor<4x8xf32>
}

// The same with products only: 0.0356774 = 0.797885 * 0.044715.
// CHECK-LABEL: @fuse_when_tanh_has_products
// CHECK-NEXT: mm.gelu tanh %arg0
// CHECK-NEXT: return
func.func @fuse_when_tanh_has_products(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = mm.constant dense<0.0356774069> : tensor<f32>
  %b = mm.constant dense<0.797884583> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %half = mm.constant dense<0.5> : tensor<f32>
  %0 = mm.mul %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %1 = mm.mul %0, %a : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %2 = mm.add %1, %b : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %3 = mm.mul %x, %2 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %4 = mm.tanh %3 : tensor<4x8xf32> -> tensor<4x8xf32>
  %5 = mm.add %one, %4 : tensor<f32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %6 = mm.mul %5, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %7 = mm.mul %half, %6 : tensor<f32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %7 : tensor<4x8xf32>
}

// CHECK-LABEL: @fuse_when_quick
// CHECK-NEXT: mm.gelu quick %arg0
// CHECK-NEXT: return
func.func @fuse_when_quick(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = mm.constant dense<1.702> : tensor<f32>
  %0 = mm.mul %x, %a : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = mm.sigmoid %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = mm.mul %x, %1 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}

// CHECK-LABEL: @keep_when_x_differs
// CHECK-NOT: mm.gelu
func.func @keep_when_x_differs(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = mm.constant dense<1.702> : tensor<f32>
  %0 = mm.mul %x, %a : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = mm.sigmoid %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = mm.mul %y, %1 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}

// x (1 + erf(x / sqrt 2)) without the half.
// CHECK-LABEL: @keep_when_half_is_missing
// CHECK-NOT: mm.gelu
func.func @keep_when_half_is_missing(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %r = mm.constant dense<0.707106769> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %0 = mm.mul %x, %r : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = mm.erf %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = mm.add %1, %one : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %3 = mm.mul %x, %2 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// 1.7 is not 1.702.
// CHECK-LABEL: @keep_when_slope_is_off
// CHECK-NOT: mm.gelu
func.func @keep_when_slope_is_off(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = mm.constant dense<1.7> : tensor<f32>
  %0 = mm.mul %x, %a : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %1 = mm.sigmoid %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = mm.mul %x, %1 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}
