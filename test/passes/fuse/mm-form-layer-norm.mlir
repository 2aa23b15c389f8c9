// RUN: mmcc-opt %s --mm-form-layer-norm | FileCheck %s

// CHECK-LABEL: @fuse_when_divided_by_root
// CHECK-NEXT: mm.constant
// CHECK-NEXT: mm.constant
// CHECK-NEXT: mm.layer_norm %arg0 scale %{{.*}} : tensor<8xf32> offset %{{.*}} : tensor<8xf32> {axis = 1 : i64, epsilon = 9.99{{.*}}E-6 : f64}
// CHECK-NEXT: return
func.func @fuse_when_divided_by_root(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %w = mm.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
  %b = mm.constant dense<[8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]> : tensor<8xf32>
  %eps = mm.constant dense<1.0e-5> : tensor<f32>
  %two = mm.constant dense<2.0> : tensor<f32>
  %mean = mm.reduce mean %x axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %d = mm.sub %x, %mean : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %d2 = mm.pow %d, %two : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %var = mm.reduce mean %d2 axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %e = mm.add %var, %eps : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %s = mm.sqrt %e : tensor<4x1xf32> -> tensor<4x1xf32>
  %n = mm.div %d, %s : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %m = mm.mul %n, %w : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %y = mm.add %m, %b : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// The difference computed twice, sums over a count, and the weight multiplied
// into the inverse root first.
// CHECK-LABEL: @fuse_when_weight_meets_inverse_root
// CHECK: mm.layer_norm %arg0 scale %{{.*}} : tensor<8xf32> {axis = 1 : i64
// CHECK-NEXT: return
func.func @fuse_when_weight_meets_inverse_root(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %w = mm.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
  %eps = mm.constant dense<1.0e-5> : tensor<f32>
  %eight = mm.constant dense<8.0> : tensor<f32>
  %sum = mm.reduce sum %x axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %mean = mm.div %sum, %eight : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %d = mm.sub %x, %mean : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %e = mm.sub %x, %mean : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %d2 = mm.mul %e, %e : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %var = mm.reduce mean %d2 axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %f = mm.add %eps, %var : tensor<f32>, tensor<4x1xf32> -> tensor<4x1xf32>
  %r = mm.rsqrt %f : tensor<4x1xf32> -> tensor<4x1xf32>
  %rw = mm.mul %r, %w : tensor<4x1xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %y = mm.mul %rw, %d : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// Over the channels of an image: transposes bring them last.
// CHECK-LABEL: @fuse_when_channels_are_first
// CHECK: %[[T:.*]] = mm.transpose %arg0 [0, 2, 3, 1]
// CHECK: %[[N:.*]] = mm.layer_norm %[[T]] {axis = 3 : i64
// CHECK: mm.transpose %[[N]] [0, 3, 1, 2]
func.func @fuse_when_channels_are_first(%x: tensor<1x8x2x3xf32>) -> tensor<1x8x2x3xf32> {
  %eps = mm.constant dense<1.0e-6> : tensor<f32>
  %mean = mm.reduce mean %x axes [1] keep true : tensor<1x8x2x3xf32> -> tensor<1x1x2x3xf32>
  %d = mm.sub %x, %mean : tensor<1x8x2x3xf32>, tensor<1x1x2x3xf32> -> tensor<1x8x2x3xf32>
  %d2 = mm.mul %d, %d : tensor<1x8x2x3xf32>, tensor<1x8x2x3xf32> -> tensor<1x8x2x3xf32>
  %var = mm.reduce mean %d2 axes [1] keep true : tensor<1x8x2x3xf32> -> tensor<1x1x2x3xf32>
  %e = mm.add %var, %eps : tensor<1x1x2x3xf32>, tensor<f32> -> tensor<1x1x2x3xf32>
  %s = mm.sqrt %e : tensor<1x1x2x3xf32> -> tensor<1x1x2x3xf32>
  %r = mm.reciprocal %s : tensor<1x1x2x3xf32> -> tensor<1x1x2x3xf32>
  %n = mm.mul %d, %r : tensor<1x8x2x3xf32>, tensor<1x1x2x3xf32> -> tensor<1x8x2x3xf32>
  return %n : tensor<1x8x2x3xf32>
}

// CHECK-LABEL: @fuse_when_parameters_follow
// CHECK: mm.layer_norm %arg0 scale %{{.*}} : tensor<8xf32> offset %{{.*}} : tensor<8xf32>
// CHECK-NEXT: return
func.func @fuse_when_parameters_follow(%x: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  %w = mm.constant dense<[[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]]> : tensor<1x1x8xf32>
  %b = mm.constant dense<[8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]> : tensor<8xf32>
  %n = mm.layer_norm %x {axis = 2 : i64, epsilon = 1.0e-5 : f64} : tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  %m = mm.mul %w, %n : tensor<1x1x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  %y = mm.add %b, %m : tensor<8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

// The mean is that of another value.
// CHECK-LABEL: @keep_when_mean_is_of_another
// CHECK-NOT: mm.layer_norm
func.func @keep_when_mean_is_of_another(%x: tensor<4x8xf32>, %z: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %eps = mm.constant dense<1.0e-5> : tensor<f32>
  %mean = mm.reduce mean %z axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %d = mm.sub %x, %mean : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %d2 = mm.mul %d, %d : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %var = mm.reduce mean %d2 axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %e = mm.add %var, %eps : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %s = mm.sqrt %e : tensor<4x1xf32> -> tensor<4x1xf32>
  %n = mm.div %d, %s : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return %n : tensor<4x8xf32>
}

// The epsilon is added to the root, not under it.
// CHECK-LABEL: @keep_when_epsilon_is_outside
// CHECK-NOT: mm.layer_norm
func.func @keep_when_epsilon_is_outside(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %eps = mm.constant dense<1.0e-5> : tensor<f32>
  %mean = mm.reduce mean %x axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %d = mm.sub %x, %mean : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %d2 = mm.mul %d, %d : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %var = mm.reduce mean %d2 axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
  %s = mm.sqrt %var : tensor<4x1xf32> -> tensor<4x1xf32>
  %e = mm.add %s, %eps : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %n = mm.div %d, %e : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return %n : tensor<4x8xf32>
}

// A factor a row belongs to no vector over the normalised dimension.
// CHECK-LABEL: @keep_when_factor_varies_along_rows
// CHECK: mm.layer_norm %arg0 {
// CHECK: mm.mul
func.func @keep_when_factor_varies_along_rows(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %w = mm.constant dense<[[1.0], [2.0]]> : tensor<2x1xf32>
  %n = mm.layer_norm %x {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8xf32> -> tensor<2x8xf32>
  %m = mm.mul %n, %w : tensor<2x8xf32>, tensor<2x1xf32> -> tensor<2x8xf32>
  return %m : tensor<2x8xf32>
}
