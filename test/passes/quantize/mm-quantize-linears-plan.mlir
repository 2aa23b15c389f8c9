// RUN: mmcc-opt %s -mm-quantize-linears="layers=bf16,w8a8-dynamic,f16*3,f32,bf16*2" -cse | FileCheck %s

// Two layers read one value, which is rounded once.
// CHECK-LABEL: func @bf16_beside_integers
func.func @bf16_beside_integers(%x: tensor<8x64xf32>, %b: tensor<16xf32>) -> (tensor<8x16xf32>, tensor<8x32xf32>, tensor<8x64xf32>) {
  %a = mm.constant dense<0.1> : tensor<64x16xf32>
  %c = mm.constant dense<2.0> : tensor<32x64xf32>
  %d = mm.constant dense<0.5> : tensor<32x64xf32>
  // CHECK: %[[X:.*]] = mm.cast %arg0 : tensor<8x64xf32> -> tensor<8x64xbf16>
  // CHECK-NOT: mm.cast
  // CHECK: %[[A:.*]] = mm.constant dense<1.000980e-01> : tensor<64x16xbf16>
  // CHECK: mm.linear %[[X]], %[[A]] bias %arg1 : tensor<16xf32> wide : tensor<8x64xbf16>, tensor<64x16xbf16> -> tensor<8x16xf32>
  %y = mm.linear %x, %a bias %b : tensor<16xf32> : tensor<8x64xf32>, tensor<64x16xf32> -> tensor<8x16xf32>
  // A weight that is moved is moved in 16 bits.
  // CHECK: %[[C:.*]] = mm.transpose %{{.*}} [1, 0] : tensor<32x64xbf16> -> tensor<64x32xbf16>
  // CHECK: %[[Z:.*]] = mm.linear %[[X]], %[[C]] wide
  %t = mm.transpose %c [1, 0] : tensor<32x64xf32> -> tensor<64x32xf32>
  %z = mm.linear %x, %t : tensor<8x64xf32>, tensor<64x32xf32> -> tensor<8x32xf32>
  // CHECK: %[[V:.*]], %[[S:.*]] = mm.quantize_rows %[[Z]]
  // CHECK: mm.quantized_linear %[[V]]
  // CHECK-NOT: tensor<64x32xf32>
  %u = mm.linear %z, %d : tensor<8x32xf32>, tensor<32x64xf32> -> tensor<8x64xf32>
  return %y, %z, %u : tensor<8x16xf32>, tensor<8x32xf32>, tensor<8x64xf32>
}

// Beside f16 inputs stay as they are. What it does not hold stays, too: 65505
// would be infinite, or nearly.
// CHECK-LABEL: func @f16_where_it_holds_the_weight
func.func @f16_where_it_holds_the_weight(%x: tensor<8x32xf32>, %y: tensor<8x32xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>) {
  %a = mm.constant dense<0.5> : tensor<32x16xf32>
  %b = mm.constant dense<65505.0> : tensor<32x16xf32>
  // CHECK: mm.linear %arg0, %{{.*}} : tensor<8x32xf32>, tensor<32x16xf16> -> tensor<8x16xf32>
  // CHECK: mm.linear %arg1, %{{.*}} : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  %u = mm.linear %x, %a : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  %v = mm.linear %y, %b : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  return %u, %v : tensor<8x16xf32>, tensor<8x16xf32>
}

// A weight that two functions have is as the first says in both.
// CHECK-LABEL: func @a_weight_of_two_functions
func.func @a_weight_of_two_functions(%x: tensor<8x32xf32>) -> tensor<8x16xf32> {
  %a = mm.constant dense<3.0> : tensor<32x16xf32>
  // CHECK: mm.linear {{.*}} tensor<32x16xf16>
  %y = mm.linear %x, %a : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}
// CHECK-LABEL: func @the_other_function
func.func @the_other_function(%x: tensor<4x32xf32>) -> tensor<4x16xf32> {
  %a = mm.constant dense<3.0> : tensor<32x16xf32>
  // CHECK: mm.linear {{.*}} tensor<32x16xf16>
  %y = mm.linear %x, %a : tensor<4x32xf32>, tensor<32x16xf32> -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// Input and output embeddings that are one table stay one, with bf16 rows.
// CHECK-LABEL: func @a_tied_table_is_as_its_layer
func.func @a_tied_table_is_as_its_layer(%i: tensor<1x5xi64>) -> tensor<1x5x2048xf32> {
  %table = mm.constant dense<0.25> : tensor<2048x64xf32>
  // CHECK: %[[TABLE:.*]] = mm.constant dense<2.500000e-01> : tensor<2048x64xbf16>
  // CHECK: %[[R:.*]] = mm.gather %[[TABLE]][%arg0] axis 0
  // CHECK: %[[X:.*]] = mm.cast %[[R]] : tensor<1x5x64xbf16> -> tensor<1x5x64xf32>
  // CHECK: %[[Z:.*]] = mm.cast %[[X]] : tensor<1x5x64xf32> -> tensor<1x5x64xbf16>
  // CHECK: %[[W:.*]] = mm.transpose %[[TABLE]] [1, 0]
  // CHECK: mm.linear %[[Z]], %[[W]] wide : tensor<1x5x64xbf16>, tensor<64x2048xbf16>
  // CHECK-NOT: mm.constant
  %x = mm.gather %table[%i] axis 0 : tensor<2048x64xf32>, tensor<1x5xi64> -> tensor<1x5x64xf32>
  %w = mm.transpose %table [1, 0] : tensor<2048x64xf32> -> tensor<64x2048xf32>
  %y = mm.linear %x, %w : tensor<1x5x64xf32>, tensor<64x2048xf32> -> tensor<1x5x2048xf32>
  return %y : tensor<1x5x2048xf32>
}

// A table that no layer has takes 8 bits where any layer takes so few.
// CHECK-LABEL: func @a_table_alone
func.func @a_table_alone(%i: tensor<1x5xi64>) -> (tensor<1x5x64xf32>, tensor<1x5x16xf32>) {
  %table = mm.constant dense<0.75> : tensor<2048x64xf32>
  %a = mm.constant dense<7.0> : tensor<64x16xf32>
  // CHECK: mm.dequantize {{.*}} tensor<1x5x64xi8>
  // CHECK: mm.linear {{.*}} wide
  %x = mm.gather %table[%i] axis 0 : tensor<2048x64xf32>, tensor<1x5xi64> -> tensor<1x5x64xf32>
  %y = mm.linear %x, %a : tensor<1x5x64xf32>, tensor<64x16xf32> -> tensor<1x5x16xf32>
  return %x, %y : tensor<1x5x64xf32>, tensor<1x5x16xf32>
}

// RUN: mmcc-opt %s -mm-quantize-linears="layers=f32*6,bf16*2" | FileCheck %s --check-prefix=HALF
// HALF-LABEL: func @a_table_alone
// HALF: mm.gather {{.*}} tensor<2048x64xbf16>

// RUN: not mmcc-opt %s -mm-quantize-linears="layers=bf16/gptq*8" 2>&1 | FileCheck %s --check-prefix=METHOD
// METHOD: mm-quantize-linears: 'bf16/gptq*8' is no SCHEME, SCHEME/METHOD or SCHEME*N
// RUN: not mmcc-opt %s -mm-quantize-linears="bits=16" 2>&1 | FileCheck %s --check-prefix=BITS
// BITS: mm-quantize-linears: impossible options
