// RUN: mmcc-opt %s --plan-in-place | FileCheck %s

#id = affine_map<(d0) -> (d0)>
#shifted = affine_map<(d0) -> (d0 + 1)>
#none = affine_map<() -> ()>
#zero = affine_map<() -> (0)>
#one = affine_map<() -> (1, 1, 1)>
#n = affine_map<() -> (64)>
#cell = affine_map<() -> (1, 64)>

plan.variant "cpu:x86-64-v3" {
  plan.kernel @add row "loops" extents #n parallel 1 params #cell offsets #none scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<f32>, %b: !plan.buffer<f32>, %c: !plan.buffer<f32>):
    plan.block "map" {
    ^bb0(%i: index):
      %x = plan.load %a[#id(%i)] : !plan.buffer<f32> -> f32
      %y = plan.load %b[#shifted(%i)] : !plan.buffer<f32> -> f32
      %z = arith.addf %x, %y : f32
      plan.store %z, %c[#id(%i)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }

  // The first operand is read where it is written; the second is not.
  // CHECK-LABEL: plan.entry @fuse_when_read_last
  // CHECK: %[[A:.*]] = plan.alloc
  // CHECK: %[[B:.*]] = plan.alloc
  // CHECK: plan.dispatch @add {{.*}}(%[[A]], %[[B]], %[[A]])
  // CHECK: plan.dispatch @add {{.*}}(%[[A]], %[[B]], %arg1)
  plan.entry @fuse_when_read_last symbols [] ranges [] inputs ["x"] outputs ["y"] types [f32, f32] shapes [#n, #n] {
  ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    %a = plan.alloc #n : !plan.buffer<f32>
    %b = plan.alloc #n : !plan.buffer<f32>
    plan.dispatch @add grid #one sizes #none(%x, %x, %a) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @add grid #one sizes #none(%x, %x, %b) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
    %c = plan.alloc #n : !plan.buffer<f32>
    plan.dispatch @add grid #one sizes #none(%a, %b, %c) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @add grid #one sizes #none(%c, %b, %y) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
  }

  // CHECK-LABEL: plan.entry @keep_when_read_later
  // CHECK: plan.dispatch @add {{.*}}(%arg0, %arg0, %[[A:[0-9]+]])
  // CHECK: plan.dispatch @add {{.*}}(%[[A]], %arg0, %[[C:[0-9]+]])
  // CHECK: plan.dispatch @add {{.*}}(%[[C]], %[[A]], %arg1)
  plan.entry @keep_when_read_later symbols [] ranges [] inputs ["x"] outputs ["y"] types [f32, f32] shapes [#n, #n] {
  ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    %a = plan.alloc #n : !plan.buffer<f32>
    plan.dispatch @add grid #one sizes #none(%x, %x, %a) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
    %c = plan.alloc #n : !plan.buffer<f32>
    plan.dispatch @add grid #one sizes #none(%a, %x, %c) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @add grid #one sizes #none(%c, %a, %y) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
  }
}
