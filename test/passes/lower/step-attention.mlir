// RUN: mmcc-opt %s --mm-lower-to-plan="target=cuda:sm_80" --mlir-print-local-scope > %t
// RUN: FileCheck %s < %t
// RUN: cuda_source %t --print | FileCheck %s --check-prefix=SOURCE

// On a GPU few queries have their keys cut over blocks: 216 blocks over 14 heads
// are 16 a head, and 7 heads that share keys have 16 * 7 = 112 parts of these.
// Each part leaves, for each of 7 heads of one query, 16 numbers, a sum and a
// largest score; 14 * 16 parts are at most 14 + 216: 230 * 7 * 18 = 28980 of
// them. What parts are counted in is zeroed by the append.
func.func @plain(%p: tensor<1x2x?x16xf32, #mm.dims<[1, 2, past, 16]>>) -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past, 16]>> {
  return %p : tensor<1x2x?x16xf32, #mm.dims<[1, 2, past, 16]>>
}
// CHECK: plan.kernel @[[APPEND:state_append_f16_[0-9]+]] row "state_append_f16" {{.*}} offsets affine_map<()[s0] -> (0, 0, 0)> {{.*}} written [1, 2]
// CHECK: plan.kernel @[[ATTEND:attention_state_f16_[0-9]+]] row "attention_state_f16" {{.*}} written [3, 4, 5]
// CHECK: plan.entry @state_of_one_query
// CHECK: %[[K:.*]] = plan.state "k"
// CHECK: %[[COUNTERS:.*]] = plan.alloc affine_map<()[s0] -> (2)> : <i32>
// CHECK: plan.dispatch @[[APPEND]] {{.*}} sizes affine_map<()[s0] -> (s0)> {{.*}}(%{{.*}}, %[[K]], %[[COUNTERS]])
// CHECK: %[[PARTIALS:.*]] = plan.alloc affine_map<()[s0] -> (28980)> : <f32>
// CHECK: plan.dispatch @[[ATTEND]] grid affine_map<()[s0] -> (16, 14, 1)> {{.*}}(%{{.*}}, %[[K]], %{{.*}}, %[[PARTIALS]], %[[COUNTERS]], %{{.*}})
// SOURCE: #include "State.cuh"
// SOURCE: MMCC_KERNEL(mmcc_kernel, MMCC_BLOCKS(256, 2),
// SOURCE: stateAttention<16, 16, 7, f16>(
func.func @state_of_one_query(%q: tensor<1x14x1x16xf32>, %k: tensor<1x2x1x16xf32>, %v: tensor<1x2x1x16xf32>) -> tensor<1x14x1x16xf32> attributes {mm.plain = "plain"} {
  %0 = mm.state_append %k to "k" after <[past]> as f16 : tensor<1x2x1x16xf32> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
  %1 = mm.state_append %v to "v" after <[past]> as f16 : tensor<1x2x1x16xf32> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
  %2 = mm.attention %q, %0, %1 {scale = 0.25 : f64, causal = true} : tensor<1x14x1x16xf32>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>> -> tensor<1x14x1x16xf32>
  return %2 : tensor<1x14x1x16xf32>
}

// Keys that are handed in are cut, too; a launch zeroes the counters. One query
// is computed in f32 whatever else is: 216 / 4 = 54 parts a head, 220 * 18 numbers.
// CHECK: plan.kernel @[[STEP:attention_f32_[0-9]+]] row "attention_f32" {{.*}} written [4, 5, 6]
// CHECK: plan.entry @past
// CHECK: %[[PARTIALS:.*]] = plan.alloc affine_map<()[s0] -> (3960)> : <f32>
// CHECK: %[[COUNTERS:.*]] = plan.alloc affine_map<()[s0] -> (4)> : <i32>
// A launch is not told what its kernel does not read: in a graph it stays as it is.
// CHECK: plan.dispatch @loops_{{.*}} sizes affine_map<()[s0] -> (0)> {{.*}}(%[[COUNTERS]])
// CHECK: plan.dispatch @[[STEP]] grid affine_map<()[s0] -> (54, 4, 1)> {{.*}}(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %[[PARTIALS]], %[[COUNTERS]], %{{.*}})
// SOURCE: stepAttention<16, 16, 1>(
func.func @past(%q: tensor<1x4x1x16xf32>, %k: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, %v: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>) -> tensor<1x4x1x16xf32> {
  %0 = mm.attention %q, %k, %v {scale = 0.25 : f64, arithmetic = "bf16"} : tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>> -> tensor<1x4x1x16xf32>
  return %0 : tensor<1x4x1x16xf32>
}

// Where the number of queries shows at the call both forms are in one kernel.
// CHECK: plan.kernel @{{.*}} row "attention_bf16" {{.*}} written [4, 5, 6]
// CHECK: plan.entry @some
// CHECK: plan.dispatch @attention_bf16_{{.*}} grid affine_map<()[s0, s1] -> (s0 ceildiv 64 + 53, 4, 1)>
// SOURCE: stepTensorAttention<16, 16, 1, bf16>(
func.func @some(%q: tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>, %k: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, %v: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>) -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>> {
  %0 = mm.attention %q, %k, %v {scale = 0.25 : f64, arithmetic = "bf16"} : tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>
  return %0 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>
}

// @keep_when_keys_are_few
// 50 keys are not cut: nothing is zeroed for it, and the memory is of one element.
// CHECK: plan.entry @few_keys
// CHECK: plan.alloc affine_map<() -> (1)> : <f32>
// CHECK-NOT: @loops
// CHECK: plan.dispatch @attention_f32_{{.*}} grid affine_map<() -> (1, 4, 1)>
func.func @few_keys(%q: tensor<1x4x1x16xf32>, %k: tensor<1x4x50x16xf32>, %v: tensor<1x4x50x16xf32>) -> tensor<1x4x1x16xf32> {
  %0 = mm.attention %q, %k, %v {scale = 0.25 : f64} : tensor<1x4x1x16xf32>, tensor<1x4x50x16xf32>, tensor<1x4x50x16xf32> -> tensor<1x4x1x16xf32>
  return %0 : tensor<1x4x1x16xf32>
}

// @keep_when_it_is_an_encoder
// As many queries as keys: whole tiles, and no memory of its own.
// CHECK: plan.entry @encoder
// CHECK-NOT: plan.alloc
// CHECK: plan.dispatch @attention_f32_{{.*}} grid affine_map<()[s0] -> (s0 ceildiv 32, 4, 1)>
// SOURCE: attention<1>(
func.func @encoder(%q: tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>, %k: tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>, %v: tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>) -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>> {
  %0 = mm.attention %q, %k, %v {scale = 0.25 : f64} : tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>
  return %0 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, n, 16]>>
}

// More samples make fewer parts of each: enough for any number, also where memory
// is that of the largest one.
// CHECK: plan.entry @samples
// CHECK: plan.alloc affine_map<()[s0, s1] -> (s0 * 288 + 15552)> : <f32>
// CHECK: plan.dispatch @attention_f32_{{.*}} grid affine_map<()[s0, s1] -> (216 ceildiv (s0 * 4 + 1), 4, s0)>
func.func @samples(%q: tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>>, %k: tensor<?x1x?x16xf32, #mm.dims<[batch, 1, past, 16]>>, %v: tensor<?x1x?x16xf32, #mm.dims<[batch, 1, past, 16]>>) -> tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>> {
  %0 = mm.attention %q, %k, %v {scale = 0.25 : f64} : tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>>, tensor<?x1x?x16xf32, #mm.dims<[batch, 1, past, 16]>>, tensor<?x1x?x16xf32, #mm.dims<[batch, 1, past, 16]>> -> tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>>
  return %0 : tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>>
}
