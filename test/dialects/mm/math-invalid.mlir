// RUN: mmcc-opt %s -verify-diagnostics -split-input-file

func.func @broadcast_fails(%a: tensor<2x3xf32>, %b: tensor<2xf32>) {
  // expected-error@+2 {{operands of shape [2, 3] and [2] do not broadcast}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.add %a, %b : tensor<2x3xf32>, tensor<2xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_symbols(%a: tensor<?xf32, #mm.dims<[n]>>, %b: tensor<?xf32, #mm.dims<[m]>>) {
  // expected-error@+2 {{operands of shape [n] and [m] do not broadcast}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.mul %a, %b : tensor<?xf32, #mm.dims<[n]>>, tensor<?xf32, #mm.dims<[m]>> -> tensor<?xf32, #mm.dims<[n]>>
  return
}

// -----

func.func @element_types(%a: tensor<2xf32>, %b: tensor<2xf16>) {
  // expected-error@+2 {{operands of 'f32' and 'f16' elements differ in type}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.add %a, %b : tensor<2xf32>, tensor<2xf16> -> tensor<2xf32>
  return
}

// -----

func.func @compare_types(%a: tensor<2xi32>, %b: tensor<2xi64>) {
  // expected-error@+2 {{operands of 'i32' and 'i64' elements differ in type}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.compare eq %a, %b : tensor<2xi32>, tensor<2xi64> -> tensor<2xi1>
  return
}

// -----

func.func @select_condition(%c: tensor<2xi8>, %a: tensor<2xf32>) {
  // expected-error@+1 {{operand #0 must be ranked tensor}}
  %0 = mm.select %c, %a, %a : tensor<2xi8>, tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return
}

// -----

func.func @select_types(%c: tensor<2xi1>, %a: tensor<2xf32>, %b: tensor<2xf64>) {
  // expected-error@+2 {{operands of 'f32' and 'f64' elements differ in type}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.select %c, %a, %b : tensor<2xi1>, tensor<2xf32>, tensor<2xf64> -> tensor<2xf32>
  return
}

// -----

func.func @unary_type(%a: tensor<2xf32>) {
  // expected-error@+2 {{incompatible with return type(s)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.exp %a : tensor<2xf32> -> tensor<3xf32>
  return
}

// -----

func.func @cast_c1(%a: tensor<2xf32>) {
  // expected-error@+1 {{changes the shape from [2] to [3]}}
  %0 = mm.cast %a : tensor<2xf32> -> tensor<3xf16>
  return
}

// -----

func.func @reduce_c1(%a: tensor<2x3xf32>) {
  // expected-error@+2 {{must be sorted, distinct and in [0, 2)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.reduce sum %a axes [1, 0] keep true : tensor<2x3xf32> -> tensor<1x1xf32>
  return
}

// -----

func.func @reduce_c1_range(%a: tensor<2x3xf32>) {
  // expected-error@+2 {{must be sorted, distinct and in [0, 2)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.reduce sum %a axes [-1] keep true : tensor<2x3xf32> -> tensor<2x1xf32>
  return
}

// -----

func.func @arg_reduce_c1(%a: tensor<2x3xf32>) {
  // expected-error@+2 {{axis 2 is outside [0, 2)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.arg_reduce %a axis 2 keep true largest true : tensor<2x3xf32> -> tensor<2x1xi64>
  return
}
