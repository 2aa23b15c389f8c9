// RUN: mmcc-opt %s -split-input-file --mm-merge-tokens="schedule=r=4 map=true" -cse -canonicalize | FileCheck %s

// A layer of 17 tokens, the first of them joined to the patches, then the class
// token: 17 - 4 = 13 are left.
// CHECK-LABEL: func @fuse_when_a_class_token_is_read
// CHECK-SAME: tensor<2x17xi64> {mm.name = "tome_map"}
// CHECK: %[[A:.*]] = mm.attention %[[Q:.*]], %[[Q]], %[[Q]] {scale
// CHECK: %[[Y:.*]] = mm.add %{{.*}}, %{{.*}} : tensor<2x17x48xf32>
// CHECK: %[[K:.*]] = mm.reduce mean %[[Q]] axes [1] keep false : tensor<2x3x17x16xf32> -> tensor<2x17x16xf32>
// CHECK: %[[S:.*]] = mm.match_tokens %[[K]] {merged = 4 : i64, protect = 1 : i64}
// CHECK: %[[M:.*]] = mm.merge_tokens %[[Y]], %[[S]] size %{{.*}} : tensor<2x17xf32> {left = 13 : i64}
// CHECK: %[[G:.*]] = mm.gelu erf %[[M]] : tensor<2x13x48xf32> -> tensor<2x13x48xf32>
// CHECK: %[[C:.*]] = mm.slice %[[G]] offsets <[0, 0, 0]> {{.*}} : tensor<2x13x48xf32> -> tensor<2x1x48xf32>
// CHECK: return %[[C]], %[[S]]
func.func @fuse_when_a_class_token_is_read(%patches: tensor<2x16x48xf32>) -> tensor<2x1x48xf32> {
  %cls = mm.constant dense<0.5> : tensor<2x1x48xf32>
  %x = mm.concat %cls, %patches axis 1 : tensor<2x1x48xf32>, tensor<2x16x48xf32> -> tensor<2x17x48xf32>
  %s = mm.reshape %x : tensor<2x17x48xf32> -> tensor<2x17x3x16xf32>
  %q = mm.transpose %s [0, 2, 1, 3] : tensor<2x17x3x16xf32> -> tensor<2x3x17x16xf32>
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<2x3x17x16xf32>, tensor<2x3x17x16xf32>, tensor<2x3x17x16xf32> -> tensor<2x3x17x16xf32>
  %t = mm.transpose %a [0, 2, 1, 3] : tensor<2x3x17x16xf32> -> tensor<2x17x3x16xf32>
  %h = mm.reshape %t : tensor<2x17x3x16xf32> -> tensor<2x17x48xf32>
  %y = mm.add %x, %h : tensor<2x17x48xf32>, tensor<2x17x48xf32> -> tensor<2x17x48xf32>
  %g = mm.gelu erf %y : tensor<2x17x48xf32> -> tensor<2x17x48xf32>
  %c = mm.slice %g offsets <[0, 0, 0]> steps [1, 1, 1] : tensor<2x17x48xf32> -> tensor<2x1x48xf32>
  return %c : tensor<2x1x48xf32>
}

// -----

// The second layer adds log(size) to its scores; 17 - 4 - 4 = 9; the mean over
// 17 tokens is that over 9, weighted by size * 9 / 17.
// CHECK-LABEL: func @fuse_when_tokens_are_averaged
// CHECK: %[[S1:.*]] = mm.match_tokens {{.*}} {merged = 4 : i64} : tensor<1x17x16xf32>
// CHECK: %[[N1:.*]] = mm.merge_tokens %{{.*}}, %[[S1]] {left = 13 : i64} : tensor<1x17xf32>
// CHECK: %[[L:.*]] = mm.log %[[N1]] : tensor<1x13xf32>
// CHECK: %[[B:.*]] = mm.reshape %[[L]] : tensor<1x13xf32> -> tensor<1x1x1x13xf32>
// CHECK: mm.attention %{{.*}} mask %[[B]] : tensor<1x1x1x13xf32> {scale
// CHECK: %[[S2:.*]] = mm.match_tokens {{.*}} {merged = 4 : i64} : tensor<1x13x16xf32>
// CHECK: mm.merge_tokens %{{.*}}, %[[S2]] size %[[N1]] : tensor<1x13xf32> {left = 9 : i64}
// CHECK: %[[N2:.*]] = mm.merge_tokens %[[N1]], %[[S2]] {left = 9 : i64}
// CHECK: %[[MAP:.*]] = mm.gather_elements %[[S2]][%[[S1]]] axis 1 : tensor<1x13xi64>, tensor<1x17xi64>
// CHECK: %[[W:.*]] = mm.mul %[[N2]], %{{.*}} : tensor<1x9xf32>, tensor<f32>
// CHECK: %[[WR:.*]] = mm.reshape %[[W]] : tensor<1x9xf32> -> tensor<1x9x1xf32>
// CHECK: %[[P:.*]] = mm.mul %{{.*}}, %[[WR]] : tensor<1x9x48xf32>, tensor<1x9x1xf32>
// CHECK: %[[R:.*]] = mm.reduce mean %[[P]] axes [1] keep false : tensor<1x9x48xf32> -> tensor<1x48xf32>
// CHECK: return %[[R]], %[[MAP]]
func.func @fuse_when_tokens_are_averaged(%x: tensor<1x17x48xf32>) -> tensor<1x48xf32> {
  %s = mm.reshape %x : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %q = mm.transpose %s [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  %t = mm.transpose %a [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
  %h = mm.reshape %t : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
  %y = mm.add %x, %h : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  %s2 = mm.reshape %y : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %q2 = mm.transpose %s2 [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  %a2 = mm.attention %q2, %q2, %q2 {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  %t2 = mm.transpose %a2 [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
  %h2 = mm.reshape %t2 : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
  %y2 = mm.add %y, %h2 : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  %m = mm.reduce mean %y2 axes [1] keep false : tensor<1x17x48xf32> -> tensor<1x48xf32>
  return %m : tensor<1x48xf32>
}

// -----

// Every token is an output: each gets what it became part of.
// CHECK-LABEL: func @fuse_when_all_tokens_are_returned
// CHECK: %[[S:.*]] = mm.match_tokens
// CHECK: %[[M:.*]] = mm.merge_tokens %{{.*}}, %[[S]] size
// CHECK: %[[I:.*]] = mm.reshape %[[S]] : tensor<1x17xi64> -> tensor<1x17x1xi64>
// CHECK: %[[U:.*]] = mm.gather_nd %[[M]][%[[I]]] {batch_dims = 1 : i64} : tensor<1x13x48xf32>, tensor<1x17x1xi64> -> tensor<1x17x48xf32>
// CHECK: return %[[U]], %[[S]]
func.func @fuse_when_all_tokens_are_returned(%x: tensor<1x17x48xf32>) -> tensor<1x17x48xf32> {
  %s = mm.reshape %x : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %q = mm.transpose %s [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  %t = mm.transpose %a [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
  %h = mm.reshape %t : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
  %y = mm.add %x, %h : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  return %y : tensor<1x17x48xf32>
}

// -----

// Queries of another kind attend to merged tokens: log(size) stands for those
// that are gone.
// CHECK-LABEL: func @fuse_when_others_attend
// CHECK: %[[B:.*]] = mm.reshape %{{.*}} : tensor<1x13xf32> -> tensor<1x1x1x13xf32>
// CHECK: mm.attention %arg1, %{{.*}}, %{{.*}} mask %[[B]] {{.*}} -> tensor<1x3x1x16xf32>
func.func @fuse_when_others_attend(%x: tensor<1x17x48xf32>, %probe: tensor<1x3x1x16xf32>) -> tensor<1x3x1x16xf32> {
  %s = mm.reshape %x : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %q = mm.transpose %s [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  %a = mm.attention %q, %q, %q {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
  %t = mm.transpose %a [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
  %h = mm.reshape %t : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
  %y = mm.add %x, %h : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
  %s2 = mm.reshape %y : tensor<1x17x48xf32> -> tensor<1x17x3x16xf32>
  %k2 = mm.transpose %s2 [0, 2, 1, 3] : tensor<1x17x3x16xf32> -> tensor<1x3x17x16xf32>
  %p = mm.attention %probe, %k2, %k2 {scale = 0.25 : f64} : tensor<1x3x1x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x1x16xf32>
  return %p : tensor<1x3x1x16xf32>
}
