// RUN: mmcc-opt %s --mm-prune-tokens="amount=keep=4 map=true" | FileCheck %s

// A table of positions is read where the tokens stood: before and behind the
// image in the text, 1 + what was chosen in it. 1 + 12 + 2 tokens become
// 1 + 4 + 2.
// CHECK-LABEL: func @fuse_when_positions_are_a_table
// CHECK-SAME: -> (tensor<1x7x8xf32>, tensor<1x4xi64> {mm.name = "prune_map"})
func.func @fuse_when_positions_are_a_table(%image: tensor<1x12x8xf32>, %ids: tensor<1x3xi64>) -> tensor<1x15x8xf32> {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %table = mm.constant dense<1.0> : tensor<15x8xf32>
  // CHECK: %[[UNIT:.*]] = mm.div %arg0, %{{.*}} : tensor<1x12x8xf32>, tensor<1x12x1xf32>
  // CHECK: %[[SIMILAR:.*]] = mm.matmul %[[UNIT]], %{{.*}} -> tensor<1x12x12xf32>
  // CHECK: %[[KEPT:.*]] = mm.select_tokens %[[SIMILAR]] {keep = 4 : i64}
  // CHECK: %[[LEFT:.*]] = mm.gather_nd %arg0[%{{.*}}] {batch_dims = 1 : i64} : {{.*}} -> tensor<1x4x8xf32>
  // CHECK: %[[ZERO:.*]] = mm.iota <[0]> step 1 : tensor<1xi64>
  // CHECK: %[[BEFORE:.*]] = mm.broadcast %[[ZERO]] : tensor<1xi64> -> tensor<1x1xi64>
  // CHECK: %[[ONE:.*]] = mm.sizes <[1]>
  // CHECK: %[[IN:.*]] = mm.add %[[KEPT]], %[[ONE]]
  // CHECK: %[[LINE:.*]] = mm.iota <[13]> step 1 : tensor<2xi64>
  // CHECK: %[[AFTER:.*]] = mm.broadcast %[[LINE]] : tensor<2xi64> -> tensor<1x2xi64>
  // CHECK: %[[PLACES:.*]] = mm.concat %[[BEFORE]], %[[IN]], %[[AFTER]] axis 1 : {{.*}} -> tensor<1x7xi64>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x3xi64> -> tensor<1x3x8xf32>
  %first = mm.slice %text offsets <[0, 0, 0]> steps [1, 1, 1] : tensor<1x3x8xf32> -> tensor<1x1x8xf32>
  %rest = mm.slice %text offsets <[0, 1, 0]> steps [1, 1, 1] : tensor<1x3x8xf32> -> tensor<1x2x8xf32>
  // CHECK: %[[ALL:.*]] = mm.concat %{{.*}}, %[[LEFT]], %{{.*}} axis 1 : {{.*}} -> tensor<1x7x8xf32>
  %all = mm.concat %first, %image, %rest axis 1 : tensor<1x1x8xf32>, tensor<1x12x8xf32>, tensor<1x2x8xf32> -> tensor<1x15x8xf32>
  // CHECK: %[[ROWS:.*]] = mm.gather %{{.*}}[%[[PLACES]]] axis 0 : tensor<15x8xf32>, tensor<1x7xi64> -> tensor<1x7x8xf32>
  // CHECK: mm.add %[[ALL]], %[[ROWS]]
  %y = mm.add %all, %table : tensor<1x15x8xf32>, tensor<15x8xf32> -> tensor<1x15x8xf32>
  // CHECK: return %{{.*}}, %[[KEPT]]
  return %y : tensor<1x15x8xf32>
}

!seq = tensor<2x?x8xf32, #mm.dims<[2, text + 12, 8]>>
!heads = tensor<2x1x?x8xf32, #mm.dims<[2, 1, text + 12, 8]>>
!angles = tensor<?x4xf32, #mm.dims<[text + 12, 4]>>
!mask = tensor<2x1x1x?xf32, #mm.dims<[2, 1, 1, text + 12]>>

// Rotations and a mask by position are looked up, the causal order is kept, and
// the last token is 8 earlier.
// CHECK-LABEL: func @fuse_when_attention_is_causal
func.func @fuse_when_attention_is_causal(%image: tensor<2x12x8xf32>, %ids: tensor<2x?xi64, #mm.dims<[2, text]>>, %cos: !angles, %sin: !angles, %mask: !mask) -> tensor<2x1x8xf32>
    attributes {mm.symbols = {text = array<i64: 1, -1>}} {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  // CHECK: %[[PLACES:.*]] = mm.concat %{{.*}}, %{{.*}} axis 1 : {{.*}} -> tensor<2x?xi64, #mm.dims<[2, text + 4]>>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<2x?xi64, #mm.dims<[2, text]>> -> tensor<2x?x8xf32, #mm.dims<[2, text, 8]>>
  %all = mm.concat %image, %text axis 1 : tensor<2x12x8xf32>, tensor<2x?x8xf32, #mm.dims<[2, text, 8]>> -> !seq
  %split = mm.reshape %all : !seq -> tensor<2x?x1x8xf32, #mm.dims<[2, text + 12, 1, 8]>>
  %h = mm.transpose %split [0, 2, 1, 3] : tensor<2x?x1x8xf32, #mm.dims<[2, text + 12, 1, 8]>> -> !heads
  // CHECK: %[[COS:.*]] = mm.gather %{{.*}}[%[[PLACES]]] axis 0
  // CHECK: %[[COS4:.*]] = mm.transpose %{{.*}} [0, 2, 1, 3] : {{.*}} -> tensor<2x1x?x4xf32, #mm.dims<[2, 1, text + 4, 4]>>
  // CHECK: mm.rope %{{.*}} cos %[[COS4]] sin %{{.*}} -> tensor<2x1x?x8xf32, #mm.dims<[2, 1, text + 4, 8]>>
  %q = mm.rope %h cos %cos sin %sin {rotary_dim = 4 : i64} : !heads, !angles, !angles -> !heads
  // CHECK: %[[MASK:.*]] = mm.gather_nd %{{.*}}[%{{.*}}] {batch_dims = 1 : i64}
  // CHECK: mm.attention %{{.*}} mask %{{.*}} : tensor<2x1x1x?xf32, #mm.dims<[2, 1, 1, text + 4]>> {causal = true
  %a = mm.attention %q, %q, %h mask %mask : !mask {causal = true, scale = 1.0 : f64} : !heads, !heads, !heads -> !heads
  %t = mm.transpose %a [0, 2, 1, 3] : !heads -> tensor<2x?x1x8xf32, #mm.dims<[2, text + 12, 1, 8]>>
  %j = mm.reshape %t : tensor<2x?x1x8xf32, #mm.dims<[2, text + 12, 1, 8]>> -> !seq
  // CHECK: mm.slice %{{.*}} offsets <[0, text + 3, 0]>
  %last = mm.slice %j offsets <[0, text + 11, 0]> steps [1, 1, 1] : !seq -> tensor<2x1x8xf32>
  return %last : tensor<2x1x8xf32>
}

// Only text: nothing to prune here.
// CHECK-LABEL: func @keep_when_there_is_no_image
// CHECK-NOT: mm.select_tokens
func.func @keep_when_there_is_no_image(%ids: tensor<1x3xi64>) -> tensor<1x3x8xf32> {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x3xi64> -> tensor<1x3x8xf32>
  return %text : tensor<1x3x8xf32>
}
