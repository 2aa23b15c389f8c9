// RUN: mmcc-opt %s -canonicalize -split-input-file | FileCheck %s

// Folders and canonical forms of data movement. Values follow from the
// definitions: row-major order, one index at a time.

// CHECK-LABEL: func @identities
// CHECK-SAME: (%[[X:.*]]: tensor<2x3xf32>, %[[D:.*]]: tensor<?x3xf32, {{.*}}>)
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[D]]
func.func @identities(%x: tensor<2x3xf32>, %d: tensor<?x3xf32, #mm.dims<[n, 3]>>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<?x3xf32, #mm.dims<[n, 3]>>) {
  %0 = mm.reshape %x : tensor<2x3xf32> -> tensor<2x3xf32>
  %1 = mm.transpose %x [0, 1] : tensor<2x3xf32> -> tensor<2x3xf32>
  %2 = mm.broadcast %x : tensor<2x3xf32> -> tensor<2x3xf32>
  %3 = mm.concat %x axis 1 : tensor<2x3xf32> -> tensor<2x3xf32>
  %4 = mm.slice %x offsets <[0, 0]> steps [1, 1] : tensor<2x3xf32> -> tensor<2x3xf32>
  %5 = mm.pad "constant" %x low <[0, 0]> : tensor<2x3xf32> -> tensor<2x3xf32>
  %6 = mm.slice %d offsets <[0, 0]> steps [1, 1] : tensor<?x3xf32, #mm.dims<[n, 3]>> -> tensor<?x3xf32, #mm.dims<[n, 3]>>
  return %0, %1, %2, %3, %4, %5, %6 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<?x3xf32, #mm.dims<[n, 3]>>
}

// -----

// A slice backwards, and a pad that shifts, keep the type but not the values.
// CHECK-LABEL: func @no_identities
// CHECK: mm.slice {{.*}} steps [-1]
// CHECK: mm.pad
func.func @no_identities(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = mm.slice %x offsets <[3]> steps [-1] : tensor<4xf32> -> tensor<4xf32>
  %1 = mm.pad "constant" %x low <[1]> : tensor<4xf32> -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func @compositions
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4xf32>
// CHECK-DAG: %[[R:.*]] = mm.reshape %[[X]] : tensor<2x3x4xf32> -> tensor<24xf32>
// CHECK-DAG: %[[T:.*]] = mm.transpose %[[X]] [1, 2, 0]
// CHECK-DAG: %[[S:.*]] = mm.slice %[[X]] offsets <[0, 2, 1]> steps [1, -2, 2] : tensor<2x3x4xf32> -> tensor<1x2x1xf32>
// CHECK: return %[[R]], %[[T]], %[[S]]
func.func @compositions(%x: tensor<2x3x4xf32>) -> (tensor<24xf32>, tensor<3x4x2xf32>, tensor<1x2x1xf32>) {
  %0 = mm.reshape %x : tensor<2x3x4xf32> -> tensor<6x4xf32>
  %1 = mm.reshape %0 : tensor<6x4xf32> -> tensor<24xf32>
  %2 = mm.transpose %x [2, 0, 1] : tensor<2x3x4xf32> -> tensor<4x2x3xf32>
  %3 = mm.transpose %2 [2, 0, 1] : tensor<4x2x3xf32> -> tensor<3x4x2xf32>
  // x[i, 2 - 2j, 2k] at [0, 0:2, 0] of k = 0: offsets add up with the steps.
  %4 = mm.slice %x offsets <[0, 2, 1]> steps [1, -1, 1] : tensor<2x3x4xf32> -> tensor<1x3x3xf32>
  %5 = mm.slice %4 offsets <[0, 0, 0]> steps [1, 2, 2] : tensor<1x3x3xf32> -> tensor<1x2x1xf32>
  return %1, %3, %5 : tensor<24xf32>, tensor<3x4x2xf32>, tensor<1x2x1xf32>
}

// -----

// CHECK-LABEL: func @units_move
// CHECK: mm.reshape %{{.*}} : tensor<1x5x1x6xf32> -> tensor<5x1x6x1xf32>
func.func @units_move(%x: tensor<1x5x1x6xf32>) -> tensor<5x1x6x1xf32> {
  %0 = mm.transpose %x [1, 0, 3, 2] : tensor<1x5x1x6xf32> -> tensor<5x1x6x1xf32>
  return %0 : tensor<5x1x6x1xf32>
}

// -----

// CHECK-LABEL: func @concats
// CHECK-SAME: %[[A:.*]]: tensor<2x3xf32>, %[[B:.*]]: tensor<2x?xf32, {{.*}}>, %[[E:.*]]: tensor<2x0xf32>
// CHECK-DAG: %[[C:.*]] = mm.concat %[[A]], %[[B]], %[[A]] axis 1
// CHECK: return %[[C]], %[[B]]
func.func @concats(%a: tensor<2x3xf32>, %b: tensor<2x?xf32, #mm.dims<[2, n]>>, %e: tensor<2x0xf32>) -> (tensor<2x?xf32, #mm.dims<[2, n + 6]>>, tensor<2x?xf32, #mm.dims<[2, n]>>) {
  %0 = mm.concat %a, %b axis 1 : tensor<2x3xf32>, tensor<2x?xf32, #mm.dims<[2, n]>> -> tensor<2x?xf32, #mm.dims<[2, n + 3]>>
  %1 = mm.concat %0, %e, %a axis 1 : tensor<2x?xf32, #mm.dims<[2, n + 3]>>, tensor<2x0xf32>, tensor<2x3xf32> -> tensor<2x?xf32, #mm.dims<[2, n + 6]>>
  // The middle of a concat is one of its inputs.
  %2 = mm.slice %1 offsets <[0, 3]> steps [1, 1] : tensor<2x?xf32, #mm.dims<[2, n + 6]>> -> tensor<2x?xf32, #mm.dims<[2, n]>>
  return %1, %2 : tensor<2x?xf32, #mm.dims<[2, n + 6]>>, tensor<2x?xf32, #mm.dims<[2, n]>>
}

// -----

// CHECK-LABEL: func @slice_across_inputs
// CHECK: mm.concat
// CHECK: mm.slice
func.func @slice_across_inputs(%a: tensor<3xf32>, %b: tensor<3xf32>) -> tensor<2xf32> {
  %0 = mm.concat %a, %b axis 0 : tensor<3xf32>, tensor<3xf32> -> tensor<6xf32>
  %1 = mm.slice %0 offsets <[2]> steps [1] : tensor<6xf32> -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// -----

// CHECK-LABEL: func @constants
// CHECK-DAG: dense<{{\[}}[1, 4], [2, 5], [3, 6]]> : tensor<3x2xi64>
// CHECK-DAG: dense<{{\[}}[1, 2], [3, 4], [5, 6]]> : tensor<3x2xi64>
// CHECK-DAG: dense<{{\[}}[6, 4], [3, 1]]> : tensor<2x2xi64>
// CHECK-DAG: dense<{{\[}}[4, 5, 6], [1, 2, 3], [4, 5, 6]]> : tensor<3x3xi64>
// CHECK-DAG: dense<{{\[}}[1, 2, 3, 1, 2, 3], [4, 5, 6, 4, 5, 6]]> : tensor<2x6xi64>
// CHECK-DAG: dense<{{\[}}{{\[}}[1, 2, 3], [4, 5, 6]], {{\[}}[1, 2, 3], [4, 5, 6]]]> : tensor<2x2x3xi64>
func.func @constants() -> (tensor<3x2xi64>, tensor<3x2xi64>, tensor<2x2xi64>, tensor<3x3xi64>, tensor<2x6xi64>, tensor<2x2x3xi64>) {
  %c = mm.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>
  %i = mm.constant dense<[1, 0, -1]> : tensor<3xi64>
  %0 = mm.transpose %c [1, 0] : tensor<2x3xi64> -> tensor<3x2xi64>
  %1 = mm.reshape %c : tensor<2x3xi64> -> tensor<3x2xi64>
  %2 = mm.slice %c offsets <[1, 2]> steps [-1, -2] : tensor<2x3xi64> -> tensor<2x2xi64>
  %3 = mm.gather %c[%i] axis 0 : tensor<2x3xi64>, tensor<3xi64> -> tensor<3x3xi64>
  %4 = mm.concat %c, %c axis 1 : tensor<2x3xi64>, tensor<2x3xi64> -> tensor<2x6xi64>
  %5 = mm.broadcast %c : tensor<2x3xi64> -> tensor<2x2x3xi64>
  return %0, %1, %2, %3, %4, %5 : tensor<3x2xi64>, tensor<3x2xi64>, tensor<2x2xi64>, tensor<3x3xi64>, tensor<2x6xi64>, tensor<2x2x3xi64>
}

// -----

// An index outside the input has no value to fold to; a weight keeps its place.
// CHECK-LABEL: func @not_folded
// CHECK-DAG: mm.constant dense_resource<w> : tensor<4x6xf32>
// CHECK-DAG: mm.constant dense_resource<w> : tensor<24xf32>
// CHECK: mm.gather
// CHECK: mm.transpose
func.func @not_folded() -> (tensor<1x3xi64>, tensor<6x4xf32>, tensor<24xf32>) {
  %c = mm.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>
  %i = mm.constant dense<2> : tensor<1xi64>
  %w = mm.constant dense_resource<w> : tensor<4x6xf32>
  %0 = mm.gather %c[%i] axis 0 : tensor<2x3xi64>, tensor<1xi64> -> tensor<1x3xi64>
  %1 = mm.transpose %w [1, 0] : tensor<4x6xf32> -> tensor<6x4xf32>
  %2 = mm.reshape %w : tensor<4x6xf32> -> tensor<24xf32>
  return %0, %1, %2 : tensor<1x3xi64>, tensor<6x4xf32>, tensor<24xf32>
}

// -----

// CHECK-LABEL: func @linear_from_matmul
// CHECK: %[[W:.*]] = mm.transpose %{{.*}} [1, 0]
// CHECK: mm.linear %{{.*}}, %[[W]]
// CHECK: mm.matmul
func.func @linear_from_matmul(%x: tensor<2x3x6xf32>, %y: tensor<6x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  %w = mm.constant dense_resource<w> : tensor<4x6xf32>
  %t = mm.transpose %w [1, 0] : tensor<4x6xf32> -> tensor<6x4xf32>
  %0 = mm.matmul %x, %t : tensor<2x3x6xf32>, tensor<6x4xf32> -> tensor<2x3x4xf32>
  %1 = mm.matmul %x, %y : tensor<2x3x6xf32>, tensor<6x4xf32> -> tensor<2x3x4xf32>
  return %0, %1 : tensor<2x3x4xf32>, tensor<2x3x4xf32>
}
