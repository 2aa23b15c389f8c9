// RUN: mmcc-opt %s -mm-narrow-floats="to=bf16" -cse | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: mmcc-opt %s -mm-narrow-floats="to=f16" -cse | FileCheck %s --check-prefixes=CHECK,F16
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
