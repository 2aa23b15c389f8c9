// RUN: mmcc-opt %s -verify-diagnostics -split-input-file

func.func @match_tokens_c1(%k: tensor<1x?x8xf32, #mm.dims<[1, n, 8]>>) {
  // expected-error@+2 {{metric [1, n, 8] must be f32 [batch, tokens, dim] with a static number of tokens}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.match_tokens %k {merged = 1 : i64} : tensor<1x?x8xf32, #mm.dims<[1, n, 8]>> -> tensor<1x?xi64, #mm.dims<[1, n]>>
  return
}

// -----

func.func @match_tokens_c2(%k: tensor<1x9x8xf32>) {
  // expected-error@+2 {{cannot merge 5 of 9 tokens, 1 of them protected}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.match_tokens %k {merged = 5 : i64, protect = 1 : i64} : tensor<1x9x8xf32> -> tensor<1x9xi64>
  return
}

// -----

func.func @merge_tokens_c1(%x: tensor<1x9x8xf32>, %s: tensor<1x8xi64>) {
  // expected-error@+2 {{input [1, 9, 8] must be f32 [batch, tokens, dim] or [batch, tokens], and successor [1, 8] i64 [batch, tokens]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.merge_tokens %x, %s {left = 5 : i64} : tensor<1x9x8xf32>, tensor<1x8xi64> -> tensor<1x5x8xf32>
  return
}

// -----

func.func @merge_tokens_c2(%x: tensor<1x9x8xf32>, %s: tensor<1x9xi64>, %w: tensor<1x8xf32>) {
  // expected-error@+2 {{size [1, 8] must be f32 [batch, tokens]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.merge_tokens %x, %s size %w : tensor<1x8xf32> {left = 5 : i64} : tensor<1x9x8xf32>, tensor<1x9xi64> -> tensor<1x5x8xf32>
  return
}

// -----

func.func @merge_tokens_c3(%x: tensor<1x9x8xf32>, %s: tensor<1x9xi64>) {
  // expected-error@+2 {{cannot leave 10 of 9 tokens}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.merge_tokens %x, %s {left = 10 : i64} : tensor<1x9x8xf32>, tensor<1x9xi64> -> tensor<1x10x8xf32>
  return
}

// -----

func.func @select_tokens_c1(%s: tensor<1x9x8xf32>) {
  // expected-error@+2 {{similarity [1, 9, 8] must be f32 [batch, tokens, tokens] with a static number of tokens}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.select_tokens %s {keep = 4 : i64} : tensor<1x9x8xf32> -> tensor<1x4xi64>
  return
}

// -----

func.func @select_tokens_c2(%s: tensor<1x9x9xf32>) {
  // expected-error@+2 {{cannot keep 10 of 9 tokens}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.select_tokens %s {keep = 10 : i64} : tensor<1x9x9xf32> -> tensor<1x10xi64>
  return
}
