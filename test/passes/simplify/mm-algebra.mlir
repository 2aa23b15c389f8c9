// RUN: mmcc-opt %s --mm-algebra -split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// Sums and products
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @fuse_when_constant_has_equal_elements
// CHECK: %[[C:.*]] = mm.constant dense<5.000000e-01> : tensor<f32>
// CHECK: mm.mul %{{.*}}, %[[C]] : tensor<2x3xf32>, tensor<f32> -> tensor<2x3xf32>
func.func @fuse_when_constant_has_equal_elements(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %c = mm.constant dense<0.5> : tensor<1x3xf32>
  %0 = mm.mul %c, %x : tensor<1x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

// CHECK-LABEL: func @keep_when_constant_widens
// CHECK: mm.mul %{{.*}}, %{{.*}} : tensor<1x3xf32>, tensor<2x3xf32>
func.func @keep_when_constant_widens(%x: tensor<1x3xf32>) -> tensor<2x3xf32> {
  %c = mm.constant dense<0.5> : tensor<2x3xf32>
  %0 = mm.mul %x, %c : tensor<1x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

// 2 * 3 / 8 = 0.75; the sign moves into the factor.
// CHECK-LABEL: func @fuse_when_factors_are_in_a_row
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK: %[[C:.*]] = mm.constant dense<-7.500000e-01>
// CHECK: mm.mul %[[X]], %[[C]]
// CHECK-NEXT: return
func.func @fuse_when_factors_are_in_a_row(%x: tensor<4xf32>) -> tensor<4xf32> {
  %two = mm.constant dense<2.0> : tensor<f32>
  %three = mm.constant dense<3.0> : tensor<f32>
  %eight = mm.constant dense<8.0> : tensor<f32>
  %0 = mm.mul %x, %two : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %1 = mm.neg %0 : tensor<4xf32> -> tensor<4xf32>
  %2 = mm.mul %1, %three : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %3 = mm.div %2, %eight : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %3 : tensor<4xf32>
}

// -----

// 1e-30 * 1e-30 is 0 in f32.
// CHECK-LABEL: func @keep_when_product_of_factors_is_lost
// CHECK-COUNT-2: mm.mul
func.func @keep_when_product_of_factors_is_lost(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = mm.constant dense<1.0e-30> : tensor<f32>
  %0 = mm.mul %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %1 = mm.mul %0, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_quotient_is_a_product
// CHECK-DAG: %[[A:.*]] = mm.constant dense<0.333333343> : tensor<f32>
// CHECK-DAG: %[[B:.*]] = mm.constant dense<1.250000e-01> : tensor<f16>
// CHECK-DAG: mm.mul %{{.*}}, %[[A]]
// CHECK-DAG: mm.mul %{{.*}}, %[[B]]
func.func @fuse_when_quotient_is_a_product(%x: tensor<4xf32>, %h: tensor<4xf16>) -> (tensor<4xf32>, tensor<4xf16>) {
  %three = mm.constant dense<3.0> : tensor<f32>
  %eight = mm.constant dense<8.0> : tensor<f16>
  %0 = mm.div %x, %three : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %1 = mm.div %h, %eight : tensor<4xf16>, tensor<f16> -> tensor<4xf16>
  return %0, %1 : tensor<4xf32>, tensor<4xf16>
}

// -----

// CHECK-LABEL: func @keep_when_quotient_would_round_or_truncate
// CHECK-COUNT-3: mm.div
func.func @keep_when_quotient_would_round_or_truncate(%h: tensor<4xf16>, %i: tensor<4xi32>, %x: tensor<4xf32>) -> (tensor<4xf16>, tensor<4xi32>, tensor<4xf32>) {
  %three = mm.constant dense<3.0> : tensor<f16>
  %two = mm.constant dense<2> : tensor<i32>
  %zero = mm.constant dense<0.0> : tensor<f32>
  %0 = mm.div %h, %three : tensor<4xf16>, tensor<f16> -> tensor<4xf16>
  %1 = mm.div %i, %two : tensor<4xi32>, tensor<i32> -> tensor<4xi32>
  %2 = mm.div %x, %zero : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf16>, tensor<4xi32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_signs_meet
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>
// CHECK-DAG: %[[C:.*]] = mm.constant dense<-2.000000e+00>
// CHECK-DAG: %[[A:.*]] = mm.sub %[[X]], %[[Y]]
// CHECK-DAG: %[[B:.*]] = mm.add %[[X]], %[[Y]]
// CHECK-DAG: %[[D:.*]] = mm.add %[[X]], %[[C]]
// CHECK-DAG: %[[E:.*]] = mm.neg %[[X]]
// CHECK: return %[[A]], %[[B]], %[[D]], %[[E]]
func.func @fuse_when_signs_meet(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %two = mm.constant dense<2.0> : tensor<f32>
  %minus = mm.constant dense<-1.0> : tensor<f32>
  %n = mm.neg %y : tensor<4xf32> -> tensor<4xf32>
  %0 = mm.add %x, %n : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %1 = mm.sub %x, %n : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %2 = mm.sub %x, %two : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %3 = mm.mul %x, %minus : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// Two sums of floats round twice, two sums of integers are one.
// CHECK-LABEL: func @fuse_when_integers_are_added
// CHECK: %[[C:.*]] = mm.constant dense<5> : tensor<i64>
// CHECK: mm.add %{{.*}}, %[[C]]
// CHECK-NEXT: return
func.func @fuse_when_integers_are_added(%i: tensor<4xi64>) -> tensor<4xi64> {
  %two = mm.constant dense<2> : tensor<i64>
  %three = mm.constant dense<3> : tensor<i64>
  %0 = mm.add %i, %two : tensor<4xi64>, tensor<i64> -> tensor<4xi64>
  %1 = mm.add %0, %three : tensor<4xi64>, tensor<i64> -> tensor<4xi64>
  return %1 : tensor<4xi64>
}

// CHECK-LABEL: func @keep_when_floats_are_added
// CHECK-COUNT-2: mm.add
func.func @keep_when_floats_are_added(%x: tensor<4xf32>) -> tensor<4xf32> {
  %big = mm.constant dense<1.0e20> : tensor<f32>
  %small = mm.constant dense<3.0> : tensor<f32>
  %0 = mm.add %x, %big : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %1 = mm.add %0, %small : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Powers and bounds
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @fuse_when_power_is_simple
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK-DAG: %[[A:.*]] = mm.mul %[[X]], %[[X]]
// CHECK-DAG: %[[B:.*]] = mm.sqrt %[[X]]
// CHECK-DAG: %[[C:.*]] = mm.rsqrt %[[X]]
// CHECK-DAG: %[[D:.*]] = mm.rsqrt %[[X]]
// CHECK-DAG: %[[E:.*]] = mm.reciprocal %[[X]]
// CHECK: return %[[A]], %[[B]], %[[C]], %[[D]], %[[E]]
func.func @fuse_when_power_is_simple(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %two = mm.constant dense<2> : tensor<i64>
  %half = mm.constant dense<0.5> : tensor<f32>
  %minus = mm.constant dense<-0.5> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %0 = mm.pow %x, %two : tensor<4xf32>, tensor<i64> -> tensor<4xf32>
  %1 = mm.pow %x, %half : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %2 = mm.pow %x, %minus : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %3 = mm.div %one, %1 : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  %4 = mm.div %one, %x : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  return %0, %1, %2, %3, %4 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func @keep_when_power_is_not_simple
// CHECK-COUNT-2: mm.pow
func.func @keep_when_power_is_not_simple(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c = mm.constant dense<1.7> : tensor<f32>
  %0 = mm.pow %x, %c : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %1 = mm.pow %x, %y : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// max(max(x, -2), 0) is relu; max and min keep their order.
// CHECK-LABEL: func @fuse_when_bounds_are_of_one_kind
// CHECK-DAG: mm.relu
// CHECK-DAG: mm.constant dense<3.000000e+00>
func.func @fuse_when_bounds_are_of_one_kind(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = mm.constant dense<-2.0> : tensor<f32>
  %zero = mm.constant dense<0.0> : tensor<f32>
  %three = mm.constant dense<3.0> : tensor<f32>
  %six = mm.constant dense<6.0> : tensor<f32>
  %0 = mm.max %x, %a : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %1 = mm.max %0, %zero : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %2 = mm.min %y, %six : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %3 = mm.min %2, %three : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %1, %3 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func @keep_when_bounds_are_of_two_kinds
// CHECK: mm.max
// CHECK-NEXT: mm.min
func.func @keep_when_bounds_are_of_two_kinds(%x: tensor<4xf32>) -> tensor<4xf32> {
  %low = mm.constant dense<-1.0> : tensor<f32>
  %high = mm.constant dense<6.0> : tensor<f32>
  %0 = mm.max %x, %low : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %1 = mm.min %0, %high : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
