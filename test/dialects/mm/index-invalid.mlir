// RUN: mmcc-opt %s -verify-diagnostics -split-input-file

func.func @gather_c1(%t: tensor<10x4xf32>, %i: tensor<3xi64>) {
  // expected-error@+2 {{axis -1 is outside [0, 2)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.gather %t[%i] axis -1 : tensor<10x4xf32>, tensor<3xi64> -> tensor<10x3xf32>
  return
}

// -----

func.func @gather_c2(%t: tensor<10x4xf32>, %i: tensor<3xi8>) {
  // expected-error@+2 {{indices must be i32 or i64, not 'i8'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.gather %t[%i] axis 1 : tensor<10x4xf32>, tensor<3xi8> -> tensor<10x3xf32>
  return
}

// -----

func.func @gather_elements_c1(%t: tensor<10x4xf32>, %i: tensor<3x4xi64>) {
  // expected-error@+2 {{axis 2 is outside [0, 2)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.gather_elements %t[%i] axis 2 : tensor<10x4xf32>, tensor<3x4xi64> -> tensor<3x4xf32>
  return
}

// -----

func.func @gather_elements_c2(%t: tensor<10x4xf32>, %i: tensor<3xi64>) {
  // expected-error@+2 {{indices have rank 1, the input has 2}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.gather_elements %t[%i] axis 0 : tensor<10x4xf32>, tensor<3xi64> -> tensor<3xf32>
  return
}

// -----

func.func @gather_elements_c3(%t: tensor<10x4xf32>, %i: tensor<3x4xui64>) {
  // expected-error@+2 {{indices must be i32 or i64}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.gather_elements %t[%i] axis 0 : tensor<10x4xf32>, tensor<3x4xui64> -> tensor<3x4xf32>
  return
}

// -----

func.func @gather_nd_c1(%t: tensor<10x4xf32>, %i: tensor<5x3xi64>) {
  // expected-error@+2 {{the last dimension of indices must be static and at most rank - batch_dims}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.gather_nd %t[%i] : tensor<10x4xf32>, tensor<5x3xi64> -> tensor<5xf32>
  return
}

// -----

func.func @gather_nd_c2(%t: tensor<10x4xf32>, %i: tensor<5x1xi64>) {
  // expected-error@+2 {{differ in their first 1 dimensions}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.gather_nd %t[%i] {batch_dims = 1 : i64} : tensor<10x4xf32>, tensor<5x1xi64> -> tensor<5xf32>
  return
}

// -----

func.func @gather_nd_c3(%t: tensor<10x4xf32>, %i: tensor<5x2xi16>) {
  // expected-error@+2 {{indices must be i32 or i64}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.gather_nd %t[%i] : tensor<10x4xf32>, tensor<5x2xi16> -> tensor<5xf32>
  return
}

// -----

func.func @scatter_c1(%t: tensor<10xf32>, %i: tensor<5x1xi64>, %u: tensor<5xf32>) {
  // expected-error@+1 {{unknown kind "rows"}}
  %0 = mm.scatter %t[%i] %u "rows" "none" : tensor<10xf32>, tensor<5x1xi64>, tensor<5xf32> -> tensor<10xf32>
  return
}

// -----

func.func @scatter_c1_reduction(%t: tensor<10xf32>, %i: tensor<5x1xi64>, %u: tensor<5xf32>) {
  // expected-error@+1 {{unknown reduction "sum"}}
  %0 = mm.scatter %t[%i] %u "nd" "sum" : tensor<10xf32>, tensor<5x1xi64>, tensor<5xf32> -> tensor<10xf32>
  return
}

// -----

func.func @scatter_c2(%t: tensor<10xf32>, %i: tensor<5x1xi64>, %u: tensor<5xf16>) {
  // expected-error@+1 {{updates and input differ in element type}}
  %0 = mm.scatter %t[%i] %u "nd" "none" : tensor<10xf32>, tensor<5x1xi64>, tensor<5xf16> -> tensor<10xf32>
  return
}

// -----

func.func @scatter_c3(%t: tensor<10xf32>, %i: tensor<5x1xi8>, %u: tensor<5xf32>) {
  // expected-error@+1 {{indices must be i32 or i64}}
  %0 = mm.scatter %t[%i] %u "nd" "none" : tensor<10xf32>, tensor<5x1xi8>, tensor<5xf32> -> tensor<10xf32>
  return
}

// -----

func.func @scatter_c4(%t: tensor<10xf32>, %i: tensor<5xi64>, %u: tensor<4xf32>) {
  // expected-error@+1 {{updates and indices must have one shape, of the input's rank}}
  %0 = mm.scatter %t[%i] %u "elements" "none" : tensor<10xf32>, tensor<5xi64>, tensor<4xf32> -> tensor<10xf32>
  return
}

// -----

func.func @scatter_c5(%t: tensor<10x3xf32>, %i: tensor<5x1xi64>, %u: tensor<5xf32>) {
  // expected-error@+1 {{updates must have shape [5, 3]}}
  %0 = mm.scatter %t[%i] %u "nd" "none" : tensor<10x3xf32>, tensor<5x1xi64>, tensor<5xf32> -> tensor<10x3xf32>
  return
}

// -----

func.func @cumulative_c1(%t: tensor<10xf32>) {
  // expected-error@+2 {{axis 1 is outside [0, 1)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.cumulative "sum" %t axis 1 : tensor<10xf32> -> tensor<10xf32>
  return
}

// -----

func.func @cumulative_c2(%t: tensor<10xf32>) {
  // expected-error@+2 {{unknown kind "max"}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.cumulative "max" %t axis 0 : tensor<10xf32> -> tensor<10xf32>
  return
}

// -----

func.func @topk_c1(%t: tensor<10xf32>) {
  // expected-error@+1 {{axis 1 is outside [0, 1)}}
  %0, %1 = mm.topk %t axis 1 largest true : tensor<10xf32> -> tensor<3xf32>, tensor<3xi64>
  return
}

// -----

func.func @topk_c2(%t: tensor<10x4xf32>) {
  // expected-error@+1 {{values may differ from input in dimension 0 only}}
  %0, %1 = mm.topk %t axis 0 largest true : tensor<10x4xf32> -> tensor<3x5xf32>, tensor<3x5xi64>
  return
}

// -----

func.func @topk_c3(%t: tensor<10xf32>) {
  // expected-error@+1 {{indices must be i64 of the values' shape}}
  %0, %1 = mm.topk %t axis 0 largest true : tensor<10xf32> -> tensor<3xf32>, tensor<3xi32>
  return
}

// -----

func.func @resize_c1(%t: tensor<4x4xf32>) {
  // expected-error@+1 {{input, result and scales differ in rank or type}}
  %0 = mm.resize %t {mode = "linear", coordinates = "half_pixel", rounding = "floor", scales = array<f64: 2.0>} : tensor<4x4xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @resize_c2(%t: tensor<4xf32>) {
  // expected-error@+1 {{unknown coordinates "pixel"}}
  %0 = mm.resize %t {mode = "linear", coordinates = "pixel", rounding = "floor", scales = array<f64: 2.0>} : tensor<4xf32> -> tensor<8xf32>
  return
}

// -----

func.func @resize_c3(%t: tensor<4xf32>) {
  // expected-error@+1 {{is not positive}}
  %0 = mm.resize %t {mode = "linear", coordinates = "asymmetric", rounding = "floor", scales = array<f64: 0.0>} : tensor<4xf32> -> tensor<8xf32>
  return
}
