// RUN: mmcc-opt %s -mm-quantize-linears="bits=4 group=128" | FileCheck %s --check-prefixes=CHECK,FOUR
// RUN: mmcc-opt %s -mm-quantize-linears="bits=3 group=64 asymmetric=true" | FileCheck %s --check-prefixes=CHECK,ZEROS
// RUN: mmcc-opt %s -mm-quantize-linears="bits=8 group=0 activations=rows" | FileCheck %s --check-prefixes=CHECK,EIGHT
// RUN: mmcc-opt %s -mm-quantize-linears="bits=8 group=128 format=e4m3" | FileCheck %s --check-prefixes=CHECK,FLOAT
// RUN: mmcc-opt %s -mm-quantize-linears="bits=8 group=0 format=e5m2" | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: mmcc-opt %s -mm-quantize-linears="bits=8 group=0 format=e4m3 activations=rows" | FileCheck %s --check-prefixes=CHECK,BOTH

// CHECK-LABEL: func @fuse_when_the_depth_is_whole_groups
func.func @fuse_when_the_depth_is_whole_groups(%x: tensor<8x256xf32>, %b: tensor<64xf32>) -> tensor<8x64xf32> {
  %w = mm.constant dense<0.5> : tensor<256x64xf32>
  // FOUR: mm.quantized_linear %arg0, %{{.*}} scale %{{.*}} bias %arg1 : tensor<64xf32> : tensor<8x256xf32>, tensor<256x64xi4>, tensor<2x64xf32>
  // ZEROS: mm.quantized_linear %arg0, %{{.*}} scale %{{.*}} zero %{{.*}} : tensor<4x64xf32> bias %arg1 {{.*}} tensor<256x64xui4>, tensor<4x64xf32>
  // EIGHT: %[[V:.*]], %[[S:.*]] = mm.quantize_rows %arg0 {block = 256 : i64}
  // EIGHT: mm.quantized_linear %[[V]], %{{.*}} scale %{{.*}} input_scale %[[S]] : tensor<8x1xf32> bias %arg1 {{.*}} tensor<256x64xi8>, tensor<1x64xf32>
  // FLOAT: mm.quantized_linear %arg0, %{{.*}} scale %{{.*}} bias %arg1 : tensor<64xf32> : tensor<8x256xf32>, tensor<256x64xf8E4M3FN>, tensor<2x64xf32>
  // BOTH: %[[V:.*]], %[[S:.*]] = mm.quantize_rows %arg0 {block = 256 : i64, is_float} : tensor<8x256xf32> -> tensor<8x256xf8E4M3FN>
  // BOTH: mm.quantized_linear %[[V]], %{{.*}} scale %{{.*}} input_scale %[[S]] : tensor<8x1xf32> bias %arg1 {{.*}} tensor<256x64xf8E4M3FN>, tensor<1x64xf32>
  // WIDE: mm.quantized_linear %arg0, %{{.*}} scale %{{.*}} bias %arg1 : tensor<64xf32> : tensor<8x256xf32>, tensor<256x64xf8E5M2>, tensor<1x64xf32>
  %y = mm.linear %x, %w bias %b : tensor<64xf32> : tensor<8x256xf32>, tensor<256x64xf32> -> tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}

// A group that does not divide the depth is halved until it does.
// CHECK-LABEL: func @fuse_when_a_smaller_group_divides
func.func @fuse_when_a_smaller_group_divides(%x: tensor<8x96xf32>) -> tensor<8x16xf32> {
  %w = mm.constant dense<0.5> : tensor<96x16xf32>
  // FOUR: tensor<96x16xi4>, tensor<1x16xf32>
  // ZEROS: tensor<96x16xui4>, tensor<3x16xf32>
  %y = mm.linear %x, %w : tensor<8x96xf32>, tensor<96x16xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// 96 and 48 do not divide 160: a whole multiple of 32 is left.
// RUN: mmcc-opt %s -mm-quantize-linears="bits=4 group=96" | FileCheck %s --check-prefix=ODD
// ODD-LABEL: func @fuse_when_halves_are_no_multiple_of_32
func.func @fuse_when_halves_are_no_multiple_of_32(%x: tensor<8x160xf32>) -> tensor<8x16xf32> {
  %w = mm.constant dense<0.5> : tensor<160x16xf32>
  // ODD: tensor<160x16xi4>, tensor<5x16xf32>
  %y = mm.linear %x, %w : tensor<8x160xf32>, tensor<160x16xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// Layers that read one value share its integers.
// CHECK-LABEL: func @fuse_when_layers_share_their_input
func.func @fuse_when_layers_share_their_input(%x: tensor<8x64xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>) {
  %w = mm.constant dense<0.5> : tensor<64x16xf32>
  %v = mm.constant dense<0.25> : tensor<64x16xf32>
  // EIGHT-COUNT-1: mm.quantize_rows
  // EIGHT-NOT: mm.quantize_rows
  // EIGHT: return
  %y = mm.linear %x, %w : tensor<8x64xf32>, tensor<64x16xf32> -> tensor<8x16xf32>
  %z = mm.linear %x, %v : tensor<8x64xf32>, tensor<64x16xf32> -> tensor<8x16xf32>
  return %y, %z : tensor<8x16xf32>, tensor<8x16xf32>
}

// Input and output embeddings that are one table stay one.
// CHECK-LABEL: func @fuse_when_a_table_is_tied
func.func @fuse_when_a_table_is_tied(%i: tensor<1x5xi64>) -> tensor<1x5x2048xf32> {
  %table = mm.constant dense<0.5> : tensor<2048x64xf32>
  // FOUR: mm.constant dense_resource<[[QUANTIZED:.*]]> : tensor<64x2048xi4>
  // FOUR: mm.dequantize %{{.*}} scale %{{.*}} {axis = 2 : i64, block = 64 : i64} : tensor<1x5x64xi4>, tensor<1x5x1xf32>
  // FOUR: mm.constant dense_resource<[[QUANTIZED]]> : tensor<64x2048xi4>
  // FOUR: mm.quantized_linear
  // FLOAT: mm.dequantize %{{.*}} scale %{{.*}} {axis = 2 : i64, block = 64 : i64} : tensor<1x5x64xf8E4M3FN>, tensor<1x5x1xf32>
  %x = mm.gather %table[%i] axis 0 : tensor<2048x64xf32>, tensor<1x5xi64> -> tensor<1x5x64xf32>
  %w = mm.transpose %table [1, 0] : tensor<2048x64xf32> -> tensor<64x2048xf32>
  %y = mm.linear %x, %w : tensor<1x5x64xf32>, tensor<64x2048xf32> -> tensor<1x5x2048xf32>
  return %y : tensor<1x5x2048xf32>
}

// CHECK-LABEL: func @keep_when_the_depth_is_no_multiple_of_32
func.func @keep_when_the_depth_is_no_multiple_of_32(%x: tensor<8x40xf32>) -> tensor<8x16xf32> {
  %w = mm.constant dense<0.5> : tensor<40x16xf32>
  // CHECK: mm.linear
  %y = mm.linear %x, %w : tensor<8x40xf32>, tensor<40x16xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: func @keep_when_a_weight_is_not_finite
func.func @keep_when_a_weight_is_not_finite(%x: tensor<8x32xf32>) -> tensor<8x16xf32> {
  %w = mm.constant dense<0x7F800000> : tensor<32x16xf32>
  // CHECK: mm.linear
  %y = mm.linear %x, %w : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// Sums of so many products of bytes would not fit 32 bits.
// CHECK-LABEL: func @keep_when_a_column_is_too_long
func.func @keep_when_a_column_is_too_long(%x: tensor<1x65568xf32>) -> tensor<1x16xf32> {
  %w = mm.constant dense<0.5> : tensor<65568x16xf32>
  // CHECK: mm.linear {{.*}} tensor<65568x16xf32>
  %y = mm.linear %x, %w : tensor<1x65568xf32>, tensor<65568x16xf32> -> tensor<1x16xf32>
  return %y : tensor<1x16xf32>
}

// Floats of activations meet whole columns, and have no fifth bit of exponent.
// RUN: not mmcc-opt %s -mm-quantize-linears="bits=8 group=32 format=e4m3 activations=rows" 2>&1 | FileCheck %s --check-prefix=OPTIONS
// RUN: not mmcc-opt %s -mm-quantize-linears="bits=8 group=0 format=e5m2 activations=rows" 2>&1 | FileCheck %s --check-prefix=OPTIONS
// OPTIONS: mm-quantize-linears: impossible options

// A level that no gains are known for.
// RUN: not mmcc-opt %s -mm-quantize-linears="level=x86-64-v9" 2>&1 | FileCheck %s --check-prefix=LEVEL
// LEVEL: mm-quantize-linears: nothing is known of level 'x86-64-v9'
