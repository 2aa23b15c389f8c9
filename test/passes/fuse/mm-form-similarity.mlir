// RUN: mmcc-opt %s --mm-form-similarity | FileCheck %s

// CHECK-LABEL: func @fuse_when_rows_are_divided_by_their_norms
// CHECK: mm.similarity %arg0, %arg1 {lhs_epsilon = 0.000000e+00 : f64, rhs_epsilon = {{9.9.*E-13|1.0.*E-12}} : f64} : tensor<?x16xf32, #mm.dims<[batch, 16]>>, tensor<5x16xf32> -> tensor<?x5xf32, #mm.dims<[batch, 5]>>
// CHECK-NOT: mm.matmul
func.func @fuse_when_rows_are_divided_by_their_norms(%x: tensor<?x16xf32, #mm.dims<[batch, 16]>>, %y: tensor<5x16xf32>) -> tensor<?x5xf32, #mm.dims<[batch, 5]>> {
  %xx = mm.mul %x, %x : tensor<?x16xf32, #mm.dims<[batch, 16]>>, tensor<?x16xf32, #mm.dims<[batch, 16]>> -> tensor<?x16xf32, #mm.dims<[batch, 16]>>
  %xs = mm.reduce sum %xx axes [1] keep true : tensor<?x16xf32, #mm.dims<[batch, 16]>> -> tensor<?x1xf32, #mm.dims<[batch, 1]>>
  %xl = mm.sqrt %xs : tensor<?x1xf32, #mm.dims<[batch, 1]>> -> tensor<?x1xf32, #mm.dims<[batch, 1]>>
  %xu = mm.div %x, %xl : tensor<?x16xf32, #mm.dims<[batch, 16]>>, tensor<?x1xf32, #mm.dims<[batch, 1]>> -> tensor<?x16xf32, #mm.dims<[batch, 16]>>
  %eps = mm.constant dense<1.0e-12> : tensor<f32>
  %yy = mm.mul %y, %y : tensor<5x16xf32>, tensor<5x16xf32> -> tensor<5x16xf32>
  %ys = mm.reduce sum %yy axes [1] keep true : tensor<5x16xf32> -> tensor<5x1xf32>
  %yl = mm.sqrt %ys : tensor<5x1xf32> -> tensor<5x1xf32>
  %ym = mm.max %yl, %eps : tensor<5x1xf32>, tensor<f32> -> tensor<5x1xf32>
  %yu = mm.div %y, %ym : tensor<5x16xf32>, tensor<5x1xf32> -> tensor<5x16xf32>
  %t = mm.transpose %yu [1, 0] : tensor<5x16xf32> -> tensor<16x5xf32>
  %o = mm.matmul %xu, %t : tensor<?x16xf32, #mm.dims<[batch, 16]>>, tensor<16x5xf32> -> tensor<?x5xf32, #mm.dims<[batch, 5]>>
  return %o : tensor<?x5xf32, #mm.dims<[batch, 5]>>
}

// Lengths of other rows are no cosine.
// CHECK-LABEL: func @keep_when_the_length_is_of_something_else
// CHECK-NOT: mm.similarity
func.func @keep_when_the_length_is_of_something_else(%x: tensor<4x16xf32>, %y: tensor<5x16xf32>, %z: tensor<4x16xf32>) -> tensor<4x5xf32> {
  %zz = mm.mul %z, %z : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
  %zs = mm.reduce sum %zz axes [1] keep true : tensor<4x16xf32> -> tensor<4x1xf32>
  %zl = mm.sqrt %zs : tensor<4x1xf32> -> tensor<4x1xf32>
  %xu = mm.div %x, %zl : tensor<4x16xf32>, tensor<4x1xf32> -> tensor<4x16xf32>
  %yy = mm.mul %y, %y : tensor<5x16xf32>, tensor<5x16xf32> -> tensor<5x16xf32>
  %ys = mm.reduce sum %yy axes [1] keep true : tensor<5x16xf32> -> tensor<5x1xf32>
  %yl = mm.sqrt %ys : tensor<5x1xf32> -> tensor<5x1xf32>
  %yu = mm.div %y, %yl : tensor<5x16xf32>, tensor<5x1xf32> -> tensor<5x16xf32>
  %t = mm.transpose %yu [1, 0] : tensor<5x16xf32> -> tensor<16x5xf32>
  %o = mm.matmul %xu, %t : tensor<4x16xf32>, tensor<16x5xf32> -> tensor<4x5xf32>
  return %o : tensor<4x5xf32>
}

// CHECK-LABEL: func @keep_when_one_side_is_as_it_is
// CHECK-NOT: mm.similarity
func.func @keep_when_one_side_is_as_it_is(%x: tensor<4x16xf32>, %y: tensor<5x16xf32>) -> tensor<4x5xf32> {
  %xx = mm.mul %x, %x : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
  %xs = mm.reduce sum %xx axes [1] keep true : tensor<4x16xf32> -> tensor<4x1xf32>
  %xl = mm.sqrt %xs : tensor<4x1xf32> -> tensor<4x1xf32>
  %xu = mm.div %x, %xl : tensor<4x16xf32>, tensor<4x1xf32> -> tensor<4x16xf32>
  %t = mm.transpose %y [1, 0] : tensor<5x16xf32> -> tensor<16x5xf32>
  %o = mm.matmul %xu, %t : tensor<4x16xf32>, tensor<16x5xf32> -> tensor<4x5xf32>
  return %o : tensor<4x5xf32>
}
