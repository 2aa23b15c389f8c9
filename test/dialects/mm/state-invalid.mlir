// RUN: mmcc-opt %s -verify-diagnostics -split-input-file

func.func @state_append_c1(%new: tensor<1x?x1x16xf32, #mm.dims<[1, heads, 1, 16]>>) {
  // expected-error@+2 {{rows [1, heads, 1, 16] must be f32 [batch, heads, tokens, dim] with static heads and dim}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.state_append %new to "k" after <[past]> as f32 : tensor<1x?x1x16xf32, #mm.dims<[1, heads, 1, 16]>> -> tensor<1x?x?x16xf32, #mm.dims<[1, heads, past + 1, 16]>>
  return
}

// -----

func.func @state_append_c2(%new: tensor<1x2x1x16xf32>) {
  // expected-error@+2 {{length has 2 sizes instead of one}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.state_append %new to "k" after <[past, past]> as f32 : tensor<1x2x1x16xf32> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
  return
}

// -----

func.func @state_append_c3(%new: tensor<1x2x1x16xf32>) {
  // expected-error@+2 {{keeps 'i16' instead of f32, f16, i8 or f8E4M3FN}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.state_append %new to "k" after <[past]> as i16 : tensor<1x2x1x16xf32> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
  return
}

// -----

func.func @result_is_longer(%new: tensor<1x2x1x16xf32>) {
  // expected-error@+2 {{are incompatible with return type(s)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.state_append %new to "k" after <[past]> as f32 : tensor<1x2x1x16xf32> -> tensor<1x2x1x16xf32>
  return
}
