// RUN: mmcc-opt %s --mm-form-rms-norm | FileCheck %s

// CHECK-LABEL: @fuse_when_scaled
// CHECK: mm.rms_norm %arg0 scale %{{.*}} : tensor<8xf32> {axis = 1 : i64, epsilon = 9.99{{.*}}E-7 : f64}
// CHECK-NEXT: return
func.func @fuse_when_scaled(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %w = mm.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
  %eps = mm.constant dense<1.0e-6> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %two = mm.constant dense<2.0> : tensor<f32>
  %x2 = mm.pow %x, %two : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %ms = mm.reduce mean %x2 axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %e = mm.add %ms, %eps : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %s = mm.sqrt %e : tensor<4x1xf32> -> tensor<4x1xf32>
  %r = mm.div %one, %s : tensor<f32>, tensor<4x1xf32> -> tensor<4x1xf32>
  %n = mm.mul %x, %r : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %y = mm.mul %w, %n : tensor<8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// Half precision around, single within: the casts stay at both ends.
// CHECK-LABEL: @fuse_when_casts_are_around
// CHECK: %[[X:.*]] = mm.cast %arg0
// CHECK: %[[N:.*]] = mm.rms_norm %[[X]] {axis = 2
// CHECK: mm.cast %[[N]]
func.func @fuse_when_casts_are_around(%h: tensor<1x4x8xf16>) -> tensor<1x4x8xf16> {
  %eps = mm.constant dense<1.0e-6> : tensor<f32>
  %x = mm.cast %h : tensor<1x4x8xf16> -> tensor<1x4x8xf32>
  %x2 = mm.mul %x, %x : tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  %ms = mm.reduce mean %x2 axes [2] keep true : tensor<1x4x8xf32> -> tensor<1x4x1xf32>
  %e = mm.add %ms, %eps : tensor<1x4x1xf32>, tensor<f32> -> tensor<1x4x1xf32>
  %r = mm.rsqrt %e : tensor<1x4x1xf32> -> tensor<1x4x1xf32>
  %n = mm.mul %r, %x : tensor<1x4x1xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  %y = mm.cast %n : tensor<1x4x8xf32> -> tensor<1x4x8xf16>
  return %y : tensor<1x4x8xf16>
}

// A length, not a root mean square: the sum is not divided.
// CHECK-LABEL: @keep_when_sum_is_not_a_mean
// CHECK-NOT: mm.rms_norm
func.func @keep_when_sum_is_not_a_mean(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %x2 = mm.mul %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %ms = mm.reduce sum %x2 axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %r = mm.rsqrt %ms : tensor<4x1xf32> -> tensor<4x1xf32>
  %n = mm.mul %x, %r : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return %n : tensor<4x8xf32>
}

// CHECK-LABEL: @keep_when_another_value_is_scaled
// CHECK-NOT: mm.rms_norm
func.func @keep_when_another_value_is_scaled(%x: tensor<4x8xf32>, %z: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %eps = mm.constant dense<1.0e-6> : tensor<f32>
  %x2 = mm.mul %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %ms = mm.reduce mean %x2 axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %e = mm.add %ms, %eps : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %r = mm.rsqrt %e : tensor<4x1xf32> -> tensor<4x1xf32>
  %n = mm.mul %z, %r : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return %n : tensor<4x8xf32>
}
