// RUN: mmcc-opt %s -mm-float-products | FileCheck %s

// MatMulInteger with a zero of each side.
// CHECK-LABEL: func @fuse_when_a_cast_reads_the_sums
func.func @fuse_when_a_cast_reads_the_sums(%q: tensor<4x64xui8>, %z: tensor<i32>) -> tensor<4x32xf32> {
  %w = mm.constant dense<3> : tensor<64x32xui8>
  %zw = mm.constant dense<2> : tensor<32xi32>
  // CHECK: %[[W:.*]] = mm.dequantize %{{.*}} scale %{{.*}} zero %{{.*}} : tensor<1x32xf32> {axis = 1 : i64{{.*}}} : tensor<64x32xui8>, tensor<1x32xf32>
  // CHECK: %[[X:.*]] = mm.cast %arg0 {{.*}} -> tensor<4x64xf32>
  // CHECK: %[[Z:.*]] = mm.cast %arg1 {{.*}} -> tensor<f32>
  // CHECK: %[[D:.*]] = mm.sub %[[X]], %[[Z]]
  // CHECK: mm.matmul %[[D]], %[[W]] : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
  %0 = mm.cast %q : tensor<4x64xui8> -> tensor<4x64xi32>
  %1 = mm.sub %0, %z : tensor<4x64xi32>, tensor<i32> -> tensor<4x64xi32>
  %2 = mm.cast %w : tensor<64x32xui8> -> tensor<64x32xi32>
  %3 = mm.sub %2, %zw : tensor<64x32xi32>, tensor<32xi32> -> tensor<64x32xi32>
  %4 = mm.matmul %1, %3 : tensor<4x64xi32>, tensor<64x32xi32> -> tensor<4x32xi32>
  %5 = mm.cast %4 : tensor<4x32xi32> -> tensor<4x32xf32>
  return %5 : tensor<4x32xf32>
}

// CHECK-LABEL: func @keep_when_the_sums_are_read_as_integers
func.func @keep_when_the_sums_are_read_as_integers(%q: tensor<4x64xui8>) -> (tensor<4x32xi32>, tensor<4x32xf32>) {
  %w = mm.constant dense<3> : tensor<64x32xi8>
  // CHECK: mm.matmul {{.*}} -> tensor<4x32xi32>
  %0 = mm.cast %q : tensor<4x64xui8> -> tensor<4x64xi32>
  %1 = mm.cast %w : tensor<64x32xi8> -> tensor<64x32xi32>
  %2 = mm.matmul %0, %1 : tensor<4x64xi32>, tensor<64x32xi32> -> tensor<4x32xi32>
  %3 = mm.cast %2 : tensor<4x32xi32> -> tensor<4x32xf32>
  return %2, %3 : tensor<4x32xi32>, tensor<4x32xf32>
}

// CHECK-LABEL: func @fuse_when_sums_are_small_enough
func.func @fuse_when_sums_are_small_enough(%q: tensor<4x256xui8>, %w: tensor<256x32xi8>) -> tensor<4x32xf32> {
  // CHECK: mm.matmul {{.*}} -> tensor<4x32xf32>
  %0 = mm.cast %q : tensor<4x256xui8> -> tensor<4x256xi32>
  %1 = mm.cast %w : tensor<256x32xi8> -> tensor<256x32xi32>
  %2 = mm.matmul %0, %1 : tensor<4x256xi32>, tensor<256x32xi32> -> tensor<4x32xi32>
  %3 = mm.cast %2 : tensor<4x32xi32> -> tensor<4x32xf32>
  return %3 : tensor<4x32xf32>
}

// CHECK-LABEL: func @keep_when_neither_side_is_a_weight
func.func @keep_when_neither_side_is_a_weight(%q: tensor<4x257xui8>, %w: tensor<257x32xi8>) -> tensor<4x32xf32> {
  // CHECK: mm.matmul {{.*}} -> tensor<4x32xi32>
  %0 = mm.cast %q : tensor<4x257xui8> -> tensor<4x257xi32>
  %1 = mm.cast %w : tensor<257x32xi8> -> tensor<257x32xi32>
  %2 = mm.matmul %0, %1 : tensor<4x257xi32>, tensor<257x32xi32> -> tensor<4x32xi32>
  %3 = mm.cast %2 : tensor<4x32xi32> -> tensor<4x32xf32>
  return %3 : tensor<4x32xf32>
}

// Numbers of 16 bits have sums that f32 does not hold.
// CHECK-LABEL: func @keep_when_the_numbers_are_wide
func.func @keep_when_the_numbers_are_wide(%q: tensor<4x64xi16>) -> tensor<4x32xf32> {
  %w = mm.constant dense<3> : tensor<64x32xi8>
  // CHECK: mm.matmul {{.*}} -> tensor<4x32xi32>
  %0 = mm.cast %q : tensor<4x64xi16> -> tensor<4x64xi32>
  %1 = mm.cast %w : tensor<64x32xi8> -> tensor<64x32xi32>
  %2 = mm.matmul %0, %1 : tensor<4x64xi32>, tensor<64x32xi32> -> tensor<4x32xi32>
  %3 = mm.cast %2 : tensor<4x32xi32> -> tensor<4x32xf32>
  return %3 : tensor<4x32xf32>
}
