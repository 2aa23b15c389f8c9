// RUN: mmcc-opt %s --mm-canonicalize-views -split-input-file | FileCheck %s

//===----------------------------------------------------------------------===//
// Chains
//===----------------------------------------------------------------------===//

// Splitting heads and joining them again is nothing, also for a symbolic batch.
// CHECK-LABEL: func @fuse_when_views_cancel
// CHECK-SAME: %[[X:.*]]: tensor<?x8x32xf32, #mm.dims<[batch, 8, 32]>>
// CHECK-NEXT: %[[Y:.*]] = mm.mul %[[X]], %{{.*}} : tensor<?x8x32xf32, #mm.dims<[batch, 8, 32]>>, tensor<f32>
// CHECK-NEXT: return %[[Y]]
func.func @fuse_when_views_cancel(%x: tensor<?x8x32xf32, #mm.dims<[batch, 8, 32]>>, %s: tensor<f32>) -> tensor<?x8x32xf32, #mm.dims<[batch, 8, 32]>> {
  %0 = mm.reshape %x : tensor<?x8x32xf32, #mm.dims<[batch, 8, 32]>> -> tensor<?x8x4x8xf32, #mm.dims<[batch, 8, 4, 8]>>
  %1 = mm.transpose %0 [0, 2, 1, 3] : tensor<?x8x4x8xf32, #mm.dims<[batch, 8, 4, 8]>> -> tensor<?x4x8x8xf32, #mm.dims<[batch, 4, 8, 8]>>
  %2 = mm.mul %1, %s : tensor<?x4x8x8xf32, #mm.dims<[batch, 4, 8, 8]>>, tensor<f32> -> tensor<?x4x8x8xf32, #mm.dims<[batch, 4, 8, 8]>>
  %3 = mm.transpose %2 [0, 2, 1, 3] : tensor<?x4x8x8xf32, #mm.dims<[batch, 4, 8, 8]>> -> tensor<?x8x4x8xf32, #mm.dims<[batch, 8, 4, 8]>>
  %4 = mm.reshape %3 : tensor<?x8x4x8xf32, #mm.dims<[batch, 8, 4, 8]>> -> tensor<?x8x32xf32, #mm.dims<[batch, 8, 32]>>
  return %4 : tensor<?x8x32xf32, #mm.dims<[batch, 8, 32]>>
}

// -----

// Windows cut and put back, with views of size 1 in between.
// CHECK-LABEL: func @fuse_when_windows_are_put_back
// CHECK-SAME: %[[X:.*]]: tensor<1x14x14x16xf32>
// CHECK-NEXT: return %[[X]]
func.func @fuse_when_windows_are_put_back(%x: tensor<1x14x14x16xf32>) -> tensor<1x14x14x16xf32> {
  %0 = mm.reshape %x : tensor<1x14x14x16xf32> -> tensor<1x2x7x2x7x16xf32>
  %1 = mm.transpose %0 [0, 1, 3, 2, 4, 5] : tensor<1x2x7x2x7x16xf32> -> tensor<1x2x2x7x7x16xf32>
  %2 = mm.reshape %1 : tensor<1x2x2x7x7x16xf32> -> tensor<4x49x16xf32>
  %3 = mm.reshape %2 : tensor<4x49x16xf32> -> tensor<4x1x49x1x16xf32>
  %4 = mm.transpose %3 [0, 2, 1, 4, 3] : tensor<4x1x49x1x16xf32> -> tensor<4x49x1x16x1xf32>
  %5 = mm.reshape %4 : tensor<4x49x1x16x1xf32> -> tensor<2x2x7x7x16xf32>
  %6 = mm.transpose %5 [0, 2, 1, 3, 4] : tensor<2x2x7x7x16xf32> -> tensor<2x7x2x7x16xf32>
  %7 = mm.reshape %6 : tensor<2x7x2x7x16xf32> -> tensor<1x14x14x16xf32>
  return %7 : tensor<1x14x14x16xf32>
}

// -----

// NCHW to tokens: flattening first or last is one form, the transpose last.
// CHECK-LABEL: func @fuse_when_order_differs
// CHECK-SAME: %[[X:.*]]: tensor<2x8x3x5xf32>
// CHECK-NEXT: %[[R:.*]] = mm.reshape %[[X]] : tensor<2x8x3x5xf32> -> tensor<2x8x15xf32>
// CHECK-NEXT: %[[T:.*]] = mm.transpose %[[R]] [0, 2, 1]
// CHECK: return
func.func @fuse_when_order_differs(%x: tensor<2x8x3x5xf32>) -> (tensor<2x15x8xf32>, tensor<2x15x8xf32>) {
  %0 = mm.reshape %x : tensor<2x8x3x5xf32> -> tensor<2x8x15xf32>
  %1 = mm.transpose %0 [0, 2, 1] : tensor<2x8x15xf32> -> tensor<2x15x8xf32>
  %2 = mm.transpose %x [0, 2, 3, 1] : tensor<2x8x3x5xf32> -> tensor<2x3x5x8xf32>
  %3 = mm.reshape %2 : tensor<2x3x5x8xf32> -> tensor<2x15x8xf32>
  return %1, %3 : tensor<2x15x8xf32>, tensor<2x15x8xf32>
}

// -----

// The halves of 6 = 2 * 3 are other halves than those of 6 = 3 * 2.
// CHECK-LABEL: func @keep_when_atoms_are_cut
// CHECK: mm.transpose
// CHECK: mm.reshape
// CHECK: mm.transpose
func.func @keep_when_atoms_are_cut(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = mm.transpose %x [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %1 = mm.reshape %0 : tensor<3x2xf32> -> tensor<2x3xf32>
  %2 = mm.transpose %1 [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %3 = mm.reshape %2 : tensor<3x2xf32> -> tensor<2x3xf32>
  return %3 : tensor<2x3xf32>
}

// -----

// CHECK-LABEL: func @keep_when_nothing_is_shorter
// CHECK: mm.reshape
// CHECK-NEXT: mm.transpose
// CHECK-NEXT: mm.reshape
// CHECK-NEXT: return
func.func @keep_when_nothing_is_shorter(%x: tensor<14x14x16xf32>) -> tensor<4x49x16xf32> {
  %0 = mm.reshape %x : tensor<14x14x16xf32> -> tensor<2x7x2x7x16xf32>
  %1 = mm.transpose %0 [0, 2, 1, 3, 4] : tensor<2x7x2x7x16xf32> -> tensor<2x2x7x7x16xf32>
  %2 = mm.reshape %1 : tensor<2x2x7x7x16xf32> -> tensor<4x49x16xf32>
  return %2 : tensor<4x49x16xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

// A constant and a vector of channels take the order before the transpose.
// CHECK-LABEL: func @fuse_when_others_are_constant_or_small
// CHECK-SAME: %[[X:.*]]: tensor<2x8x15xf32>, %[[V:.*]]: tensor<8xf32>
// CHECK-DAG: %[[C:.*]] = mm.constant dense<{{\[}}{{\[}}[1.000000e+00, 3.000000e+00], [2.000000e+00, 4.000000e+00]]]> : tensor<1x2x2xf32>
// CHECK-DAG: %[[R:.*]] = mm.reshape %[[V]] : tensor<8xf32> -> tensor<8x1xf32>
// CHECK: %[[M:.*]] = mm.mul %[[X]], %[[R]] : tensor<2x8x15xf32>, tensor<8x1xf32> -> tensor<2x8x15xf32>
// CHECK: %[[T:.*]] = mm.transpose %[[M]] [0, 2, 1]
// CHECK: %[[A:.*]] = mm.add %{{.*}}, %[[C]] : tensor<1x2x2xf32>, tensor<1x2x2xf32>
// CHECK: %[[U:.*]] = mm.transpose %[[A]] [0, 2, 1]
// CHECK: return %[[T]], %[[U]]
func.func @fuse_when_others_are_constant_or_small(%x: tensor<2x8x15xf32>, %v: tensor<8xf32>, %y: tensor<1x2x2xf32>) -> (tensor<2x15x8xf32>, tensor<1x2x2xf32>) {
  %c = mm.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %0 = mm.transpose %x [0, 2, 1] : tensor<2x8x15xf32> -> tensor<2x15x8xf32>
  %1 = mm.mul %0, %v : tensor<2x15x8xf32>, tensor<8xf32> -> tensor<2x15x8xf32>
  %2 = mm.transpose %y [0, 2, 1] : tensor<1x2x2xf32> -> tensor<1x2x2xf32>
  %3 = mm.add %2, %c : tensor<1x2x2xf32>, tensor<2x2xf32> -> tensor<1x2x2xf32>
  return %1, %3 : tensor<2x15x8xf32>, tensor<1x2x2xf32>
}

// -----

// CHECK-LABEL: func @keep_when_other_operand_has_its_own_order
// CHECK-NEXT: mm.transpose
// CHECK-NEXT: mm.add
// CHECK-NEXT: return
func.func @keep_when_other_operand_has_its_own_order(%x: tensor<8x15xf32>, %y: tensor<15x8xf32>) -> tensor<15x8xf32> {
  %0 = mm.transpose %x [1, 0] : tensor<8x15xf32> -> tensor<15x8xf32>
  %1 = mm.add %0, %y : tensor<15x8xf32>, tensor<15x8xf32> -> tensor<15x8xf32>
  return %1 : tensor<15x8xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_both_are_reshaped
// CHECK-SAME: %[[X:.*]]: tensor<2x6x4xf32>, %[[Y:.*]]: tensor<2x6x4xf32>
// CHECK-NEXT: %[[A:.*]] = mm.add %[[X]], %[[Y]]
// CHECK-NEXT: %[[E:.*]] = mm.erf %[[A]]
// CHECK-NEXT: %[[R:.*]] = mm.reshape %[[E]] : tensor<2x6x4xf32> -> tensor<12x4xf32>
// CHECK-NEXT: return %[[R]]
func.func @fuse_when_both_are_reshaped(%x: tensor<2x6x4xf32>, %y: tensor<2x6x4xf32>) -> tensor<12x4xf32> {
  %0 = mm.reshape %x : tensor<2x6x4xf32> -> tensor<12x4xf32>
  %1 = mm.reshape %y : tensor<2x6x4xf32> -> tensor<12x4xf32>
  %2 = mm.add %0, %1 : tensor<12x4xf32>, tensor<12x4xf32> -> tensor<12x4xf32>
  %3 = mm.erf %2 : tensor<12x4xf32> -> tensor<12x4xf32>
  return %3 : tensor<12x4xf32>
}

// -----

// A scale of each head varies inside what was one dimension.
// CHECK-LABEL: func @keep_when_operand_varies_inside_a_group
// CHECK-NEXT: mm.reshape
// CHECK-NEXT: mm.mul
// CHECK-NEXT: return
func.func @keep_when_operand_varies_inside_a_group(%x: tensor<2x32xf32>, %g: tensor<8xf32>) -> tensor<2x4x8xf32> {
  %0 = mm.reshape %x : tensor<2x32xf32> -> tensor<2x4x8xf32>
  %1 = mm.mul %0, %g : tensor<2x4x8xf32>, tensor<8xf32> -> tensor<2x4x8xf32>
  return %1 : tensor<2x4x8xf32>
}

// -----

// The mask of shifted windows, for any number of images.
// CHECK-LABEL: func @fuse_when_reshape_goes_there_and_back
// CHECK-SAME: %[[X:.*]]: tensor<?x2x9x9xf32, #mm.dims<[batch * 4, 2, 9, 9]>>, %[[M:.*]]: tensor<1x4x1x9x9xf32>
// CHECK-NEXT: %[[B:.*]] = mm.broadcast %[[M]] : tensor<1x4x1x9x9xf32> -> tensor<?x4x1x9x9xf32, #mm.dims<[batch, 4, 1, 9, 9]>>
// CHECK-NEXT: %[[R:.*]] = mm.reshape %[[B]] : {{.*}} -> tensor<?x1x9x9xf32, #mm.dims<[batch * 4, 1, 9, 9]>>
// CHECK-NEXT: %[[A:.*]] = mm.add %[[X]], %[[R]]
// CHECK-NEXT: return %[[A]]
func.func @fuse_when_reshape_goes_there_and_back(%x: tensor<?x2x9x9xf32, #mm.dims<[batch * 4, 2, 9, 9]>>, %m: tensor<1x4x1x9x9xf32>) -> tensor<?x2x9x9xf32, #mm.dims<[batch * 4, 2, 9, 9]>> {
  %0 = mm.reshape %x : tensor<?x2x9x9xf32, #mm.dims<[batch * 4, 2, 9, 9]>> -> tensor<?x4x2x9x9xf32, #mm.dims<[batch, 4, 2, 9, 9]>>
  %1 = mm.add %0, %m : tensor<?x4x2x9x9xf32, #mm.dims<[batch, 4, 2, 9, 9]>>, tensor<1x4x1x9x9xf32> -> tensor<?x4x2x9x9xf32, #mm.dims<[batch, 4, 2, 9, 9]>>
  %2 = mm.reshape %1 : tensor<?x4x2x9x9xf32, #mm.dims<[batch, 4, 2, 9, 9]>> -> tensor<?x2x9x9xf32, #mm.dims<[batch * 4, 2, 9, 9]>>
  return %2 : tensor<?x2x9x9xf32, #mm.dims<[batch * 4, 2, 9, 9]>>
}

// -----

//===----------------------------------------------------------------------===//
// Operations on some dimensions
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func @fuse_when_reduced_dimensions_move
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4x5xf32>
// CHECK-DAG: %[[A:.*]] = mm.reduce sum %[[X]] axes [1, 3] keep false : tensor<2x3x4x5xf32> -> tensor<2x4xf32>
// CHECK-DAG: %[[T:.*]] = mm.transpose %[[A]] [1, 0]
// CHECK-DAG: %[[B:.*]] = mm.reduce max %[[X]] axes [2, 3] keep false : tensor<2x3x4x5xf32> -> tensor<2x3xf32>
// CHECK: return %[[T]], %[[B]]
func.func @fuse_when_reduced_dimensions_move(%x: tensor<2x3x4x5xf32>) -> (tensor<4x2xf32>, tensor<2x3xf32>) {
  // Result dimensions are 2, 0, 1, 3 of the input: 3 and 1 of them are reduced.
  %0 = mm.transpose %x [2, 0, 1, 3] : tensor<2x3x4x5xf32> -> tensor<4x2x3x5xf32>
  %1 = mm.reduce sum %0 axes [2, 3] keep false : tensor<4x2x3x5xf32> -> tensor<4x2xf32>
  %2 = mm.reshape %x : tensor<2x3x4x5xf32> -> tensor<2x3x20xf32>
  %3 = mm.reduce max %2 axes [2] keep false : tensor<2x3x20xf32> -> tensor<2x3xf32>
  return %1, %3 : tensor<4x2xf32>, tensor<2x3xf32>
}

// -----

// Groups of channels are not whole channels.
// CHECK-LABEL: func @keep_when_part_of_a_group_is_reduced
// CHECK-NEXT: mm.reshape
// CHECK-NEXT: mm.reduce
func.func @keep_when_part_of_a_group_is_reduced(%x: tensor<2x32xf32>) -> tensor<2x4xf32> {
  %0 = mm.reshape %x : tensor<2x32xf32> -> tensor<2x4x8xf32>
  %1 = mm.reduce mean %0 axes [2] keep false : tensor<2x4x8xf32> -> tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_rows_stay_rows
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4x8xf32>, %[[W:.*]]: tensor<8x5xf32>
// CHECK-NEXT: %[[N:.*]] = mm.layer_norm %[[X]] {axis = 3 : i64
// CHECK-NEXT: %[[L:.*]] = mm.linear %[[N]], %[[W]] : tensor<2x3x4x8xf32>, tensor<8x5xf32> -> tensor<2x3x4x5xf32>
// CHECK-NEXT: %[[S:.*]] = mm.softmax %[[L]] axis 3
// CHECK-NEXT: %[[R:.*]] = mm.reshape %[[S]] : tensor<2x3x4x5xf32> -> tensor<2x12x5xf32>
// CHECK-NEXT: return %[[R]]
func.func @fuse_when_rows_stay_rows(%x: tensor<2x3x4x8xf32>, %w: tensor<8x5xf32>) -> tensor<2x12x5xf32> {
  %0 = mm.reshape %x : tensor<2x3x4x8xf32> -> tensor<2x12x8xf32>
  %1 = mm.layer_norm %0 {axis = 2 : i64, epsilon = 1.0e-5 : f64} : tensor<2x12x8xf32> -> tensor<2x12x8xf32>
  %2 = mm.linear %1, %w : tensor<2x12x8xf32>, tensor<8x5xf32> -> tensor<2x12x5xf32>
  %3 = mm.softmax %2 axis 2 : tensor<2x12x5xf32> -> tensor<2x12x5xf32>
  return %3 : tensor<2x12x5xf32>
}

// -----

// CHECK-LABEL: func @keep_when_rows_change
// CHECK: mm.reshape
// CHECK: mm.linear
// CHECK: mm.transpose
// CHECK: mm.rms_norm
// CHECK: mm.softmax
func.func @keep_when_rows_change(%x: tensor<2x4x8xf32>, %w: tensor<32x5xf32>) -> (tensor<2x5xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>) {
  %0 = mm.reshape %x : tensor<2x4x8xf32> -> tensor<2x32xf32>
  %1 = mm.linear %0, %w : tensor<2x32xf32>, tensor<32x5xf32> -> tensor<2x5xf32>
  %2 = mm.transpose %x [0, 2, 1] : tensor<2x4x8xf32> -> tensor<2x8x4xf32>
  %3 = mm.rms_norm %2 {axis = 2 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  %4 = mm.softmax %2 axis 2 : tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return %1, %3, %4 : tensor<2x5xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_transpose_leaves_the_norm_alone
// CHECK-NEXT: mm.layer_norm %{{.*}} : tensor<2x3x8xf32> -> tensor<2x3x8xf32>
// CHECK-NEXT: mm.softmax %{{.*}} axis 2 : tensor<2x3x8xf32>
// CHECK-NEXT: mm.transpose %{{.*}} [1, 0, 2]
func.func @fuse_when_transpose_leaves_the_norm_alone(%x: tensor<2x3x8xf32>) -> tensor<3x2x8xf32> {
  %0 = mm.transpose %x [1, 0, 2] : tensor<2x3x8xf32> -> tensor<3x2x8xf32>
  %1 = mm.layer_norm %0 {axis = 2 : i64, epsilon = 1.0e-5 : f64} : tensor<3x2x8xf32> -> tensor<3x2x8xf32>
  %2 = mm.softmax %1 axis 2 : tensor<3x2x8xf32> -> tensor<3x2x8xf32>
  return %2 : tensor<3x2x8xf32>
}

// -----

// Batch and heads as one dimension, the way torch.bmm wants them.
// CHECK-LABEL: func @fuse_when_heads_are_merged_for_matmul
// CHECK-SAME: %[[Q:.*]]: tensor<?x4x7x8xf32, {{.*}}>, %[[K:.*]]: tensor<?x4x7x8xf32, {{.*}}>, %[[M:.*]]: tensor<?x1x7x7xf32
// CHECK-NEXT: %[[T:.*]] = mm.transpose %[[K]] [0, 1, 3, 2]
// CHECK-NEXT: %[[S:.*]] = mm.matmul %[[Q]], %[[T]] : {{.*}} -> tensor<?x4x7x7xf32, #mm.dims<[b, 4, 7, 7]>>
// CHECK-NEXT: %[[A:.*]] = mm.add %[[S]], %[[M]]
// CHECK-NEXT: %[[P:.*]] = mm.softmax %[[A]] axis 3
// CHECK-NEXT: %[[R:.*]] = mm.reshape %[[P]]
// CHECK-NEXT: return %[[R]]
func.func @fuse_when_heads_are_merged_for_matmul(%q: tensor<?x4x7x8xf32, #mm.dims<[b, 4, 7, 8]>>, %k: tensor<?x4x7x8xf32, #mm.dims<[b, 4, 7, 8]>>, %mask: tensor<?x1x7x7xf32, #mm.dims<[b, 1, 7, 7]>>) -> tensor<?x7x7xf32, #mm.dims<[b * 4, 7, 7]>> {
  %0 = mm.reshape %q : tensor<?x4x7x8xf32, #mm.dims<[b, 4, 7, 8]>> -> tensor<?x7x8xf32, #mm.dims<[b * 4, 7, 8]>>
  %1 = mm.reshape %k : tensor<?x4x7x8xf32, #mm.dims<[b, 4, 7, 8]>> -> tensor<?x7x8xf32, #mm.dims<[b * 4, 7, 8]>>
  %2 = mm.transpose %1 [0, 2, 1] : tensor<?x7x8xf32, #mm.dims<[b * 4, 7, 8]>> -> tensor<?x8x7xf32, #mm.dims<[b * 4, 8, 7]>>
  %3 = mm.matmul %0, %2 : tensor<?x7x8xf32, #mm.dims<[b * 4, 7, 8]>>, tensor<?x8x7xf32, #mm.dims<[b * 4, 8, 7]>> -> tensor<?x7x7xf32, #mm.dims<[b * 4, 7, 7]>>
  %4 = mm.reshape %3 : tensor<?x7x7xf32, #mm.dims<[b * 4, 7, 7]>> -> tensor<?x4x7x7xf32, #mm.dims<[b, 4, 7, 7]>>
  %5 = mm.add %4, %mask : tensor<?x4x7x7xf32, #mm.dims<[b, 4, 7, 7]>>, tensor<?x1x7x7xf32, #mm.dims<[b, 1, 7, 7]>> -> tensor<?x4x7x7xf32, #mm.dims<[b, 4, 7, 7]>>
  %6 = mm.reshape %5 : tensor<?x4x7x7xf32, #mm.dims<[b, 4, 7, 7]>> -> tensor<?x7x7xf32, #mm.dims<[b * 4, 7, 7]>>
  %7 = mm.softmax %6 axis 2 : tensor<?x7x7xf32, #mm.dims<[b * 4, 7, 7]>> -> tensor<?x7x7xf32, #mm.dims<[b * 4, 7, 7]>>
  return %7 : tensor<?x7x7xf32, #mm.dims<[b * 4, 7, 7]>>
}

// -----

// Two exporters' ways to split q out of one projection, one program.
// CHECK-LABEL: func @fuse_when_qkv_is_split_last
// CHECK: %[[S:.*]] = mm.slice %{{.*}} offsets <[0, 0, 16]> steps [1, 1, 1] : tensor<2x7x48xf32> -> tensor<2x7x16xf32>
// CHECK-NEXT: %[[R:.*]] = mm.reshape %[[S]] : tensor<2x7x16xf32> -> tensor<2x7x2x8xf32>
// CHECK-NEXT: %[[T:.*]] = mm.transpose %[[R]] [0, 2, 1, 3]
// CHECK-NEXT: return %[[T]]
func.func @fuse_when_qkv_is_split_last(%x: tensor<2x7x48xf32>) -> tensor<2x2x7x8xf32> {
  %i = mm.constant dense<1> : tensor<i64>
  %0 = mm.reshape %x : tensor<2x7x48xf32> -> tensor<2x7x3x2x8xf32>
  %1 = mm.transpose %0 [2, 0, 3, 1, 4] : tensor<2x7x3x2x8xf32> -> tensor<3x2x2x7x8xf32>
  %2 = mm.gather %1[%i] axis 0 : tensor<3x2x2x7x8xf32>, tensor<i64> -> tensor<2x2x7x8xf32>
  return %2 : tensor<2x2x7x8xf32>
}

// CHECK-LABEL: func @fuse_when_qkv_is_split_first
// CHECK: %[[S:.*]] = mm.slice %{{.*}} offsets <[0, 0, 16]> steps [1, 1, 1] : tensor<2x7x48xf32> -> tensor<2x7x16xf32>
// CHECK-NEXT: %[[R:.*]] = mm.reshape %[[S]] : tensor<2x7x16xf32> -> tensor<2x7x2x8xf32>
// CHECK-NEXT: %[[T:.*]] = mm.transpose %[[R]] [0, 2, 1, 3]
// CHECK-NEXT: return %[[T]]
func.func @fuse_when_qkv_is_split_first(%x: tensor<2x7x48xf32>) -> tensor<2x2x7x8xf32> {
  %0 = mm.slice %x offsets <[0, 0, 16]> steps [1, 1, 1] : tensor<2x7x48xf32> -> tensor<2x7x16xf32>
  %1 = mm.reshape %0 : tensor<2x7x16xf32> -> tensor<2x7x2x8xf32>
  %2 = mm.transpose %1 [0, 2, 1, 3] : tensor<2x7x2x8xf32> -> tensor<2x2x7x8xf32>
  return %2 : tensor<2x2x7x8xf32>
}
