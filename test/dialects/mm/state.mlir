// RUN: mmcc-opt %s | mmcc-opt | FileCheck %s

// CHECK-LABEL: func @appending
func.func @appending(%new: tensor<?x2x?x16xf32, #mm.dims<[batch, 2, seq, 16]>>) {
  // CHECK: mm.state_append %{{.*}} to "past.key.0" after <[past]> as f16 : {{.*}} -> tensor<?x2x?x16xf32, #mm.dims<[batch, 2, past + seq, 16]>>
  %0 = mm.state_append %new to "past.key.0" after <[past]> as f16 : tensor<?x2x?x16xf32, #mm.dims<[batch, 2, seq, 16]>> -> tensor<?x2x?x16xf32, #mm.dims<[batch, 2, past + seq, 16]>>
  // CHECK: as f8E4M3FN
  %1 = mm.state_append %new to "past.value.0" after <[past]> as f8E4M3FN : tensor<?x2x?x16xf32, #mm.dims<[batch, 2, seq, 16]>> -> tensor<?x2x?x16xf32, #mm.dims<[batch, 2, past + seq, 16]>>
  return
}
