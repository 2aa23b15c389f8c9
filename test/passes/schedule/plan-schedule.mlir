// RUN: mmcc-opt %s --plan-schedule | FileCheck %s

#none = affine_map<() -> ()>
#grid = affine_map<() -> (1, 1, 1)>
#k1 = affine_map<() -> (256)>
#k2 = affine_map<() -> (512)>
#sgrid = affine_map<()[s0] -> (1, 1, 1)>
#sid = affine_map<()[s0] -> (s0)>
#s = affine_map<()[s0] -> (s0 * 64)>

plan.variant "cpu:x86-64-v3" {
  // Bytes: a 1024, b 2048, c 1024. a and b live at the first command,
  // b and c at the second: the bound is 2048 + 1024 = 3072, and a and c share.
  // CHECK-LABEL: plan.entry @share_when_not_live_together
  // CHECK-SAME: arena #[[ARENA:map[0-9]*]] attributes {lower_bound = 3072 : i64}
  // CHECK: plan.alloc #{{.*}} offset #[[HIGH:map[0-9]*]] : <f32>
  // CHECK: plan.alloc #{{.*}} offset #[[LOW:map[0-9]*]] : <f32>
  // CHECK: plan.alloc #{{.*}} offset #[[HIGH]] : <f32>
  plan.entry @share_when_not_live_together symbols [] ranges [] inputs ["x"] outputs ["y"] types [f32, f32] shapes [#k1, #k1] {
  ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    %a = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @k grid #grid sizes #none(%x, %a) : !plan.buffer<f32>, !plan.buffer<f32>
    %b = plan.alloc #k2 : !plan.buffer<f32>
    plan.dispatch @k grid #grid sizes #none(%a, %b) : !plan.buffer<f32>, !plan.buffer<f32>
    %c = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @k grid #grid sizes #none(%b, %c) : !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @k grid #grid sizes #none(%c, %y) : !plan.buffer<f32>, !plan.buffer<f32>
  }

  // The size depends on the call: the runtime places it.
  // CHECK-LABEL: plan.entry @leave_when_size_is_unknown
  // CHECK-NOT: offset
  plan.entry @leave_when_size_is_unknown symbols ["n"] ranges [1, -1] inputs ["x"] outputs ["y"] types [f32, f32] shapes [#sid, #sid] {
  ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    %a = plan.alloc #s : !plan.buffer<f32>
    plan.dispatch @k grid #sgrid sizes #sid(%x, %a) : !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @k grid #sgrid sizes #sid(%a, %y) : !plan.buffer<f32>, !plan.buffer<f32>
  }
}
