// RUN: mmcc-opt %s --mm-form-retrieval | FileCheck %s

!scores = tensor<3x2000xf32>
!best = tensor<3x10xf32>
!places = tensor<3x10xi64>

// Lengths of the queries and a temperature keep the order of a row: they scale
// the ten values.
// CHECK-LABEL: func @fuse_when_factors_keep_the_order
// CHECK: %[[LENGTH:.*]] = mm.sqrt %arg1
// CHECK: %[[FOUND:.*]] = mm.retrieve %arg0, %{{.*}} {k = 10 : i64} : tensor<3x16xf32>, tensor<16x2000xf32> -> tensor<2x3x10xf32>
// CHECK: mm.slice %[[FOUND]] offsets <[0, 0, 0]>
// CHECK: %[[DIVIDED:.*]] = mm.div %{{.*}}, %[[LENGTH]] : tensor<3x10xf32>, tensor<3x1xf32>
// CHECK: %[[VALUES:.*]] = mm.mul %[[DIVIDED]], %{{.*}} : tensor<3x10xf32>, tensor<f32>
// CHECK: mm.slice %[[FOUND]] offsets <[1, 0, 0]>
// CHECK: %[[PLACES:.*]] = mm.cast %{{.*}} : tensor<3x10xf32> -> tensor<3x10xi64>
// CHECK: return %[[VALUES]], %[[PLACES]]
func.func @fuse_when_factors_keep_the_order(%x: tensor<3x16xf32>, %squares: tensor<3x1xf32>) -> (!best, !places) {
  %bank = mm.constant dense_resource<bank> : tensor<16x2000xf32>
  %temperature = mm.constant dense<14.5> : tensor<f32>
  %length = mm.sqrt %squares : tensor<3x1xf32> -> tensor<3x1xf32>
  %s = mm.linear %x, %bank : tensor<3x16xf32>, tensor<16x2000xf32> -> !scores
  %u = mm.div %s, %length : !scores, tensor<3x1xf32> -> !scores
  %t = mm.mul %u, %temperature : !scores, tensor<f32> -> !scores
  %v, %i = mm.topk %t axis 1 largest true : !scores -> !best, !places
  return %v, %i : !best, !places
}

// CHECK-LABEL: func @keep_when_a_factor_may_turn_the_order
// CHECK-NOT: mm.retrieve
func.func @keep_when_a_factor_may_turn_the_order(%x: tensor<3x16xf32>, %f: tensor<3x1xf32>) -> (!best, !places) {
  %bank = mm.constant dense_resource<bank> : tensor<16x2000xf32>
  %s = mm.linear %x, %bank : tensor<3x16xf32>, tensor<16x2000xf32> -> !scores
  %t = mm.mul %s, %f : !scores, tensor<3x1xf32> -> !scores
  %v, %i = mm.topk %t axis 1 largest true : !scores -> !best, !places
  return %v, %i : !best, !places
}

// CHECK-LABEL: func @keep_when_the_scores_are_returned
// CHECK-NOT: mm.retrieve
func.func @keep_when_the_scores_are_returned(%x: tensor<3x16xf32>) -> (!best, !places, !scores) {
  %bank = mm.constant dense_resource<bank> : tensor<16x2000xf32>
  %s = mm.linear %x, %bank : tensor<3x16xf32>, tensor<16x2000xf32> -> !scores
  %v, %i = mm.topk %s axis 1 largest true : !scores -> !best, !places
  return %v, %i, %s : !best, !places, !scores
}

// CHECK-LABEL: func @keep_when_the_worst_are_asked_for
// CHECK-NOT: mm.retrieve
func.func @keep_when_the_worst_are_asked_for(%x: tensor<3x16xf32>) -> (!best, !places) {
  %bank = mm.constant dense_resource<bank> : tensor<16x2000xf32>
  %s = mm.linear %x, %bank : tensor<3x16xf32>, tensor<16x2000xf32> -> !scores
  %v, %i = mm.topk %s axis 1 largest false : !scores -> !best, !places
  return %v, %i : !best, !places
}

// CHECK-LABEL: func @keep_when_the_bank_is_small
// CHECK-NOT: mm.retrieve
func.func @keep_when_the_bank_is_small(%x: tensor<3x16xf32>) -> (!best, !places) {
  %bank = mm.constant dense<1.0> : tensor<16x200xf32>
  %s = mm.linear %x, %bank : tensor<3x16xf32>, tensor<16x200xf32> -> tensor<3x200xf32>
  %v, %i = mm.topk %s axis 1 largest true : tensor<3x200xf32> -> !best, !places
  return %v, %i : !best, !places
}

{-# dialect_resources: { builtin: { bank: "0x0400000000000000" } } #-}
