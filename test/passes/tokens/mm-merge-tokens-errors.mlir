// RUN: mmcc-opt %s -split-input-file -verify-diagnostics --mm-merge-tokens=schedule=r=4

func.func @keep_when_causal(%x: tensor<1x17x48xf32>) -> tensor<1x17x48xf32> {
  %s = mm.reshape %x : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %q = mm.transpose %s [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  // expected-error@+1 {{--tome: its tokens cannot merge: it is causal}}
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64, causal = true} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  %t = mm.transpose %a [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
  %h = mm.reshape %t : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
  %y = mm.add %x, %h : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  return %y : tensor<1x17x48xf32>
}

// -----

func.func @keep_when_masked(%x: tensor<1x17x48xf32>, %m: tensor<1x1x1x17xi1>) -> tensor<1x17x48xf32> {
  %s = mm.reshape %x : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %q = mm.transpose %s [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  // expected-error@+1 {{it has a mask or a bias by position}}
  %a = mm.attention %q, %q, %q mask %m : tensor<1x1x1x17xi1> {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  %t = mm.transpose %a [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
  %h = mm.reshape %t : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
  %y = mm.add %x, %h : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  return %y : tensor<1x17x48xf32>
}

// -----

func.func @keep_when_positions_are_read_between_layers(%x: tensor<1x17x48xf32>, %p: tensor<1x17x48xf32>) -> tensor<1x17x48xf32> {
  %s = mm.reshape %x : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %q = mm.transpose %s [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  %t = mm.transpose %a [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
  %h = mm.reshape %t : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
  %y = mm.add %x, %h : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  // expected-error@+1 {{its tokens cannot merge: has another value for each position}}
  %z = mm.add %y, %p : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  %s2 = mm.reshape %z : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %q2 = mm.transpose %s2 [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  %a2 = mm.attention %q2, %q2, %q2 {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  %t2 = mm.transpose %a2 [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
  %h2 = mm.reshape %t2 : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
  %y2 = mm.add %z, %h2 : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  return %y2 : tensor<1x17x48xf32>
}

// -----

// Two windows of 17 tokens out of 34.
func.func @keep_when_windows(%x: tensor<1x34x48xf32>) -> tensor<1x34x48xf32> {
  %s = mm.reshape %x : tensor<1x34x48xf32> -> tensor<2x17x3x16xf32>
  %q = mm.transpose %s [0, 2, 1, 3] : tensor<2x17x3x16xf32> -> tensor<2x3x17x16xf32>
  // expected-error@+1 {{it attends in windows or other groups of tokens}}
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<2x3x17x16xf32>, tensor<2x3x17x16xf32>, tensor<2x3x17x16xf32> -> tensor<2x3x17x16xf32>
  %t = mm.transpose %a [0, 2, 1, 3] : tensor<2x3x17x16xf32> -> tensor<2x17x3x16xf32>
  %h = mm.reshape %t : tensor<2x17x3x16xf32> -> tensor<1x34x48xf32>
  %y = mm.add %x, %h : tensor<1x34x48xf32>, tensor<1x34x48xf32> -> tensor<1x34x48xf32>
  return %y : tensor<1x34x48xf32>
}

// -----

func.func @keep_when_the_number_is_not_known(%q: tensor<1x3x?x16xf32, #mm.dims<[1, 3, n, 16]>>) -> tensor<1x3x?x16xf32, #mm.dims<[1, 3, n, 16]>> {
  // expected-error@+1 {{its number of tokens is not known when it is compiled}}
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<1x3x?x16xf32, #mm.dims<[1, 3, n, 16]>>, tensor<1x3x?x16xf32, #mm.dims<[1, 3, n, 16]>>, tensor<1x3x?x16xf32, #mm.dims<[1, 3, n, 16]>> -> tensor<1x3x?x16xf32, #mm.dims<[1, 3, n, 16]>>
  return %a : tensor<1x3x?x16xf32, #mm.dims<[1, 3, n, 16]>>
}

// -----

func.func @keep_when_tokens_are_not_f32(%q: tensor<1x3x17x16xf16>) -> tensor<1x3x17x16xf16> {
  // expected-error@+1 {{its tokens are not f32}}
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<1x3x17x16xf16>, tensor<1x3x17x16xf16>, tensor<1x3x17x16xf16> -> tensor<1x3x17x16xf16>
  return %a : tensor<1x3x17x16xf16>
}

// -----

func.func @keep_when_limited_to_neighbours(%q: tensor<1x3x17x16xf32>) -> tensor<1x3x17x16xf32> {
  // expected-error@+1 {{it attends to neighbours only}}
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64, window = 3 : i64, ahead = 2 : i64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  return %a : tensor<1x3x17x16xf32>
}

// -----

func.func @keep_when_nothing_is_added(%q: tensor<1x3x17x16xf32>) -> tensor<1x3x17x16xf32> {
  // expected-error@+1 {{its result is not added to a residual}}
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  return %a : tensor<1x3x17x16xf32>
}

// -----

// One encoder of two merges: the other is worth a warning.
func.func @fuse_when_only_one_of_two_can(%x: tensor<1x17x48xf32>, %c: tensor<1x3x17x16xf32>) -> (tensor<1x17x48xf32>, tensor<1x3x17x16xf32>) {
  %s = mm.reshape %x : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %q = mm.transpose %s [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  %t = mm.transpose %a [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
  %h = mm.reshape %t : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
  %y = mm.add %x, %h : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  // expected-warning@+1 {{its tokens cannot merge: it is causal}}
  %b = mm.attention %c, %c, %c {scale = 0.25 : f64, causal = true} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  return %y, %b : tensor<1x17x48xf32>, tensor<1x3x17x16xf32>
}

// -----

// expected-error@below {{there is no self-attention after which tokens could merge}}
module {
  func.func @keep_when_nothing_attends(%x: tensor<1x17x48xf32>) -> tensor<1x17x48xf32> {
    return %x : tensor<1x17x48xf32>
  }
}
