// RUN: mmcc-opt %s | mmcc-opt | FileCheck %s

// CHECK-LABEL: func @gathers
func.func @gathers(%t: tensor<10x4xf32>, %i: tensor<?x3xi64, #mm.dims<[n, 3]>>, %e: tensor<2x4xi32>, %nd: tensor<5x2xi64>) {
  // CHECK: mm.gather %{{.*}}[%{{.*}}] axis 0 : {{.*}} -> tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>>
  %0 = mm.gather %t[%i] axis 0 : tensor<10x4xf32>, tensor<?x3xi64, #mm.dims<[n, 3]>> -> tensor<?x3x4xf32, #mm.dims<[n, 3, 4]>>
  // CHECK: mm.gather_elements %{{.*}}[%{{.*}}] axis 0 : {{.*}} -> tensor<2x4xf32>
  %1 = mm.gather_elements %t[%e] axis 0 : tensor<10x4xf32>, tensor<2x4xi32> -> tensor<2x4xf32>
  // CHECK: mm.gather_nd %{{.*}}[%{{.*}}] : {{.*}} -> tensor<5xf32>
  %2 = mm.gather_nd %t[%nd] : tensor<10x4xf32>, tensor<5x2xi64> -> tensor<5xf32>
  return
}

// CHECK-LABEL: func @others
func.func @others(%t: tensor<10x4xf32>, %nd: tensor<5x1xi64>, %u: tensor<5x4xf32>) {
  // CHECK: mm.scatter %{{.*}}[%{{.*}}] %{{.*}} "nd" "add" : {{.*}} -> tensor<10x4xf32>
  %0 = mm.scatter %t[%nd] %u "nd" "add" : tensor<10x4xf32>, tensor<5x1xi64>, tensor<5x4xf32> -> tensor<10x4xf32>
  // CHECK: mm.cumulative "sum" %{{.*}} axis 1 {exclusive = true} : {{.*}} -> tensor<10x4xf32>
  %1 = mm.cumulative "sum" %t axis 1 {exclusive = true} : tensor<10x4xf32> -> tensor<10x4xf32>
  // CHECK: mm.topk %{{.*}} axis 0 largest true : {{.*}} -> tensor<3x4xf32>, tensor<3x4xi64>
  %2, %3 = mm.topk %t axis 0 largest true : tensor<10x4xf32> -> tensor<3x4xf32>, tensor<3x4xi64>
  // CHECK: mm.resize %{{.*}} {{{.*}}mode = "linear"{{.*}}} : tensor<10x4xf32> -> tensor<20x4xf32>
  %4 = mm.resize %t {mode = "linear", coordinates = "half_pixel", rounding = "floor", scales = array<f64: 2.0, 1.0>} : tensor<10x4xf32> -> tensor<20x4xf32>
  return
}
