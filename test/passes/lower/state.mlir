// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v4" -split-input-file -verify-diagnostics | FileCheck %s

// A symbol has the number that it has in the plain entry, a state its length.
// Heads that share keys are cut into cells of at most four: 7 are 4 and 3.
func.func @decoder(%x: tensor<1x?xf32, #mm.dims<[1, n]>>, %p: tensor<1x2x?x16xf32, #mm.dims<[1, 2, past, 16]>>) -> tensor<1x?xf32, #mm.dims<[1, n]>> {
  return %x : tensor<1x?xf32, #mm.dims<[1, n]>>
}
// CHECK: plan.kernel @[[APPEND:state_append_f16_[0-9]+]] row "state_append_f16"
// CHECK: plan.kernel @[[ATTEND:attention_state_f16_[0-9]+]] row "attention_state_f16"
// CHECK: plan.entry @decoder.state symbols ["n", "past"] {{.*}} plain "decoder"
// CHECK: %[[K:.*]] = plan.state "k" batch #{{.*}} heads 2 width 16 block 64 length #{{.*}} rows #{{.*}} : <f16>
// CHECK: plan.dispatch @[[APPEND]] {{.*}}(%{{.*}}, %[[K]])
// CHECK: %[[V:.*]] = plan.state "v"
// CHECK: plan.dispatch @[[APPEND]] {{.*}}(%{{.*}}, %[[V]])
// CHECK: plan.dispatch @[[ATTEND]] {{.*}}(%{{.*}}, %[[K]], %[[V]], %{{.*}})
func.func @decoder.state(%q: tensor<1x14x1x16xf32>, %k: tensor<1x2x1x16xf32>, %v: tensor<1x2x1x16xf32>) -> tensor<1x14x1x16xf32> attributes {mm.plain = "decoder"} {
  %0 = mm.state_append %k to "k" after <[past]> as f16 : tensor<1x2x1x16xf32> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
  %1 = mm.state_append %v to "v" after <[past]> as f16 : tensor<1x2x1x16xf32> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
  %2 = mm.attention %q, %0, %1 {scale = 0.25 : f64} : tensor<1x14x1x16xf32>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>> -> tensor<1x14x1x16xf32>
  return %2 : tensor<1x14x1x16xf32>
}

// -----

func.func @one_of_two(%q: tensor<1x2x1x16xf32>, %k: tensor<1x2x1x16xf32>, %v: tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>) -> tensor<1x2x1x16xf32> {
  %0 = mm.state_append %k to "k" after <[past]> as f16 : tensor<1x2x1x16xf32> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
  // expected-error@+2 {{keeps its keys in a state: its values must be in one, too}}
  // expected-error@+1 {{has no stored result}}
  %2 = mm.attention %q, %0, %v {scale = 0.25 : f64} : tensor<1x2x1x16xf32>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>> -> tensor<1x2x1x16xf32>
  return %2 : tensor<1x2x1x16xf32>
}

// -----

func.func @read_by_itself(%k: tensor<1x2x1x16xf32>) -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>> {
  // expected-error@+1 {{has no stored result}}
  %0 = mm.state_append %k to "k" after <[past]> as f16 : tensor<1x2x1x16xf32> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
  %1 = mm.abs %0 : tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
  return %1 : tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
}
