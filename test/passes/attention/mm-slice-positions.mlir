// RUN: mmcc-opt %s --mm-slice-positions --canonicalize | FileCheck %s

// Positions from `past` on, in a table of past + seq.
// CHECK-LABEL: @fuse_when_positions_are_shifted
// CHECK-NOT: mm.gather
// CHECK: mm.slice %arg0 offsets <[0, past]> steps [1, 1]
// CHECK-NEXT: return
func.func @fuse_when_positions_are_shifted(%x: tensor<1x?xi1, #mm.dims<[1, past + seq]>>) -> tensor<1x?xi1, #mm.dims<[1, seq]>> {
  %j = mm.iota #mm.dims<[past]> step 1 : tensor<?xi64, #mm.dims<[seq]>>
  %0 = mm.gather %x[%j] axis 1 : tensor<1x?xi1, #mm.dims<[1, past + seq]>>, tensor<?xi64, #mm.dims<[seq]>> -> tensor<1x?xi1, #mm.dims<[1, seq]>>
  return %0 : tensor<1x?xi1, #mm.dims<[1, seq]>>
}

// b * seq + j in a flattened mask is the mask.
// CHECK-LABEL: @fuse_when_rows_are_flattened
// CHECK-NOT: mm.gather
// CHECK: mm.reshape %arg0
// CHECK-NOT: mm.iota
// CHECK: return
func.func @fuse_when_rows_are_flattened(%x: tensor<?x?xi1, #mm.dims<[batch, seq]>>) -> tensor<?x1x?xi1, #mm.dims<[batch, 1, seq]>> {
  %b = mm.iota #mm.dims<[0]> step 1 : tensor<?xi64, #mm.dims<[batch]>>
  %j = mm.iota #mm.dims<[0]> step 1 : tensor<?xi64, #mm.dims<[seq]>>
  %n = mm.sizes <[seq]> : tensor<1xi64>
  %row = mm.mul %b, %n : tensor<?xi64, #mm.dims<[batch]>>, tensor<1xi64> -> tensor<?xi64, #mm.dims<[batch]>>
  %r = mm.reshape %row : tensor<?xi64, #mm.dims<[batch]>> -> tensor<?x1x1xi64, #mm.dims<[batch, 1, 1]>>
  %i = mm.add %r, %j : tensor<?x1x1xi64, #mm.dims<[batch, 1, 1]>>, tensor<?xi64, #mm.dims<[seq]>> -> tensor<?x1x?xi64, #mm.dims<[batch, 1, seq]>>
  %f = mm.reshape %x : tensor<?x?xi1, #mm.dims<[batch, seq]>> -> tensor<?xi1, #mm.dims<[batch * seq]>>
  %0 = mm.gather %f[%i] axis 0 : tensor<?xi1, #mm.dims<[batch * seq]>>, tensor<?x1x?xi64, #mm.dims<[batch, 1, seq]>> -> tensor<?x1x?xi1, #mm.dims<[batch, 1, seq]>>
  return %0 : tensor<?x1x?xi1, #mm.dims<[batch, 1, seq]>>
}

// Tuples (1, 2 j): every other element of the second row.
// CHECK-LABEL: @fuse_when_tuples_run
// CHECK: %[[S:.*]] = mm.slice %arg0 offsets <[1, 0]> steps [1, 2] : tensor<2x7xf32> -> tensor<1x4xf32>
// CHECK: mm.reshape %[[S]] : tensor<1x4xf32> -> tensor<1x1x4xf32>
func.func @fuse_when_tuples_run(%x: tensor<2x7xf32>) -> tensor<1x1x4xf32> {
  %one = mm.constant dense<1> : tensor<1x1x4x1xi64>
  %j = mm.iota #mm.dims<[0]> step 2 : tensor<4xi64>
  %k = mm.reshape %j : tensor<4xi64> -> tensor<1x1x4x1xi64>
  %i = mm.concat %one, %k axis 3 : tensor<1x1x4x1xi64>, tensor<1x1x4x1xi64> -> tensor<1x1x4x2xi64>
  %0 = mm.gather_nd %x[%i] : tensor<2x7xf32>, tensor<1x1x4x2xi64> -> tensor<1x1x4xf32>
  return %0 : tensor<1x1x4xf32>
}

// Tuples (j, i): the transpose.
// CHECK-LABEL: @fuse_when_tuples_exchange
// CHECK: mm.transpose %arg0 [1, 0]
func.func @fuse_when_tuples_exchange(%x: tensor<3x5xf32>) -> tensor<5x3xf32> {
  %a = mm.iota #mm.dims<[0]> step 1 : tensor<3xi64>
  %b = mm.iota #mm.dims<[0]> step 1 : tensor<5xi64>
  %c = mm.reshape %a : tensor<3xi64> -> tensor<1x3x1xi64>
  %d = mm.broadcast %c : tensor<1x3x1xi64> -> tensor<5x3x1xi64>
  %e = mm.reshape %b : tensor<5xi64> -> tensor<5x1x1xi64>
  %f = mm.broadcast %e : tensor<5x1x1xi64> -> tensor<5x3x1xi64>
  %i = mm.concat %d, %f axis 2 : tensor<5x3x1xi64>, tensor<5x3x1xi64> -> tensor<5x3x2xi64>
  %0 = mm.gather_nd %x[%i] : tensor<3x5xf32>, tensor<5x3x2xi64> -> tensor<5x3xf32>
  return %0 : tensor<5x3xf32>
}

// Nothing says that seq is at most 64.
// CHECK-LABEL: @keep_when_end_is_unknown
// CHECK: mm.gather
func.func @keep_when_end_is_unknown(%x: tensor<64x8xf32>) -> tensor<?x8xf32, #mm.dims<[seq, 8]>> {
  %j = mm.iota #mm.dims<[0]> step 1 : tensor<?xi64, #mm.dims<[seq]>>
  %0 = mm.gather %x[%j] axis 0 : tensor<64x8xf32>, tensor<?xi64, #mm.dims<[seq]>> -> tensor<?x8xf32, #mm.dims<[seq, 8]>>
  return %0 : tensor<?x8xf32, #mm.dims<[seq, 8]>>
}

// Index -1 is the last element.
// CHECK-LABEL: @keep_when_position_is_negative
// CHECK: mm.gather
func.func @keep_when_position_is_negative(%x: tensor<8xf32>) -> tensor<4xf32> {
  %j = mm.iota #mm.dims<[-1]> step 1 : tensor<4xi64>
  %0 = mm.gather %x[%j] axis 0 : tensor<8xf32>, tensor<4xi64> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
