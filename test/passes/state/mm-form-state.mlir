// RUN: mmcc-opt %s --mm-form-state -split-input-file | FileCheck %s
// RUN: not mmcc-opt %s --mm-form-state=kv=int4 -split-input-file 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: --kv=int4: expected f32, f16, int8 or fp8

// The plain function stays. An input whose size depends on the past stays, too,
// and an empty past is allowed.
// CHECK-LABEL: func @fuse_when_past_grows(
// CHECK: mm.concat
// CHECK-LABEL: func @fuse_when_past_grows.state(
// CHECK-SAME: %[[Q:.*]]: tensor<1x4x?x16xf32, #mm.dims<[1, 4, seq, 16]>>
// CHECK-SAME: tensor<1x?xi1, #mm.dims<[1, past + seq]>> {mm.name = "mask"}
// CHECK-SAME: -> (tensor<1x4x?x16xf32, #mm.dims<[1, 4, seq, 16]>> {mm.name = "out"})
// CHECK-SAME: attributes {mm.plain = "fuse_when_past_grows", mm.symbols = {past = array<i64: 0, 4096>, seq = array<i64: 1, -1>}}
// CHECK: %[[K:.*]] = mm.state_append %{{.*}} to "past.key" after <[past]> as f32 : {{.*}} -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + seq, 16]>>
// CHECK: %[[V:.*]] = mm.state_append %{{.*}} to "past.value" after <[past]> as f32
// CHECK: %[[O:.*]] = mm.attention %[[Q]], %[[K]], %[[V]] mask
// CHECK: return %[[O]] : tensor<1x4x?x16xf32
func.func @fuse_when_past_grows(
    %q: tensor<1x4x?x16xf32, #mm.dims<[1, 4, seq, 16]>>,
    %pk: tensor<1x2x?x16xf32, #mm.dims<[1, 2, past, 16]>> {mm.name = "past.key"},
    %pv: tensor<1x2x?x16xf32, #mm.dims<[1, 2, past, 16]>> {mm.name = "past.value"},
    %k: tensor<1x2x?x16xf32, #mm.dims<[1, 2, seq, 16]>>,
    %v: tensor<1x2x?x16xf32, #mm.dims<[1, 2, seq, 16]>>,
    %m: tensor<1x?xi1, #mm.dims<[1, past + seq]>> {mm.name = "mask"})
    -> (tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + seq, 16]>> {mm.name = "present.key"},
        tensor<1x4x?x16xf32, #mm.dims<[1, 4, seq, 16]>> {mm.name = "out"},
        tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + seq, 16]>> {mm.name = "present.value"})
    attributes {mm.symbols = {past = array<i64: 1, 4096>, seq = array<i64: 1, -1>}} {
  %0 = mm.concat %pk, %k axis 2 : tensor<1x2x?x16xf32, #mm.dims<[1, 2, past, 16]>>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, seq, 16]>> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + seq, 16]>>
  %1 = mm.concat %pv, %v axis 2 : tensor<1x2x?x16xf32, #mm.dims<[1, 2, past, 16]>>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, seq, 16]>> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + seq, 16]>>
  %2 = mm.attention %q, %0, %1 mask %m : tensor<1x?xi1, #mm.dims<[1, past + seq]>> {causal = true, scale = 0.25 : f64} : tensor<1x4x?x16xf32, #mm.dims<[1, 4, seq, 16]>>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + seq, 16]>>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + seq, 16]>> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, seq, 16]>>
  return %0, %2, %1 : tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + seq, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, seq, 16]>>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + seq, 16]>>
}

// -----

// What stands in for a call without some input has a form with state, too.
// CHECK-LABEL: func @fuse_when_inputs_may_be_absent.state(
// CHECK-SAME: mm.absences = {other.state = ["image"]}
// CHECK-LABEL: func @other.state(
func.func @fuse_when_inputs_may_be_absent(%q: tensor<1x4x1x16xf32>, %p: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, %k: tensor<1x4x1x16xf32> {mm.name = "image"})
    -> (tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>) attributes {mm.absences = {other = ["image"]}} {
  %0 = mm.concat %p, %k axis 2 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, tensor<1x4x1x16xf32> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
  %1 = mm.attention %q, %0, %0 {scale = 0.25 : f64} : tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>> -> tensor<1x4x1x16xf32>
  return %0, %1 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>
}
func.func @other(%q: tensor<1x4x1x16xf32>, %p: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>)
    -> (tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>) {
  %0 = mm.concat %p, %q axis 2 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, tensor<1x4x1x16xf32> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
  %1 = mm.attention %q, %0, %0 {scale = 0.25 : f64} : tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>> -> tensor<1x4x1x16xf32>
  return %0, %1 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>
}

// -----

// CHECK-LABEL: func @keep_when_past_is_fixed
// CHECK-NOT: .state
func.func @keep_when_past_is_fixed(%q: tensor<1x4x1x16xf32>, %p: tensor<1x4x12x16xf32>, %k: tensor<1x4x1x16xf32>)
    -> (tensor<1x4x13x16xf32>, tensor<1x4x1x16xf32>) {
  %0 = mm.concat %p, %k axis 2 : tensor<1x4x12x16xf32>, tensor<1x4x1x16xf32> -> tensor<1x4x13x16xf32>
  %1 = mm.attention %q, %0, %0 {scale = 0.25 : f64} : tensor<1x4x1x16xf32>, tensor<1x4x13x16xf32>, tensor<1x4x13x16xf32> -> tensor<1x4x1x16xf32>
  return %0, %1 : tensor<1x4x13x16xf32>, tensor<1x4x1x16xf32>
}

// CHECK-LABEL: func @keep_when_present_is_not_returned
// CHECK-NOT: .state
func.func @keep_when_present_is_not_returned(%q: tensor<1x4x1x16xf32>, %p: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, %k: tensor<1x4x1x16xf32>)
    -> tensor<1x4x1x16xf32> {
  %0 = mm.concat %p, %k axis 2 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, tensor<1x4x1x16xf32> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
  %1 = mm.attention %q, %0, %0 {scale = 0.25 : f64} : tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>> -> tensor<1x4x1x16xf32>
  return %1 : tensor<1x4x1x16xf32>
}

// CHECK-LABEL: func @keep_when_something_else_reads_it
// CHECK-NOT: .state
func.func @keep_when_something_else_reads_it(%q: tensor<1x4x1x16xf32>, %p: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, %k: tensor<1x4x1x16xf32>)
    -> (tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>) {
  %0 = mm.concat %p, %k axis 2 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, tensor<1x4x1x16xf32> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
  %1 = mm.attention %q, %0, %0 {scale = 0.25 : f64} : tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>> -> tensor<1x4x1x16xf32>
  %2 = mm.abs %0 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
  return %0, %1, %2 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
}

// An attention reads states, or tensors.
// CHECK-LABEL: func @keep_when_values_have_no_past
// CHECK-NOT: .state
func.func @keep_when_values_have_no_past(%q: tensor<1x4x1x16xf32>, %p: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, %k: tensor<1x4x1x16xf32>, %v: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>)
    -> (tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>) {
  %0 = mm.concat %p, %k axis 2 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, tensor<1x4x1x16xf32> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
  %1 = mm.attention %q, %0, %v {scale = 0.25 : f64} : tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>> -> tensor<1x4x1x16xf32>
  return %0, %1 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>
}

// CHECK-LABEL: func @keep_when_keys_are_strided
// CHECK-NOT: .state
func.func @keep_when_keys_are_strided(%q: tensor<1x4x1x16xf32>, %p: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, %k: tensor<1x4x1x16xf32>)
    -> (tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>) {
  %0 = mm.concat %p, %k axis 2 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, tensor<1x4x1x16xf32> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
  %1 = mm.attention %q, %0, %0 {causal = true, scale = 0.25 : f64, stride = 8 : i64, window = 16 : i64} : tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>> -> tensor<1x4x1x16xf32>
  return %0, %1 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>
}

// Nothing else would say how large the batch is.
// CHECK-LABEL: func @keep_when_the_batch_would_be_unknown
// CHECK-NOT: .state
func.func @keep_when_the_batch_would_be_unknown(%s: tensor<4x1x16xf32>, %p: tensor<?x4x?x16xf32, #mm.dims<[batch, 4, past, 16]>>)
    -> (tensor<?x4x?x16xf32, #mm.dims<[batch, 4, past + 1, 16]>>, tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>>) {
  %q = mm.broadcast %s : tensor<4x1x16xf32> -> tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>>
  %0 = mm.concat %p, %q axis 2 : tensor<?x4x?x16xf32, #mm.dims<[batch, 4, past, 16]>>, tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>> -> tensor<?x4x?x16xf32, #mm.dims<[batch, 4, past + 1, 16]>>
  %1 = mm.attention %q, %0, %0 {scale = 0.25 : f64} : tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>>, tensor<?x4x?x16xf32, #mm.dims<[batch, 4, past + 1, 16]>>, tensor<?x4x?x16xf32, #mm.dims<[batch, 4, past + 1, 16]>> -> tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>>
  return %0, %1 : tensor<?x4x?x16xf32, #mm.dims<[batch, 4, past + 1, 16]>>, tensor<?x4x1x16xf32, #mm.dims<[batch, 4, 1, 16]>>
}
