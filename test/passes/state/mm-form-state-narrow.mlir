// RUN: mmcc-opt %s --mm-form-state=kv=int8 -split-input-file -verify-diagnostics | FileCheck %s
// RUN: not mmcc-opt %s --mm-form-state=kv=fp8 -split-input-file 2>/dev/null | FileCheck %s --check-prefix=FP8

// CHECK-LABEL: func @fuse_when_kept_in_eight_bits.state(
// CHECK: mm.state_append %{{.*}} to "past_1" after <[past]> as i8
// FP8: mm.state_append %{{.*}} to "past_1" after <[past]> as f8E4M3FN
func.func @fuse_when_kept_in_eight_bits(%q: tensor<1x4x1x16xf32>, %p: tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>)
    -> (tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>) {
  %0 = mm.concat %p, %q axis 2 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past, 16]>>, tensor<1x4x1x16xf32> -> tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
  %1 = mm.attention %q, %0, %0 {scale = 0.25 : f64} : tensor<1x4x1x16xf32>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>> -> tensor<1x4x1x16xf32>
  return %0, %1 : tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>, tensor<1x4x1x16xf32>
}

// -----

// expected-error@+1 {{--kv=int8: no entry takes past keys and values, of an axis with a name, and gives them back longer}}
module {
  func.func @keep_when_there_is_no_past(%q: tensor<1x4x1x16xf32>) -> tensor<1x4x1x16xf32> {
    return %q : tensor<1x4x1x16xf32>
  }
}
