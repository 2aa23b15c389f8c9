// RUN: mmcc-opt %s --mm-canonicalize-views -split-input-file | FileCheck %s

// CHECK-LABEL: func @fuse_when_indices_are_even
// CHECK-SAME: %[[X:.*]]: tensor<6x4xf32>
// CHECK-DAG: %[[A:.*]] = mm.slice %[[X]] offsets <[1, 0]> steps [2, 1] : tensor<6x4xf32> -> tensor<3x4xf32>
// CHECK-DAG: %[[B:.*]] = mm.slice %[[X]] offsets <[5, 0]> steps [-1, 1] : tensor<6x4xf32> -> tensor<2x4xf32>
// CHECK-DAG: %[[C:.*]] = mm.slice %[[X]] offsets <[0, 3]> steps [1, 1] : tensor<6x4xf32> -> tensor<6x1xf32>
// CHECK-DAG: %[[D:.*]] = mm.reshape %[[C]] : tensor<6x1xf32> -> tensor<6xf32>
// CHECK: return %[[A]], %[[B]], %[[D]]
func.func @fuse_when_indices_are_even(%x: tensor<6x4xf32>) -> (tensor<3x4xf32>, tensor<2x4xf32>, tensor<6xf32>) {
  %i = mm.constant dense<[1, 3, 5]> : tensor<3xi64>
  %j = mm.constant dense<[-1, 4]> : tensor<2xi64>
  %k = mm.constant dense<-1> : tensor<i64>
  %0 = mm.gather %x[%i] axis 0 : tensor<6x4xf32>, tensor<3xi64> -> tensor<3x4xf32>
  %1 = mm.gather %x[%j] axis 0 : tensor<6x4xf32>, tensor<2xi64> -> tensor<2x4xf32>
  %2 = mm.gather %x[%k] axis 1 : tensor<6x4xf32>, tensor<i64> -> tensor<6xf32>
  return %0, %1, %2 : tensor<3x4xf32>, tensor<2x4xf32>, tensor<6xf32>
}

// -----

// The last token of a sequence of symbolic length.
// CHECK-LABEL: func @fuse_when_index_counts_from_a_symbolic_end
// CHECK: mm.slice %{{.*}} offsets <[seq - 1, 0]> steps [1, 1] : tensor<?x4xf32, #mm.dims<[seq, 4]>> -> tensor<1x4xf32>
func.func @fuse_when_index_counts_from_a_symbolic_end(%x: tensor<?x4xf32, #mm.dims<[seq, 4]>>) -> tensor<4xf32> {
  %k = mm.constant dense<-1> : tensor<i64>
  %0 = mm.gather %x[%k] axis 0 : tensor<?x4xf32, #mm.dims<[seq, 4]>>, tensor<i64> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func @keep_when_indices_are_uneven
// CHECK: mm.gather
// CHECK: mm.gather
// CHECK: mm.gather
func.func @keep_when_indices_are_uneven(%x: tensor<6x4xf32>) -> (tensor<3x4xf32>, tensor<2x4xf32>, tensor<1x4xf32>) {
  %i = mm.constant dense<[0, 1, 3]> : tensor<3xi64>
  %j = mm.constant dense<[2, 2]> : tensor<2xi64>
  %outside = mm.constant dense<[6]> : tensor<1xi64>
  %0 = mm.gather %x[%i] axis 0 : tensor<6x4xf32>, tensor<3xi64> -> tensor<3x4xf32>
  %1 = mm.gather %x[%j] axis 0 : tensor<6x4xf32>, tensor<2xi64> -> tensor<2x4xf32>
  %2 = mm.gather %x[%outside] axis 0 : tensor<6x4xf32>, tensor<1xi64> -> tensor<1x4xf32>
  return %0, %1, %2 : tensor<3x4xf32>, tensor<2x4xf32>, tensor<1x4xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_slices_follow_each_other
// CHECK-SAME: %[[X:.*]]: tensor<8x3xf32>
// CHECK-NEXT: %[[S:.*]] = mm.slice %[[X]] offsets <[1, 0]> steps [1, 1] : tensor<8x3xf32> -> tensor<5x3xf32>
// CHECK-NEXT: return %[[X]], %[[S]]
func.func @fuse_when_slices_follow_each_other(%x: tensor<8x3xf32>) -> (tensor<8x3xf32>, tensor<5x3xf32>) {
  %0 = mm.slice %x offsets <[0, 0]> steps [1, 1] : tensor<8x3xf32> -> tensor<3x3xf32>
  %1 = mm.slice %x offsets <[3, 0]> steps [1, 1] : tensor<8x3xf32> -> tensor<5x3xf32>
  %2 = mm.concat %0, %1 axis 0 : tensor<3x3xf32>, tensor<5x3xf32> -> tensor<8x3xf32>
  %3 = mm.slice %x offsets <[1, 0]> steps [1, 1] : tensor<8x3xf32> -> tensor<2x3xf32>
  %4 = mm.slice %x offsets <[3, 0]> steps [1, 1] : tensor<8x3xf32> -> tensor<3x3xf32>
  %5 = mm.concat %3, %4 axis 0 : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<5x3xf32>
  return %2, %5 : tensor<8x3xf32>, tensor<5x3xf32>
}

// -----

// torch.roll: the slices follow each other in the other order.
// CHECK-LABEL: func @keep_when_slices_are_rolled
// CHECK-COUNT-2: mm.slice
// CHECK: mm.concat
func.func @keep_when_slices_are_rolled(%x: tensor<8x3xf32>) -> tensor<8x3xf32> {
  %0 = mm.slice %x offsets <[0, 0]> steps [1, 1] : tensor<8x3xf32> -> tensor<3x3xf32>
  %1 = mm.slice %x offsets <[3, 0]> steps [1, 1] : tensor<8x3xf32> -> tensor<5x3xf32>
  %2 = mm.concat %1, %0 axis 0 : tensor<5x3xf32>, tensor<3x3xf32> -> tensor<8x3xf32>
  return %2 : tensor<8x3xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_pad_only_crops
// CHECK-SAME: %[[X:.*]]: tensor<8x8xf32>
// CHECK-NEXT: %[[S:.*]] = mm.slice %[[X]] offsets <[1, 0]> steps [1, 1] : tensor<8x8xf32> -> tensor<6x7xf32>
// CHECK-NEXT: return %[[S]], %[[X]]
func.func @fuse_when_pad_only_crops(%x: tensor<8x8xf32>) -> (tensor<6x7xf32>, tensor<8x8xf32>) {
  %0 = mm.pad "constant" %x low <[-1, 0]> : tensor<8x8xf32> -> tensor<6x7xf32>
  %1 = mm.pad "constant" %x low <[0, 0]> : tensor<8x8xf32> -> tensor<8x8xf32>
  return %0, %1 : tensor<6x7xf32>, tensor<8x8xf32>
}

// -----

// CHECK-LABEL: func @keep_when_pad_adds
// CHECK: mm.pad "constant" %{{.*}} low <[-1, 1]>
func.func @keep_when_pad_adds(%x: tensor<8x8xf32>) -> tensor<6x9xf32> {
  %0 = mm.pad "constant" %x low <[-1, 1]> : tensor<8x8xf32> -> tensor<6x9xf32>
  return %0 : tensor<6x9xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_slice_pad_concat_are_transposed
// CHECK-SAME: %[[X:.*]]: tensor<4x6xf32>
// CHECK-NEXT: %[[S:.*]] = mm.slice %[[X]] offsets <[0, 1]> steps [1, 2] : tensor<4x6xf32> -> tensor<4x3xf32>
// CHECK-NEXT: %[[P:.*]] = mm.pad "edge" %[[S]] low <[0, 2]> : tensor<4x3xf32> -> tensor<4x5xf32>
// CHECK-NEXT: %[[C:.*]] = mm.concat %[[P]], %[[X]] axis 1 : tensor<4x5xf32>, tensor<4x6xf32> -> tensor<4x11xf32>
// CHECK-NEXT: %[[T:.*]] = mm.transpose %[[C]] [1, 0]
// CHECK-NEXT: return %[[T]]
func.func @fuse_when_slice_pad_concat_are_transposed(%x: tensor<4x6xf32>) -> tensor<11x4xf32> {
  %0 = mm.transpose %x [1, 0] : tensor<4x6xf32> -> tensor<6x4xf32>
  %1 = mm.slice %0 offsets <[1, 0]> steps [2, 1] : tensor<6x4xf32> -> tensor<3x4xf32>
  %2 = mm.pad "edge" %1 low <[2, 0]> : tensor<3x4xf32> -> tensor<5x4xf32>
  %3 = mm.concat %2, %0 axis 0 : tensor<5x4xf32>, tensor<6x4xf32> -> tensor<11x4xf32>
  return %3 : tensor<11x4xf32>
}

// -----

// A class token in front of the patches keeps the patches' order as it is.
// CHECK-LABEL: func @keep_when_one_input_is_not_transposed
// CHECK-NEXT: mm.transpose
// CHECK-NEXT: mm.concat
func.func @keep_when_one_input_is_not_transposed(%cls: tensor<1x1x8xf32>, %x: tensor<1x8x4xf32>) -> tensor<1x5x8xf32> {
  %0 = mm.transpose %x [0, 2, 1] : tensor<1x8x4xf32> -> tensor<1x4x8xf32>
  %1 = mm.concat %cls, %0 axis 1 : tensor<1x1x8xf32>, tensor<1x4x8xf32> -> tensor<1x5x8xf32>
  return %1 : tensor<1x5x8xf32>
}

// -----

// Half of each head: dimension 3 is cut, and was not split on its own.
// CHECK-LABEL: func @fuse_when_slice_leaves_groups_whole
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4x8xf32>, %[[Y:.*]]: tensor<2x12x8xf32>
// CHECK-DAG: %[[A:.*]] = mm.slice %[[X]] offsets <[0, 0, 0, 4]> steps [1, 1, 1, 1] : tensor<2x3x4x8xf32> -> tensor<2x3x4x4xf32>
// CHECK-DAG: %[[B:.*]] = mm.reshape %[[A]] : tensor<2x3x4x4xf32> -> tensor<2x12x4xf32>
// Rows 4 to 11 of 12 are the second and third of three groups of four.
// CHECK-DAG: %[[C:.*]] = mm.slice %[[X]] offsets <[0, 1, 0, 0]> steps [1, 1, 1, 1] : tensor<2x3x4x8xf32> -> tensor<2x2x4x8xf32>
// CHECK-DAG: %[[D:.*]] = mm.reshape %[[C]] : tensor<2x2x4x8xf32> -> tensor<2x8x8xf32>
// CHECK: return %[[B]], %[[D]]
func.func @fuse_when_slice_leaves_groups_whole(%x: tensor<2x3x4x8xf32>, %y: tensor<2x12x8xf32>) -> (tensor<2x12x4xf32>, tensor<2x8x8xf32>) {
  %0 = mm.reshape %x : tensor<2x3x4x8xf32> -> tensor<2x12x8xf32>
  %1 = mm.slice %0 offsets <[0, 0, 4]> steps [1, 1, 1] : tensor<2x12x8xf32> -> tensor<2x12x4xf32>
  %2 = mm.slice %0 offsets <[0, 4, 0]> steps [1, 1, 1] : tensor<2x12x8xf32> -> tensor<2x8x8xf32>
  return %1, %2 : tensor<2x12x4xf32>, tensor<2x8x8xf32>
}

// -----

// CHECK-LABEL: func @keep_when_slice_cuts_inside_a_group
// CHECK: mm.reshape
// CHECK: mm.slice
// CHECK: mm.reshape
// CHECK: mm.slice
func.func @keep_when_slice_cuts_inside_a_group(%x: tensor<3x4xf32>, %y: tensor<12xf32>) -> (tensor<6xf32>, tensor<3x2xf32>) {
  %0 = mm.reshape %x : tensor<3x4xf32> -> tensor<12xf32>
  %1 = mm.slice %0 offsets <[2]> steps [1] : tensor<12xf32> -> tensor<6xf32>
  %2 = mm.reshape %y : tensor<12xf32> -> tensor<3x4xf32>
  %3 = mm.slice %2 offsets <[0, 2]> steps [1, 1] : tensor<3x4xf32> -> tensor<3x2xf32>
  return %1, %3 : tensor<6xf32>, tensor<3x2xf32>
}

// -----

// CHECK-LABEL: func @fuse_when_user_broadcasts
// CHECK-SAME: %[[X:.*]]: tensor<1x4xf32>, %[[Y:.*]]: tensor<3x4xf32>
// CHECK-NEXT: %[[A:.*]] = mm.add %[[X]], %[[Y]] : tensor<1x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
// CHECK-NEXT: return %[[A]]
func.func @fuse_when_user_broadcasts(%x: tensor<1x4xf32>, %y: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %0 = mm.broadcast %x : tensor<1x4xf32> -> tensor<3x4xf32>
  %1 = mm.add %0, %y : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}

// -----

// exp of four elements, not of twelve; both operands repeated stays.
// CHECK-LABEL: func @keep_when_broadcast_widens
// CHECK-SAME: %[[X:.*]]: tensor<1x4xf32>
// CHECK-DAG: %[[E:.*]] = mm.exp %[[X]] : tensor<1x4xf32>
// CHECK-DAG: %[[B:.*]] = mm.broadcast %[[X]]
// CHECK-DAG: mm.mul %{{.*}}, %{{.*}} -> tensor<3x4xf32>
// CHECK-DAG: mm.broadcast %[[E]] : tensor<1x4xf32> -> tensor<3x4xf32>
func.func @keep_when_broadcast_widens(%x: tensor<1x4xf32>) -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  %0 = mm.broadcast %x : tensor<1x4xf32> -> tensor<3x4xf32>
  %1 = mm.exp %0 : tensor<3x4xf32> -> tensor<3x4xf32>
  %2 = mm.mul %0, %0 : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  return %1, %2 : tensor<3x4xf32>, tensor<3x4xf32>
}

// -----

// Positions cut from a table of positions, then used as indices: rows 2, 3, ...
// CHECK-LABEL: func @fuse_when_indices_are_cut_from_a_constant
// CHECK-SAME: %[[X:.*]]: tensor<6x4xf32>
// CHECK: %[[S:.*]] = mm.slice %[[X]] offsets <[2, 0]> steps [1, 1] : tensor<6x4xf32> -> tensor<?x4xf32, #mm.dims<[seq, 4]>>
// CHECK-NEXT: %[[R:.*]] = mm.reshape %[[S]] : {{.*}} -> tensor<1x?x4xf32, #mm.dims<[1, seq, 4]>>
// CHECK-NEXT: return %[[R]]
func.func @fuse_when_indices_are_cut_from_a_constant(%x: tensor<6x4xf32>) -> tensor<1x?x4xf32, #mm.dims<[1, seq, 4]>> {
  %c = mm.constant dense<[[0, 1, 2, 3, 4, 5]]> : tensor<1x6xi64>
  %i = mm.slice %c offsets <[0, 2]> steps [1, 1] : tensor<1x6xi64> -> tensor<1x?xi64, #mm.dims<[1, seq]>>
  %0 = mm.gather %x[%i] axis 0 : tensor<6x4xf32>, tensor<1x?xi64, #mm.dims<[1, seq]>> -> tensor<1x?x4xf32, #mm.dims<[1, seq, 4]>>
  return %0 : tensor<1x?x4xf32, #mm.dims<[1, seq, 4]>>
}

// -----

// An iota of symbolic length is bounded by nothing: gather never reads outside.
// CHECK-LABEL: func @keep_when_indices_are_unbounded
// CHECK: mm.gather
func.func @keep_when_indices_are_unbounded(%x: tensor<6x4xf32>) -> tensor<?x4xf32, #mm.dims<[seq, 4]>> {
  %i = mm.iota <[0]> step 1 : tensor<?xi64, #mm.dims<[seq]>>
  %0 = mm.gather %x[%i] axis 0 : tensor<6x4xf32>, tensor<?xi64, #mm.dims<[seq]>> -> tensor<?x4xf32, #mm.dims<[seq, 4]>>
  return %0 : tensor<?x4xf32, #mm.dims<[seq, 4]>>
}

// -----

// [1, 0], [1, 1], [1, 2] are elements 3 to 5 of two rows of three.
// CHECK-LABEL: func @fuse_when_tuples_follow_each_other
// CHECK-SAME: %[[X:.*]]: tensor<2x3xi1>
// CHECK: %[[S:.*]] = mm.slice %[[X]] offsets <[1, 0]> steps [1, 1] : tensor<2x3xi1> -> tensor<1x3xi1>
// CHECK-NEXT: %[[R:.*]] = mm.reshape %[[S]] : tensor<1x3xi1> -> tensor<1x1x3xi1>
// CHECK-NEXT: return %[[R]]
func.func @fuse_when_tuples_follow_each_other(%x: tensor<2x3xi1>) -> tensor<1x1x3xi1> {
  %i = mm.constant dense<[[[[1, 0], [1, 1], [1, -1]]]]> : tensor<1x1x3x2xi64>
  %0 = mm.gather_nd %x[%i] : tensor<2x3xi1>, tensor<1x1x3x2xi64> -> tensor<1x1x3xi1>
  return %0 : tensor<1x1x3xi1>
}

// -----

// CHECK-LABEL: func @keep_when_tuples_jump
// CHECK: mm.gather_nd
func.func @keep_when_tuples_jump(%x: tensor<2x3xi1>) -> tensor<2xi1> {
  %i = mm.constant dense<[[0, 0], [1, 0]]> : tensor<2x2xi64>
  %0 = mm.gather_nd %x[%i] : tensor<2x3xi1>, tensor<2x2xi64> -> tensor<2xi1>
  return %0 : tensor<2xi1>
}

// -----

// Keys repeated for groups of queries are scaled before they are repeated.
// CHECK-LABEL: func @fuse_when_other_operand_is_a_number
// CHECK-SAME: %[[X:.*]]: tensor<2x1x4xf32>, %[[S:.*]]: tensor<f32>
// CHECK-NEXT: %[[M:.*]] = mm.mul %[[X]], %[[S]] : tensor<2x1x4xf32>, tensor<f32>
// CHECK-NEXT: %[[B:.*]] = mm.broadcast %[[M]] : tensor<2x1x4xf32> -> tensor<2x3x4xf32>
// CHECK-NEXT: return %[[B]]
func.func @fuse_when_other_operand_is_a_number(%x: tensor<2x1x4xf32>, %s: tensor<f32>) -> tensor<2x3x4xf32> {
  %0 = mm.broadcast %x : tensor<2x1x4xf32> -> tensor<2x3x4xf32>
  %1 = mm.mul %0, %s : tensor<2x3x4xf32>, tensor<f32> -> tensor<2x3x4xf32>
  return %1 : tensor<2x3x4xf32>
}
