// RUN: mmcc-opt %s | mmcc-opt | FileCheck %s

// Constants, sizes and views survive printing and parsing.

// CHECK-LABEL: func @constants
func.func @constants() -> (tensor<2x2xf32>, tensor<i64>, tensor<3x4xf32>) {
  // CHECK: mm.constant dense<{{.*}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00{{.*}}> : tensor<2x2xf32>
  %0 = mm.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  // CHECK: mm.constant dense<7> : tensor<i64>
  %1 = mm.constant dense<7> : tensor<i64>
  // CHECK: mm.constant dense_resource<w> : tensor<3x4xf32>
  %2 = mm.constant dense_resource<w> : tensor<3x4xf32>
  return %0, %1, %2 : tensor<2x2xf32>, tensor<i64>, tensor<3x4xf32>
}

// CHECK-LABEL: func @sizes
func.func @sizes() -> (tensor<2xi64>, tensor<?xi64, #mm.dims<[seq]>>) {
  // CHECK: mm.sizes <[batch, past + 1]> : tensor<2xi64>
  %0 = mm.sizes <[batch, past + 1]> : tensor<2xi64>
  // CHECK: mm.iota <[past]> step 1 : tensor<?xi64, #mm.dims<[seq]>>
  %1 = mm.iota <[past]> step 1 : tensor<?xi64, #mm.dims<[seq]>>
  return %0, %1 : tensor<2xi64>, tensor<?xi64, #mm.dims<[seq]>>
}

// CHECK-LABEL: func @views
func.func @views(%x: tensor<?x6x4xf32, #mm.dims<[batch, 6, 4]>>, %v: tensor<f32>) {
  // CHECK: mm.reshape %{{.*}} : tensor<?x6x4xf32, #mm.dims<[batch, 6, 4]>> -> tensor<?x4xf32, #mm.dims<[batch * 6, 4]>>
  %0 = mm.reshape %x : tensor<?x6x4xf32, #mm.dims<[batch, 6, 4]>> -> tensor<?x4xf32, #mm.dims<[batch * 6, 4]>>
  // CHECK: mm.transpose %{{.*}} [1, 0, 2] : {{.*}} -> tensor<6x?x4xf32, #mm.dims<[6, batch, 4]>>
  %1 = mm.transpose %x [1, 0, 2] : tensor<?x6x4xf32, #mm.dims<[batch, 6, 4]>> -> tensor<6x?x4xf32, #mm.dims<[6, batch, 4]>>
  // CHECK: mm.broadcast %{{.*}} : tensor<f32> -> tensor<?x2xf32, #mm.dims<[batch, 2]>>
  %2 = mm.broadcast %v : tensor<f32> -> tensor<?x2xf32, #mm.dims<[batch, 2]>>
  // CHECK: mm.concat %{{.*}}, %{{.*}} axis 0 : {{.*}} -> tensor<?x6x4xf32, #mm.dims<[batch * 2, 6, 4]>>
  %3 = mm.concat %x, %x axis 0 : tensor<?x6x4xf32, #mm.dims<[batch, 6, 4]>>, tensor<?x6x4xf32, #mm.dims<[batch, 6, 4]>> -> tensor<?x6x4xf32, #mm.dims<[batch * 2, 6, 4]>>
  // CHECK: mm.slice %{{.*}} offsets <[0, 5, 0]> steps [1, -1, 2] : {{.*}} -> tensor<?x6x2xf32, #mm.dims<[batch, 6, 2]>>
  %4 = mm.slice %x offsets <[0, 5, 0]> steps [1, -1, 2] : tensor<?x6x4xf32, #mm.dims<[batch, 6, 4]>> -> tensor<?x6x2xf32, #mm.dims<[batch, 6, 2]>>
  // CHECK: mm.pad "constant" %{{.*}} value %{{.*}} : tensor<f32> low <[0, 1, 0]> : {{.*}} -> tensor<?x8x4xf32, #mm.dims<[batch, 8, 4]>>
  %5 = mm.pad "constant" %x value %v : tensor<f32> low <[0, 1, 0]> : tensor<?x6x4xf32, #mm.dims<[batch, 6, 4]>> -> tensor<?x8x4xf32, #mm.dims<[batch, 8, 4]>>
  return
}
