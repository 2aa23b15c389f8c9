// RUN: mmcc-opt %s | mmcc-opt | FileCheck %s

// CHECK-LABEL: func @activations
func.func @activations(%x: tensor<?x768xf32, #mm.dims<[tokens, 768]>>, %s: tensor<f32>) {
  // CHECK: mm.quantize %arg0 scale %arg1 : {{.*}}, tensor<f32> -> tensor<?x768xi8, #mm.dims<[tokens, 768]>>
  %0 = mm.quantize %x scale %s : tensor<?x768xf32, #mm.dims<[tokens, 768]>>, tensor<f32> -> tensor<?x768xi8, #mm.dims<[tokens, 768]>>
  // CHECK: mm.quantize %arg0 scale %arg1 zero %arg1 : tensor<f32> {is_unsigned} : {{.*}} -> tensor<?x768xui8, #mm.dims<[tokens, 768]>>
  %u = mm.quantize %x scale %s zero %s : tensor<f32> {is_unsigned} : tensor<?x768xf32, #mm.dims<[tokens, 768]>>, tensor<f32> -> tensor<?x768xui8, #mm.dims<[tokens, 768]>>
  // CHECK: mm.quantize_rows %{{.*}} {block = 128 : i64} : {{.*}} -> {{.*}}, tensor<?x6xf32, #mm.dims<[tokens, 6]>>
  %1, %2 = mm.quantize_rows %x {block = 128 : i64} : tensor<?x768xf32, #mm.dims<[tokens, 768]>> -> tensor<?x768xi8, #mm.dims<[tokens, 768]>>, tensor<?x6xf32, #mm.dims<[tokens, 6]>>
  // CHECK: mm.quantize %arg0 scale %arg1 {is_float} : {{.*}} -> tensor<?x768xf8E4M3FN, #mm.dims<[tokens, 768]>>
  %3 = mm.quantize %x scale %s {is_float} : tensor<?x768xf32, #mm.dims<[tokens, 768]>>, tensor<f32> -> tensor<?x768xf8E4M3FN, #mm.dims<[tokens, 768]>>
  // CHECK: mm.quantize_rows %{{.*}} {block = 768 : i64, is_float} : {{.*}} -> tensor<?x768xf8E4M3FN, #mm.dims<[tokens, 768]>>, tensor<?x1xf32, #mm.dims<[tokens, 1]>>
  %4, %5 = mm.quantize_rows %x {block = 768 : i64, is_float} : tensor<?x768xf32, #mm.dims<[tokens, 768]>> -> tensor<?x768xf8E4M3FN, #mm.dims<[tokens, 768]>>, tensor<?x1xf32, #mm.dims<[tokens, 1]>>
  return
}

// CHECK-LABEL: func @weights
func.func @weights(%x: tensor<2x256xf32>, %i: tensor<2x256xi8>, %q: tensor<256x64xi4>, %u: tensor<256x64xui4>, %w: tensor<256x64xi8>,
                   %s: tensor<2x64xf32>, %c: tensor<1x64xf32>, %t: tensor<2x8xf32>, %one: tensor<1xf32>, %b: tensor<64xf32>,
                   %e4m3: tensor<256x64xf8E4M3FN>, %e5m2: tensor<256x64xf8E5M2>, %f: tensor<2x256xf8E4M3FN>, %r: tensor<2x1xf32>) {
  // CHECK: mm.dequantize %{{.*}} scale %{{.*}} {axis = 0 : i64, block = 128 : i64}
  %0 = mm.dequantize %q scale %s {axis = 0 : i64, block = 128 : i64} : tensor<256x64xi4>, tensor<2x64xf32> -> tensor<256x64xf32>
  // CHECK: mm.quantized_linear %{{.*}}, %{{.*}} scale %{{.*}} bias %{{.*}} : tensor<64xf32> : tensor<2x256xf32>, tensor<256x64xi4>, tensor<2x64xf32> -> tensor<2x64xf32>
  %1 = mm.quantized_linear %x, %q scale %s bias %b : tensor<64xf32> : tensor<2x256xf32>, tensor<256x64xi4>, tensor<2x64xf32> -> tensor<2x64xf32>
  // CHECK: mm.quantized_linear %{{.*}}, %{{.*}} scale %{{.*}} zero %{{.*}} : tensor<2x64xf32> : tensor<2x256xf32>, tensor<256x64xui4>
  %2 = mm.quantized_linear %x, %u scale %s zero %s : tensor<2x64xf32> : tensor<2x256xf32>, tensor<256x64xui4>, tensor<2x64xf32> -> tensor<2x64xf32>
  // CHECK: input_scale %{{.*}} : tensor<2x8xf32>
  %3 = mm.quantized_linear %i, %q scale %s input_scale %t : tensor<2x8xf32> : tensor<2x256xi8>, tensor<256x64xi4>, tensor<2x64xf32> -> tensor<2x64xf32>
  // CHECK: input_scale %{{.*}} : tensor<1xf32>
  %4 = mm.quantized_linear %i, %w scale %c input_scale %one : tensor<1xf32> : tensor<2x256xi8>, tensor<256x64xi8>, tensor<1x64xf32> -> tensor<2x64xf32>
  // CHECK: mm.quantized_linear %{{.*}}, %{{.*}} scale %{{.*}} : tensor<2x256xf32>, tensor<256x64xf8E4M3FN>, tensor<1x64xf32> -> tensor<2x64xf32>
  %5 = mm.quantized_linear %x, %e4m3 scale %c : tensor<2x256xf32>, tensor<256x64xf8E4M3FN>, tensor<1x64xf32> -> tensor<2x64xf32>
  // CHECK: mm.quantized_linear %{{.*}}, %{{.*}} scale %{{.*}} : tensor<2x256xf32>, tensor<256x64xf8E5M2>, tensor<2x64xf32> -> tensor<2x64xf32>
  %6 = mm.quantized_linear %x, %e5m2 scale %s : tensor<2x256xf32>, tensor<256x64xf8E5M2>, tensor<2x64xf32> -> tensor<2x64xf32>
  // CHECK: mm.quantized_linear %{{.*}}, %{{.*}} scale %{{.*}} input_scale %{{.*}} : tensor<2x1xf32> : tensor<2x256xf8E4M3FN>, tensor<256x64xf8E4M3FN>, tensor<1x64xf32> -> tensor<2x64xf32>
  %7 = mm.quantized_linear %f, %e4m3 scale %c input_scale %r : tensor<2x1xf32> : tensor<2x256xf8E4M3FN>, tensor<256x64xf8E4M3FN>, tensor<1x64xf32> -> tensor<2x64xf32>
  // CHECK: mm.quantized_linear %{{.*}}, %{{.*}} scale %{{.*}} input_scale %{{.*}} : tensor<1xf32> bias %{{.*}} : tensor<64xf32> : tensor<2x256xf8E4M3FN>
  %8 = mm.quantized_linear %f, %e4m3 scale %c input_scale %one : tensor<1xf32> bias %b : tensor<64xf32> : tensor<2x256xf8E4M3FN>, tensor<256x64xf8E4M3FN>, tensor<1x64xf32> -> tensor<2x64xf32>
  return
}
