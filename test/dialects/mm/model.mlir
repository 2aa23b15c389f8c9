// RUN: mmcc-opt %s | mmcc-opt | FileCheck %s

// CHECK-LABEL: func @products
func.func @products(%x: tensor<?x7x32xf32, #mm.dims<[n, 7, 32]>>, %k: tensor<32x7xf32>, %b: tensor<7xf32>) {
  // CHECK: mm.matmul %{{.*}}, %{{.*}} : {{.*}} -> tensor<?x7x7xf32, #mm.dims<[n, 7, 7]>>
  %0 = mm.matmul %x, %k : tensor<?x7x32xf32, #mm.dims<[n, 7, 32]>>, tensor<32x7xf32> -> tensor<?x7x7xf32, #mm.dims<[n, 7, 7]>>
  // CHECK: mm.linear %{{.*}}, %{{.*}} bias %{{.*}} : tensor<7xf32> : {{.*}} -> tensor<?x7x7xf32, #mm.dims<[n, 7, 7]>>
  %1 = mm.linear %x, %k bias %b : tensor<7xf32> : tensor<?x7x32xf32, #mm.dims<[n, 7, 32]>>, tensor<32x7xf32> -> tensor<?x7x7xf32, #mm.dims<[n, 7, 7]>>
  return
}

// CHECK-LABEL: func @wide
func.func @wide(%x: tensor<2x32xbf16>, %w: tensor<32x7xbf16>) {
  // CHECK: mm.linear %{{.*}}, %{{.*}} wide : tensor<2x32xbf16>, tensor<32x7xbf16> -> tensor<2x7xf32>
  %0 = mm.linear %x, %w wide : tensor<2x32xbf16>, tensor<32x7xbf16> -> tensor<2x7xf32>
  return
}

// (224 + 2 * 3 - 7) / 2 + 1 = 112; (samples - 400) floordiv 320 + 1 frames.
// CHECK-LABEL: func @convolutions
func.func @convolutions(%x: tensor<1x3x224x224xf32>, %w: tensor<64x3x7x7xf32>, %a: tensor<1x1x?xf32, #mm.dims<[1, 1, samples]>>, %f: tensor<8x1x400xf32>, %c: tensor<1x16x16x8xf32>, %d: tensor<8x1x3x3xf32>) {
  // CHECK: mm.conv %{{.*}} -> tensor<1x64x112x112xf32>
  %0 = mm.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 3, 3, 3, 3>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x3x224x224xf32>, tensor<64x3x7x7xf32> -> tensor<1x64x112x112xf32>
  // CHECK: mm.conv %{{.*}} -> tensor<1x8x?xf32, #mm.dims<[1, 8, (samples - 400) floordiv 320 + 1]>>
  %1 = mm.conv %a, %f {strides = array<i64: 320>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : tensor<1x1x?xf32, #mm.dims<[1, 1, samples]>>, tensor<8x1x400xf32> -> tensor<1x8x?xf32, #mm.dims<[1, 8, (samples - 400) floordiv 320 + 1]>>
  // CHECK: mm.conv %{{.*}} -> tensor<1x16x16x8xf32>
  %2 = mm.conv %c, %d {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 8 : i64, channels_last = true} : tensor<1x16x16x8xf32>, tensor<8x1x3x3xf32> -> tensor<1x16x16x8xf32>
  // CHECK: mm.pool max %{{.*}} -> tensor<1x3x112x112xf32>
  %3 = mm.pool max %x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x3x224x224xf32> -> tensor<1x3x112x112xf32>
  return
}

// CHECK-LABEL: func @norms
func.func @norms(%x: tensor<2x8x6xf32>, %g: tensor<6xf32>, %c: tensor<8xf32>) {
  // CHECK: mm.layer_norm %{{.*}} scale %{{.*}} : tensor<6xf32> offset %{{.*}} : tensor<6xf32> {{.*}} -> tensor<2x8x6xf32>
  %0 = mm.layer_norm %x scale %g : tensor<6xf32> offset %g : tensor<6xf32> {axis = 2 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8x6xf32> -> tensor<2x8x6xf32>
  // CHECK: mm.rms_norm %{{.*}} scale %{{.*}} : tensor<6xf32> {{.*}} -> tensor<2x8x6xf32>
  %1 = mm.rms_norm %x scale %g : tensor<6xf32> {axis = 2 : i64, epsilon = 1.0e-6 : f64} : tensor<2x8x6xf32> -> tensor<2x8x6xf32>
  // CHECK: mm.group_norm %{{.*}} scale %{{.*}} offset {{.*}} -> tensor<2x8x6xf32>
  %2 = mm.group_norm %x scale %c : tensor<8xf32> offset %c : tensor<8xf32> {groups = 4 : i64, epsilon = 1.0e-5 : f64} : tensor<2x8x6xf32> -> tensor<2x8x6xf32>
  // CHECK: mm.batch_norm {{.*}} -> tensor<2x8x6xf32>
  %3 = mm.batch_norm %x, %c, %c, %c, %c {epsilon = 1.0e-5 : f64} : tensor<2x8x6xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<2x8x6xf32>
  // CHECK: mm.softmax %{{.*}} axis 2 {log = true} : {{.*}} -> tensor<2x8x6xf32>
  %4 = mm.softmax %x axis 2 {log = true} : tensor<2x8x6xf32> -> tensor<2x8x6xf32>
  return
}

// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<1x8x?x64xf32, #mm.dims<[1, 8, seq, 64]>>, %k: tensor<1x2x?x64xf32, #mm.dims<[1, 2, past + seq, 64]>>, %m: tensor<?x?xi1, #mm.dims<[seq, past + seq]>>, %c: tensor<?x64xf32, #mm.dims<[seq, 64]>>) {
  // CHECK: mm.rope %{{.*}} cos %{{.*}} sin %{{.*}} {rotary_dim = 64 : i64}
  %0 = mm.rope %q cos %c sin %c {rotary_dim = 64 : i64} : tensor<1x8x?x64xf32, #mm.dims<[1, 8, seq, 64]>>, tensor<?x64xf32, #mm.dims<[seq, 64]>>, tensor<?x64xf32, #mm.dims<[seq, 64]>> -> tensor<1x8x?x64xf32, #mm.dims<[1, 8, seq, 64]>>
  // CHECK: mm.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} -> tensor<1x8x?x64xf32, #mm.dims<[1, 8, seq, 64]>>
  %1 = mm.attention %0, %k, %k mask %m : tensor<?x?xi1, #mm.dims<[seq, past + seq]>> {scale = 0.125 : f64} : tensor<1x8x?x64xf32, #mm.dims<[1, 8, seq, 64]>>, tensor<1x2x?x64xf32, #mm.dims<[1, 2, past + seq, 64]>>, tensor<1x2x?x64xf32, #mm.dims<[1, 2, past + seq, 64]>> -> tensor<1x8x?x64xf32, #mm.dims<[1, 8, seq, 64]>>
  return
}

// CHECK-LABEL: func @heads
func.func @heads(%x: tensor<?x512xf32, #mm.dims<[batch, 512]>>, %y: tensor<10x512xf32>, %bank: tensor<512x5000xf32>) {
  // CHECK: mm.similarity %{{.*}}, %{{.*}} {{.*}} -> tensor<?x10xf32, #mm.dims<[batch, 10]>>
  %0 = mm.similarity %x, %y {lhs_epsilon = 0.0 : f64, rhs_epsilon = 1.0e-12 : f64} : tensor<?x512xf32, #mm.dims<[batch, 512]>>, tensor<10x512xf32> -> tensor<?x10xf32, #mm.dims<[batch, 10]>>
  // CHECK: mm.retrieve %{{.*}}, %{{.*}} {k = 7 : i64} : {{.*}} -> tensor<2x?x7xf32, #mm.dims<[2, batch, 7]>>
  %1 = mm.retrieve %x, %bank {k = 7 : i64} : tensor<?x512xf32, #mm.dims<[batch, 512]>>, tensor<512x5000xf32> -> tensor<2x?x7xf32, #mm.dims<[2, batch, 7]>>
  return
}
