// RUN: mmcc-opt %s -verify-diagnostics -split-input-file

func.func @quantize_c1(%x: tensor<4x8xf32>, %s: tensor<4xf32>) {
  // expected-error@+2 {{takes f32, and a scale and a zero that broadcast to [4, 8]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantize %x scale %s : tensor<4x8xf32>, tensor<4xf32> -> tensor<4x8xi8>
  return
}

// -----

func.func @quantize_c2(%x: tensor<4x8xf32>, %s: tensor<f32>) {
  // expected-error@+2 {{gives floats a sign and no zero}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantize %x scale %s zero %s : tensor<f32> {is_float} : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf8E4M3FN>
  return
}

// -----

func.func @quantize_c2_sign(%x: tensor<4x8xf32>, %s: tensor<f32>) {
  // expected-error@+2 {{gives floats a sign and no zero}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantize %x scale %s {is_float, is_unsigned} : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  return
}

// -----

func.func @quantize_rows_c1(%x: tensor<4x100xf32>) {
  // expected-error@+2 {{must be f32 with rows of whole blocks of 32}}
  // expected-error@+1 {{failed to infer returned types}}
  %0, %1 = mm.quantize_rows %x {block = 32 : i64} : tensor<4x100xf32> -> tensor<4x100xi8>, tensor<4x3xf32>
  return
}

// -----

func.func @dequantize_c1(%q: tensor<64x8xi8>, %s: tensor<2x8xf32>) {
  // expected-error@+2 {{takes narrow numbers, scales of f32, an axis of the input and a positive block}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.dequantize %q scale %s {axis = 2 : i64, block = 32 : i64} : tensor<64x8xi8>, tensor<2x8xf32> -> tensor<64x8xf32>
  return
}

// -----

func.func @dequantize_c2(%q: tensor<64x8xi8>, %s: tensor<3x8xf32>) {
  // expected-error@+2 {{scale [3, 8] does not fit [64, 8] in blocks of 32}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.dequantize %q scale %s {axis = 0 : i64, block = 32 : i64} : tensor<64x8xi8>, tensor<3x8xf32> -> tensor<64x8xf32>
  return
}

// -----

func.func @dequantize_c3(%q: tensor<64x8xi8>, %s: tensor<2x8xf32>, %z: tensor<1x8xf32>) {
  // expected-error@+2 {{zero must be f32 of scale's shape}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.dequantize %q scale %s zero %z : tensor<1x8xf32> {axis = 0 : i64, block = 32 : i64} : tensor<64x8xi8>, tensor<2x8xf32> -> tensor<64x8xf32>
  return
}

// -----

func.func @quantized_linear_c1(%x: tensor<2x40xf32>, %q: tensor<40x64xi4>, %s: tensor<1x64xf32>) {
  // expected-error@+2 {{must agree in `in`, a multiple of 32}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s : tensor<2x40xf32>, tensor<40x64xi4>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c2(%x: tensor<2x96xf32>, %q: tensor<96x64xi4>, %s: tensor<2x64xf32>) {
  // expected-error@+2 {{scale [2, 64] does not fit the weight}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s : tensor<2x96xf32>, tensor<96x64xi4>, tensor<2x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c3(%x: tensor<2x96xf32>, %q: tensor<96x64xi4>, %s: tensor<1x64xf32>, %z: tensor<3x64xf32>) {
  // expected-error@+2 {{zero must be f32 of scale's shape}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s zero %z : tensor<3x64xf32> : tensor<2x96xf32>, tensor<96x64xi4>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c3_ui4(%x: tensor<2x96xf32>, %q: tensor<96x64xui4>, %s: tensor<1x64xf32>) {
  // expected-error@+2 {{ui4 weights need a zero}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s : tensor<2x96xf32>, tensor<96x64xui4>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c4(%x: tensor<2x96xi8>, %q: tensor<96x64xi8>, %s: tensor<1x64xf32>) {
  // expected-error@+2 {{an input of i8 or f8E4M3FN, and only that, has a scale}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s : tensor<2x96xi8>, tensor<96x64xi8>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c5(%x: tensor<2x96xf32>, %q: tensor<96x64xi8>, %s: tensor<1x64xf32>, %b: tensor<32xf32>) {
  // expected-error@+2 {{bias must be [out]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s bias %b : tensor<32xf32> : tensor<2x96xf32>, tensor<96x64xi8>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c1_types(%x: tensor<2x96xf32>, %q: tensor<96x64xf16>, %s: tensor<1x64xf32>) {
  // expected-error@+2 {{weight must be i4, ui4, i8, f8E4M3FN or f8E5M2}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s : tensor<2x96xf32>, tensor<96x64xf16>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c6(%x: tensor<2x96xf32>, %q: tensor<96x64xf8E4M3FN>, %s: tensor<1x64xf32>) {
  // expected-error@+2 {{a weight of floats takes an input of floats and no zero}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s zero %s : tensor<1x64xf32> : tensor<2x96xf32>, tensor<96x64xf8E4M3FN>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c4_types(%x: tensor<2x96xf8E5M2>, %q: tensor<96x64xf8E4M3FN>, %s: tensor<1x64xf32>, %r: tensor<1xf32>) {
  // expected-error@+2 {{input must be f32, i8 or f8E4M3FN}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s input_scale %r : tensor<1xf32> : tensor<2x96xf8E5M2>, tensor<96x64xf8E4M3FN>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c7(%x: tensor<2x96xf8E4M3FN>, %q: tensor<96x64xi8>, %s: tensor<1x64xf32>, %r: tensor<1xf32>) {
  // expected-error@+2 {{an input of f8E4M3FN takes a weight of that type, a scale a column and one a row}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s input_scale %r : tensor<1xf32> : tensor<2x96xf8E4M3FN>, tensor<96x64xi8>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c7_columns(%x: tensor<2x96xf8E4M3FN>, %q: tensor<96x64xf8E4M3FN>, %s: tensor<3x64xf32>, %r: tensor<1xf32>) {
  // expected-error@+2 {{a scale a column and one a row}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s input_scale %r : tensor<1xf32> : tensor<2x96xf8E4M3FN>, tensor<96x64xf8E4M3FN>, tensor<3x64xf32> -> tensor<2x64xf32>
  return
}

// -----

func.func @quantized_linear_c7_rows(%x: tensor<2x96xf8E4M3FN>, %q: tensor<96x64xf8E4M3FN>, %s: tensor<1x64xf32>, %r: tensor<2x3xf32>) {
  // expected-error@+2 {{a scale a column and one a row}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.quantized_linear %x, %q scale %s input_scale %r : tensor<2x3xf32> : tensor<2x96xf8E4M3FN>, tensor<96x64xf8E4M3FN>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}
