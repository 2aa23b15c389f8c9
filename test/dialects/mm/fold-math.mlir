// RUN: mmcc-opt %s -canonicalize -split-input-file | FileCheck %s

// CHECK-LABEL: func @identities
// CHECK-SAME: (%[[X:.*]]: tensor<2xf32>, %[[B:.*]]: tensor<2xi1>)
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[B]], %[[B]]
func.func @identities(%x: tensor<2xf32>, %b: tensor<2xi1>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xi1>, tensor<2xi1>) {
  %zero = mm.constant dense<0.0> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<1xf32>
  %low = mm.constant dense<0xFF800000> : tensor<f32>
  %true = mm.constant dense<true> : tensor<i1>
  %0 = mm.add %zero, %x : tensor<f32>, tensor<2xf32> -> tensor<2xf32>
  %1 = mm.sub %x, %zero : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  %2 = mm.mul %x, %one : tensor<2xf32>, tensor<1xf32> -> tensor<2xf32>
  %3 = mm.div %x, %one : tensor<2xf32>, tensor<1xf32> -> tensor<2xf32>
  %4 = mm.max %x, %low : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  %n = mm.neg %x : tensor<2xf32> -> tensor<2xf32>
  %5 = mm.neg %n : tensor<2xf32> -> tensor<2xf32>
  %6 = mm.select %true, %x, %n : tensor<i1>, tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  %7 = mm.and %b, %true : tensor<2xi1>, tensor<i1> -> tensor<2xi1>
  %8 = mm.cast %b : tensor<2xi1> -> tensor<2xi1>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xi1>, tensor<2xi1>
}

// -----

// The neutral element must not widen the shape; 0 * x is not 0 for floats.
// CHECK-LABEL: func @no_identities
// CHECK: mm.add
// CHECK: mm.mul
// CHECK: mm.sub
func.func @no_identities(%x: tensor<2xf32>) -> (tensor<3x2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %zeros = mm.constant dense<0.0> : tensor<3x1xf32>
  %zero = mm.constant dense<0.0> : tensor<f32>
  %0 = mm.add %x, %zeros : tensor<2xf32>, tensor<3x1xf32> -> tensor<3x2xf32>
  %1 = mm.mul %x, %zero : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  %2 = mm.sub %x, %x : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return %0, %1, %2 : tensor<3x2xf32>, tensor<2xf32>, tensor<2xf32>
}

// -----

// 7 / 2, -7 / 2, 7 / -2, -7 / -2 truncated; Python's and C's remainders.
// CHECK-LABEL: func @integer_division
// CHECK-DAG: dense<[3, -3, -3, 3]>
// CHECK-DAG: dense<[1, 1, -1, -1]>
// CHECK-DAG: dense<[1, -1, 1, -1]>
// CHECK-DAG: dense<[127, 1]> : tensor<2xui8>
func.func @integer_division() -> (tensor<4xi32>, tensor<4xi32>, tensor<4xi32>, tensor<2xui8>) {
  %a = mm.constant dense<[7, -7, 7, -7]> : tensor<4xi32>
  %b = mm.constant dense<[2, 2, -2, -2]> : tensor<4xi32>
  %u = mm.constant dense<[254, 3]> : tensor<2xui8>
  %v = mm.constant dense<2> : tensor<ui8>
  %0 = mm.div %a, %b : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  %1 = mm.mod %a, %b : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  %2 = mm.fmod %a, %b : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  %3 = mm.div %u, %v : tensor<2xui8>, tensor<ui8> -> tensor<2xui8>
  return %0, %1, %2, %3 : tensor<4xi32>, tensor<4xi32>, tensor<4xi32>, tensor<2xui8>
}

// -----

// CHECK-LABEL: func @undefined_division
// CHECK: mm.div
// CHECK: mm.mod
// CHECK: mm.div
func.func @undefined_division() -> (tensor<i32>, tensor<i32>, tensor<i32>) {
  %a = mm.constant dense<7> : tensor<i32>
  %z = mm.constant dense<0> : tensor<i32>
  %low = mm.constant dense<-2147483648> : tensor<i32>
  %m = mm.constant dense<-1> : tensor<i32>
  %0 = mm.div %a, %z : tensor<i32>, tensor<i32> -> tensor<i32>
  %1 = mm.mod %a, %z : tensor<i32>, tensor<i32> -> tensor<i32>
  %2 = mm.div %low, %m : tensor<i32>, tensor<i32> -> tensor<i32>
  return %0, %1, %2 : tensor<i32>, tensor<i32>, tensor<i32>
}

// -----

// Broadcast of [10, 20] by rows over [[1], [2], [3]].
// CHECK-LABEL: func @broadcast_sum
// CHECK: dense<{{\[}}[1.100000e+01, 2.100000e+01], [1.200000e+01, 2.200000e+01], [1.300000e+01, 2.300000e+01]]>
func.func @broadcast_sum() -> tensor<3x2xf32> {
  %a = mm.constant dense<[[1.0], [2.0], [3.0]]> : tensor<3x1xf32>
  %b = mm.constant dense<[10.0, 20.0]> : tensor<2xf32>
  %0 = mm.add %a, %b : tensor<3x1xf32>, tensor<2xf32> -> tensor<3x2xf32>
  return %0 : tensor<3x2xf32>
}

// -----

// CHECK-LABEL: func @floats
// CHECK-DAG: dense<8.000000e+00> : tensor<f32>
// CHECK-DAG: dense<1.250000e-01> : tensor<f32>
// CHECK-DAG: dense<[-2.000000e+00, 2.000000e+00, 2.000000e+00]>
// CHECK-DAG: dense<[-3.000000e+00, 1.000000e+00, 2.000000e+00]>
// CHECK-DAG: dense<[0.000000e+00, 1.500000e+00, 2.500000e+00]>
// CHECK-DAG: dense<[-1.000000e+00, 1.000000e+00, 1.000000e+00]>
func.func @floats() -> (tensor<f32>, tensor<f32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %d = mm.constant dense<64.0> : tensor<f32>
  %h = mm.constant dense<0.5> : tensor<f32>
  %x = mm.constant dense<[-2.5, 1.5, 2.5]> : tensor<3xf32>
  %0 = mm.pow %d, %h : tensor<f32>, tensor<f32> -> tensor<f32>
  %1 = mm.rsqrt %d : tensor<f32> -> tensor<f32>
  // Ties go to even.
  %2 = mm.round %x : tensor<3xf32> -> tensor<3xf32>
  %3 = mm.floor %x : tensor<3xf32> -> tensor<3xf32>
  %4 = mm.relu %x : tensor<3xf32> -> tensor<3xf32>
  %5 = mm.sign %x : tensor<3xf32> -> tensor<3xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<f32>, tensor<f32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// -----

// NaN wins in max, is unequal to all, and is found by is_nan.
// CHECK-LABEL: func @nans
// CHECK-DAG: dense<[0x7FC00000, 2.000000e+00]> : tensor<2xf32>
// CHECK-DAG: dense<[true, false]> : tensor<2xi1>
// CHECK-DAG: dense<[false, true]> : tensor<2xi1>
// CHECK-DAG: dense<true> : tensor<2xi1>
func.func @nans() -> (tensor<2xf32>, tensor<2xi1>, tensor<2xi1>, tensor<2xi1>) {
  %x = mm.constant dense<[0x7FC00000, 1.0]> : tensor<2xf32>
  %two = mm.constant dense<2.0> : tensor<f32>
  %0 = mm.max %x, %two : tensor<2xf32>, tensor<f32> -> tensor<2xf32>
  %1 = mm.is_nan %x : tensor<2xf32> -> tensor<2xi1>
  %2 = mm.compare lt %x, %two : tensor<2xf32>, tensor<f32> -> tensor<2xi1>
  %3 = mm.compare ne %x, %two : tensor<2xf32>, tensor<f32> -> tensor<2xi1>
  return %0, %1, %2, %3 : tensor<2xf32>, tensor<2xi1>, tensor<2xi1>, tensor<2xi1>
}

// -----

// Truncation towards zero, != 0, true as 1, wrap-around; 65519 is the largest
// that rounds to a finite f16 (65504). 0x41EFFFFFFFE00000 is 2^32 - 1.
// CHECK-LABEL: func @casts
// CHECK-DAG: dense<[-2, 2]> : tensor<2xi32>
// CHECK-DAG: dense<true> : tensor<2xi1>
// CHECK-DAG: dense<[1.000000e+00, 0.000000e+00]> : tensor<2xf32>
// CHECK-DAG: dense<[44, -1]> : tensor<2xi8>
// CHECK-DAG: dense<[0x41EFFFFFFFE00000, 1.000000e+00]> : tensor<2xf64>
// CHECK-DAG: dense<6.550400e+04> : tensor<f16>
func.func @casts() -> (tensor<2xi32>, tensor<2xi1>, tensor<2xf32>, tensor<2xi8>, tensor<2xf64>, tensor<f16>) {
  %x = mm.constant dense<[-2.9, 2.9]> : tensor<2xf32>
  %b = mm.constant dense<[true, false]> : tensor<2xi1>
  %i = mm.constant dense<[300, -1]> : tensor<2xi32>
  %u = mm.constant dense<[4294967295, 1]> : tensor<2xui32>
  %f = mm.constant dense<65519.0> : tensor<f32>
  %0 = mm.cast %x : tensor<2xf32> -> tensor<2xi32>
  %1 = mm.cast %x : tensor<2xf32> -> tensor<2xi1>
  %2 = mm.cast %b : tensor<2xi1> -> tensor<2xf32>
  %3 = mm.cast %i : tensor<2xi32> -> tensor<2xi8>
  %4 = mm.cast %u : tensor<2xui32> -> tensor<2xf64>
  %5 = mm.cast %f : tensor<f32> -> tensor<f16>
  return %0, %1, %2, %3, %4, %5 : tensor<2xi32>, tensor<2xi1>, tensor<2xf32>, tensor<2xi8>, tensor<2xf64>, tensor<f16>
}

// -----

// Outside the integer's range there is no value; exp belongs to evaluate.
// CHECK-LABEL: func @not_folded
// CHECK: mm.cast
// CHECK: mm.exp
func.func @not_folded() -> (tensor<i8>, tensor<f32>) {
  %x = mm.constant dense<300.0> : tensor<f32>
  %0 = mm.cast %x : tensor<f32> -> tensor<i8>
  %1 = mm.exp %x : tensor<f32> -> tensor<f32>
  return %0, %1 : tensor<i8>, tensor<f32>
}

// -----

// Rows [1 2 3] and [4 5 9]: sums 6 and 18, means 2 and 6; columns' products.
// CHECK-LABEL: func @reductions
// CHECK-DAG: dense<{{\[}}[6.000000e+00], [1.800000e+01]]>
// CHECK-DAG: dense<[2.000000e+00, 6.000000e+00]>
// CHECK-DAG: dense<[4.000000e+00, 1.000000e+01, 2.700000e+01]>
// CHECK-DAG: dense<9.000000e+00> : tensor<f32>
func.func @reductions() -> (tensor<2x1xf32>, tensor<2xf32>, tensor<3xf32>, tensor<f32>) {
  %x = mm.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]]> : tensor<2x3xf32>
  %0 = mm.reduce sum %x axes [1] keep true : tensor<2x3xf32> -> tensor<2x1xf32>
  %1 = mm.reduce mean %x axes [1] keep false : tensor<2x3xf32> -> tensor<2xf32>
  %2 = mm.reduce prod %x axes [0] keep false : tensor<2x3xf32> -> tensor<3xf32>
  %3 = mm.reduce max %x axes [0, 1] keep false : tensor<2x3xf32> -> tensor<f32>
  return %0, %1, %2, %3 : tensor<2x1xf32>, tensor<2xf32>, tensor<3xf32>, tensor<f32>
}
