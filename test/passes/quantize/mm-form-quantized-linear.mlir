// RUN: mmcc-opt %s -mm-form-quantized-linear -split-input-file | FileCheck %s

// Weights only: activations stay as they are.
// CHECK-LABEL: func @fuse_when_the_weight_is_dequantized
func.func @fuse_when_the_weight_is_dequantized(%x: tensor<4x64xf32>, %b: tensor<32xf32>) -> tensor<4x32xf32> {
  %q = mm.constant dense<100> : tensor<64x32xi8>
  %s = mm.constant dense<0.5> : tensor<1x32xf32>
  // CHECK: mm.quantized_linear %arg0, %{{.*}} scale %{{.*}} bias %arg1 : tensor<32xf32> : tensor<4x64xf32>, tensor<64x32xi8>, tensor<1x32xf32>
  %w = mm.dequantize %q scale %s {axis = 1 : i64} : tensor<64x32xi8>, tensor<1x32xf32> -> tensor<64x32xf32>
  %y = mm.linear %x, %w bias %b : tensor<32xf32> : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}

// -----

// Blocks of 64 in a depth of 160 are blocks of 32; the last is cut.
// CHECK-LABEL: func @fuse_when_smaller_blocks_divide_the_depth
func.func @fuse_when_smaller_blocks_divide_the_depth(%x: tensor<4x160xf32>) -> tensor<4x16xf32> {
  %q = mm.constant dense<3> : tensor<16x160xui8>
  %s = mm.constant dense<0.5> : tensor<16x3xf32>
  %z = mm.constant dense<8.0> : tensor<16x3xf32>
  // CHECK: mm.constant dense_resource<{{.*}}> : tensor<16x160xui4>
  // CHECK: mm.broadcast {{.*}} -> tensor<3x2x16xf32>
  // CHECK: mm.slice {{.*}} : tensor<6x16xf32> -> tensor<5x16xf32>
  // CHECK: mm.quantized_linear {{.*}} zero %{{.*}} : tensor<5x16xf32> : tensor<4x160xf32>, tensor<160x16xui4>, tensor<5x16xf32>
  %w = mm.dequantize %q scale %s zero %z : tensor<16x3xf32> {axis = 1 : i64, block = 64 : i64} : tensor<16x160xui8>, tensor<16x3xf32> -> tensor<16x160xf32>
  %t = mm.transpose %w [1, 0] : tensor<16x160xf32> -> tensor<160x16xf32>
  %y = mm.linear %x, %t : tensor<4x160xf32>, tensor<160x16xf32> -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// -----

// Two layers merged, one of them with a factor.
// CHECK-LABEL: func @fuse_when_weights_are_joined
func.func @fuse_when_weights_are_joined(%x: tensor<4x64xf32>) -> tensor<4x48xf32> {
  %q = mm.constant dense<100> : tensor<64x32xi8>
  %s = mm.constant dense<0.5> : tensor<1x1xf32>
  %r = mm.constant dense<50> : tensor<64x16xi8>
  %t = mm.constant dense<0.25> : tensor<1x16xf32>
  %f = mm.constant dense<3.0> : tensor<1x16xf32>
  // CHECK: mm.mul %{{.*}}, %{{.*}} : tensor<1x16xf32>, tensor<1x16xf32>
  // CHECK: mm.quantized_linear {{.*}} : tensor<4x64xf32>, tensor<64x48xi8>, tensor<1x48xf32>
  %a = mm.dequantize %q scale %s {axis = 0 : i64} : tensor<64x32xi8>, tensor<1x1xf32> -> tensor<64x32xf32>
  %b = mm.dequantize %r scale %t {axis = 1 : i64} : tensor<64x16xi8>, tensor<1x16xf32> -> tensor<64x16xf32>
  %c = mm.mul %b, %f : tensor<64x16xf32>, tensor<1x16xf32> -> tensor<64x16xf32>
  %w = mm.concat %a, %c axis 1 : tensor<64x32xf32>, tensor<64x16xf32> -> tensor<64x48xf32>
  %y = mm.linear %x, %w : tensor<4x64xf32>, tensor<64x48xf32> -> tensor<4x48xf32>
  return %y : tensor<4x48xf32>
}

// -----

// ui8 with a zero that changes: 128 less, and what that leaves in the bias.
// CHECK-LABEL: func @fuse_when_activations_are_integers
func.func @fuse_when_activations_are_integers(%x: tensor<4x64xf32>, %s: tensor<f32>, %z: tensor<f32>, %b: tensor<32xf32>) -> tensor<4x32xf32> {
  %q = mm.constant dense<100> : tensor<64x32xi8>
  %t = mm.constant dense<0.5> : tensor<1x32xf32>
  // CHECK: %[[Z:.*]] = mm.add %arg2, %{{.*}} : tensor<f32>, tensor<f32>
  // CHECK: %[[V:.*]] = mm.quantize %arg0 scale %arg1 zero %[[Z]] : tensor<f32> : {{.*}} -> tensor<4x64xi8>
  // CHECK: mm.reduce sum
  // CHECK: %[[B:.*]] = mm.add %arg3, %{{.*}} : tensor<32xf32>, tensor<32xf32>
  // CHECK: mm.quantized_linear %[[V]], %{{.*}} scale %{{.*}} input_scale %{{.*}} : tensor<1xf32> bias %[[B]]
  // CHECK-NOT: mm.linear
  %0 = mm.quantize %x scale %s zero %z : tensor<f32> {is_unsigned} : tensor<4x64xf32>, tensor<f32> -> tensor<4x64xui8>
  %1 = mm.cast %0 : tensor<4x64xui8> -> tensor<4x64xf32>
  %2 = mm.sub %1, %z : tensor<4x64xf32>, tensor<f32> -> tensor<4x64xf32>
  %3 = mm.mul %2, %s : tensor<4x64xf32>, tensor<f32> -> tensor<4x64xf32>
  %w = mm.dequantize %q scale %t {axis = 1 : i64} : tensor<64x32xi8>, tensor<1x32xf32> -> tensor<64x32xf32>
  %y = mm.linear %3, %w bias %b : tensor<32xf32> : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}

// -----

// A zero of 128 leaves nothing.
// CHECK-LABEL: func @fuse_when_the_zero_is_in_the_middle
func.func @fuse_when_the_zero_is_in_the_middle(%u: tensor<4x64xui8>) -> tensor<4x32xf32> {
  %q = mm.constant dense<100> : tensor<64x32xi8>
  %t = mm.constant dense<0.5> : tensor<1x32xf32>
  %minus = mm.constant dense<-128.0> : tensor<f32>
  // CHECK-NOT: mm.reduce
  // CHECK: %[[X:.*]] = mm.xor %arg0
  // CHECK: %[[V:.*]] = mm.cast %[[X]] : tensor<4x64xui8> -> tensor<4x64xi8>
  // CHECK: mm.quantized_linear %[[V]], %{{.*}} scale %{{.*}} input_scale %{{.*}} : tensor<1xf32> : tensor<4x64xi8>
  %1 = mm.cast %u : tensor<4x64xui8> -> tensor<4x64xf32>
  %2 = mm.add %1, %minus : tensor<4x64xf32>, tensor<f32> -> tensor<4x64xf32>
  %w = mm.dequantize %q scale %t {axis = 1 : i64} : tensor<64x32xi8>, tensor<1x32xf32> -> tensor<64x32xf32>
  %y = mm.linear %2, %w : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}

// -----

// ui8 weights are 128 less, and so is their zero.
// CHECK-LABEL: func @fuse_when_weights_are_unsigned
func.func @fuse_when_weights_are_unsigned(%x: tensor<4x64xf32>) -> tensor<4x32xf32> {
  %q = mm.constant dense<200> : tensor<64x32xui8>
  %t = mm.constant dense<0.5> : tensor<1x1xf32>
  %z = mm.constant dense<130.0> : tensor<1x1xf32>
  // CHECK: mm.xor
  // CHECK: mm.quantized_linear %arg0, %{{.*}} scale %{{.*}} zero %{{.*}} : tensor<1x32xf32> : tensor<4x64xf32>, tensor<64x32xi8>
  %w = mm.dequantize %q scale %t zero %z : tensor<1x1xf32> {axis = 1 : i64} : tensor<64x32xui8>, tensor<1x1xf32> -> tensor<64x32xf32>
  %y = mm.linear %x, %w : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}

// -----

// CHECK-LABEL: func @keep_when_blocks_are_of_16
func.func @keep_when_blocks_are_of_16(%x: tensor<4x64xf32>) -> tensor<4x32xf32> {
  %q = mm.constant dense<100> : tensor<64x32xi8>
  %s = mm.constant dense<0.5> : tensor<4x32xf32>
  // CHECK: mm.linear
  %w = mm.dequantize %q scale %s {axis = 0 : i64, block = 16 : i64} : tensor<64x32xi8>, tensor<4x32xf32> -> tensor<64x32xf32>
  %y = mm.linear %x, %w : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}

// -----

// CHECK-LABEL: func @keep_when_the_depth_is_no_multiple_of_32
func.func @keep_when_the_depth_is_no_multiple_of_32(%x: tensor<4x40xf32>) -> tensor<4x32xf32> {
  %q = mm.constant dense<100> : tensor<40x32xi8>
  %s = mm.constant dense<0.5> : tensor<1x32xf32>
  // CHECK: mm.linear
  %w = mm.dequantize %q scale %s {axis = 1 : i64} : tensor<40x32xi8>, tensor<1x32xf32> -> tensor<40x32xf32>
  %y = mm.linear %x, %w : tensor<4x40xf32>, tensor<40x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}

// -----

// CHECK-LABEL: func @keep_when_scales_are_by_row
func.func @keep_when_scales_are_by_row(%x: tensor<4x64xf32>) -> tensor<4x32xf32> {
  %q = mm.constant dense<100> : tensor<64x32xi8>
  %s = mm.constant dense<0.5> : tensor<64x1xf32>
  // CHECK: mm.linear
  %w = mm.dequantize %q scale %s {axis = 0 : i64} : tensor<64x32xi8>, tensor<64x1xf32> -> tensor<64x32xf32>
  %y = mm.linear %x, %w : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}

// -----

// A zero a token is not one number; the weight stays narrow all the same.
// CHECK-LABEL: func @keep_activations_when_zeros_differ
func.func @keep_activations_when_zeros_differ(%u: tensor<4x64xui8>, %z: tensor<4x1xf32>) -> tensor<4x32xf32> {
  %q = mm.constant dense<100> : tensor<64x32xi8>
  %s = mm.constant dense<0.5> : tensor<1x32xf32>
  // CHECK: mm.quantized_linear %{{.*}}, %{{.*}} scale %{{.*}} : tensor<4x64xf32>, tensor<64x32xi8>
  %1 = mm.cast %u : tensor<4x64xui8> -> tensor<4x64xf32>
  %2 = mm.sub %1, %z : tensor<4x64xf32>, tensor<4x1xf32> -> tensor<4x64xf32>
  %w = mm.dequantize %q scale %s {axis = 1 : i64} : tensor<64x32xi8>, tensor<1x32xf32> -> tensor<64x32xf32>
  %y = mm.linear %2, %w : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}
