// RUN: mmcc-opt %s | mmcc-opt | FileCheck %s

// CHECK-LABEL: func @unary
func.func @unary(%x: tensor<?x4xf32, #mm.dims<[n, 4]>>) {
  // CHECK: mm.exp %{{.*}} : tensor<?x4xf32, #mm.dims<[n, 4]>> -> tensor<?x4xf32, #mm.dims<[n, 4]>>
  %0 = mm.exp %x : tensor<?x4xf32, #mm.dims<[n, 4]>> -> tensor<?x4xf32, #mm.dims<[n, 4]>>
  // CHECK: mm.is_nan %{{.*}} -> tensor<?x4xi1, #mm.dims<[n, 4]>>
  %1 = mm.is_nan %x : tensor<?x4xf32, #mm.dims<[n, 4]>> -> tensor<?x4xi1, #mm.dims<[n, 4]>>
  // CHECK: mm.gelu tanh %{{.*}} : {{.*}} -> tensor<?x4xf32, #mm.dims<[n, 4]>>
  %2 = mm.gelu tanh %x : tensor<?x4xf32, #mm.dims<[n, 4]>> -> tensor<?x4xf32, #mm.dims<[n, 4]>>
  // CHECK: mm.cast %{{.*}} : {{.*}} -> tensor<?x4xf8E4M3FN, #mm.dims<[n, 4]>>
  %3 = mm.cast %x : tensor<?x4xf32, #mm.dims<[n, 4]>> -> tensor<?x4xf8E4M3FN, #mm.dims<[n, 4]>>
  return
}

// CHECK-LABEL: func @broadcasting
func.func @broadcasting(%a: tensor<?x1x4xf32, #mm.dims<[n, 1, 4]>>, %b: tensor<3x1xf32>, %e: tensor<i64>) {
  // CHECK: mm.add %{{.*}}, %{{.*}} : {{.*}} -> tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>>
  %0 = mm.add %a, %b : tensor<?x1x4xf32, #mm.dims<[n, 1, 4]>>, tensor<3x1xf32> -> tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>>
  // CHECK: mm.pow %{{.*}}, %{{.*}} : tensor<3x1xf32>, tensor<i64> -> tensor<3x1xf32>
  %1 = mm.pow %b, %e : tensor<3x1xf32>, tensor<i64> -> tensor<3x1xf32>
  // CHECK: mm.compare le %{{.*}}, %{{.*}} : {{.*}} -> tensor<?x3x4xi1, #mm.dims<[n, 3, 4]>>
  %2 = mm.compare le %a, %b : tensor<?x1x4xf32, #mm.dims<[n, 1, 4]>>, tensor<3x1xf32> -> tensor<?x3x4xi1, #mm.dims<[n, 3, 4]>>
  // CHECK: mm.select %{{.*}}, %{{.*}}, %{{.*}} : {{.*}} -> tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>>
  %3 = mm.select %2, %a, %b : tensor<?x3x4xi1, #mm.dims<[n, 3, 4]>>, tensor<?x1x4xf32, #mm.dims<[n, 1, 4]>>, tensor<3x1xf32> -> tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>>
  return
}

// CHECK-LABEL: func @reductions
func.func @reductions(%x: tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>>) {
  // CHECK: mm.reduce mean %{{.*}} axes [1, 2] keep true : {{.*}} -> tensor<?x1x1xf32, #mm.dims<[n, 1, 1]>>
  %0 = mm.reduce mean %x axes [1, 2] keep true : tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>> -> tensor<?x1x1xf32, #mm.dims<[n, 1, 1]>>
  // CHECK: mm.reduce max %{{.*}} axes [0] keep false : {{.*}} -> tensor<3x4xf32>
  %1 = mm.reduce max %x axes [0] keep false : tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>> -> tensor<3x4xf32>
  // CHECK: mm.arg_reduce %{{.*}} axis 1 keep false largest true : {{.*}} -> tensor<?x4xi64, #mm.dims<[n, 4]>>
  %2 = mm.arg_reduce %x axis 1 keep false largest true : tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>> -> tensor<?x4xi64, #mm.dims<[n, 4]>>
  return
}
