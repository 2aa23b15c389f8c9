// RUN: mmcc-opt %s -verify-diagnostics -split-input-file

func.func @matmul_c1(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) {
  // expected-error@+2 {{have no common inner dimension}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.matmul %a, %b : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @matmul_c2(%a: tensor<2x2x3xf32>, %b: tensor<5x3x4xf32>) {
  // expected-error@+2 {{leading dimensions of [2, 2, 3] and [5, 3, 4] do not broadcast}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.matmul %a, %b : tensor<2x2x3xf32>, tensor<5x3x4xf32> -> tensor<2x2x4xf32>
  return
}

// -----

func.func @linear_c1(%a: tensor<2x3xf32>, %w: tensor<4x3xf32>) {
  // expected-error@+2 {{input [2, 3] does not fit weight [4, 3], which is [in, out]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.linear %a, %w : tensor<2x3xf32>, tensor<4x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @linear_c2(%a: tensor<2x3xf32>, %w: tensor<3x4xf32>, %b: tensor<3xf32>) {
  // expected-error@+2 {{bias [3] must be [4]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.linear %a, %w bias %b : tensor<3xf32> : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @linear_c3(%a: tensor<2x3xf16>, %w: tensor<3x4xbf16>) {
  // expected-error@+2 {{weight of 'bf16' does not go with an input of 'f16'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.linear %a, %w : tensor<2x3xf16>, tensor<3x4xbf16> -> tensor<2x4xf16>
  return
}

// -----

func.func @linear_c4(%a: tensor<2x3xf32>, %w: tensor<3x4xf32>) {
  // expected-error@+2 {{is wide with an input of 'f32'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.linear %a, %w wide : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @conv_c1(%x: tensor<1x3xf32>, %w: tensor<8x3xf32>) {
  // expected-error@+2 {{must have one rank, at least 3}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.conv %x, %w {strides = array<i64>, pads = array<i64>, dilations = array<i64>, groups = 1 : i64} : tensor<1x3xf32>, tensor<8x3xf32> -> tensor<1x8xf32>
  return
}

// -----

func.func @conv_c2(%x: tensor<1x3x8xf32>, %w: tensor<8x3x3xf32>) {
  // expected-error@+2 {{do not fit 3 groups}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 3 : i64} : tensor<1x3x8xf32>, tensor<8x3x3xf32> -> tensor<1x8x6xf32>
  return
}

// -----

func.func @conv_c3(%x: tensor<1x3x8xf32>, %w: tensor<8x3x3xf32>) {
  // expected-error@+2 {{needs 1 strides and dilations and 2 pads}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x3x8xf32>, tensor<8x3x3xf32> -> tensor<1x8x6xf32>
  return
}

// -----

func.func @conv_c3_zero(%x: tensor<1x3x8xf32>, %w: tensor<8x3x3xf32>) {
  // expected-error@+2 {{strides and dilations must be positive}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.conv %x, %w {strides = array<i64: 0>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x3x8xf32>, tensor<8x3x3xf32> -> tensor<1x8x6xf32>
  return
}

// -----

func.func @conv_c4(%x: tensor<1x3x8xf32>, %w: tensor<8x3x3xf32>, %b: tensor<3xf32>) {
  // expected-error@+2 {{bias [3] must be [8]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.conv %x, %w bias %b : tensor<3xf32> {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x3x8xf32>, tensor<8x3x3xf32> -> tensor<1x8x6xf32>
  return
}

// -----

func.func @conv_c5(%x: tensor<1x3x2xf32>, %w: tensor<8x3x9xf32>) {
  // expected-error@+2 {{kernel is larger than the padded input in spatial dimension 0}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x3x2xf32>, tensor<8x3x9xf32> -> tensor<1x8x0xf32>
  return
}

// -----

func.func @conv_transpose_c1(%x: tensor<1x4x8xf32>, %w: tensor<4x2xf32>) {
  // expected-error@+1 {{must have one rank, at least 3}}
  %0 = mm.conv_transpose %x, %w {strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x4x8xf32>, tensor<4x2xf32> -> tensor<1x2x16xf32>
  return
}

// -----

func.func @conv_transpose_c2(%x: tensor<1x4x8xf32>, %w: tensor<4x2x2xf32>) {
  // expected-error@+1 {{do not fit 1 groups}}
  %0 = mm.conv_transpose %x, %w {strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x4x8xf32>, tensor<4x2x2xf32> -> tensor<1x3x16xf32>
  return
}

// -----

func.func @conv_transpose_c3(%x: tensor<1x4x8xf32>, %w: tensor<4x2x2xf32>) {
  // expected-error@+1 {{needs 1 strides and dilations and 2 pads}}
  %0 = mm.conv_transpose %x, %w {strides = array<i64: 2>, pads = array<i64: 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x4x8xf32>, tensor<4x2x2xf32> -> tensor<1x2x16xf32>
  return
}

// -----

func.func @conv_transpose_c4(%x: tensor<1x4x8xf32>, %w: tensor<4x2x2xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{bias [4] must be [2]}}
  %0 = mm.conv_transpose %x, %w bias %b : tensor<4xf32> {strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x4x8xf32>, tensor<4x2x2xf32> -> tensor<1x2x16xf32>
  return
}

// -----

func.func @pool_c1(%x: tensor<4x8xf32>) {
  // expected-error@+1 {{must have one rank, at least 3}}
  %0 = mm.pool max %x {kernel = array<i64>, strides = array<i64>, pads = array<i64>, dilations = array<i64>} : tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @pool_c2(%x: tensor<1x4x8xf32>) {
  // expected-error@+1 {{differ in batch or channels}}
  %0 = mm.pool max %x {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : tensor<1x4x8xf32> -> tensor<1x5x4xf32>
  return
}

// -----

func.func @pool_c3(%x: tensor<1x4x8xf32>) {
  // expected-error@+1 {{kernel needs one positive size a spatial dimension}}
  %0 = mm.pool max %x {kernel = array<i64: 0>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : tensor<1x4x8xf32> -> tensor<1x4x4xf32>
  return
}

// -----

func.func @batch_norm_c1(%x: tensor<8xf32>) {
  // expected-error@+2 {{input needs two dimensions}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.batch_norm %x, %x, %x, %x, %x {epsilon = 1.0e-5 : f64} : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @batch_norm_c2(%x: tensor<2x8xf32>, %c: tensor<4xf32>) {
  // expected-error@+2 {{parameter [4] must be [8]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.batch_norm %x, %c, %c, %c, %c {epsilon = 1.0e-5 : f64} : tensor<2x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @layer_norm_c1(%x: tensor<2x8xf32>) {
  // expected-error@+2 {{axis -1 is outside [0, 2)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.layer_norm %x {axis = -1 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @layer_norm_c2(%x: tensor<2x8xf32>, %g: tensor<2xf32>) {
  // expected-error@+2 {{scale [2] does not broadcast to [8]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.layer_norm %x scale %g : tensor<2xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @rms_norm_c1(%x: tensor<2x8xf32>) {
  // expected-error@+2 {{axis 2 is outside [0, 2)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.rms_norm %x {axis = 2 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @rms_norm_c2(%x: tensor<2x8xf32>, %g: tensor<2x8xf32>) {
  // expected-error@+2 {{scale [2, 8] does not broadcast to [8]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.rms_norm %x scale %g : tensor<2x8xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @group_norm_c1(%x: tensor<2x8x4xf32>) {
  // expected-error@+2 {{must be a multiple of 3 groups}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.group_norm %x {groups = 3 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @group_norm_c2(%x: tensor<2x8x4xf32>, %c: tensor<4xf32>) {
  // expected-error@+2 {{parameter [4] must be [8]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.group_norm %x scale %c : tensor<4xf32> {groups = 2 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @softmax_c1(%x: tensor<2x8xf32>) {
  // expected-error@+2 {{axis 2 is outside [0, 2)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.softmax %x axis 2 : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @attention_c1(%q: tensor<1x8x5x64xf32>, %k: tensor<1x8x7x32xf32>) {
  // expected-error@+2 {{do not fit}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.attention %q, %k, %k {scale = 0.125 : f64} : tensor<1x8x5x64xf32>, tensor<1x8x7x32xf32>, tensor<1x8x7x32xf32> -> tensor<1x8x5x32xf32>
  return
}

// -----

func.func @attention_c2(%q: tensor<1x8x5x64xf32>, %k: tensor<1x3x7x64xf32>) {
  // expected-error@+2 {{8 heads are no multiple of 3 kv_heads}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.attention %q, %k, %k {scale = 0.125 : f64} : tensor<1x8x5x64xf32>, tensor<1x3x7x64xf32>, tensor<1x3x7x64xf32> -> tensor<1x8x5x64xf32>
  return
}

// -----

func.func @attention_c3(%q: tensor<1x8x5x64xf32>, %k: tensor<1x8x7x64xf32>, %m: tensor<5x5xf32>) {
  // expected-error@+2 {{mask [5, 5] does not broadcast to [1, 8, 5, 7]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.attention %q, %k, %k mask %m : tensor<5x5xf32> {scale = 0.125 : f64} : tensor<1x8x5x64xf32>, tensor<1x8x7x64xf32>, tensor<1x8x7x64xf32> -> tensor<1x8x5x64xf32>
  return
}

// -----

func.func @rope_c1(%q: tensor<1x8x5x64xf32>, %c: tensor<5x63xf32>) {
  // expected-error@+2 {{rotary_dim 63 must be even}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.rope %q cos %c sin %c {rotary_dim = 63 : i64} : tensor<1x8x5x64xf32>, tensor<5x63xf32>, tensor<5x63xf32> -> tensor<1x8x5x64xf32>
  return
}

// -----

func.func @rope_c2(%q: tensor<1x8x5x64xf32>, %c: tensor<5x64xf32>) {
  // expected-error@+2 {{cos [5, 64] does not broadcast to [1, 8, 5, 32]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.rope %q cos %c sin %c {rotary_dim = 32 : i64} : tensor<1x8x5x64xf32>, tensor<5x64xf32>, tensor<5x64xf32> -> tensor<1x8x5x64xf32>
  return
}

// -----

func.func @attention_c5(%q: tensor<1x2x128x8xf32>, %s: tensor<3x1x3xi32>) {
  // expected-error@+2 {{spans [3, 1, 3] must be i32 [ceil(q_tokens / 64), n, 3], without a window}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.attention %q, %q, %q spans %s : tensor<3x1x3xi32> {scale = 1.0 : f64} : tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32>, tensor<1x2x128x8xf32> -> tensor<1x2x128x8xf32>
  return
}

// -----

func.func @similarity_c1(%a: tensor<3x8xf32>, %b: tensor<5x9xf32>) {
  // expected-error@+2 {{rows [3, 8] and [5, 9] must be f32 [rows, dim] with one static dim}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.similarity %a, %b {lhs_epsilon = 0.0 : f64, rhs_epsilon = 0.0 : f64} : tensor<3x8xf32>, tensor<5x9xf32> -> tensor<3x5xf32>
  return
}

// -----

func.func @similarity_c2(%a: tensor<3x8xf32>, %b: tensor<5x8xf32>) {
  // expected-error@+2 {{epsilon is negative}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.similarity %a, %b {lhs_epsilon = -1.0 : f64, rhs_epsilon = 0.0 : f64} : tensor<3x8xf32>, tensor<5x8xf32> -> tensor<3x5xf32>
  return
}

// -----

func.func @retrieve_c1(%x: tensor<3x8xf32>, %w: tensor<9x50xf32>) {
  // expected-error@+2 {{input [3, 8] and weight [9, 50] must be f32 [rows, dim] and [dim, n]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.retrieve %x, %w {k = 4 : i64} : tensor<3x8xf32>, tensor<9x50xf32> -> tensor<2x3x4xf32>
  return
}

// -----

func.func @retrieve_c2(%x: tensor<3x8xf32>, %w: tensor<8x50xf32>) {
  // expected-error@+2 {{cannot give 51 of 50 columns}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.retrieve %x, %w {k = 51 : i64} : tensor<3x8xf32>, tensor<8x50xf32> -> tensor<2x3x51xf32>
  return
}

// -----

func.func @attention_c6(%q: tensor<1x2x8x16xf32>) {
  // expected-error@+2 {{arithmetic 'f64' is none of f32, and for f32 bf16, f16 and i8}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.attention %q, %q, %q {scale = 0.25 : f64, arithmetic = "f64"}
      : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32> -> tensor<1x2x8x16xf32>
  return
}

// -----

func.func @attention_c6_another_half(%q: tensor<1x2x8x16xf16>) {
  // expected-error@+2 {{arithmetic 'bf16' is none of f32, and for f32 bf16, f16 and i8, for bf16 and f16 their own}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.attention %q, %q, %q {scale = 0.25 : f64, arithmetic = "bf16"}
      : tensor<1x2x8x16xf16>, tensor<1x2x8x16xf16>, tensor<1x2x8x16xf16> -> tensor<1x2x8x16xf32>
  return
}

// -----

func.func @attention_c6_one_type(%q: tensor<1x2x8x16xbf16>, %k: tensor<1x2x8x16xf32>) {
  // expected-error@+2 {{query of 'bf16' does not fit key and value of 'f32'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.attention %q, %k, %k {scale = 0.25 : f64, arithmetic = "bf16"}
      : tensor<1x2x8x16xbf16>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32> -> tensor<1x2x8x16xf32>
  return
}

// -----

func.func @conv_c6(%x: tensor<1x3x8xf32>, %w: tensor<8x3x3xf32>) {
  // expected-error@+2 {{arithmetic 'i8' is neither f32 nor, for f32, bf16}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64, arithmetic = "i8"}
      : tensor<1x3x8xf32>, tensor<8x3x3xf32> -> tensor<1x8x6xf32>
  return
}
