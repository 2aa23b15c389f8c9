// RUN: mmcc-opt %s --mm-form-rope | FileCheck %s

// CHECK-LABEL: @fuse_when_halves_are_rotated
// CHECK-NEXT: mm.rope %arg0 cos %arg1 sin %arg2 {rotary_dim = 16 : i64}
// CHECK-NEXT: return
func.func @fuse_when_halves_are_rotated(%x: tensor<1x4x8x16xf32>, %cos: tensor<1x1x8x16xf32>, %sin: tensor<1x1x8x16xf32>) -> tensor<1x4x8x16xf32> {
  %a = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 1] : tensor<1x4x8x16xf32> -> tensor<1x4x8x8xf32>
  %b = mm.slice %x offsets #mm.dims<[0, 0, 0, 8]> steps [1, 1, 1, 1] : tensor<1x4x8x16xf32> -> tensor<1x4x8x8xf32>
  %n = mm.neg %b : tensor<1x4x8x8xf32> -> tensor<1x4x8x8xf32>
  %r = mm.concat %n, %a axis 3 : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32> -> tensor<1x4x8x16xf32>
  %0 = mm.mul %x, %cos : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x4x8x16xf32>
  %1 = mm.mul %r, %sin : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x4x8x16xf32>
  %2 = mm.add %1, %0 : tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32> -> tensor<1x4x8x16xf32>
  return %2 : tensor<1x4x8x16xf32>
}

// The first 8 of 16 channels turn.
// CHECK-LABEL: @fuse_when_rotation_is_partial
// CHECK-NEXT: mm.rope %arg0 cos %arg1 sin %arg2 {rotary_dim = 8 : i64}
// CHECK-NEXT: return
func.func @fuse_when_rotation_is_partial(%x: tensor<1x4x3x16xf32>, %cos: tensor<3x8xf32>, %sin: tensor<3x8xf32>) -> tensor<1x4x3x16xf32> {
  %t = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 1] : tensor<1x4x3x16xf32> -> tensor<1x4x3x8xf32>
  %rest = mm.slice %x offsets #mm.dims<[0, 0, 0, 8]> steps [1, 1, 1, 1] : tensor<1x4x3x16xf32> -> tensor<1x4x3x8xf32>
  %a = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 1] : tensor<1x4x3x16xf32> -> tensor<1x4x3x4xf32>
  %b = mm.slice %x offsets #mm.dims<[0, 0, 0, 4]> steps [1, 1, 1, 1] : tensor<1x4x3x16xf32> -> tensor<1x4x3x4xf32>
  %n = mm.neg %b : tensor<1x4x3x4xf32> -> tensor<1x4x3x4xf32>
  %r = mm.concat %n, %a axis 3 : tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32> -> tensor<1x4x3x8xf32>
  %0 = mm.mul %t, %cos : tensor<1x4x3x8xf32>, tensor<3x8xf32> -> tensor<1x4x3x8xf32>
  %1 = mm.mul %r, %sin : tensor<1x4x3x8xf32>, tensor<3x8xf32> -> tensor<1x4x3x8xf32>
  %2 = mm.add %0, %1 : tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32> -> tensor<1x4x3x8xf32>
  %3 = mm.concat %2, %rest axis 3 : tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32> -> tensor<1x4x3x16xf32>
  return %3 : tensor<1x4x3x16xf32>
}

// CHECK-LABEL: @fuse_when_halves_are_apart
// CHECK-DAG: %[[COS:.*]] = mm.concat %arg1, %arg1 axis 2
// CHECK-DAG: %[[SIN:.*]] = mm.concat %arg2, %arg2 axis 2
// CHECK: mm.rope {{.*}} cos %[[COS]] sin %[[SIN]] {rotary_dim = 8 : i64}
func.func @fuse_when_halves_are_apart(%x: tensor<6x3x8xf32>, %cos: tensor<6x1x4xf32>, %sin: tensor<6x1x4xf32>) -> tensor<6x3x8xf32> {
  %a = mm.slice %x offsets #mm.dims<[0, 0, 0]> steps [1, 1, 1] : tensor<6x3x8xf32> -> tensor<6x3x4xf32>
  %b = mm.slice %x offsets #mm.dims<[0, 0, 4]> steps [1, 1, 1] : tensor<6x3x8xf32> -> tensor<6x3x4xf32>
  %0 = mm.mul %a, %cos : tensor<6x3x4xf32>, tensor<6x1x4xf32> -> tensor<6x3x4xf32>
  %1 = mm.mul %b, %sin : tensor<6x3x4xf32>, tensor<6x1x4xf32> -> tensor<6x3x4xf32>
  %2 = mm.sub %0, %1 : tensor<6x3x4xf32>, tensor<6x3x4xf32> -> tensor<6x3x4xf32>
  %3 = mm.mul %b, %cos : tensor<6x3x4xf32>, tensor<6x1x4xf32> -> tensor<6x3x4xf32>
  %4 = mm.mul %a, %sin : tensor<6x3x4xf32>, tensor<6x1x4xf32> -> tensor<6x3x4xf32>
  %5 = mm.add %3, %4 : tensor<6x3x4xf32>, tensor<6x3x4xf32> -> tensor<6x3x4xf32>
  %6 = mm.concat %2, %5 axis 2 : tensor<6x3x4xf32>, tensor<6x3x4xf32> -> tensor<6x3x8xf32>
  return %6 : tensor<6x3x8xf32>
}

// The other half is negated: this turns the other way.
// CHECK-LABEL: @keep_when_first_half_is_negated
// CHECK-NOT: mm.rope
func.func @keep_when_first_half_is_negated(%x: tensor<1x4x8x16xf32>, %cos: tensor<1x1x8x16xf32>, %sin: tensor<1x1x8x16xf32>) -> tensor<1x4x8x16xf32> {
  %a = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 1] : tensor<1x4x8x16xf32> -> tensor<1x4x8x8xf32>
  %b = mm.slice %x offsets #mm.dims<[0, 0, 0, 8]> steps [1, 1, 1, 1] : tensor<1x4x8x16xf32> -> tensor<1x4x8x8xf32>
  %n = mm.neg %a : tensor<1x4x8x8xf32> -> tensor<1x4x8x8xf32>
  %r = mm.concat %b, %n axis 3 : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32> -> tensor<1x4x8x16xf32>
  %0 = mm.mul %x, %cos : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x4x8x16xf32>
  %1 = mm.mul %r, %sin : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x4x8x16xf32>
  %2 = mm.add %0, %1 : tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32> -> tensor<1x4x8x16xf32>
  return %2 : tensor<1x4x8x16xf32>
}

// The slices are no halves.
// CHECK-LABEL: @keep_when_parts_are_unequal
// CHECK-NOT: mm.rope
func.func @keep_when_parts_are_unequal(%x: tensor<1x4x8x16xf32>, %cos: tensor<1x1x8x16xf32>, %sin: tensor<1x1x8x16xf32>) -> tensor<1x4x8x16xf32> {
  %a = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 1] : tensor<1x4x8x16xf32> -> tensor<1x4x8x4xf32>
  %b = mm.slice %x offsets #mm.dims<[0, 0, 0, 4]> steps [1, 1, 1, 1] : tensor<1x4x8x16xf32> -> tensor<1x4x8x12xf32>
  %n = mm.neg %b : tensor<1x4x8x12xf32> -> tensor<1x4x8x12xf32>
  %r = mm.concat %n, %a axis 3 : tensor<1x4x8x12xf32>, tensor<1x4x8x4xf32> -> tensor<1x4x8x16xf32>
  %0 = mm.mul %x, %cos : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x4x8x16xf32>
  %1 = mm.mul %r, %sin : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x4x8x16xf32>
  %2 = mm.add %0, %1 : tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32> -> tensor<1x4x8x16xf32>
  return %2 : tensor<1x4x8x16xf32>
}

// Neighbours turn, (-x1, x0, -x3, x2): the tables hold each angle twice.
// CHECK-LABEL: @fuse_when_neighbours_are_rotated
// CHECK: mm.rope %arg0 cos %{{.*}} sin %{{.*}} {interleaved = true, rotary_dim = 8 : i64} : tensor<2x3x4x8xf32>, tensor<1x3x1x4xf32>, tensor<1x3x1x4xf32>
func.func @fuse_when_neighbours_are_rotated(%x: tensor<2x3x4x8xf32>, %c: tensor<1x3x1x4x1xf32>, %s: tensor<1x3x1x4x1xf32>) -> tensor<2x3x4x8xf32> {
  %c2 = mm.broadcast %c : tensor<1x3x1x4x1xf32> -> tensor<1x3x1x4x2xf32>
  %cos = mm.reshape %c2 : tensor<1x3x1x4x2xf32> -> tensor<1x3x1x8xf32>
  %s2 = mm.broadcast %s : tensor<1x3x1x4x1xf32> -> tensor<1x3x1x4x2xf32>
  %sin = mm.reshape %s2 : tensor<1x3x1x4x2xf32> -> tensor<1x3x1x8xf32>
  %even = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 2] : tensor<2x3x4x8xf32> -> tensor<2x3x4x4xf32>
  %odd = mm.slice %x offsets #mm.dims<[0, 0, 0, 1]> steps [1, 1, 1, 2] : tensor<2x3x4x8xf32> -> tensor<2x3x4x4xf32>
  %n = mm.neg %odd : tensor<2x3x4x4xf32> -> tensor<2x3x4x4xf32>
  %a = mm.reshape %n : tensor<2x3x4x4xf32> -> tensor<2x3x4x4x1xf32>
  %b = mm.reshape %even : tensor<2x3x4x4xf32> -> tensor<2x3x4x4x1xf32>
  %stack = mm.concat %a, %b axis 4 : tensor<2x3x4x4x1xf32>, tensor<2x3x4x4x1xf32> -> tensor<2x3x4x4x2xf32>
  %turned = mm.reshape %stack : tensor<2x3x4x4x2xf32> -> tensor<2x3x4x8xf32>
  %0 = mm.mul %x, %cos : tensor<2x3x4x8xf32>, tensor<1x3x1x8xf32> -> tensor<2x3x4x8xf32>
  %1 = mm.mul %turned, %sin : tensor<2x3x4x8xf32>, tensor<1x3x1x8xf32> -> tensor<2x3x4x8xf32>
  %2 = mm.add %0, %1 : tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32> -> tensor<2x3x4x8xf32>
  return %2 : tensor<2x3x4x8xf32>
}

// The cosines differ within a pair: no rotation.
// CHECK-LABEL: @keep_when_tables_are_not_paired
// CHECK-NOT: mm.rope
func.func @keep_when_tables_are_not_paired(%x: tensor<2x3x4x8xf32>, %cos: tensor<1x3x1x8xf32>, %s: tensor<1x3x1x4x1xf32>) -> tensor<2x3x4x8xf32> {
  %s2 = mm.broadcast %s : tensor<1x3x1x4x1xf32> -> tensor<1x3x1x4x2xf32>
  %sin = mm.reshape %s2 : tensor<1x3x1x4x2xf32> -> tensor<1x3x1x8xf32>
  %even = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 2] : tensor<2x3x4x8xf32> -> tensor<2x3x4x4xf32>
  %odd = mm.slice %x offsets #mm.dims<[0, 0, 0, 1]> steps [1, 1, 1, 2] : tensor<2x3x4x8xf32> -> tensor<2x3x4x4xf32>
  %n = mm.neg %odd : tensor<2x3x4x4xf32> -> tensor<2x3x4x4xf32>
  %a = mm.reshape %n : tensor<2x3x4x4xf32> -> tensor<2x3x4x4x1xf32>
  %b = mm.reshape %even : tensor<2x3x4x4xf32> -> tensor<2x3x4x4x1xf32>
  %stack = mm.concat %a, %b axis 4 : tensor<2x3x4x4x1xf32>, tensor<2x3x4x4x1xf32> -> tensor<2x3x4x4x2xf32>
  %turned = mm.reshape %stack : tensor<2x3x4x4x2xf32> -> tensor<2x3x4x8xf32>
  %0 = mm.mul %x, %cos : tensor<2x3x4x8xf32>, tensor<1x3x1x8xf32> -> tensor<2x3x4x8xf32>
  %1 = mm.mul %turned, %sin : tensor<2x3x4x8xf32>, tensor<1x3x1x8xf32> -> tensor<2x3x4x8xf32>
  %2 = mm.add %0, %1 : tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32> -> tensor<2x3x4x8xf32>
  return %2 : tensor<2x3x4x8xf32>
}

// One head of one image: the slices do not know of the heads' dimension yet.
// CHECK-LABEL: @fuse_when_halves_are_reshaped_after
// CHECK: %[[X:.*]] = mm.reshape {{.*}} -> tensor<1x1x12x8xf32>
// CHECK: mm.rope %[[X]] cos %arg1 sin %arg2 {rotary_dim = 8
func.func @fuse_when_halves_are_reshaped_after(%all: tensor<1x12x24xf32>, %cos: tensor<1x1x12x8xf32>, %sin: tensor<1x1x12x8xf32>) -> tensor<1x1x12x8xf32> {
  %s = mm.slice %all offsets #mm.dims<[0, 0, 8]> steps [1, 1, 1] : tensor<1x12x24xf32> -> tensor<1x12x8xf32>
  %x = mm.reshape %s : tensor<1x12x8xf32> -> tensor<1x1x12x8xf32>
  %b = mm.slice %all offsets #mm.dims<[0, 0, 12]> steps [1, 1, 1] : tensor<1x12x24xf32> -> tensor<1x12x4xf32>
  %n = mm.neg %b : tensor<1x12x4xf32> -> tensor<1x12x4xf32>
  %a = mm.slice %all offsets #mm.dims<[0, 0, 8]> steps [1, 1, 1] : tensor<1x12x24xf32> -> tensor<1x12x4xf32>
  %h = mm.concat %n, %a axis 2 : tensor<1x12x4xf32>, tensor<1x12x4xf32> -> tensor<1x12x8xf32>
  %r = mm.reshape %h : tensor<1x12x8xf32> -> tensor<1x1x12x8xf32>
  %0 = mm.mul %x, %cos : tensor<1x1x12x8xf32>, tensor<1x1x12x8xf32> -> tensor<1x1x12x8xf32>
  %1 = mm.mul %r, %sin : tensor<1x1x12x8xf32>, tensor<1x1x12x8xf32> -> tensor<1x1x12x8xf32>
  %2 = mm.add %0, %1 : tensor<1x1x12x8xf32>, tensor<1x1x12x8xf32> -> tensor<1x1x12x8xf32>
  return %2 : tensor<1x1x12x8xf32>
}

// The halves are those of the neighbouring eight channels.
// CHECK-LABEL: @keep_when_reshaped_halves_are_others
// CHECK-NOT: mm.rope
// CHECK: return
func.func @keep_when_reshaped_halves_are_others(%all: tensor<1x12x24xf32>, %cos: tensor<1x1x12x8xf32>, %sin: tensor<1x1x12x8xf32>) -> tensor<1x1x12x8xf32> {
  %s = mm.slice %all offsets #mm.dims<[0, 0, 0]> steps [1, 1, 1] : tensor<1x12x24xf32> -> tensor<1x12x8xf32>
  %x = mm.reshape %s : tensor<1x12x8xf32> -> tensor<1x1x12x8xf32>
  %b = mm.slice %all offsets #mm.dims<[0, 0, 12]> steps [1, 1, 1] : tensor<1x12x24xf32> -> tensor<1x12x4xf32>
  %n = mm.neg %b : tensor<1x12x4xf32> -> tensor<1x12x4xf32>
  %a = mm.slice %all offsets #mm.dims<[0, 0, 8]> steps [1, 1, 1] : tensor<1x12x24xf32> -> tensor<1x12x4xf32>
  %h = mm.concat %n, %a axis 2 : tensor<1x12x4xf32>, tensor<1x12x4xf32> -> tensor<1x12x8xf32>
  %r = mm.reshape %h : tensor<1x12x8xf32> -> tensor<1x1x12x8xf32>
  %0 = mm.mul %x, %cos : tensor<1x1x12x8xf32>, tensor<1x1x12x8xf32> -> tensor<1x1x12x8xf32>
  %1 = mm.mul %r, %sin : tensor<1x1x12x8xf32>, tensor<1x1x12x8xf32> -> tensor<1x1x12x8xf32>
  %2 = mm.add %0, %1 : tensor<1x1x12x8xf32>, tensor<1x1x12x8xf32> -> tensor<1x1x12x8xf32>
  return %2 : tensor<1x1x12x8xf32>
}

// GPT-J at a fixed length: the tables have become constants, the sines before
// the fold, the cosines behind it.
// CHECK-LABEL: @fuse_when_tables_are_constants
// CHECK: mm.rope %arg0 cos %{{.*}} sin %{{.*}} {interleaved = true, rotary_dim = 4 : i64} : tensor<1x2x1x4xf32>, tensor<1x2x1x2xf32>, tensor<2x1x2xf32>
func.func @fuse_when_tables_are_constants(%x: tensor<1x2x1x4xf32>) -> tensor<1x2x1x4xf32> {
  %cos = mm.constant dense<[[[[1.0, 1.0, 0.5, 0.5]], [[0.25, 0.25, 2.0, 2.0]]]]> : tensor<1x2x1x4xf32>
  %sin = mm.constant dense<[[[[0.5, 0.5], [0.25, 0.25]]], [[[0.125, 0.125], [0.75, 0.75]]]]> : tensor<2x1x2x2xf32>
  %even = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 2] : tensor<1x2x1x4xf32> -> tensor<1x2x1x2xf32>
  %odd = mm.slice %x offsets #mm.dims<[0, 0, 0, 1]> steps [1, 1, 1, 2] : tensor<1x2x1x4xf32> -> tensor<1x2x1x2xf32>
  %n = mm.neg %odd : tensor<1x2x1x2xf32> -> tensor<1x2x1x2xf32>
  %a = mm.reshape %n : tensor<1x2x1x2xf32> -> tensor<1x2x1x2x1xf32>
  %b = mm.reshape %even : tensor<1x2x1x2xf32> -> tensor<1x2x1x2x1xf32>
  %stack = mm.concat %a, %b axis 4 : tensor<1x2x1x2x1xf32>, tensor<1x2x1x2x1xf32> -> tensor<1x2x1x2x2xf32>
  %0 = mm.mul %x, %cos : tensor<1x2x1x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x1x4xf32>
  %1 = mm.mul %stack, %sin : tensor<1x2x1x2x2xf32>, tensor<2x1x2x2xf32> -> tensor<1x2x1x2x2xf32>
  %turned = mm.reshape %1 : tensor<1x2x1x2x2xf32> -> tensor<1x2x1x4xf32>
  %2 = mm.add %0, %turned : tensor<1x2x1x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x1x4xf32>
  return %2 : tensor<1x2x1x4xf32>
}

// CHECK-LABEL: @keep_when_constant_tables_are_not_paired
// CHECK-NOT: mm.rope
// CHECK: return
func.func @keep_when_constant_tables_are_not_paired(%x: tensor<1x2x1x4xf32>) -> tensor<1x2x1x4xf32> {
  %cos = mm.constant dense<[[[[1.0, 0.5, 1.0, 0.5]], [[0.25, 0.25, 2.0, 2.0]]]]> : tensor<1x2x1x4xf32>
  %sin = mm.constant dense<[[[[0.5, 0.5], [0.25, 0.25]]], [[[0.125, 0.125], [0.75, 0.75]]]]> : tensor<2x1x2x2xf32>
  %even = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 2] : tensor<1x2x1x4xf32> -> tensor<1x2x1x2xf32>
  %odd = mm.slice %x offsets #mm.dims<[0, 0, 0, 1]> steps [1, 1, 1, 2] : tensor<1x2x1x4xf32> -> tensor<1x2x1x2xf32>
  %n = mm.neg %odd : tensor<1x2x1x2xf32> -> tensor<1x2x1x2xf32>
  %a = mm.reshape %n : tensor<1x2x1x2xf32> -> tensor<1x2x1x2x1xf32>
  %b = mm.reshape %even : tensor<1x2x1x2xf32> -> tensor<1x2x1x2x1xf32>
  %stack = mm.concat %a, %b axis 4 : tensor<1x2x1x2x1xf32>, tensor<1x2x1x2x1xf32> -> tensor<1x2x1x2x2xf32>
  %0 = mm.mul %x, %cos : tensor<1x2x1x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x1x4xf32>
  %1 = mm.mul %stack, %sin : tensor<1x2x1x2x2xf32>, tensor<2x1x2x2xf32> -> tensor<1x2x1x2x2xf32>
  %turned = mm.reshape %1 : tensor<1x2x1x2x2xf32> -> tensor<1x2x1x4xf32>
  %2 = mm.add %0, %turned : tensor<1x2x1x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x1x4xf32>
  return %2 : tensor<1x2x1x4xf32>
}
