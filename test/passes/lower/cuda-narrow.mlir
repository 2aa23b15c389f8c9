// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v3,cuda:sm_80" --split-input-file --mlir-print-local-scope | FileCheck %s

// What attention and convolutions may round on a GPU is stored as bf16 by who
// makes it; a CPU reads f32.

// CHECK: plan.variant "cpu:x86-64-v3"
// CHECK: plan.kernel @{{.*}} row "attention_bf16"
// CHECK: ^bb0(%{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<f32>,
// CHECK: plan.variant "cuda:sm_80"
// CHECK: plan.kernel @{{.*}} row "gemm_f32"
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK: plan.store %{{.*}} : bf16, <bf16>
// CHECK-NOT: row "loops"
// CHECK: plan.kernel @{{.*}} row "attention_bf16"
// CHECK: ^bb0(%{{.*}}: !plan.buffer<bf16>, %{{.*}}: !plan.buffer<bf16>, %{{.*}}: !plan.buffer<bf16>,
// CHECK: plan.store %{{.*}} : f32, <f32>
// CHECK: plan.entry
func.func @packed(%x: tensor<1x70x64xf32>) -> tensor<1x2x70x32xf32> {
  %w = mm.constant dense<0.5> : tensor<64x192xf32>
  %0 = mm.linear %x, %w : tensor<1x70x64xf32>, tensor<64x192xf32> -> tensor<1x70x192xf32>
  %1 = mm.reshape %0 : tensor<1x70x192xf32> -> tensor<1x70x3x2x32xf32>
  %2 = mm.transpose %1 [2, 0, 3, 1, 4] : tensor<1x70x3x2x32xf32> -> tensor<3x1x2x70x32xf32>
  %q1 = mm.slice %2 offsets <[0, 0, 0, 0, 0]> steps [1, 1, 1, 1, 1] : tensor<3x1x2x70x32xf32> -> tensor<1x1x2x70x32xf32>
  %k1 = mm.slice %2 offsets <[1, 0, 0, 0, 0]> steps [1, 1, 1, 1, 1] : tensor<3x1x2x70x32xf32> -> tensor<1x1x2x70x32xf32>
  %v1 = mm.slice %2 offsets <[2, 0, 0, 0, 0]> steps [1, 1, 1, 1, 1] : tensor<3x1x2x70x32xf32> -> tensor<1x1x2x70x32xf32>
  %q = mm.reshape %q1 : tensor<1x1x2x70x32xf32> -> tensor<1x2x70x32xf32>
  %k = mm.reshape %k1 : tensor<1x1x2x70x32xf32> -> tensor<1x2x70x32xf32>
  %v = mm.reshape %v1 : tensor<1x1x2x70x32xf32> -> tensor<1x2x70x32xf32>
  %a = mm.attention %q, %k, %v {arithmetic = "bf16", scale = 0.125 : f64} : tensor<1x2x70x32xf32>, tensor<1x2x70x32xf32>, tensor<1x2x70x32xf32> -> tensor<1x2x70x32xf32>
  return %a : tensor<1x2x70x32xf32>
}

// -----

// Nobody makes what comes from outside: all three stay.
// CHECK: plan.variant "cuda:sm_80"
// CHECK: plan.kernel @{{.*}} row "attention_bf16"
// CHECK: ^bb0(%{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<f32>,
func.func @given(%q: tensor<1x2x70x32xf32>, %k: tensor<1x2x70x32xf32>) -> tensor<1x2x70x32xf32> {
  %r = mm.relu %q : tensor<1x2x70x32xf32> -> tensor<1x2x70x32xf32>
  %a = mm.attention %r, %k, %k {arithmetic = "bf16", scale = 0.125 : f64} : tensor<1x2x70x32xf32>, tensor<1x2x70x32xf32>, tensor<1x2x70x32xf32> -> tensor<1x2x70x32xf32>
  return %a : tensor<1x2x70x32xf32>
}

// -----

// Exact attention reads f32.
// CHECK: plan.variant "cuda:sm_80"
// CHECK: plan.kernel @{{.*}} row "attention_f32"
// CHECK: ^bb0(%{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<f32>,
func.func @exact(%x: tensor<1x2x70x32xf32>) -> tensor<1x2x70x32xf32> {
  %r = mm.exp %x : tensor<1x2x70x32xf32> -> tensor<1x2x70x32xf32>
  %a = mm.attention %r, %r, %r {scale = 0.125 : f64} : tensor<1x2x70x32xf32>, tensor<1x2x70x32xf32>, tensor<1x2x70x32xf32> -> tensor<1x2x70x32xf32>
  return %a : tensor<1x2x70x32xf32>
}

// -----

// The first image is given, the second is stored as bf16; filters are rounded
// and brought into columns while they are uploaded.
// CHECK: plan.variant "cuda:sm_80"
// CHECK: plan.kernel @{{.*}} row "conv_bf16"
// CHECK: ^bb0(%{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<bf16>, %{{.*}}: !plan.buffer<bf16>
// CHECK: plan.kernel @{{.*}} row "conv_bf16"
// CHECK: ^bb0(%{{.*}}: !plan.buffer<bf16>, %{{.*}}: !plan.buffer<bf16>, %{{.*}}: !plan.buffer<f32>
// CHECK-COUNT-2: plan.get_constant @{{.*}} columns : <bf16>
func.func @images(%x: tensor<1x20x20x8xf32>) -> tensor<1x16x16x32xf32> {
  %w = mm.constant dense<0.5> : tensor<16x8x3x3xf32>
  %0 = mm.conv %x, %w {arithmetic = "bf16", channels_last = true, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x20x20x8xf32>, tensor<16x8x3x3xf32> -> tensor<1x18x18x16xf32>
  %1 = mm.relu %0 : tensor<1x18x18x16xf32> -> tensor<1x18x18x16xf32>
  %u = mm.constant dense<0.25> : tensor<32x16x3x3xf32>
  %2 = mm.conv %1, %u {arithmetic = "bf16", channels_last = true, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : tensor<1x18x18x16xf32>, tensor<32x16x3x3xf32> -> tensor<1x16x16x32xf32>
  return %2 : tensor<1x16x16x32xf32>
}

// -----

// Floats of 8 bits on both sides: the weight lies in the file as a CPU reads it,
// and is brought into columns on the GPU. With f32 it stays in panels.
// CHECK: plan.constant @[[W:.*]] : f8E4M3FN "panels16"
// CHECK: plan.variant "cpu:x86-64-v3"
// CHECK: plan.kernel @{{.*}} row "gemm_f8_f8"
// CHECK: ^bb0(%{{.*}}: !plan.buffer<f8E4M3FN>, %{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<f8E4M3FN>, %{{.*}}: !plan.buffer<f32>,
// CHECK: plan.entry
// CHECK: plan.get_constant @[[W]] : <f8E4M3FN>
// CHECK: plan.variant "cuda:sm_80"
// CHECK: plan.kernel @{{.*}} row "gemm_f8_f8"
// CHECK: plan.get_constant @[[W]] columns : <f8E4M3FN>
func.func @floats(%x: tensor<70x64xf8E4M3FN>, %r: tensor<70x1xf32>) -> tensor<70x32xf32> {
  %w = mm.constant dense<0.5> : tensor<64x32xf8E4M3FN>
  %s = mm.constant dense<0.25> : tensor<1x32xf32>
  %0 = mm.quantized_linear %x, %w scale %s input_scale %r : tensor<70x1xf32> : tensor<70x64xf8E4M3FN>, tensor<64x32xf8E4M3FN>, tensor<1x32xf32> -> tensor<70x32xf32>
  return %0 : tensor<70x32xf32>
}
