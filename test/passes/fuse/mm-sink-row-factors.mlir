// RUN: mmcc-opt %s --mm-sink-row-factors | FileCheck %s

// The bias stays unscaled.
// CHECK-LABEL: @fuse_when_rows_have_a_gate
// CHECK: %[[P:.*]] = mm.linear %arg0, %{{.*}} : tensor<2x3x8xf32>
// CHECK: %[[S:.*]] = mm.mul %[[P]], %arg1
// CHECK: mm.add %[[S]], %{{.*}} : tensor<2x3x4xf32>, tensor<4xf32>
// CHECK-NEXT: return
func.func @fuse_when_rows_have_a_gate(%x: tensor<2x3x8xf32>, %gate: tensor<2x3x1xf32>) -> tensor<2x3x4xf32> {
  %w = mm.constant dense_resource<w> : tensor<8x4xf32>
  %b = mm.constant dense_resource<b> : tensor<4xf32>
  %0 = mm.mul %gate, %x : tensor<2x3x1xf32>, tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  %1 = mm.linear %0, %w bias %b : tensor<4xf32> : tensor<2x3x8xf32>, tensor<8x4xf32> -> tensor<2x3x4xf32>
  return %1 : tensor<2x3x4xf32>
}

// CHECK-LABEL: @fuse_when_features_have_lengths
// CHECK: %[[Y:.*]] = mm.transpose %arg1 [1, 0]
// CHECK: %[[P:.*]] = mm.matmul %arg0, %[[Y]]
// CHECK-DAG: mm.div {{.*}} tensor<?x5xf32{{.*}}, tensor<?x1xf32
// CHECK-DAG: mm.div {{.*}} tensor<?x5xf32{{.*}}, tensor<1x5xf32>
// CHECK: return
!batch = tensor<?x8xf32, #mm.dims<[n, 8]>>
func.func @fuse_when_features_have_lengths(%x: !batch, %y: tensor<5x8xf32>, %nx: tensor<?x1xf32, #mm.dims<[n, 1]>>, %ny: tensor<5x1xf32>) -> tensor<?x5xf32, #mm.dims<[n, 5]>> {
  %0 = mm.div %x, %nx : !batch, tensor<?x1xf32, #mm.dims<[n, 1]>> -> !batch
  %1 = mm.div %y, %ny : tensor<5x8xf32>, tensor<5x1xf32> -> tensor<5x8xf32>
  %2 = mm.transpose %1 [1, 0] : tensor<5x8xf32> -> tensor<8x5xf32>
  %3 = mm.matmul %0, %2 : !batch, tensor<8x5xf32> -> tensor<?x5xf32, #mm.dims<[n, 5]>>
  return %3 : tensor<?x5xf32, #mm.dims<[n, 5]>>
}

// Exporters put the tokens before the batch.
// CHECK-LABEL: @fuse_when_rows_are_transposed
// CHECK-DAG: %[[X:.*]] = mm.transpose %arg0 [1, 0, 2]
// CHECK-DAG: %[[G:.*]] = mm.transpose {{.*}} -> tensor<3x1x1xf32>
// CHECK: %[[P:.*]] = mm.linear %[[X]]
// CHECK-NEXT: mm.mul %[[P]], %[[G]]
// CHECK-NEXT: return
func.func @fuse_when_rows_are_transposed(%x: tensor<2x3x8xf32>, %gate: tensor<3x1xf32>) -> tensor<3x2x4xf32> {
  %w = mm.constant dense_resource<w> : tensor<8x4xf32>
  %0 = mm.mul %x, %gate : tensor<2x3x8xf32>, tensor<3x1xf32> -> tensor<2x3x8xf32>
  %1 = mm.transpose %0 [1, 0, 2] : tensor<2x3x8xf32> -> tensor<3x2x8xf32>
  %2 = mm.linear %1, %w : tensor<3x2x8xf32>, tensor<8x4xf32> -> tensor<3x2x4xf32>
  return %2 : tensor<3x2x4xf32>
}

// The channels become rows: what was a factor a row is one a summand.
// CHECK-LABEL: @keep_when_channels_become_rows
// CHECK: mm.mul %arg0, %arg1
// CHECK: mm.linear
// CHECK-NEXT: return
func.func @keep_when_channels_become_rows(%x: tensor<3x8xf32>, %gate: tensor<3x1xf32>) -> tensor<8x4xf32> {
  %w = mm.constant dense_resource<w> : tensor<3x4xf32>
  %0 = mm.mul %x, %gate : tensor<3x8xf32>, tensor<3x1xf32> -> tensor<3x8xf32>
  %1 = mm.transpose %0 [1, 0] : tensor<3x8xf32> -> tensor<8x3xf32>
  %2 = mm.linear %1, %w : tensor<8x3xf32>, tensor<3x4xf32> -> tensor<8x4xf32>
  return %2 : tensor<8x4xf32>
}

// CHECK-LABEL: @keep_when_features_are_read
// CHECK: mm.div %arg0, %arg1
// CHECK-NEXT: mm.matmul
// CHECK-NEXT: return
func.func @keep_when_features_are_read(%x: tensor<3x8xf32>, %n: tensor<3x1xf32>, %y: tensor<8x5xf32>) -> (tensor<3x8xf32>, tensor<3x5xf32>) {
  %0 = mm.div %x, %n : tensor<3x8xf32>, tensor<3x1xf32> -> tensor<3x8xf32>
  %1 = mm.matmul %0, %y : tensor<3x8xf32>, tensor<8x5xf32> -> tensor<3x5xf32>
  return %0, %1 : tensor<3x8xf32>, tensor<3x5xf32>
}

// The row is divided, not what it is divided by.
// CHECK-LABEL: @keep_when_rows_divide
// CHECK: mm.div %arg1, %arg0
// CHECK-NEXT: mm.matmul
// CHECK-NEXT: return
func.func @keep_when_rows_divide(%x: tensor<3x8xf32>, %n: tensor<3x1xf32>, %y: tensor<8x5xf32>) -> tensor<3x5xf32> {
  %0 = mm.div %n, %x : tensor<3x1xf32>, tensor<3x8xf32> -> tensor<3x8xf32>
  %1 = mm.matmul %0, %y : tensor<3x8xf32>, tensor<8x5xf32> -> tensor<3x5xf32>
  return %1 : tensor<3x5xf32>
}

// CHECK-LABEL: @keep_when_channels_are_scaled
// CHECK: mm.mul %arg0, %arg1
// CHECK-NEXT: mm.matmul
// CHECK-NEXT: return
func.func @keep_when_channels_are_scaled(%x: tensor<3x8xf32>, %c: tensor<8xf32>, %y: tensor<8x5xf32>) -> tensor<3x5xf32> {
  %0 = mm.mul %x, %c : tensor<3x8xf32>, tensor<8xf32> -> tensor<3x8xf32>
  %1 = mm.matmul %0, %y : tensor<3x8xf32>, tensor<8x5xf32> -> tensor<3x5xf32>
  return %1 : tensor<3x5xf32>
}

// Squares: both operands are the scaled value.
// CHECK-LABEL: @keep_when_both_operands_are_scaled
// CHECK: mm.mul
// CHECK-NEXT: mm.matmul
// CHECK-NEXT: return
func.func @keep_when_both_operands_are_scaled(%x: tensor<3x3xf32>, %n: tensor<3x1xf32>) -> tensor<3x3xf32> {
  %0 = mm.mul %x, %n : tensor<3x3xf32>, tensor<3x1xf32> -> tensor<3x3xf32>
  %1 = mm.matmul %0, %0 : tensor<3x3xf32>, tensor<3x3xf32> -> tensor<3x3xf32>
  return %1 : tensor<3x3xf32>
}
