// RUN: mmcc-opt %s --mm-merge-linears | FileCheck %s
// RUN: mmcc-opt %s --mm-merge-linears=max-width=20 | FileCheck %s --check-prefix=NARROW

// Queries and keys meet in the attention; only one has a bias.
// CHECK-LABEL: @fuse_when_attention_reads_all
// CHECK-DAG: %[[Q:.*]] = mm.constant dense<1.000000e+00> : tensor<8x8xf32>
// CHECK-DAG: %[[K:.*]] = mm.constant dense<2.000000e+00> : tensor<8x8xf32>
// CHECK-DAG: %[[V:.*]] = mm.constant dense<3.000000e+00> : tensor<8x8xf32>
// CHECK-DAG: %[[Z:.*]] = mm.constant dense<0.000000e+00> : tensor<8xf32>
// CHECK: %[[W:.*]] = mm.concat %[[Q]], %[[K]], %[[V]] axis 1
// CHECK: %[[B:.*]] = mm.concat %{{.*}}, %[[Z]], %{{.*}} axis 0
// CHECK: %[[L:.*]] = mm.linear %arg0, %[[W]] bias %[[B]]
// CHECK: mm.slice %[[L]] offsets <[0, 0, 0, 0]>
// CHECK: mm.slice %[[L]] offsets <[0, 0, 0, 8]>
// CHECK: mm.slice %[[L]] offsets <[0, 0, 0, 16]>
// CHECK-NOT: mm.linear
// NARROW-LABEL: @fuse_when_attention_reads_all
// NARROW-COUNT-2: mm.linear
// NARROW-NOT: mm.linear
// NARROW: return
func.func @fuse_when_attention_reads_all(%x: tensor<1x1x4x8xf32>) -> tensor<1x1x4x8xf32> {
  %wq = mm.constant dense<1.0> : tensor<8x8xf32>
  %bq = mm.constant dense<0.5> : tensor<8xf32>
  %q = mm.linear %x, %wq bias %bq : tensor<8xf32> : tensor<1x1x4x8xf32>, tensor<8x8xf32> -> tensor<1x1x4x8xf32>
  %wk = mm.constant dense<2.0> : tensor<8x8xf32>
  %k = mm.linear %x, %wk : tensor<1x1x4x8xf32>, tensor<8x8xf32> -> tensor<1x1x4x8xf32>
  %wv = mm.constant dense<3.0> : tensor<8x8xf32>
  %v = mm.linear %x, %wv bias %bq : tensor<8xf32> : tensor<1x1x4x8xf32>, tensor<8x8xf32> -> tensor<1x1x4x8xf32>
  %o = mm.attention %q, %k, %v {scale = 1.0 : f64} : tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32> -> tensor<1x1x4x8xf32>
  return %o : tensor<1x1x4x8xf32>
}

// Gate and up meet in the product that follows.
// CHECK-LABEL: @fuse_when_gated
// CHECK-COUNT-2: mm.linear
// CHECK-NOT: mm.linear
// CHECK: return
func.func @fuse_when_gated(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %w1 = mm.constant dense<1.0> : tensor<8x8xf32>
  %w2 = mm.constant dense<2.0> : tensor<8x8xf32>
  %w3 = mm.constant dense<3.0> : tensor<8x8xf32>
  %g = mm.linear %x, %w1 : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %s = mm.silu %g : tensor<4x8xf32> -> tensor<4x8xf32>
  %u = mm.linear %x, %w2 : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %m = mm.mul %s, %u : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %d = mm.linear %m, %w3 : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  return %d : tensor<4x8xf32>
}

// Two heads that never meet: each may run when it is needed.
// CHECK-LABEL: @keep_when_results_never_meet
// CHECK-NOT: mm.concat
// CHECK-COUNT-4: mm.linear
func.func @keep_when_results_never_meet(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %w1 = mm.constant dense<1.0> : tensor<8x8xf32>
  %w2 = mm.constant dense<2.0> : tensor<8x8xf32>
  %a = mm.linear %x, %w1 : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %b = mm.linear %x, %w2 : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %c = mm.linear %a, %w1 : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %d = mm.linear %b, %w2 : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  return %c, %d : tensor<4x8xf32>, tensor<4x8xf32>
}

// CHECK-LABEL: @keep_when_inputs_differ
// CHECK-NOT: mm.concat
func.func @keep_when_inputs_differ(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x4xf32> {
  %w1 = mm.constant dense<1.0> : tensor<8x8xf32>
  %w2 = mm.constant dense<2.0> : tensor<8x8xf32>
  %a = mm.linear %x, %w1 : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %b = mm.linear %y, %w2 : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %t = mm.transpose %b [1, 0] : tensor<4x8xf32> -> tensor<8x4xf32>
  %c = mm.matmul %a, %t : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x4xf32>
  return %c : tensor<4x4xf32>
}
