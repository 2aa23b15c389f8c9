// RUN: mmcc-opt %s -verify-diagnostics -split-input-file

func.func @constant_c1() {
  // expected-error@+1 {{value must be a static tensor}}
  %0 = mm.constant dense<1> : vector<2xi64>
  return
}

// -----

func.func @tensor_without_dims(%x: tensor<?xf32>) {
  // expected-error@+1 {{must be ranked tensor with #mm.dims for what is not static}}
  %0 = mm.relu %x : tensor<?xf32> -> tensor<?xf32>
  return
}

// -----

func.func @sizes_type() {
  // expected-error@+2 {{incompatible with return type(s)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.sizes <[a, b]> : tensor<3xi64>
  return
}

// -----

func.func @iota_c1() {
  // expected-error@+1 {{start must hold one expression, not 2}}
  %0 = mm.iota <[0, 1]> step 1 : tensor<4xi64>
  return
}

// -----

func.func @iota_c2() {
  // expected-error@+1 {{result must be a vector}}
  %0 = mm.iota <[0]> step 1 : tensor<4x1xi64>
  return
}

// -----

func.func @iota_c3() {
  // expected-error@+1 {{result must have integer or float elements}}
  %0 = mm.iota <[0]> step 1 : tensor<4xcomplex<f32>>
  return
}

// -----

func.func @reshape_c1(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{shapes [4, 6] and [5, 5] hold different numbers of elements}}
  %0 = mm.reshape %x : tensor<4x6xf32> -> tensor<5x5xf32>
  return
}

// -----

func.func @reshape_c1_symbolic(%x: tensor<?x6xf32, #mm.dims<[n, 6]>>) {
  // expected-error@+1 {{hold different numbers of elements}}
  %0 = mm.reshape %x : tensor<?x6xf32, #mm.dims<[n, 6]>> -> tensor<?xf32, #mm.dims<[m * 6]>>
  return
}

// -----

func.func @reshape_c2(%x: tensor<4xf32>) {
  // expected-error@+1 {{changes the element type}}
  %0 = mm.reshape %x : tensor<4xf32> -> tensor<2x2xf16>
  return
}

// -----

func.func @transpose_c1(%x: tensor<4x6xf32>) {
  // expected-error@+2 {{is not a permutation of 2 dimensions}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.transpose %x [0, 0] : tensor<4x6xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @transpose_c1_range(%x: tensor<4x6xf32>) {
  // expected-error@+2 {{is not a permutation of 2 dimensions}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.transpose %x [0, 2] : tensor<4x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @transpose_result(%x: tensor<4x6xf32>) {
  // expected-error@+2 {{incompatible with return type(s)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.transpose %x [1, 0] : tensor<4x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @broadcast_c1(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{shape [4, 6] does not broadcast to [4, 12]}}
  %0 = mm.broadcast %x : tensor<4x6xf32> -> tensor<4x12xf32>
  return
}

// -----

func.func @broadcast_c2(%x: tensor<1xf32>) {
  // expected-error@+1 {{changes the element type}}
  %0 = mm.broadcast %x : tensor<1xf32> -> tensor<4xi32>
  return
}

// -----

func.func @concat_c1(%x: tensor<4x6xf32>, %y: tensor<5x6xf32>) {
  // expected-error@+2 {{differ in more than dimension 1}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.concat %x, %y axis 1 : tensor<4x6xf32>, tensor<5x6xf32> -> tensor<4x12xf32>
  return
}

// -----

func.func @concat_c2(%x: tensor<4x6xf32>) {
  // expected-error@+2 {{axis 2 is outside [0, 2)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = mm.concat %x axis 2 : tensor<4x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @slice_c1(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{input, result, offsets and steps differ in rank}}
  %0 = mm.slice %x offsets <[0]> steps [1, 1] : tensor<4x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @slice_c2(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{elements from 2 in steps of 2 leave dimension 1 of size 6}}
  %0 = mm.slice %x offsets <[0, 2]> steps [1, 2] : tensor<4x6xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @slice_c2_before(%x: tensor<4xf32>) {
  // expected-error@+1 {{leave dimension 0 of size 4}}
  %0 = mm.slice %x offsets <[1]> steps [-1] : tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @slice_c2_overflow(%x: tensor<4xf32>) {
  // expected-error@+1 {{leave dimension 0 of size 4}}
  %0 = mm.slice %x offsets <[0]> steps [4611686018427387904] : tensor<4xf32> -> tensor<5xf32>
  return
}

// -----

func.func @slice_c2_step(%x: tensor<4xf32>) {
  // expected-error@+1 {{step of dimension 0 is 0}}
  %0 = mm.slice %x offsets <[1]> steps [0] : tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @slice_c3(%x: tensor<4xf32>) {
  // expected-error@+1 {{changes the element type}}
  %0 = mm.slice %x offsets <[0]> steps [1] : tensor<4xf32> -> tensor<3xf16>
  return
}

// -----

func.func @pad_c1(%x: tensor<4xf32>) {
  // expected-error@+1 {{input, result and low differ in rank}}
  %0 = mm.pad "edge" %x low <[0, 0]> : tensor<4xf32> -> tensor<6xf32>
  return
}

// -----

func.func @pad_c2(%x: tensor<4xf32>, %v: tensor<2xf32>) {
  // expected-error@+1 {{value must be one element of 'f32'}}
  %0 = mm.pad "constant" %x value %v : tensor<2xf32> low <[0]> : tensor<4xf32> -> tensor<6xf32>
  return
}

// -----

func.func @pad_c2_mode(%x: tensor<4xf32>, %v: tensor<f32>) {
  // expected-error@+1 {{value goes with mode constant only}}
  %0 = mm.pad "edge" %x value %v : tensor<f32> low <[0]> : tensor<4xf32> -> tensor<6xf32>
  return
}

// -----

func.func @pad_c3(%x: tensor<4xf32>) {
  // expected-error@+1 {{changes the element type}}
  %0 = mm.pad "edge" %x low <[0]> : tensor<4xf32> -> tensor<6xf16>
  return
}

// -----

func.func @pad_mode(%x: tensor<4xf32>) {
  // expected-error@+1 {{constant, edge, reflect or wrap}}
  %0 = mm.pad "mirror" %x low <[0]> : tensor<4xf32> -> tensor<6xf32>
  return
}
