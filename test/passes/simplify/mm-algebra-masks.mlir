// RUN: mmcc-opt %s --mm-algebra -split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// Comparisons and selection
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @fuse_when_comparison_has_an_inverse
// CHECK-SAME: %[[I:.*]]: tensor<4xi64>, %[[J:.*]]: tensor<4xi64>, %[[X:.*]]: tensor<4xf32>
// CHECK-DAG: mm.compare le %[[I]], %[[J]]
// CHECK-DAG: mm.compare ne %[[X]], %[[X]]
// CHECK-NOT: mm.not
func.func @fuse_when_comparison_has_an_inverse(%i: tensor<4xi64>, %j: tensor<4xi64>, %x: tensor<4xf32>) -> (tensor<4xi1>, tensor<4xi1>) {
  %0 = mm.compare gt %i, %j : tensor<4xi64>, tensor<4xi64> -> tensor<4xi1>
  %1 = mm.not %0 : tensor<4xi1> -> tensor<4xi1>
  %2 = mm.compare eq %x, %x : tensor<4xf32>, tensor<4xf32> -> tensor<4xi1>
  %3 = mm.not %2 : tensor<4xi1> -> tensor<4xi1>
  return %1, %3 : tensor<4xi1>, tensor<4xi1>
}

// -----

// With NaN, not (x < y) is true and x >= y is false.
// CHECK-LABEL: func @keep_when_floats_may_be_nan
// CHECK: mm.compare lt
// CHECK: mm.not
func.func @keep_when_floats_may_be_nan(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xi1> {
  %0 = mm.compare lt %x, %y : tensor<4xf32>, tensor<4xf32> -> tensor<4xi1>
  %1 = mm.not %0 : tensor<4xi1> -> tensor<4xi1>
  return %1 : tensor<4xi1>
}

// -----

// CHECK-LABEL: func @fuse_when_truth_value_is_compared
// CHECK-SAME: %[[B:.*]]: tensor<4xi1>
// CHECK-NEXT: %[[N:.*]] = mm.not %[[B]]
// CHECK-NEXT: return %[[B]], %[[N]], %[[B]]
func.func @fuse_when_truth_value_is_compared(%b: tensor<4xi1>) -> (tensor<4xi1>, tensor<4xi1>, tensor<4xi1>) {
  %zero = mm.constant dense<0> : tensor<i64>
  %one = mm.constant dense<1.0> : tensor<f32>
  %false = mm.constant dense<false> : tensor<i1>
  %i = mm.cast %b : tensor<4xi1> -> tensor<4xi64>
  %x = mm.cast %b : tensor<4xi1> -> tensor<4xf32>
  %0 = mm.compare ne %i, %zero : tensor<4xi64>, tensor<i64> -> tensor<4xi1>
  %1 = mm.compare lt %x, %one : tensor<4xf32>, tensor<f32> -> tensor<4xi1>
  %2 = mm.compare ne %b, %false : tensor<4xi1>, tensor<i1> -> tensor<4xi1>
  return %0, %1, %2 : tensor<4xi1>, tensor<4xi1>, tensor<4xi1>
}

// -----

// CHECK-LABEL: func @keep_when_number_is_no_truth_value
// CHECK-COUNT-2: mm.compare
func.func @keep_when_number_is_no_truth_value(%b: tensor<4xi1>, %j: tensor<4xi8>) -> (tensor<4xi1>, tensor<4xi1>) {
  %two = mm.constant dense<2> : tensor<i64>
  %zero = mm.constant dense<0> : tensor<i64>
  %i = mm.cast %b : tensor<4xi1> -> tensor<4xi64>
  %k = mm.cast %j : tensor<4xi8> -> tensor<4xi64>
  %0 = mm.compare eq %i, %two : tensor<4xi64>, tensor<i64> -> tensor<4xi1>
  %1 = mm.compare ne %k, %zero : tensor<4xi64>, tensor<i64> -> tensor<4xi1>
  return %0, %1 : tensor<4xi1>, tensor<4xi1>
}

// -----

// CHECK-LABEL: func @fuse_when_condition_is_negated
// CHECK-SAME: %[[B:.*]]: tensor<4xi1>, %[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>
// CHECK: mm.select %[[B]], %[[Y]], %[[X]]
func.func @fuse_when_condition_is_negated(%b: tensor<4xi1>, %x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = mm.not %b : tensor<4xi1> -> tensor<4xi1>
  %1 = mm.select %0, %x, %y : tensor<4xi1>, tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_condition_is_constant
// CHECK-SAME: %[[X:.*]]: tensor<1xf32>
// CHECK-NEXT: mm.broadcast %[[X]] : tensor<1xf32> -> tensor<4xf32>
func.func @fuse_when_condition_is_constant(%x: tensor<1xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %true = mm.constant dense<true> : tensor<i1>
  %0 = mm.select %true, %x, %y : tensor<i1>, tensor<1xf32>, tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// (1 - mask) * lowest, the usual additive mask: 0 where true.
// CHECK-LABEL: func @fuse_when_mask_is_arithmetic
// CHECK-SAME: %[[B:.*]]: tensor<2x1x1x8xi1>
// CHECK-DAG: %[[LOW:.*]] = mm.constant dense<-3.40282347E+38> : tensor<f32>
// CHECK-DAG: %[[ZERO:.*]] = mm.constant dense<-0.000000e+00> : tensor<f32>
// CHECK: %[[S:.*]] = mm.select %[[B]], %[[ZERO]], %[[LOW]]
// CHECK-NEXT: return %[[S]]
func.func @fuse_when_mask_is_arithmetic(%b: tensor<2x1x1x8xi1>) -> tensor<2x1x1x8xf32> {
  %one = mm.constant dense<1.0> : tensor<f32>
  %low = mm.constant dense<-3.40282347E+38> : tensor<f32>
  %0 = mm.cast %b : tensor<2x1x1x8xi1> -> tensor<2x1x1x8xf32>
  %1 = mm.sub %one, %0 : tensor<f32>, tensor<2x1x1x8xf32> -> tensor<2x1x1x8xf32>
  %2 = mm.mul %1, %low : tensor<2x1x1x8xf32>, tensor<f32> -> tensor<2x1x1x8xf32>
  return %2 : tensor<2x1x1x8xf32>
}

// -----

// A mask of integers may hold more than 0 and 1.
// CHECK-LABEL: func @keep_when_mask_may_hold_any_number
// CHECK: mm.sub
// CHECK: mm.mul
func.func @keep_when_mask_may_hold_any_number(%b: tensor<8xi64>) -> tensor<8xf32> {
  %one = mm.constant dense<1.0> : tensor<f32>
  %low = mm.constant dense<-3.40282347E+38> : tensor<f32>
  %0 = mm.cast %b : tensor<8xi64> -> tensor<8xf32>
  %1 = mm.sub %one, %0 : tensor<f32>, tensor<8xf32> -> tensor<8xf32>
  %2 = mm.mul %1, %low : tensor<8xf32>, tensor<f32> -> tensor<8xf32>
  return %2 : tensor<8xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Casts
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @fuse_when_first_cast_loses_nothing
// CHECK-SAME: %[[B:.*]]: tensor<4xi1>, %[[H:.*]]: tensor<4xf16>, %[[I:.*]]: tensor<4xi8>
// CHECK-DAG: %[[X:.*]] = mm.cast %[[B]] : tensor<4xi1> -> tensor<4xf32>
// CHECK-DAG: %[[Y:.*]] = mm.cast %[[I]] : tensor<4xi8> -> tensor<4xi64>
// CHECK: return %[[X]], %[[H]], %[[Y]]
func.func @fuse_when_first_cast_loses_nothing(%b: tensor<4xi1>, %h: tensor<4xf16>, %i: tensor<4xi8>) -> (tensor<4xf32>, tensor<4xf16>, tensor<4xi64>) {
  %0 = mm.cast %b : tensor<4xi1> -> tensor<4xi64>
  %1 = mm.cast %0 : tensor<4xi64> -> tensor<4xf32>
  %2 = mm.cast %h : tensor<4xf16> -> tensor<4xf32>
  %3 = mm.cast %2 : tensor<4xf32> -> tensor<4xf16>
  %4 = mm.cast %i : tensor<4xi8> -> tensor<4xf32>
  %5 = mm.cast %4 : tensor<4xf32> -> tensor<4xi64>
  return %1, %3, %5 : tensor<4xf32>, tensor<4xf16>, tensor<4xi64>
}

// -----

// f32 to f16 rounds; i32 has more digits than f32; -1 is no ui64.
// CHECK-LABEL: func @keep_when_first_cast_loses
// CHECK-COUNT-6: mm.cast
func.func @keep_when_first_cast_loses(%x: tensor<4xf32>, %i: tensor<4xi32>) -> (tensor<4xf32>, tensor<4xi32>, tensor<4xf32>) {
  %0 = mm.cast %x : tensor<4xf32> -> tensor<4xf16>
  %1 = mm.cast %0 : tensor<4xf16> -> tensor<4xf32>
  %2 = mm.cast %i : tensor<4xi32> -> tensor<4xf32>
  %3 = mm.cast %2 : tensor<4xf32> -> tensor<4xi32>
  %4 = mm.cast %i : tensor<4xi32> -> tensor<4xui64>
  %5 = mm.cast %4 : tensor<4xui64> -> tensor<4xf32>
  return %1, %3, %5 : tensor<4xf32>, tensor<4xi32>, tensor<4xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @fuse_when_sum_is_divided_by_its_count
// CHECK: mm.reduce mean %{{.*}} axes [1] keep true
// CHECK-NEXT: mm.reduce mean %{{.*}} axes [0, 1] keep false
// CHECK-NEXT: return
func.func @fuse_when_sum_is_divided_by_its_count(%x: tensor<4x7xf32>) -> (tensor<4x1xf32>, tensor<f32>) {
  %n = mm.constant dense<7.0> : tensor<f32>
  // 1 / 28 in f32
  %f = mm.constant dense<0.0357142873> : tensor<f32>
  %0 = mm.reduce sum %x axes [1] keep true : tensor<4x7xf32> -> tensor<4x1xf32>
  %1 = mm.div %0, %n : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %2 = mm.reduce sum %x axes [0, 1] keep false : tensor<4x7xf32> -> tensor<f32>
  %3 = mm.mul %2, %f : tensor<f32>, tensor<f32> -> tensor<f32>
  return %1, %3 : tensor<4x1xf32>, tensor<f32>
}

// -----

// One less than the count (an unbiased variance), or a count that is a symbol.
// CHECK-LABEL: func @keep_when_divisor_is_not_the_count
// CHECK-COUNT-2: mm.reduce sum
func.func @keep_when_divisor_is_not_the_count(%x: tensor<4x7xf32>, %y: tensor<?xf32, #mm.dims<[n]>>) -> (tensor<4x1xf32>, tensor<f32>) {
  %n = mm.constant dense<6.0> : tensor<f32>
  %0 = mm.reduce sum %x axes [1] keep true : tensor<4x7xf32> -> tensor<4x1xf32>
  %1 = mm.div %0, %n : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %2 = mm.reduce sum %y axes [0] keep false : tensor<?xf32, #mm.dims<[n]>> -> tensor<f32>
  %3 = mm.div %2, %n : tensor<f32>, tensor<f32> -> tensor<f32>
  return %1, %3 : tensor<4x1xf32>, tensor<f32>
}

// -----

// CHECK-LABEL: func @fuse_when_reductions_are_of_one_kind
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4xf32>, %[[U:.*]]: tensor<2x1xf32>
// CHECK-DAG: %[[A:.*]] = mm.reduce mean %[[X]] axes [0, 2] keep false : tensor<2x3x4xf32> -> tensor<3xf32>
// CHECK-DAG: %[[B:.*]] = mm.reduce max %[[X]] axes [1, 2] keep false : tensor<2x3x4xf32> -> tensor<2xf32>
// CHECK-DAG: %[[C:.*]] = mm.reshape %[[U]] : tensor<2x1xf32> -> tensor<2xf32>
// CHECK: return %[[A]], %[[B]], %[[C]]
func.func @fuse_when_reductions_are_of_one_kind(%x: tensor<2x3x4xf32>, %u: tensor<2x1xf32>) -> (tensor<3xf32>, tensor<2xf32>, tensor<2xf32>) {
  %0 = mm.reduce mean %x axes [0] keep false : tensor<2x3x4xf32> -> tensor<3x4xf32>
  %1 = mm.reduce mean %0 axes [1] keep false : tensor<3x4xf32> -> tensor<3xf32>
  %2 = mm.reduce max %x axes [1, 2] keep true : tensor<2x3x4xf32> -> tensor<2x1x1xf32>
  %3 = mm.reshape %2 : tensor<2x1x1xf32> -> tensor<2xf32>
  %4 = mm.reduce prod %u axes [1] keep false : tensor<2x1xf32> -> tensor<2xf32>
  return %1, %3, %4 : tensor<3xf32>, tensor<2xf32>, tensor<2xf32>
}

// -----

// CHECK-LABEL: func @keep_when_reductions_differ_or_are_shared
// CHECK-COUNT-4: mm.reduce
func.func @keep_when_reductions_differ_or_are_shared(%x: tensor<2x3x4xf32>) -> (tensor<3xf32>, tensor<3x4xf32>, tensor<3xf32>) {
  %0 = mm.reduce sum %x axes [0] keep false : tensor<2x3x4xf32> -> tensor<3x4xf32>
  %1 = mm.reduce max %0 axes [1] keep false : tensor<3x4xf32> -> tensor<3xf32>
  %2 = mm.reduce min %x axes [0] keep false : tensor<2x3x4xf32> -> tensor<3x4xf32>
  %3 = mm.reduce min %2 axes [1] keep false : tensor<3x4xf32> -> tensor<3xf32>
  return %1, %2, %3 : tensor<3xf32>, tensor<3x4xf32>, tensor<3xf32>
}

// -----

// A mask of all positions only widens the other mask.
// CHECK-LABEL: func @fuse_when_neutral_operand_widens
// CHECK-SAME: %[[B:.*]]: tensor<1x8xi1>
// CHECK-NEXT: mm.broadcast %[[B]] : tensor<1x8xi1> -> tensor<8x8xi1>
// CHECK-NEXT: return
func.func @fuse_when_neutral_operand_widens(%b: tensor<1x8xi1>) -> tensor<8x8xi1> {
  %true = mm.constant dense<true> : tensor<8x1xi1>
  %0 = mm.and %b, %true : tensor<1x8xi1>, tensor<8x1xi1> -> tensor<8x8xi1>
  return %0 : tensor<8x8xi1>
}

// -----

// 1 is all of the bits of a truth value, not of an integer.
// CHECK-LABEL: func @keep_when_operand_is_not_neutral
// CHECK: mm.and
func.func @keep_when_operand_is_not_neutral(%i: tensor<1x8xi32>) -> tensor<8x8xi32> {
  %one = mm.constant dense<1> : tensor<8x1xi32>
  %0 = mm.and %i, %one : tensor<1x8xi32>, tensor<8x1xi32> -> tensor<8x8xi32>
  return %0 : tensor<8x8xi32>
}
