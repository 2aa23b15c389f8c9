// RUN: mmcc-opt %s --mm-evaluate-constants --canonicalize --mm-block-attention --canonicalize | FileCheck %s

!x = tensor<1x3x128x16xf32>

// Two images in one row: queries 0 to 63 see keys 0 to 63, the others see the
// others. Two blocks of 64 x 32 pairs are full on each side, two are empty.
// CHECK-LABEL: func @fuse_when_images_are_packed
func.func @fuse_when_images_are_packed(%q: !x, %k: !x, %v: !x) -> !x {
  // CHECK: %[[SPANS:.*]] = mm.constant dense<{{\[\[\[}}0, 64, 1]], {{\[\[}}64, 128, 1]]]> : tensor<2x1x3xi32>
  // CHECK: mm.attention %arg0, %arg1, %arg2 spans %[[SPANS]] : tensor<2x1x3xi32> {scale
  %line = mm.iota <[0]> step 1 : tensor<128xi64>
  %size = mm.constant dense<64> : tensor<i64>
  %image = mm.div %line, %size : tensor<128xi64>, tensor<i64> -> tensor<128xi64>
  %column = mm.reshape %image : tensor<128xi64> -> tensor<128x1xi64>
  %same = mm.compare eq %column, %image : tensor<128x1xi64>, tensor<128xi64> -> tensor<128x128xi1>
  %mask = mm.reshape %same : tensor<128x128xi1> -> tensor<1x1x128x128xi1>
  %o = mm.attention %q, %k, %v mask %mask : tensor<1x1x128x128xi1> {scale = 0.25 : f64} : !x, !x, !x -> !x
  return %o : !x
}

// The same in numbers that are added, half a point for key 0: its block is partial,
// and the mask stays for it.
// CHECK-LABEL: func @fuse_when_a_block_is_partial
func.func @fuse_when_a_block_is_partial(%q: !x, %k: !x, %v: !x) -> !x {
  // CHECK: %[[SPANS:.*]] = mm.constant dense<{{\[\[\[}}0, 32, 0], [32, 64, 1]], {{\[\[}}64, 128, 1], [0, 0, 0]]]> : tensor<2x2x3xi32>
  // CHECK: mm.attention %arg0, %arg1, %arg2 mask %{{.*}} : tensor<128x128xf32> spans %[[SPANS]]
  %line = mm.iota <[0]> step 1 : tensor<128xi64>
  %size = mm.constant dense<64> : tensor<i64>
  %image = mm.div %line, %size : tensor<128xi64>, tensor<i64> -> tensor<128xi64>
  %column = mm.reshape %image : tensor<128xi64> -> tensor<128x1xi64>
  %same = mm.compare eq %column, %image : tensor<128x1xi64>, tensor<128xi64> -> tensor<128x128xi1>
  %nothing = mm.constant dense<0> : tensor<i64>
  %zero = mm.constant dense<0.0> : tensor<f32>
  %bias = mm.constant dense<0.5> : tensor<f32>
  %never = mm.constant dense<0xFF800000> : tensor<f32>
  %first = mm.compare eq %line, %nothing : tensor<128xi64>, tensor<i64> -> tensor<128xi1>
  %plain = mm.select %first, %bias, %zero : tensor<128xi1>, tensor<f32>, tensor<f32> -> tensor<128xf32>
  %mask = mm.select %same, %plain, %never : tensor<128x128xi1>, tensor<128xf32>, tensor<f32> -> tensor<128x128xf32>
  %o = mm.attention %q, %k, %v mask %mask : tensor<128x128xf32> {scale = 0.25 : f64} : !x, !x, !x -> !x
  return %o : !x
}

// Under a large number that is only added, a row without any key sees all alike.
// CHECK-LABEL: func @keep_when_a_row_has_no_key
// CHECK-NOT: spans
func.func @keep_when_a_row_has_no_key(%q: !x, %k: !x, %v: !x) -> !x {
  %mask = mm.constant dense<-1.0e9> : tensor<128x128xf32>
  %o = mm.attention %q, %k, %v mask %mask : tensor<128x128xf32> {scale = 0.25 : f64} : !x, !x, !x -> !x
  return %o : !x
}

// CHECK-LABEL: func @keep_when_nothing_is_empty
// CHECK-NOT: spans
func.func @keep_when_nothing_is_empty(%q: !x, %k: !x, %v: !x) -> !x {
  %mask = mm.constant dense<1.5> : tensor<128x128xf32>
  %o = mm.attention %q, %k, %v mask %mask : tensor<128x128xf32> {scale = 0.25 : f64} : !x, !x, !x -> !x
  return %o : !x
}

// CHECK-LABEL: func @keep_when_the_mask_is_an_input
// CHECK-NOT: spans
func.func @keep_when_the_mask_is_an_input(%q: !x, %k: !x, %v: !x, %mask: tensor<128x128xi1>) -> !x {
  %o = mm.attention %q, %k, %v mask %mask : tensor<128x128xi1> {scale = 0.25 : f64} : !x, !x, !x -> !x
  return %o : !x
}
