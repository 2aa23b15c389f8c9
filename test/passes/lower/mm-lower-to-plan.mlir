// RUN: mmcc-opt %s -split-input-file --mm-lower-to-plan=target=cpu:x86-64-v3 | FileCheck %s

// A linear layer takes activation and residual along in one kernel; its
// weight is recorded as panels of 16 columns: 2 panels of 8 rows, 4 bytes each.
// CHECK: plan.constant @constant_0 : f32 "panels16" bytes 1024
// CHECK-LABEL: plan.variant "cpu:x86-64-v3"
// CHECK: plan.kernel @gemm_f32_0 row "gemm_f32"
// CHECK: plan.block "post"
// CHECK: math.erf
// CHECK: %[[R:.*]] = plan.load
// CHECK: %[[S:.*]] = arith.addf %{{.*}}, %[[R]]
// CHECK: plan.store %[[S]]
// CHECK: plan.entry @fuse_when_chain
// CHECK-COUNT-1: plan.dispatch
// CHECK-NOT: plan.dispatch
func.func @fuse_when_chain(%x: tensor<4x8xf32>, %r: tensor<4x24xf32>) -> tensor<4x24xf32> {
  %w = mm.constant dense_resource<w> : tensor<8x24xf32>
  %0 = mm.linear %x, %w : tensor<4x8xf32>, tensor<8x24xf32> -> tensor<4x24xf32>
  %1 = mm.gelu erf %0 : tensor<4x24xf32> -> tensor<4x24xf32>
  %2 = mm.add %1, %r : tensor<4x24xf32>, tensor<4x24xf32> -> tensor<4x24xf32>
  return %2 : tensor<4x24xf32>
}

{-# dialect_resources: { builtin: { w: "0x0400000000000000" } } #-}

// -----

// A value that two others need is stored once.
// CHECK: plan.entry @keep_when_two_users
// CHECK-COUNT-3: plan.dispatch
// CHECK-NOT: plan.dispatch
func.func @keep_when_two_users(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = mm.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %1 = mm.neg %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = mm.abs %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %1, %2 : tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

// Splitting heads is an index: attention reads the three parts of one buffer
// by stride 24 with offsets 0, 8 and 16 (and 8 again in the place of a table that
// it does not have), and nothing is copied.
// CHECK-DAG: #[[OFFSETS:.*]] = affine_map<() -> (0, 8, 16, 8)>
// CHECK: plan.kernel @attention_f32_0 row "attention_f32" {{.*}} offsets #[[OFFSETS]]
// CHECK: plan.entry @fuse_when_heads_are_split
// CHECK-COUNT-1: plan.dispatch
// CHECK-NOT: plan.dispatch
func.func @fuse_when_heads_are_split(%qkv: tensor<1x5x24xf32>) -> tensor<1x5x8xf32> {
  %0 = mm.slice %qkv offsets <[0, 0, 0]> steps [1, 1, 1] : tensor<1x5x24xf32> -> tensor<1x5x8xf32>
  %1 = mm.slice %qkv offsets <[0, 0, 8]> steps [1, 1, 1] : tensor<1x5x24xf32> -> tensor<1x5x8xf32>
  %2 = mm.slice %qkv offsets <[0, 0, 16]> steps [1, 1, 1] : tensor<1x5x24xf32> -> tensor<1x5x8xf32>
  %3 = mm.reshape %0 : tensor<1x5x8xf32> -> tensor<1x5x2x4xf32>
  %4 = mm.reshape %1 : tensor<1x5x8xf32> -> tensor<1x5x2x4xf32>
  %5 = mm.reshape %2 : tensor<1x5x8xf32> -> tensor<1x5x2x4xf32>
  %q = mm.transpose %3 [0, 2, 1, 3] : tensor<1x5x2x4xf32> -> tensor<1x2x5x4xf32>
  %k = mm.transpose %4 [0, 2, 1, 3] : tensor<1x5x2x4xf32> -> tensor<1x2x5x4xf32>
  %v = mm.transpose %5 [0, 2, 1, 3] : tensor<1x5x2x4xf32> -> tensor<1x2x5x4xf32>
  %6 = mm.attention %q, %k, %v {scale = 0.5 : f64} : tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  %7 = mm.transpose %6 [0, 2, 1, 3] : tensor<1x2x5x4xf32> -> tensor<1x5x2x4xf32>
  %8 = mm.reshape %7 : tensor<1x5x2x4xf32> -> tensor<1x5x8xf32>
  return %8 : tensor<1x5x8xf32>
}

// -----

// Softmax: the largest, the sum of exponentials, the quotient.
// CHECK: plan.kernel @loops_0 row "loops"
// CHECK: plan.block "reduce" combine "max"
// CHECK: plan.block "reduce" combine "sum"
// CHECK: math.exp
// CHECK: plan.block "map"
// CHECK: arith.divf
// CHECK: plan.entry @symbols_stay symbols ["batch"] ranges [1, -1]
func.func @symbols_stay(%x: tensor<?x8xf32, #mm.dims<[batch, 8]>>) -> tensor<?x8xf32, #mm.dims<[batch, 8]>> {
  %0 = mm.softmax %x axis 1 : tensor<?x8xf32, #mm.dims<[batch, 8]>> -> tensor<?x8xf32, #mm.dims<[batch, 8]>>
  return %0 : tensor<?x8xf32, #mm.dims<[batch, 8]>>
}

// -----

// Both inputs are written straight into the result of the concatenation.
// CHECK: plan.entry @concat_is_where_parts_are_written
// CHECK-COUNT-2: plan.dispatch
// CHECK-NOT: plan.dispatch
func.func @concat_is_where_parts_are_written(%x: tensor<2x8xf32>, %y: tensor<3x8xf32>) -> tensor<5x8xf32> {
  %0 = mm.exp %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %1 = mm.concat %0, %y axis 0 : tensor<2x8xf32>, tensor<3x8xf32> -> tensor<5x8xf32>
  return %1 : tensor<5x8xf32>
}

// -----

// A rotation by two rows is where the rows are stored.
// CHECK-DAG: #[[ROLLED:.*]] = affine_map<(d0, d1) -> (d0 * 8 + d1 - ((d0 + 3) floordiv 5) * 40 + 24)>
// CHECK: plan.store %{{.*}}[#[[ROLLED]]
// CHECK: plan.entry @fuse_when_rolled
// CHECK-COUNT-1: plan.dispatch
// CHECK-NOT: plan.dispatch
func.func @fuse_when_rolled(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %w = mm.constant dense_resource<rolled> : tensor<8x8xf32>
  %0 = mm.linear %x, %w : tensor<5x8xf32>, tensor<8x8xf32> -> tensor<5x8xf32>
  %1 = mm.slice %0 offsets <[2, 0]> steps [1, 1] : tensor<5x8xf32> -> tensor<3x8xf32>
  %2 = mm.slice %0 offsets <[0, 0]> steps [1, 1] : tensor<5x8xf32> -> tensor<2x8xf32>
  %3 = mm.concat %1, %2 axis 0 : tensor<3x8xf32>, tensor<2x8xf32> -> tensor<5x8xf32>
  return %3 : tensor<5x8xf32>
}

{-# dialect_resources: { builtin: { rolled: "0x0400000000000000" } } #-}

// -----

// Parts that keep their places are copied.
// CHECK: plan.entry @keep_when_in_order
// CHECK-COUNT-3: plan.dispatch
func.func @keep_when_in_order(%x: tensor<5x8xf32>) -> tensor<4x8xf32> {
  %w = mm.constant dense_resource<kept> : tensor<8x8xf32>
  %0 = mm.linear %x, %w : tensor<5x8xf32>, tensor<8x8xf32> -> tensor<5x8xf32>
  %1 = mm.slice %0 offsets <[0, 0]> steps [1, 1] : tensor<5x8xf32> -> tensor<2x8xf32>
  %2 = mm.slice %0 offsets <[3, 0]> steps [1, 1] : tensor<5x8xf32> -> tensor<2x8xf32>
  %3 = mm.concat %1, %2 axis 0 : tensor<2x8xf32>, tensor<2x8xf32> -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

{-# dialect_resources: { builtin: { kept: "0x0400000000000000" } } #-}

// -----

// CHECK: plan.entry @keep_when_parts_overlap
// CHECK-COUNT-3: plan.dispatch
func.func @keep_when_parts_overlap(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %w = mm.constant dense_resource<over> : tensor<8x8xf32>
  %0 = mm.linear %x, %w : tensor<5x8xf32>, tensor<8x8xf32> -> tensor<5x8xf32>
  %1 = mm.slice %0 offsets <[1, 0]> steps [1, 1] : tensor<5x8xf32> -> tensor<3x8xf32>
  %2 = mm.slice %0 offsets <[0, 0]> steps [1, 1] : tensor<5x8xf32> -> tensor<2x8xf32>
  %3 = mm.concat %1, %2 axis 0 : tensor<3x8xf32>, tensor<2x8xf32> -> tensor<5x8xf32>
  return %3 : tensor<5x8xf32>
}

{-# dialect_resources: { builtin: { over: "0x0400000000000000" } } #-}

// -----

// CHECK: plan.entry @keep_when_the_whole_is_wanted_too
// CHECK-COUNT-3: plan.dispatch
func.func @keep_when_the_whole_is_wanted_too(%x: tensor<5x8xf32>) -> (tensor<5x8xf32>, tensor<5x8xf32>) {
  %w = mm.constant dense_resource<whole> : tensor<8x8xf32>
  %0 = mm.linear %x, %w : tensor<5x8xf32>, tensor<8x8xf32> -> tensor<5x8xf32>
  %1 = mm.slice %0 offsets <[2, 0]> steps [1, 1] : tensor<5x8xf32> -> tensor<3x8xf32>
  %2 = mm.slice %0 offsets <[0, 0]> steps [1, 1] : tensor<5x8xf32> -> tensor<2x8xf32>
  %3 = mm.concat %1, %2 axis 0 : tensor<3x8xf32>, tensor<2x8xf32> -> tensor<5x8xf32>
  return %0, %3 : tensor<5x8xf32>, tensor<5x8xf32>
}

{-# dialect_resources: { builtin: { whole: "0x0400000000000000" } } #-}
