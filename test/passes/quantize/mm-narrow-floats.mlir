// RUN: mmcc-opt %s -mm-narrow-floats="to=bf16" -cse | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: mmcc-opt %s -mm-narrow-floats="to=f16" -cse | FileCheck %s --check-prefixes=CHECK,F16
// RUN: mmcc-opt %s -mm-narrow-floats="to=f16 explain=true" -o /dev/null 2>&1 | FileCheck %s --check-prefix=EXPLAIN
// RUN: mmcc-opt %s -mm-narrow-floats="to=auto" -cse | FileCheck %s --check-prefixes=CHECK,AUTO

// CHECK-LABEL: func @fuse_when_a_weight_is_constant
func.func @fuse_when_a_weight_is_constant(%x: tensor<8x40xf32>, %b: tensor<64xf32>) -> tensor<8x64xf32> {
  %w = mm.constant dense<0.1> : tensor<40x64xf32>
  // BF16: %[[X:.*]] = mm.cast %arg0 : tensor<8x40xf32> -> tensor<8x40xbf16>
  // BF16: %[[W:.*]] = mm.constant dense<1.000980e-01> : tensor<40x64xbf16>
  // F16: %[[W:.*]] = mm.constant dense<{{.*}}> : tensor<40x64xf16>
  // AUTO: %[[W:.*]] = mm.constant dense<{{.*}}> : tensor<40x64xf16>
  // BF16: mm.linear %[[X]], %[[W]] bias %arg1 : tensor<64xf32> wide : tensor<8x40xbf16>, tensor<40x64xbf16> -> tensor<8x64xf32>
  // F16: mm.linear %arg0, %[[W]] bias %arg1 : tensor<64xf32> : tensor<8x40xf32>, tensor<40x64xf16> -> tensor<8x64xf32>
  // AUTO: mm.linear %arg0, %[[W]] bias %arg1 : tensor<64xf32> : tensor<8x40xf32>, tensor<40x64xf16> -> tensor<8x64xf32>
  %y = mm.linear %x, %w bias %b : tensor<64xf32> : tensor<8x40xf32>, tensor<40x64xf32> -> tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}

// Constants are moved as they were.
// CHECK-LABEL: func @fuse_when_a_weight_is_moved
func.func @fuse_when_a_weight_is_moved(%x: tensor<8x32xf32>) -> tensor<8x48xf32> {
  %a = mm.constant dense<0.5> : tensor<32x16xf32>
  %b = mm.constant dense<2.0> : tensor<32x32xf32>
  // CHECK-NOT: xf32> -> tensor<32x32xf32>
  // BF16: %[[X:.*]] = mm.cast %arg0 : tensor<8x32xf32> -> tensor<8x32xbf16>
  // BF16: %[[T:.*]] = mm.transpose %{{.*}} [1, 0] : tensor<32x32xbf16> -> tensor<32x32xbf16>
  // BF16: %[[C:.*]] = mm.concat %{{.*}}, %[[T]]
  // BF16: mm.linear %[[X]], %[[C]] wide : tensor<8x32xbf16>, tensor<32x48xbf16>
  // F16: mm.linear {{.*}} tensor<32x48xf16>
  // AUTO: mm.linear {{.*}} tensor<32x48xf16>
  %t = mm.transpose %b [1, 0] : tensor<32x32xf32> -> tensor<32x32xf32>
  %w = mm.concat %a, %t axis 1 : tensor<32x16xf32>, tensor<32x32xf32> -> tensor<32x48xf32>
  %y = mm.linear %x, %w : tensor<8x32xf32>, tensor<32x48xf32> -> tensor<8x48xf32>
  return %y : tensor<8x48xf32>
}

// One table stays one; its rows are widened after they are read.
// CHECK-LABEL: func @fuse_when_a_table_is_tied
func.func @fuse_when_a_table_is_tied(%i: tensor<1x5xi64>) -> tensor<1x5x2048xf32> {
  %table = mm.constant dense<0.5> : tensor<2048x64xf32>
  // BF16: %[[TABLE:.*]] = mm.constant dense<5.000000e-01> : tensor<2048x64xbf16>
  // BF16: %[[R:.*]] = mm.gather %[[TABLE]][%arg0] axis 0 : tensor<2048x64xbf16>, tensor<1x5xi64> -> tensor<1x5x64xbf16>
  // BF16: %[[X:.*]] = mm.cast %[[R]] : tensor<1x5x64xbf16> -> tensor<1x5x64xf32>
  // BF16: %[[Z:.*]] = mm.cast %[[X]] : tensor<1x5x64xf32> -> tensor<1x5x64xbf16>
  // BF16: %[[W:.*]] = mm.transpose %[[TABLE]] [1, 0]
  // BF16: mm.linear %[[Z]], %[[W]] wide : tensor<1x5x64xbf16>, tensor<64x2048xbf16>
  // F16: mm.cast {{.*}} : tensor<1x5x64xf16> -> tensor<1x5x64xf32>
  %x = mm.gather %table[%i] axis 0 : tensor<2048x64xf32>, tensor<1x5xi64> -> tensor<1x5x64xf32>
  %w = mm.transpose %table [1, 0] : tensor<2048x64xf32> -> tensor<64x2048xf32>
  %y = mm.linear %x, %w : tensor<1x5x64xf32>, tensor<64x2048xf32> -> tensor<1x5x2048xf32>
  return %y : tensor<1x5x2048xf32>
}

// 65505 would be infinite, or nearly.
// CHECK-LABEL: func @keep_when_a_number_is_beyond_f16
func.func @keep_when_a_number_is_beyond_f16(%x: tensor<8x2xf32>) -> tensor<8x1xf32> {
  %w = mm.constant dense<[[65505.0], [1.0]]> : tensor<2x1xf32>
  // BF16: mm.linear {{.*}} tensor<2x1xbf16>
  // F16: mm.linear {{.*}} tensor<2x1xf32>
  // AUTO: mm.linear {{.*}} tensor<2x1xbf16>
  %y = mm.linear %x, %w : tensor<8x2xf32>, tensor<2x1xf32> -> tensor<8x1xf32>
  return %y : tensor<8x1xf32>
}

// A column of numbers that f16 has a bit or two for. In the other they are lost
// among larger ones.
// CHECK-LABEL: func @keep_when_a_column_is_below_f16s_normal_range
func.func @keep_when_a_column_is_below_f16s_normal_range(%x: tensor<8x2xf32>) -> (tensor<8x2xf32>, tensor<8x2xf32>) {
  %w = mm.constant dense<[[0.3, 1.3e-07], [0.7, 2.1e-07]]> : tensor<2x2xf32>
  %v = mm.constant dense<[[0.3, 0.7], [1.3e-07, 2.1e-07]]> : tensor<2x2xf32>
  // F16: mm.linear {{.*}} tensor<2x2xf16>
  // F16: mm.linear {{.*}} tensor<2x2xf16>
  // AUTO: mm.linear {{.*}} tensor<2x2xbf16>
  // AUTO: mm.linear {{.*}} tensor<2x2xf16>
  %y = mm.linear %x, %w : tensor<8x2xf32>, tensor<2x2xf32> -> tensor<8x2xf32>
  %z = mm.linear %x, %v : tensor<8x2xf32>, tensor<2x2xf32> -> tensor<8x2xf32>
  return %y, %z : tensor<8x2xf32>, tensor<8x2xf32>
}

// CHECK-LABEL: func @keep_when_a_weight_is_not_finite
func.func @keep_when_a_weight_is_not_finite(%x: tensor<8x32xf32>) -> tensor<8x16xf32> {
  %w = mm.constant dense<0x7F800000> : tensor<32x16xf32>
  // CHECK: mm.linear {{.*}} tensor<32x16xf32>
  %y = mm.linear %x, %w : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// Only f32 is stored in less than it computes in.
// CHECK-LABEL: func @keep_when_the_layer_is_not_f32
func.func @keep_when_the_layer_is_not_f32(%x: tensor<8x32xf64>) -> tensor<8x16xf64> {
  %w = mm.constant dense<0.5> : tensor<32x16xf64>
  // CHECK: mm.linear {{.*}} tensor<32x16xf64>
  %y = mm.linear %x, %w : tensor<8x32xf64>, tensor<32x16xf64> -> tensor<8x16xf64>
  return %y : tensor<8x16xf64>
}

// Layers that read one value read one copy of it.
// CHECK-LABEL: func @fuse_when_layers_share_their_input
func.func @fuse_when_layers_share_their_input(%x: tensor<8x32xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>) {
  %a = mm.constant dense<0.5> : tensor<32x16xf32>
  %b = mm.constant dense<2.0> : tensor<32x16xf32>
  // BF16: %[[X:.*]] = mm.cast %arg0
  // BF16-NOT: mm.cast
  // BF16: mm.linear %[[X]]
  // BF16: mm.linear %[[X]]
  %y = mm.linear %x, %a : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  %z = mm.linear %x, %b : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  return %y, %z : tensor<8x16xf32>, tensor<8x16xf32>
}

// Numbers of a norm over 4 are at most 2 * 3 + 1 = 7, a row of them no longer than 2 * 3 + 2 = 8. A column of w has the
// length 200 and the sum 400: products are at most min(8 * 200, 7 * 400), and with the bias 1000 they are 2600.
// CHECK-LABEL: func @fuse_when_a_norm_bounds_the_input
func.func @fuse_when_a_norm_bounds_the_input(%x: tensor<8x4xf32>) -> tensor<8x16xf32> {
  %s = mm.constant dense<[1.0, -3.0, 2.0, 1.0]> : tensor<4xf32>
  %o = mm.constant dense<[1.0, -1.0, 1.0, 1.0]> : tensor<4xf32>
  %w = mm.constant dense<100.0> : tensor<4x16xf32>
  %b = mm.constant dense<-1000.0> : tensor<16xf32>
  // F16: %[[X:.*]] = mm.cast %{{.*}} : tensor<8x4xf32> -> tensor<8x4xf16>
  // F16: mm.linear %[[X]], %{{.*}} bias %{{.*}} : tensor<16xf32> wide : tensor<8x4xf16>, tensor<4x16xf16> -> tensor<8x16xf32>
  %n = mm.layer_norm %x scale %s : tensor<4xf32> offset %o : tensor<4xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<8x4xf32> -> tensor<8x4xf32>
  %y = mm.linear %n, %w bias %b : tensor<16xf32> : tensor<8x4xf32>, tensor<4x16xf32> -> tensor<8x16xf32>
  // 16 numbers of at most 2600, times 1: 41600.
  // F16: mm.linear {{.*}} wide : tensor<8x16xf16>, tensor<16x16xf16>
  %g = mm.gelu erf %y : tensor<8x16xf32> -> tensor<8x16xf32>
  %v = mm.constant dense<1.0> : tensor<16x16xf32>
  %z = mm.linear %g, %v : tensor<8x16xf32>, tensor<16x16xf32> -> tensor<8x16xf32>
  // F16: mm.linear {{.*}} wide : tensor<8x16xf16>, tensor<16x16xf16>
  %u = mm.linear %z, %v : tensor<8x16xf32>, tensor<16x16xf32> -> tensor<8x16xf32>
  // The row is no longer than 4 * 4 * 4 * 2600, in exact numbers 16 times what it was: 665600.
  // F16: mm.linear {{.*}} : tensor<8x16xf32>, tensor<16x16xf16>
  // EXPLAIN: its input stays f32: its numbers may be as large as 6.66e+05
  %t = mm.linear %u, %v : tensor<8x16xf32>, tensor<16x16xf32> -> tensor<8x16xf32>
  return %t : tensor<8x16xf32>
}

// EXPLAIN: its input stays f32: nothing bounds its numbers
// CHECK-LABEL: func @keep_when_nothing_bounds_the_input
func.func @keep_when_nothing_bounds_the_input(%x: tensor<8x32xf32>) -> tensor<8x16xf32> {
  %w = mm.constant dense<0.5> : tensor<32x16xf32>
  %e = mm.exp %x : tensor<8x32xf32> -> tensor<8x32xf32>
  // F16: mm.linear {{.*}} : tensor<8x32xf32>, tensor<32x16xf16>
  // AUTO: mm.linear {{.*}} : tensor<8x32xf32>, tensor<32x16xf16>
  %y = mm.linear %e, %w : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// What is cut off at 60000 and above is not known to fit.
// CHECK-LABEL: func @keep_when_a_bound_is_beyond_f16
func.func @keep_when_a_bound_is_beyond_f16(%x: tensor<8x32xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>) {
  %w = mm.constant dense<0.5> : tensor<32x16xf32>
  %0 = mm.constant dense<0.0> : tensor<f32>
  %1 = mm.constant dense<60000.0> : tensor<f32>
  %2 = mm.constant dense<60001.0> : tensor<f32>
  %r = mm.relu %x : tensor<8x32xf32> -> tensor<8x32xf32>
  %a = mm.min %r, %1 : tensor<8x32xf32>, tensor<f32> -> tensor<8x32xf32>
  %b = mm.min %r, %2 : tensor<8x32xf32>, tensor<f32> -> tensor<8x32xf32>
  // F16: mm.linear {{.*}} wide : tensor<8x32xf16>
  // F16: mm.linear {{.*}} : tensor<8x32xf32>
  %y = mm.linear %a, %w : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  %z = mm.linear %b, %w : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
  return %y, %z : tensor<8x16xf32>, tensor<8x16xf32>
}
