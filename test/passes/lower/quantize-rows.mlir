// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v3" --mlir-print-local-scope | FileCheck %s

// What only the bytes are made of is never stored.
// CHECK-LABEL: plan.kernel @loops_0
// CHECK-SAME: written [1, 2]
// CHECK: plan.block "reduce" combine "sum"
// CHECK: plan.block "reduce" combine "sum"
// CHECK-NOT: plan.block "map"
// CHECK: plan.block "reduce" combine "max"
// CHECK: math.absf
// CHECK: plan.block "finish"
// CHECK: plan.store %{{.*}} : f32
// CHECK: plan.block "map"
// CHECK: math.roundeven
// CHECK: plan.store %{{.*}} : i8
// CHECK: plan.entry @norm_alone
// CHECK-NOT: plan.alloc
// CHECK-COUNT-1: plan.dispatch
// CHECK-NOT: plan.dispatch
func.func @norm_alone(%x: tensor<5x64xf32>) -> (tensor<5x64xi8>, tensor<5x1xf32>) {
  %0 = mm.layer_norm %x {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<5x64xf32> -> tensor<5x64xf32>
  %q, %s = mm.quantize_rows %0 {block = 64 : i64} : tensor<5x64xf32> -> tensor<5x64xi8>, tensor<5x1xf32>
  return %q, %s : tensor<5x64xi8>, tensor<5x1xf32>
}

// What others read is stored, and read back while it is near.
// CHECK: plan.block "map"
// CHECK: plan.store %{{[0-9a-z]+}}, %[[Y:arg[0-9]+]]{{.}}affine
// CHECK: plan.block "reduce" combine "max"
// CHECK: plan.load %[[Y]]
// CHECK: plan.block "map"
// CHECK: plan.load %[[Y]]
// CHECK: plan.entry @norm_that_others_read
// CHECK-COUNT-1: plan.dispatch
// CHECK-NOT: plan.dispatch
func.func @norm_that_others_read(%x: tensor<5x64xf32>) -> (tensor<5x64xf32>, tensor<5x64xi8>, tensor<5x1xf32>) {
  %0 = mm.rms_norm %x {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<5x64xf32> -> tensor<5x64xf32>
  %q, %s = mm.quantize_rows %0 {block = 64 : i64} : tensor<5x64xf32> -> tensor<5x64xi8>, tensor<5x1xf32>
  return %0, %q, %s : tensor<5x64xf32>, tensor<5x64xi8>, tensor<5x1xf32>
}

// An activation is computed once, whatever the block.
// CHECK: plan.kernel @loops_2
// CHECK-COUNT-1: math.exp
// CHECK-NOT: math.exp
// CHECK: plan.entry @activation
// CHECK-COUNT-1: plan.dispatch
// CHECK-NOT: plan.dispatch
func.func @activation(%x: tensor<5x64xf32>, %g: tensor<5x64xf32>) -> (tensor<5x64xi8>, tensor<5x2xf32>) {
  %0 = mm.exp %x : tensor<5x64xf32> -> tensor<5x64xf32>
  %1 = mm.mul %0, %g : tensor<5x64xf32>, tensor<5x64xf32> -> tensor<5x64xf32>
  %q, %s = mm.quantize_rows %1 {block = 32 : i64} : tensor<5x64xf32> -> tensor<5x64xi8>, tensor<5x2xf32>
  return %q, %s : tensor<5x64xi8>, tensor<5x2xf32>
}

// A block is less than the row that the norm goes over, and rows that were
// turned are no rows of the norm, nor are groups of channels: two launches.
// CHECK: plan.entry @blocks_of_a_norm
// CHECK-COUNT-2: plan.dispatch
// CHECK: plan.entry @turned
// CHECK-COUNT-2: plan.dispatch
// CHECK: plan.entry @groups_of_channels
// CHECK-COUNT-2: plan.dispatch
func.func @blocks_of_a_norm(%x: tensor<5x64xf32>) -> (tensor<5x64xi8>, tensor<5x2xf32>) {
  %0 = mm.rms_norm %x {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<5x64xf32> -> tensor<5x64xf32>
  %q, %s = mm.quantize_rows %0 {block = 32 : i64} : tensor<5x64xf32> -> tensor<5x64xi8>, tensor<5x2xf32>
  return %q, %s : tensor<5x64xi8>, tensor<5x2xf32>
}
func.func @turned(%x: tensor<64x64xf32>) -> (tensor<64x64xi8>, tensor<64x1xf32>) {
  %0 = mm.rms_norm %x {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<64x64xf32> -> tensor<64x64xf32>
  %1 = mm.transpose %0 [1, 0] : tensor<64x64xf32> -> tensor<64x64xf32>
  %q, %s = mm.quantize_rows %1 {block = 64 : i64} : tensor<64x64xf32> -> tensor<64x64xi8>, tensor<64x1xf32>
  return %q, %s : tensor<64x64xi8>, tensor<64x1xf32>
}
func.func @groups_of_channels(%x: tensor<5x64xf32>) -> (tensor<5x64xi8>, tensor<5x1xf32>) {
  %0 = mm.group_norm %x {groups = 4 : i64, epsilon = 1.0e-5 : f64} : tensor<5x64xf32> -> tensor<5x64xf32>
  %q, %s = mm.quantize_rows %0 {block = 64 : i64} : tensor<5x64xf32> -> tensor<5x64xi8>, tensor<5x1xf32>
  return %q, %s : tensor<5x64xi8>, tensor<5x1xf32>
}

// Floats of 8 bits: as little is stored, and a scale is never below the normal
// range, so that 0 does not meet infinity.
// CHECK: plan.kernel @loops_{{[0-9]+}}
// CHECK-SAME: written [1, 2]
// CHECK: plan.block "reduce" combine "sum"
// CHECK: plan.block "reduce" combine "sum"
// CHECK-NOT: plan.block "map"
// CHECK: plan.block "reduce" combine "max"
// CHECK: plan.block "finish"
// CHECK: arith.constant 5.26621469E-36 : f32
// CHECK: arith.select
// CHECK: plan.store %{{.*}} : f32
// CHECK: plan.block "map"
// CHECK-NOT: math.roundeven
// CHECK: arith.truncf %{{.*}} : f32 to f8E4M3FN
// CHECK: plan.store %{{.*}} : f8E4M3FN
// CHECK: plan.entry @floats
// CHECK-NOT: plan.alloc
// CHECK-COUNT-1: plan.dispatch
// CHECK-NOT: plan.dispatch
func.func @floats(%x: tensor<5x64xf32>) -> (tensor<5x64xf8E4M3FN>, tensor<5x1xf32>) {
  %0 = mm.layer_norm %x {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<5x64xf32> -> tensor<5x64xf32>
  %q, %s = mm.quantize_rows %0 {block = 64 : i64, is_float} : tensor<5x64xf32> -> tensor<5x64xf8E4M3FN>, tensor<5x1xf32>
  return %q, %s : tensor<5x64xf8E4M3FN>, tensor<5x1xf32>
}
