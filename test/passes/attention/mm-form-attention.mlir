// RUN: mmcc-opt %s --mm-form-attention --canonicalize | FileCheck %s

// CHECK-LABEL: @fuse_when_scale_is_a_product
// CHECK-NOT: mm.softmax
// CHECK: mm.attention %arg0, %arg1, %arg2 {scale = 2.500000e-01 : f64}
func.func @fuse_when_scale_is_a_product(%q: tensor<1x4x8x16xf32>, %k: tensor<1x4x8x16xf32>, %v: tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32> {
  %c = mm.constant dense<0.25> : tensor<f32>
  %kt = mm.transpose %k [0, 1, 3, 2] : tensor<1x4x8x16xf32> -> tensor<1x4x16x8xf32>
  %s = mm.matmul %q, %kt : tensor<1x4x8x16xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x8x8xf32>
  %t = mm.mul %s, %c : tensor<1x4x8x8xf32>, tensor<f32> -> tensor<1x4x8x8xf32>
  %p = mm.softmax %t axis 3 : tensor<1x4x8x8xf32> -> tensor<1x4x8x8xf32>
  %o = mm.matmul %p, %v : tensor<1x4x8x8xf32>, tensor<1x4x8x16xf32> -> tensor<1x4x8x16xf32>
  return %o : tensor<1x4x8x16xf32>
}

// The scale's root on queries and on transposed keys, a causal mask compared
// from positions, and the guard against NaN. (Dynamic length.)
// CHECK-LABEL: @fuse_when_causal_is_computed
// CHECK-NOT: mm.softmax
// CHECK-NOT: mm.compare
// CHECK: mm.attention %arg0, %arg1, %arg2 {causal = true, scale = 2.500000e-01 : f64}
!seq = tensor<1x4x?x16xf32, #mm.dims<[1, 4, s, 16]>>
!seqt = tensor<1x4x16x?xf32, #mm.dims<[1, 4, 16, s]>>
!scores = tensor<1x4x?x?xf32, #mm.dims<[1, 4, s, s]>>
!pairs = tensor<1x4x?x?xi1, #mm.dims<[1, 4, s, s]>>
func.func @fuse_when_causal_is_computed(%q: !seq, %k: !seq, %v: !seq) -> !seq {
  %half = mm.constant dense<0.5> : tensor<f32>
  %zero = mm.constant dense<0.0> : tensor<f32>
  %low = mm.constant dense<-3.40282347E+38> : tensor<f32>
  %i = mm.iota #mm.dims<[0]> step 1 : tensor<?xi64, #mm.dims<[s]>>
  %row = mm.reshape %i : tensor<?xi64, #mm.dims<[s]>> -> tensor<1x1x?x1xi64, #mm.dims<[1, 1, s, 1]>>
  %column = mm.reshape %i : tensor<?xi64, #mm.dims<[s]>> -> tensor<1x1x1x?xi64, #mm.dims<[1, 1, 1, s]>>
  %le = mm.compare le %column, %row : tensor<1x1x1x?xi64, #mm.dims<[1, 1, 1, s]>>, tensor<1x1x?x1xi64, #mm.dims<[1, 1, s, 1]>> -> tensor<1x1x?x?xi1, #mm.dims<[1, 1, s, s]>>
  %mask = mm.select %le, %zero, %low : tensor<1x1x?x?xi1, #mm.dims<[1, 1, s, s]>>, tensor<f32>, tensor<f32> -> tensor<1x1x?x?xf32, #mm.dims<[1, 1, s, s]>>
  %kt = mm.transpose %k [0, 1, 3, 2] : !seq -> !seqt
  %qs = mm.mul %q, %half : !seq, tensor<f32> -> !seq
  %ks = mm.mul %kt, %half : !seqt, tensor<f32> -> !seqt
  %s = mm.matmul %qs, %ks : !seq, !seqt -> !scores
  %m = mm.add %s, %mask : !scores, tensor<1x1x?x?xf32, #mm.dims<[1, 1, s, s]>> -> !scores
  %p = mm.softmax %m axis 3 : !scores -> !scores
  %nan = mm.is_nan %p : !scores -> !pairs
  %g = mm.select %nan, %zero, %p : !pairs, tensor<f32>, !scores -> !scores
  %o = mm.matmul %g, %v : !scores, !seq -> !seq
  return %o : !seq
}

// One token after a cache: every earlier position may be seen, so that only
// the padding is left. Two key heads serve four.
// CHECK-LABEL: @fuse_when_keys_are_repeated
// CHECK-NOT: mm.compare
// CHECK-NOT: mm.broadcast
// CHECK: %[[MASK:.*]] = mm.select %arg3
// CHECK: mm.attention %arg0, %arg1, %arg2 mask %[[MASK]]
// CHECK-SAME: scale = 2.500000e-01
// CHECK-SAME: tensor<1x4x1x16xf32>, tensor<1x2x?x16xf32
!kv = tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
!kvu = tensor<1x2x1x?x16xf32, #mm.dims<[1, 2, 1, past + 1, 16]>>
!kvb = tensor<1x2x2x?x16xf32, #mm.dims<[1, 2, 2, past + 1, 16]>>
!kvr = tensor<1x4x?x16xf32, #mm.dims<[1, 4, past + 1, 16]>>
!kvt = tensor<1x4x16x?xf32, #mm.dims<[1, 4, 16, past + 1]>>
!one = tensor<1x4x1x?xf32, #mm.dims<[1, 4, 1, past + 1]>>
!keep = tensor<1x1x1x?xi1, #mm.dims<[1, 1, 1, past + 1]>>
func.func @fuse_when_keys_are_repeated(%q: tensor<1x4x1x16xf32>, %k: !kv, %v: !kv, %pad: !keep) -> tensor<1x4x1x16xf32> {
  %quarter = mm.constant dense<4.0> : tensor<f32>
  %zero = mm.constant dense<0.0> : tensor<f32>
  %low = mm.constant dense<-3.40282347E+38> : tensor<f32>
  %j = mm.iota #mm.dims<[0]> step 1 : tensor<?xi64, #mm.dims<[past + 1]>>
  %i = mm.sizes <[past]> : tensor<1xi64>
  %le = mm.compare le %j, %i : tensor<?xi64, #mm.dims<[past + 1]>>, tensor<1xi64> -> tensor<?xi1, #mm.dims<[past + 1]>>
  %both = mm.and %pad, %le : !keep, tensor<?xi1, #mm.dims<[past + 1]>> -> !keep
  %mask = mm.select %both, %zero, %low : !keep, tensor<f32>, tensor<f32> -> tensor<1x1x1x?xf32, #mm.dims<[1, 1, 1, past + 1]>>
  %k1 = mm.reshape %k : !kv -> !kvu
  %k2 = mm.broadcast %k1 : !kvu -> !kvb
  %k3 = mm.reshape %k2 : !kvb -> !kvr
  %v1 = mm.reshape %v : !kv -> !kvu
  %v2 = mm.broadcast %v1 : !kvu -> !kvb
  %v3 = mm.reshape %v2 : !kvb -> !kvr
  %kt = mm.transpose %k3 [0, 1, 3, 2] : !kvr -> !kvt
  %s = mm.matmul %q, %kt : tensor<1x4x1x16xf32>, !kvt -> !one
  %t = mm.div %s, %quarter : !one, tensor<f32> -> !one
  %m = mm.add %t, %mask : !one, tensor<1x1x1x?xf32, #mm.dims<[1, 1, 1, past + 1]>> -> !one
  %p = mm.softmax %m axis 3 : !one -> !one
  %o = mm.matmul %p, %v3 : !one, !kvr -> tensor<1x4x1x16xf32>
  return %o : tensor<1x4x1x16xf32>
}

// Shifted windows: 2 images of 4 windows, 3 heads. The bias of each head and
// the mask of each window meet in one mask that images share.
// CHECK-LABEL: @fuse_when_windows_are_unfolded
// CHECK: %[[SUM:.*]] = mm.add
// CHECK-SAME: -> tensor<1x4x3x9x9xf32>
// CHECK: %[[MASK:.*]] = mm.reshape %[[SUM]] : tensor<1x4x3x9x9xf32> -> tensor<1x12x9x9xf32>
// CHECK: mm.attention {{.*}} mask %[[MASK]]
// CHECK-SAME: tensor<2x12x9x8xf32>, tensor<2x12x9x8xf32>, tensor<2x12x9x8xf32> -> tensor<2x12x9x8xf32>
func.func @fuse_when_windows_are_unfolded(%q: tensor<8x3x9x8xf32>, %k: tensor<8x3x9x8xf32>, %v: tensor<8x3x9x8xf32>, %bias: tensor<1x3x9x9xf32>, %shift: tensor<1x4x1x9x9xf32>) -> tensor<8x3x9x8xf32> {
  %kt = mm.transpose %k [0, 1, 3, 2] : tensor<8x3x9x8xf32> -> tensor<8x3x8x9xf32>
  %s = mm.matmul %q, %kt : tensor<8x3x9x8xf32>, tensor<8x3x8x9xf32> -> tensor<8x3x9x9xf32>
  %t = mm.add %s, %bias : tensor<8x3x9x9xf32>, tensor<1x3x9x9xf32> -> tensor<8x3x9x9xf32>
  %w = mm.reshape %t : tensor<8x3x9x9xf32> -> tensor<2x4x3x9x9xf32>
  %x = mm.add %w, %shift : tensor<2x4x3x9x9xf32>, tensor<1x4x1x9x9xf32> -> tensor<2x4x3x9x9xf32>
  %y = mm.reshape %x : tensor<2x4x3x9x9xf32> -> tensor<8x3x9x9xf32>
  %p = mm.softmax %y axis 3 : tensor<8x3x9x9xf32> -> tensor<8x3x9x9xf32>
  %o = mm.matmul %p, %v : tensor<8x3x9x9xf32>, tensor<8x3x9x8xf32> -> tensor<8x3x9x8xf32>
  return %o : tensor<8x3x9x8xf32>
}

// Batch and heads folded, the product scaled after the mask was added: the
// mask takes the scale along.
// CHECK-LABEL: @fuse_when_heads_are_folded
// CHECK: mm.mul {{.*}} tensor<2x4x8x8xf32>
// CHECK: mm.attention
// CHECK-SAME: scale = 5.000000e-01
// CHECK-SAME: tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>
func.func @fuse_when_heads_are_folded(%q: tensor<2x4x8x16xf32>, %k: tensor<2x4x8x16xf32>, %v: tensor<2x4x8x16xf32>, %bias: tensor<8x8x8xf32>) -> tensor<2x4x8x16xf32> {
  %half = mm.constant dense<0.5> : tensor<f32>
  %q1 = mm.reshape %q : tensor<2x4x8x16xf32> -> tensor<8x8x16xf32>
  %k1 = mm.reshape %k : tensor<2x4x8x16xf32> -> tensor<8x8x16xf32>
  %v1 = mm.reshape %v : tensor<2x4x8x16xf32> -> tensor<8x8x16xf32>
  %kt = mm.transpose %k1 [0, 2, 1] : tensor<8x8x16xf32> -> tensor<8x16x8xf32>
  %s = mm.matmul %q1, %kt : tensor<8x8x16xf32>, tensor<8x16x8xf32> -> tensor<8x8x8xf32>
  %t = mm.add %bias, %s : tensor<8x8x8xf32>, tensor<8x8x8xf32> -> tensor<8x8x8xf32>
  %u = mm.mul %t, %half : tensor<8x8x8xf32>, tensor<f32> -> tensor<8x8x8xf32>
  %p = mm.softmax %u axis 2 : tensor<8x8x8xf32> -> tensor<8x8x8xf32>
  %o = mm.matmul %p, %v1 : tensor<8x8x8xf32>, tensor<8x8x16xf32> -> tensor<8x8x16xf32>
  %r = mm.reshape %o : tensor<8x8x16xf32> -> tensor<2x4x8x16xf32>
  return %r : tensor<2x4x8x16xf32>
}

// CHECK-LABEL: @fuse_when_causal_is_a_constant
// CHECK-NOT: mm.constant
// CHECK: mm.attention %arg0, %arg1, %arg2 {causal = true, scale = 1.000000e+00 : f64, softcap = 3.000000e+01 : f64}
func.func @fuse_when_causal_is_a_constant(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x3x4xf32>, %v: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %cap = mm.constant dense<30.0> : tensor<f32>
  %mask = mm.constant dense<[[[[true, false, false], [true, true, false], [true, true, true]]]]> : tensor<1x1x3x3xi1>
  %low = mm.constant dense<0xFF800000> : tensor<f32>
  %kt = mm.transpose %k [0, 1, 3, 2] : tensor<1x2x3x4xf32> -> tensor<1x2x4x3xf32>
  %s = mm.matmul %q, %kt : tensor<1x2x3x4xf32>, tensor<1x2x4x3xf32> -> tensor<1x2x3x3xf32>
  %a = mm.div %s, %cap : tensor<1x2x3x3xf32>, tensor<f32> -> tensor<1x2x3x3xf32>
  %b = mm.tanh %a : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %c = mm.mul %b, %cap : tensor<1x2x3x3xf32>, tensor<f32> -> tensor<1x2x3x3xf32>
  %m = mm.select %mask, %c, %low : tensor<1x1x3x3xi1>, tensor<1x2x3x3xf32>, tensor<f32> -> tensor<1x2x3x3xf32>
  %p = mm.softmax %m axis 3 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %o = mm.matmul %p, %v : tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x4xf32>
  return %o : tensor<1x2x3x4xf32>
}

// CHECK-LABEL: @fuse_when_attention_is_there_already
// CHECK: mm.attention %arg0, %arg1, %arg2 {causal = true, scale = 1.250000e-01 : f64} : tensor<1x4x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>
func.func @fuse_when_attention_is_there_already(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x3x8xf32>, %v: tensor<1x2x3x8xf32>) -> tensor<1x4x3x8xf32> {
  %half = mm.constant dense<0.5> : tensor<f32>
  %mask = mm.constant dense<[[true, false, false], [true, true, false], [true, true, true]]> : tensor<3x3xi1>
  %qs = mm.mul %q, %half : tensor<1x4x3x8xf32>, tensor<f32> -> tensor<1x4x3x8xf32>
  %o = mm.attention %qs, %k, %v mask %mask : tensor<3x3xi1> {scale = 0.25 : f64} : tensor<1x4x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32> -> tensor<1x4x3x8xf32>
  return %o : tensor<1x4x3x8xf32>
}

// A window of two: j <= i and j > i - 2.
// CHECK-LABEL: @fuse_when_a_window_slides
// CHECK: mm.attention %arg0, %arg1, %arg2 {causal = true, scale = 1.000000e+00 : f64, window = 2 : i64}
func.func @fuse_when_a_window_slides(%q: tensor<1x2x5x4xf32>, %k: tensor<1x2x5x4xf32>, %v: tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32> {
  %low = mm.constant dense<0xFF800000> : tensor<f32>
  %two = mm.constant dense<2> : tensor<i64>
  %j = mm.iota #mm.dims<[0]> step 1 : tensor<5xi64>
  %i = mm.reshape %j : tensor<5xi64> -> tensor<5x1xi64>
  %first = mm.sub %i, %two : tensor<5x1xi64>, tensor<i64> -> tensor<5x1xi64>
  %le = mm.compare le %j, %i : tensor<5xi64>, tensor<5x1xi64> -> tensor<5x5xi1>
  %gt = mm.compare gt %j, %first : tensor<5xi64>, tensor<5x1xi64> -> tensor<5x5xi1>
  %mask = mm.and %le, %gt : tensor<5x5xi1>, tensor<5x5xi1> -> tensor<5x5xi1>
  %kt = mm.transpose %k [0, 1, 3, 2] : tensor<1x2x5x4xf32> -> tensor<1x2x4x5xf32>
  %s = mm.matmul %q, %kt : tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32> -> tensor<1x2x5x5xf32>
  %m = mm.select %mask, %s, %low : tensor<5x5xi1>, tensor<1x2x5x5xf32>, tensor<f32> -> tensor<1x2x5x5xf32>
  %p = mm.softmax %m axis 3 : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %o = mm.matmul %p, %v : tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  return %o : tensor<1x2x5x4xf32>
}

// Not this row's diagonal but the one above: no attribute says that.
// CHECK-LABEL: @fuse_when_mask_looks_ahead
// CHECK: mm.attention %arg0, %arg1, %arg2 {ahead = 1 : i64, scale
// CHECK-NOT: causal
// CHECK: return
func.func @fuse_when_mask_looks_ahead(%q: tensor<1x2x5x4xf32>, %k: tensor<1x2x5x4xf32>, %v: tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32> {
  %low = mm.constant dense<0xFF800000> : tensor<f32>
  %j = mm.iota #mm.dims<[0]> step 1 : tensor<5xi64>
  %i = mm.iota #mm.dims<[1]> step 1 : tensor<5xi64>
  %r = mm.reshape %i : tensor<5xi64> -> tensor<5x1xi64>
  %le = mm.compare le %j, %r : tensor<5xi64>, tensor<5x1xi64> -> tensor<5x5xi1>
  %kt = mm.transpose %k [0, 1, 3, 2] : tensor<1x2x5x4xf32> -> tensor<1x2x4x5xf32>
  %s = mm.matmul %q, %kt : tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32> -> tensor<1x2x5x5xf32>
  %m = mm.select %le, %s, %low : tensor<5x5xi1>, tensor<1x2x5x5xf32>, tensor<f32> -> tensor<1x2x5x5xf32>
  %p = mm.softmax %m axis 3 : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %o = mm.matmul %p, %v : tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  return %o : tensor<1x2x5x4xf32>
}

// CHECK-LABEL: @keep_when_probabilities_are_read
// CHECK-NOT: mm.attention
// CHECK: mm.softmax
func.func @keep_when_probabilities_are_read(%q: tensor<1x2x5x4xf32>, %kt: tensor<1x2x4x5xf32>, %v: tensor<1x2x5x4xf32>) -> (tensor<1x2x5x4xf32>, tensor<1x2x5x5xf32>) {
  %s = mm.matmul %q, %kt : tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32> -> tensor<1x2x5x5xf32>
  %p = mm.softmax %s axis 3 : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %o = mm.matmul %p, %v : tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  return %o, %p : tensor<1x2x5x4xf32>, tensor<1x2x5x5xf32>
}

// CHECK-LABEL: @keep_when_softmax_is_over_queries
// CHECK-NOT: mm.attention
// CHECK: mm.softmax
func.func @keep_when_softmax_is_over_queries(%q: tensor<1x2x5x4xf32>, %kt: tensor<1x2x4x5xf32>, %v: tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32> {
  %s = mm.matmul %q, %kt : tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32> -> tensor<1x2x5x5xf32>
  %p = mm.softmax %s axis 2 : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %o = mm.matmul %p, %v : tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  return %o : tensor<1x2x5x4xf32>
}

// The mask of each window was repeated for each image and folded with them; it
// is read where it is not, so that images still share one mask.
// CHECK-LABEL: @fuse_when_mask_is_repeated
// CHECK-NOT: mm.broadcast
// CHECK: mm.attention {{.*}} mask {{.*}} tensor<1x12x9x9xf32>
// CHECK-SAME: tensor<?x12x9x8xf32
!w = tensor<?x3x9x8xf32, #mm.dims<[b * 4, 3, 9, 8]>>
!wt = tensor<?x3x8x9xf32, #mm.dims<[b * 4, 3, 8, 9]>>
!ws = tensor<?x3x9x9xf32, #mm.dims<[b * 4, 3, 9, 9]>>
func.func @fuse_when_mask_is_repeated(%q: !w, %k: !w, %v: !w, %bias: tensor<1x3x9x9xf32>, %shift: tensor<1x4x1x9x9xf32>) -> !w {
  %m1 = mm.broadcast %shift : tensor<1x4x1x9x9xf32> -> tensor<?x4x1x9x9xf32, #mm.dims<[b, 4, 1, 9, 9]>>
  %m2 = mm.reshape %m1 : tensor<?x4x1x9x9xf32, #mm.dims<[b, 4, 1, 9, 9]>> -> tensor<?x1x9x9xf32, #mm.dims<[b * 4, 1, 9, 9]>>
  %kt = mm.transpose %k [0, 1, 3, 2] : !w -> !wt
  %s = mm.matmul %q, %kt : !w, !wt -> !ws
  %t = mm.add %s, %bias : !ws, tensor<1x3x9x9xf32> -> !ws
  %u = mm.add %t, %m2 : !ws, tensor<?x1x9x9xf32, #mm.dims<[b * 4, 1, 9, 9]>> -> !ws
  %p = mm.softmax %u axis 3 : !ws -> !ws
  %o = mm.matmul %p, %v : !ws, !w -> !w
  return %o : !w
}

// A constant band: two keys a row, this one and the one before.
// CHECK-LABEL: @fuse_when_band_is_a_constant
// CHECK: mm.attention %arg0, %arg1, %arg2 {causal = true, scale = 1.000000e+00 : f64, window = 2 : i64}
func.func @fuse_when_band_is_a_constant(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x3x4xf32>, %v: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %mask = mm.constant dense<[[0.0, -1.0e9, -1.0e9], [0.0, 0.0, -1.0e9], [-1.0e9, 0.0, 0.0]]> : tensor<3x3xf32>
  %kt = mm.transpose %k [0, 1, 3, 2] : tensor<1x2x3x4xf32> -> tensor<1x2x4x3xf32>
  %s = mm.matmul %q, %kt : tensor<1x2x3x4xf32>, tensor<1x2x4x3xf32> -> tensor<1x2x3x3xf32>
  %m = mm.add %mask, %s : tensor<3x3xf32>, tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %p = mm.softmax %m axis 3 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %o = mm.matmul %p, %v : tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x4xf32>
  return %o : tensor<1x2x3x4xf32>
}

// Low numbers that still weigh: -5 is a bias, not a mask.
// CHECK-LABEL: @keep_when_bias_is_small
// CHECK: mm.attention {{.*}} mask {{.*}} tensor<1x1x2x2xf32>
// CHECK-NOT: causal
// CHECK: return
func.func @keep_when_bias_is_small(%q: tensor<1x2x2x4xf32>, %k: tensor<1x2x2x4xf32>, %v: tensor<1x2x2x4xf32>) -> tensor<1x2x2x4xf32> {
  %mask = mm.constant dense<[[0.0, -5.0], [0.0, 0.0]]> : tensor<2x2xf32>
  %kt = mm.transpose %k [0, 1, 3, 2] : tensor<1x2x2x4xf32> -> tensor<1x2x4x2xf32>
  %s = mm.matmul %q, %kt : tensor<1x2x2x4xf32>, tensor<1x2x4x2xf32> -> tensor<1x2x2x2xf32>
  %m = mm.add %s, %mask : tensor<1x2x2x2xf32>, tensor<2x2xf32> -> tensor<1x2x2x2xf32>
  %p = mm.softmax %m axis 3 : tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>
  %o = mm.matmul %p, %v : tensor<1x2x2x2xf32>, tensor<1x2x2x4xf32> -> tensor<1x2x2x4xf32>
  return %o : tensor<1x2x2x4xf32>
}

// A factor a row above the cap cannot join the queries below it.
// CHECK-LABEL: @keep_when_row_factor_is_above_the_cap
// CHECK-NOT: mm.attention
// CHECK: mm.softmax
func.func @keep_when_row_factor_is_above_the_cap(%q: tensor<1x2x5x4xf32>, %kt: tensor<1x2x4x5xf32>, %v: tensor<1x2x5x4xf32>, %f: tensor<2x1x1xf32>) -> tensor<1x2x5x4xf32> {
  %s = mm.matmul %q, %kt : tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32> -> tensor<1x2x5x5xf32>
  %t = mm.tanh %s : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %u = mm.mul %t, %f : tensor<1x2x5x5xf32>, tensor<2x1x1xf32> -> tensor<1x2x5x5xf32>
  %p = mm.softmax %u axis 3 : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %o = mm.matmul %p, %v : tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  return %o : tensor<1x2x5x4xf32>
}

// Booleans became the numbers of a float mask, and came back by comparison or
// by a cast.
// CHECK-LABEL: @fuse_when_mask_went_through_numbers
// CHECK-NOT: mm.compare
// CHECK: mm.attention %arg0, %arg1, %arg2 {causal = true
func.func @fuse_when_mask_went_through_numbers(%q: tensor<1x2x5x4xf32>, %k: tensor<1x2x5x4xf32>, %v: tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32> {
  %zero = mm.constant dense<0.0> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %low = mm.constant dense<0xFF800000> : tensor<f32>
  %j = mm.iota #mm.dims<[0]> step 1 : tensor<5xi64>
  %r = mm.reshape %j : tensor<5xi64> -> tensor<5x1xi64>
  %le = mm.compare le %j, %r : tensor<5xi64>, tensor<5x1xi64> -> tensor<5x5xi1>
  %number = mm.select %le, %one, %zero : tensor<5x5xi1>, tensor<f32>, tensor<f32> -> tensor<5x5xf32>
  %later = mm.compare eq %number, %zero : tensor<5x5xf32>, tensor<f32> -> tensor<5x5xi1>
  %mask = mm.select %later, %low, %zero : tensor<5x5xi1>, tensor<f32>, tensor<f32> -> tensor<5x5xf32>
  %back = mm.cast %mask : tensor<5x5xf32> -> tensor<5x5xi1>
  %kt = mm.transpose %k [0, 1, 3, 2] : tensor<1x2x5x4xf32> -> tensor<1x2x4x5xf32>
  %s = mm.matmul %q, %kt : tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32> -> tensor<1x2x5x5xf32>
  %m = mm.select %back, %low, %s : tensor<5x5xi1>, tensor<f32>, tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %p = mm.softmax %m axis 3 : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %o = mm.matmul %p, %v : tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  return %o : tensor<1x2x5x4xf32>
}

// Neither number is 2: the comparison no longer knows the positions.
// CHECK-LABEL: @keep_when_both_numbers_compare_alike
// CHECK: mm.attention {{.*}} mask
// CHECK-NOT: causal
// CHECK: return
func.func @keep_when_both_numbers_compare_alike(%q: tensor<1x2x5x4xf32>, %k: tensor<1x2x5x4xf32>, %v: tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32> {
  %zero = mm.constant dense<0.0> : tensor<f32>
  %one = mm.constant dense<1.0> : tensor<f32>
  %two = mm.constant dense<2.0> : tensor<f32>
  %low = mm.constant dense<0xFF800000> : tensor<f32>
  %j = mm.iota #mm.dims<[0]> step 1 : tensor<5xi64>
  %r = mm.reshape %j : tensor<5xi64> -> tensor<5x1xi64>
  %le = mm.compare le %j, %r : tensor<5xi64>, tensor<5x1xi64> -> tensor<5x5xi1>
  %number = mm.select %le, %one, %zero : tensor<5x5xi1>, tensor<f32>, tensor<f32> -> tensor<5x5xf32>
  %other = mm.compare ne %number, %two : tensor<5x5xf32>, tensor<f32> -> tensor<5x5xi1>
  %kt = mm.transpose %k [0, 1, 3, 2] : tensor<1x2x5x4xf32> -> tensor<1x2x4x5xf32>
  %s = mm.matmul %q, %kt : tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32> -> tensor<1x2x5x5xf32>
  %m = mm.select %other, %s, %low : tensor<5x5xi1>, tensor<1x2x5x5xf32>, tensor<f32> -> tensor<1x2x5x5xf32>
  %p = mm.softmax %m axis 3 : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %o = mm.matmul %p, %v : tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  return %o : tensor<1x2x5x4xf32>
}

!pair = tensor<2x2x?x4xf32, #mm.dims<[2, 2, seq, 4]>>
!places = tensor<2x?xi64, #mm.dims<[2, seq]>>

// Where sequences are packed into one row, a position that does not follow the
// one before begins another. Here all follow: no pair is left out.
// CHECK-LABEL: func @fuse_when_packed_rows_hold_one_sequence
// CHECK: mm.attention %arg0, %arg1, %arg2 {scale
func.func @fuse_when_packed_rows_hold_one_sequence(%q: !pair, %k: !pair, %v: !pair) -> !pair {
  %one = mm.constant dense<1> : tensor<i64>
  %zero = mm.constant dense<0.0> : tensor<f32>
  %never = mm.constant dense<0xFF800000> : tensor<f32>
  %line = mm.iota <[0]> step 1 : tensor<?xi64, #mm.dims<[seq]>>
  %places = mm.broadcast %line : tensor<?xi64, #mm.dims<[seq]>> -> !places
  %first = mm.slice %places offsets <[0, 0]> steps [1, 1] : !places -> tensor<2x1xi64>
  %less = mm.sub %first, %one : tensor<2x1xi64>, tensor<i64> -> tensor<2x1xi64>
  %joined = mm.concat %less, %places axis 1 : tensor<2x1xi64>, !places -> tensor<2x?xi64, #mm.dims<[2, seq + 1]>>
  %before = mm.slice %joined offsets <[0, 0]> steps [1, 1] : tensor<2x?xi64, #mm.dims<[2, seq + 1]>> -> !places
  %step = mm.sub %places, %before : !places, !places -> !places
  %begins = mm.compare ne %step, %one : !places, tensor<i64> -> tensor<2x?xi1, #mm.dims<[2, seq]>>
  %counts = mm.cast %begins : tensor<2x?xi1, #mm.dims<[2, seq]>> -> !places
  %number = mm.cumulative "sum" %counts axis 1 : !places -> !places
  %row = mm.reshape %number : !places -> tensor<2x1x?x1xi64, #mm.dims<[2, 1, seq, 1]>>
  %column = mm.reshape %number : !places -> tensor<2x1x1x?xi64, #mm.dims<[2, 1, 1, seq]>>
  %same = mm.compare eq %row, %column : tensor<2x1x?x1xi64, #mm.dims<[2, 1, seq, 1]>>, tensor<2x1x1x?xi64, #mm.dims<[2, 1, 1, seq]>> -> tensor<2x1x?x?xi1, #mm.dims<[2, 1, seq, seq]>>
  %mask = mm.select %same, %zero, %never : tensor<2x1x?x?xi1, #mm.dims<[2, 1, seq, seq]>>, tensor<f32>, tensor<f32> -> tensor<2x1x?x?xf32, #mm.dims<[2, 1, seq, seq]>>
  %a = mm.attention %q, %k, %v mask %mask : tensor<2x1x?x?xf32, #mm.dims<[2, 1, seq, seq]>> {scale = 1.0 : f64} : !pair, !pair, !pair -> !pair
  return %a : !pair
}

// The positions of the caller may be those of several sequences.
// CHECK-LABEL: func @keep_when_sequences_may_be_packed
// CHECK: mm.attention %arg0, %arg1, %arg2 mask
func.func @keep_when_sequences_may_be_packed(%q: !pair, %k: !pair, %v: !pair, %number: !places) -> !pair {
  %zero = mm.constant dense<0.0> : tensor<f32>
  %never = mm.constant dense<0xFF800000> : tensor<f32>
  %row = mm.reshape %number : !places -> tensor<2x1x?x1xi64, #mm.dims<[2, 1, seq, 1]>>
  %column = mm.reshape %number : !places -> tensor<2x1x1x?xi64, #mm.dims<[2, 1, 1, seq]>>
  %same = mm.compare eq %row, %column : tensor<2x1x?x1xi64, #mm.dims<[2, 1, seq, 1]>>, tensor<2x1x1x?xi64, #mm.dims<[2, 1, 1, seq]>> -> tensor<2x1x?x?xi1, #mm.dims<[2, 1, seq, seq]>>
  %mask = mm.select %same, %zero, %never : tensor<2x1x?x?xi1, #mm.dims<[2, 1, seq, seq]>>, tensor<f32>, tensor<f32> -> tensor<2x1x?x?xf32, #mm.dims<[2, 1, seq, seq]>>
  %a = mm.attention %q, %k, %v mask %mask : tensor<2x1x?x?xf32, #mm.dims<[2, 1, seq, seq]>> {scale = 1.0 : f64} : !pair, !pair, !pair -> !pair
  return %a : !pair
}
