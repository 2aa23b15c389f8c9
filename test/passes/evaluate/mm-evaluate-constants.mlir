// RUN: mmcc-opt %s --mm-evaluate-constants | FileCheck %s
// RUN: mmcc-opt %s --mm-evaluate-constants=growth=0 | FileCheck %s --check-prefix=SMALL
// RUN: mmcc-opt %s --mm-evaluate-constants=keep-narrow=true | FileCheck %s --check-prefix=NARROW

// exp(0) = 1 and 2 * 3 = 6 need no other oracle.
// CHECK-LABEL: @evaluate_when_all_is_constant
// CHECK: %[[C:.*]] = mm.constant dense<1.000000e+00> : tensor<2xf32>
// CHECK-NOT: mm.exp
// CHECK: mm.mul %{{.*}}, %[[C]]
func.func @evaluate_when_all_is_constant(%x: tensor<2xf32>) -> tensor<2xf32> {
  %zero = mm.constant dense<0.0> : tensor<2xf32>
  %one = mm.exp %zero : tensor<2xf32> -> tensor<2xf32>
  %y = mm.mul %x, %one : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// CHECK-LABEL: @evaluate_below_a_view
// CHECK: %[[C:.*]] = mm.constant dense<{{\[\[}}1, 2], [3, 4], [5, 6]]> : tensor<3x2xi64>
// CHECK: %[[T:.*]] = mm.transpose %[[C]] [1, 0]
// CHECK: return %[[T]]
func.func @evaluate_below_a_view() -> tensor<2x3xi64> {
  %c = mm.constant dense<[[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]> : tensor<3x2xf32>
  %d = mm.constant dense<[[1, 2], [3, 4], [5, 6]]> : tensor<3x2xi64>
  %e = mm.exp %c : tensor<3x2xf32> -> tensor<3x2xf32>
  %f = mm.cast %e : tensor<3x2xf32> -> tensor<3x2xi64>
  %g = mm.mul %d, %f : tensor<3x2xi64>, tensor<3x2xi64> -> tensor<3x2xi64>
  %h = mm.transpose %g [1, 0] : tensor<3x2xi64> -> tensor<2x3xi64>
  return %h : tensor<2x3xi64>
}

// CHECK-LABEL: @evaluate_truth_values
// CHECK: mm.constant dense<[true, false, true]> : tensor<3xi1>
func.func @evaluate_truth_values() -> tensor<3xi1> {
  %c = mm.constant dense<[0.0, 1.0, 0.0]> : tensor<3xf32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %e = mm.cos %c : tensor<3xf32> -> tensor<3xf32>
  %b = mm.compare ge %e, %one : tensor<3xf32>, tensor<f32> -> tensor<3xi1>
  return %b : tensor<3xi1>
}

// CHECK-LABEL: @keep_when_an_input_takes_part
// CHECK: mm.exp
func.func @keep_when_an_input_takes_part(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = mm.exp %x : tensor<2xf32> -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// CHECK-LABEL: @keep_when_data_only_moves
// CHECK: mm.constant
// CHECK-NEXT: mm.transpose
func.func @keep_when_data_only_moves(%x: tensor<4x3xf32>) -> tensor<4x2xf32> {
  %c = mm.constant dense<1.0> : tensor<2x3xf32>
  %w = mm.transpose %c [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %y = mm.linear %x, %w : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// CHECK-LABEL: @keep_when_a_size_is_symbolic
// CHECK: mm.cast
func.func @keep_when_a_size_is_symbolic(%x: tensor<?xf32, #mm.dims<[n]>>) -> tensor<1xf32> {
  %s = mm.sizes <[n]> : tensor<1xi64>
  %f = mm.cast %s : tensor<1xi64> -> tensor<1xf32>
  return %f : tensor<1xf32>
}

// From nothing to 4000 bytes: more than the growth that the second run allows.
// CHECK-LABEL: @keep_when_it_grows
// CHECK-NOT: mm.cos
// SMALL-LABEL: @keep_when_it_grows
// SMALL: mm.cos
func.func @keep_when_it_grows() -> tensor<1000xf32> {
  %i = mm.iota #mm.dims<[0]> step 1 : tensor<1000xi64>
  %f = mm.cast %i : tensor<1000xi64> -> tensor<1000xf32>
  %c = mm.cos %f : tensor<1000xf32> -> tensor<1000xf32>
  return %c : tensor<1000xf32>
}

// A bias that is stored [j, h]: what adds it reads along j.
// CHECK-LABEL: @evaluate_when_a_transpose_scatters
// CHECK: %[[C:.*]] = mm.constant dense<{{\[\[}}1.000000e+00, 3.000000e+00, 5.000000e+00], [2.000000e+00, 4.000000e+00, 6.000000e+00]]>
// CHECK: mm.add %arg0, %[[C]]
func.func @evaluate_when_a_transpose_scatters(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %b = mm.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %t = mm.transpose %b [1, 0] : tensor<3x2xf32> -> tensor<2x3xf32>
  %a = mm.add %x, %t : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>
  return %a : tensor<2x3xf32>
}

// (3 - 1) * 0.5 = 1: f32 for who reads numbers, and for products unless passes
// still want to see the integers.
// CHECK-LABEL: @evaluate_narrow_numbers
// CHECK-NOT: mm.dequantize
// CHECK: return
// NARROW-LABEL: @evaluate_narrow_numbers
// NARROW-COUNT-1: mm.dequantize
// NARROW-NOT: mm.dequantize
// NARROW: mm.linear
func.func @evaluate_narrow_numbers(%x: tensor<4x3xf32>, %y: tensor<2x3xf32>) -> (tensor<4x2xf32>, tensor<2x3xf32>) {
  %q = mm.constant dense<3> : tensor<2x3xi8>
  %r = mm.constant dense<5> : tensor<2x3xi8>
  %s = mm.constant dense<0.5> : tensor<1x1xf32>
  %z = mm.constant dense<1.0> : tensor<1x1xf32>
  %w = mm.dequantize %q scale %s zero %z : tensor<1x1xf32> {axis = 0 : i64} : tensor<2x3xi8>, tensor<1x1xf32> -> tensor<2x3xf32>
  %t = mm.transpose %w [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %a = mm.linear %x, %t : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
  %v = mm.dequantize %r scale %s {axis = 0 : i64} : tensor<2x3xi8>, tensor<1x1xf32> -> tensor<2x3xf32>
  %b = mm.add %y, %v : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>
  return %a, %b : tensor<4x2xf32>, tensor<2x3xf32>
}

// Scales are repeated and cut on the way to a kernel, which reads them packed.
// CHECK-LABEL: @evaluate_scales_of_blocks
// CHECK: %[[S:.*]] = mm.constant dense<2.000000e+00> : tensor<2x2xf32>
// CHECK: mm.quantized_linear %arg0, %{{.*}} scale %[[S]]
func.func @evaluate_scales_of_blocks(%x: tensor<4x64xf32>) -> tensor<4x2xf32> {
  %q = mm.constant dense<3> : tensor<64x2xi8>
  %c = mm.constant dense<2.0> : tensor<1x1xf32>
  %s = mm.broadcast %c : tensor<1x1xf32> -> tensor<2x2xf32>
  %y = mm.quantized_linear %x, %q scale %s : tensor<4x64xf32>, tensor<64x2xi8>, tensor<2x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}
