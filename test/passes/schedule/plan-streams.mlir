// RUN: mmcc-opt %s --plan-streams="fewest-launches=2" --plan-schedule | FileCheck %s
// RUN: mmcc-opt %s --plan-streams | FileCheck %s --check-prefix=LONG

#none = affine_map<() -> ()>
#grid = affine_map<() -> (1, 1, 1)>
#k1 = affine_map<() -> (256)>
#zero = affine_map<() -> (0)>

// No branch here has 8 launches.
// LONG-NOT: stream
// LONG-NOT: waits

plan.variant "cpu:x86-64-v3" {
  plan.kernel @one row "loops" extents #k1 parallel 1 params affine_map<() -> (1, 256)> offsets #none scratch #zero written [1] {
  ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
  }
  plan.kernel @two row "loops" extents #k1 parallel 1 params affine_map<() -> (1, 256)> offsets #none scratch #zero written [2] {
  ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>, %z: !plan.buffer<f32>):
  }

  // Each of the four buffers has 1024 bytes. %a0 and %a1 are alive together,
  // so are %b0 and %b1, and the streams share nothing: 4 * 1024 bytes, although
  // in this order %a0 is dead when %b0 begins.
  // CHECK: #[[ARENA:map[0-9]*]] = affine_map<() -> (4096)>
  // CHECK-LABEL: plan.entry @split_when_branches_are_independent
  // CHECK-SAME: arena #[[ARENA]]
  // CHECK: plan.dispatch @one grid {{.*}} sizes #{{[a-z0-9]+}}(
  // CHECK: plan.dispatch @one grid {{.*}} sizes #{{[a-z0-9]+}}(
  // CHECK: plan.dispatch @one {{.*}} stream 1(
  // CHECK: plan.dispatch @one {{.*}} stream 1(
  // CHECK: plan.dispatch @two grid #{{[a-z0-9]+}} sizes #{{[a-z0-9]+}} waits [1](
  plan.entry @split_when_branches_are_independent symbols [] ranges [] inputs ["image", "text"] outputs ["y"] types [f32, f32, f32] shapes [#k1, #k1, #k1] {
  ^bb0(%image: !plan.buffer<f32>, %text: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    %a0 = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%image, %a0) : !plan.buffer<f32>, !plan.buffer<f32>
    %a1 = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%a0, %a1) : !plan.buffer<f32>, !plan.buffer<f32>
    %b0 = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%text, %b0) : !plan.buffer<f32>, !plan.buffer<f32>
    %b1 = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%b0, %b1) : !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @two grid #grid sizes #none(%a1, %b1, %y) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
  }

  // Outputs at the end are where branches meet, too.
  // CHECK-LABEL: plan.entry @split_when_branches_never_meet
  // CHECK: plan.dispatch @one grid {{.*}} sizes #{{[a-z0-9]+}}(
  // CHECK: plan.dispatch @one {{.*}} stream 1(
  // CHECK: plan.dispatch @one grid {{.*}} sizes #{{[a-z0-9]+}}(
  // CHECK: plan.dispatch @one {{.*}} stream 1(
  plan.entry @split_when_branches_never_meet symbols [] ranges [] inputs ["image", "text"] outputs ["y", "z"] types [f32, f32, f32, f32] shapes [#k1, #k1, #k1, #k1] {
  ^bb0(%image: !plan.buffer<f32>, %text: !plan.buffer<f32>, %y: !plan.buffer<f32>, %z: !plan.buffer<f32>):
    %a = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%image, %a) : !plan.buffer<f32>, !plan.buffer<f32>
    %b = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%text, %b) : !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%a, %y) : !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%b, %z) : !plan.buffer<f32>, !plan.buffer<f32>
  }

  // CHECK-LABEL: plan.entry @keep_when_one_branch_is_short
  // CHECK-NOT: stream
  plan.entry @keep_when_one_branch_is_short symbols [] ranges [] inputs ["image", "mask"] outputs ["y"] types [f32, f32, f32] shapes [#k1, #k1, #k1] {
  ^bb0(%image: !plan.buffer<f32>, %mask: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    %a0 = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%image, %a0) : !plan.buffer<f32>, !plan.buffer<f32>
    %a1 = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%a0, %a1) : !plan.buffer<f32>, !plan.buffer<f32>
    %m = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%mask, %m) : !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @two grid #grid sizes #none(%a1, %m, %y) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
  }

  // Both read what the first launch wrote.
  // CHECK-LABEL: plan.entry @keep_when_branches_have_a_common_start
  // CHECK-NOT: stream
  plan.entry @keep_when_branches_have_a_common_start symbols [] ranges [] inputs ["x"] outputs ["y", "z"] types [f32, f32, f32] shapes [#k1, #k1, #k1] {
  ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>, %z: !plan.buffer<f32>):
    %c = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%x, %c) : !plan.buffer<f32>, !plan.buffer<f32>
    %a = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%c, %a) : !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%a, %y) : !plan.buffer<f32>, !plan.buffer<f32>
    %b = plan.alloc #k1 : !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%c, %b) : !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%b, %z) : !plan.buffer<f32>, !plan.buffer<f32>
  }

  // The second writes what the first reads: an order is needed.
  // CHECK-LABEL: plan.entry @keep_when_one_overwrites_what_the_other_reads
  // CHECK-NOT: stream
  plan.entry @keep_when_one_overwrites_what_the_other_reads symbols [] ranges [] inputs ["x"] outputs ["y", "z"] types [f32, f32, f32] shapes [#k1, #k1, #k1] {
  ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>, %z: !plan.buffer<f32>):
    plan.dispatch @one grid #grid sizes #none(%z, %y) : !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @one grid #grid sizes #none(%x, %z) : !plan.buffer<f32>, !plan.buffer<f32>
  }
}
