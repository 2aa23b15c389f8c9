// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v3" --mlir-print-local-scope | FileCheck %s

// 197 * 768 elements are worth 9 cells, or 12: 17 rows each, and however the
// threads are, their shares are almost equal.
// CHECK: plan.kernel @[[SOFTMAX:.*]] row "loops" extents affine_map<() -> (197, 768)> parallel 1 params affine_map<() -> (1, 17)>
// CHECK: plan.entry @rows
// CHECK: plan.dispatch @[[SOFTMAX]] grid affine_map<() -> (12, 1, 1)>
func.func @rows(%x: tensor<197x768xf32>) -> tensor<197x768xf32> {
  %0 = mm.softmax %x axis 1 : tensor<197x768xf32> -> tensor<197x768xf32>
  return %0 : tensor<197x768xf32>
}

// CHECK: plan.kernel @[[ANY:.*]] row "loops" extents affine_map<()[s0] -> (s0, 768)> parallel 1 params affine_map<()[s0] -> (1, 21)>
// CHECK: plan.entry @any_number_of_rows
// CHECK: plan.dispatch @[[ANY]] grid affine_map<()[s0] -> (s0 ceildiv 21, 1, 1)>
func.func @any_number_of_rows(%x: tensor<?x768xf32, #mm.dims<[rows, 768]>>) -> tensor<?x768xf32, #mm.dims<[rows, 768]>> {
  %0 = mm.softmax %x axis 1 : tensor<?x768xf32, #mm.dims<[rows, 768]>> -> tensor<?x768xf32, #mm.dims<[rows, 768]>>
  return %0 : tensor<?x768xf32, #mm.dims<[rows, 768]>>
}

// Vectors run along what is left: whole cache lines of it.
// CHECK: plan.kernel @[[MEAN:.*]] row "loops" extents affine_map<() -> (768, 197)> parallel 1 params affine_map<() -> (1, 64)>
// CHECK: plan.entry @columns
// CHECK: plan.dispatch @[[MEAN]] grid affine_map<() -> (12, 1, 1)>
func.func @columns(%x: tensor<197x768xf32>) -> tensor<768xf32> {
  %0 = mm.reduce mean %x axes [0] keep false : tensor<197x768xf32> -> tensor<768xf32>
  return %0 : tensor<768xf32>
}
