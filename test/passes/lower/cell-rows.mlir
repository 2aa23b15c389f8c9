// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v3,cuda:sm_80" --mlir-print-local-scope | FileCheck %s

// CHECK: plan.variant "cpu:x86-64-v3"

// Rows enough for cells of whole ones: each quantizes its own, and what only the
// bytes are made of stays in its scratch.
// CHECK: plan.kernel @[[WHOLE:.*]] row "gemm_i8_i8" extents affine_map<() -> (1, 1500, 2048)>
// CHECK-SAME: params affine_map<() -> (1, 1500, 2048, 512, 0, 512, 1500, 1, 512, 512, 0, 125, 2048, 1)>
// What the microkernel wants, and 125 rows of 2048 numbers.
// CHECK-SAME: scratch affine_map<() -> (1175296)> written [6, 7]
// CHECK-SAME: pieces affine_map<() -> (1, 1500, 1, 2048)> local 151296
// CHECK-NEXT: ^bb0({{.*}}, %[[SCALES:arg6]]: !plan.buffer<f32>, %[[BYTES:arg7]]: !plan.buffer<i8>, %[[OWN:arg8]]: !plan.buffer<f32>):
// CHECK: plan.block "post"
// CHECK: math.erf
// CHECK: plan.store %{{.*}}, %[[OWN]][affine_map<(d0, d1) -> (d0 * 2048 + d1)>
// CHECK: plan.block "reduce" combine "max"
// CHECK: plan.load %[[OWN]]
// CHECK: plan.block "finish"
// CHECK: plan.store %{{.*}}, %[[SCALES]]
// CHECK: plan.block "map"
// CHECK: plan.load %[[OWN]]
// CHECK: math.roundeven
// CHECK: plan.store %{{.*}}, %[[BYTES]]
// CHECK: plan.entry @fuse_when_rows_are_many
// CHECK-NOT: plan.alloc
// CHECK: plan.dispatch @[[WHOLE]] grid affine_map<() -> (1, 12, 1)>
// CHECK-NOT: plan.dispatch
func.func @fuse_when_rows_are_many(%x: tensor<1500x512xi8>, %xs: tensor<1500x1xf32>) -> (tensor<1500x2048xi8>, tensor<1500x1xf32>) {
  %w = mm.constant dense<1> : tensor<512x2048xi8>
  %s = mm.constant dense<0.5> : tensor<1x2048xf32>
  %b = mm.constant dense<0.25> : tensor<2048xf32>
  %0 = mm.quantized_linear %x, %w scale %s input_scale %xs : tensor<1500x1xf32> bias %b : tensor<2048xf32>
      : tensor<1500x512xi8>, tensor<512x2048xi8>, tensor<1x2048xf32> -> tensor<1500x2048xf32>
  %1 = mm.gelu erf %0 : tensor<1500x2048xf32> -> tensor<1500x2048xf32>
  %q, %qs = mm.quantize_rows %1 {block = 2048 : i64} : tensor<1500x2048xf32> -> tensor<1500x2048xi8>, tensor<1500x1xf32>
  return %q, %qs : tensor<1500x2048xi8>, tensor<1500x1xf32>
}

// A scale for each 128 columns: cells stay as they are if they have whole ones,
// however few the rows, and whether or not their number is known.
// CHECK: plan.kernel @[[GROUPS:.*]] row "gemm_i8_u4" extents affine_map<()[s0] -> (1, s0, 2048)>
// CHECK-SAME: 112, 256)>
// CHECK-SAME: pieces affine_map<()[s0] -> (1, s0, 16, 128)> local
// CHECK: plan.block "reduce" combine "max"
// CHECK: plan.load %{{.*}}[affine_map<(d0, d1, d2)[s0] -> (d0 * 256 + d1 * 128 + d2)>
// CHECK: plan.entry @fuse_when_a_cell_has_whole_groups
// CHECK-NOT: plan.alloc
// CHECK: plan.dispatch @[[GROUPS]] grid affine_map<()[s0] -> (8, s0 ceildiv 112, 1)>
// CHECK-NOT: plan.dispatch
func.func @fuse_when_a_cell_has_whole_groups(%x: tensor<?x512xi8, #mm.dims<[rows, 512]>>, %xs: tensor<?x4xf32, #mm.dims<[rows, 4]>>)
    -> (tensor<?x2048xi8, #mm.dims<[rows, 2048]>>, tensor<?x16xf32, #mm.dims<[rows, 16]>>) {
  %w = mm.constant dense<1> : tensor<512x2048xi4>
  %s = mm.constant dense<0.5> : tensor<4x2048xf32>
  %0 = mm.quantized_linear %x, %w scale %s input_scale %xs : tensor<?x4xf32, #mm.dims<[rows, 4]>>
      : tensor<?x512xi8, #mm.dims<[rows, 512]>>, tensor<512x2048xi4>, tensor<4x2048xf32> -> tensor<?x2048xf32, #mm.dims<[rows, 2048]>>
  %1 = mm.relu %0 : tensor<?x2048xf32, #mm.dims<[rows, 2048]>> -> tensor<?x2048xf32, #mm.dims<[rows, 2048]>>
  %q, %qs = mm.quantize_rows %1 {block = 128 : i64} : tensor<?x2048xf32, #mm.dims<[rows, 2048]>>
      -> tensor<?x2048xi8, #mm.dims<[rows, 2048]>>, tensor<?x16xf32, #mm.dims<[rows, 16]>>
  return %q, %qs : tensor<?x2048xi8, #mm.dims<[rows, 2048]>>, tensor<?x16xf32, #mm.dims<[rows, 16]>>
}

// What others read is stored, and read back while it is near. Rows of a batch
// are rows.
// CHECK: plan.kernel @[[READ:.*]] row "gemm_f32" extents affine_map<() -> (1, 1500, 2048)>
// CHECK-SAME: scratch affine_map<() -> (7168)> written [2, 3, 4] pieces affine_map<() -> (1, 1500, 1, 2048)> {
// CHECK: plan.entry @fuse_when_others_read_the_rows
// CHECK: ^bb0(%[[X:.*]]: !plan.buffer<f32>, %[[Y:.*]]: !plan.buffer<f32>, %[[Q:.*]]: !plan.buffer<i8>, %[[S:.*]]: !plan.buffer<f32>):
// CHECK: plan.dispatch @[[READ]] {{.*}}(%[[X]], %{{.*}}, %[[Y]], %[[S]], %[[Q]])
// CHECK-NOT: plan.dispatch
func.func @fuse_when_others_read_the_rows(%x: tensor<2x750x512xf32>) -> (tensor<2x750x2048xf32>, tensor<2x750x2048xi8>, tensor<2x750x1xf32>) {
  %w = mm.constant dense<0.5> : tensor<512x2048xf32>
  %0 = mm.linear %x, %w : tensor<2x750x512xf32>, tensor<512x2048xf32> -> tensor<2x750x2048xf32>
  %1 = mm.relu %0 : tensor<2x750x2048xf32> -> tensor<2x750x2048xf32>
  %q, %qs = mm.quantize_rows %1 {block = 2048 : i64} : tensor<2x750x2048xf32> -> tensor<2x750x2048xi8>, tensor<2x750x1xf32>
  return %1, %q, %qs : tensor<2x750x2048xf32>, tensor<2x750x2048xi8>, tensor<2x750x1xf32>
}

// A few rows would make few cells, and each would read all of the weight.
// CHECK-NOT: pieces
// CHECK: plan.entry @keep_when_rows_are_few
// CHECK-COUNT-2: plan.dispatch
func.func @keep_when_rows_are_few(%x: tensor<128x768xi8>, %xs: tensor<128x1xf32>) -> (tensor<128x3072xi8>, tensor<128x1xf32>) {
  %w = mm.constant dense<1> : tensor<768x3072xi8>
  %s = mm.constant dense<0.5> : tensor<1x3072xf32>
  %0 = mm.quantized_linear %x, %w scale %s input_scale %xs : tensor<128x1xf32>
      : tensor<128x768xi8>, tensor<768x3072xi8>, tensor<1x3072xf32> -> tensor<128x3072xf32>
  %1 = mm.relu %0 : tensor<128x3072xf32> -> tensor<128x3072xf32>
  %q, %qs = mm.quantize_rows %1 {block = 3072 : i64} : tensor<128x3072xf32> -> tensor<128x3072xi8>, tensor<128x1xf32>
  return %q, %qs : tensor<128x3072xi8>, tensor<128x1xf32>
}

// So may rows whose number shows at the call.
// CHECK-NOT: pieces
// CHECK: plan.entry @keep_when_rows_may_be_few
// CHECK-COUNT-2: plan.dispatch
func.func @keep_when_rows_may_be_few(%x: tensor<?x512xi8, #mm.dims<[rows, 512]>>, %xs: tensor<?x1xf32, #mm.dims<[rows, 1]>>)
    -> (tensor<?x2048xi8, #mm.dims<[rows, 2048]>>, tensor<?x1xf32, #mm.dims<[rows, 1]>>) {
  %w = mm.constant dense<1> : tensor<512x2048xi8>
  %s = mm.constant dense<0.5> : tensor<1x2048xf32>
  %0 = mm.quantized_linear %x, %w scale %s input_scale %xs : tensor<?x1xf32, #mm.dims<[rows, 1]>>
      : tensor<?x512xi8, #mm.dims<[rows, 512]>>, tensor<512x2048xi8>, tensor<1x2048xf32> -> tensor<?x2048xf32, #mm.dims<[rows, 2048]>>
  %q, %qs = mm.quantize_rows %0 {block = 2048 : i64} : tensor<?x2048xf32, #mm.dims<[rows, 2048]>>
      -> tensor<?x2048xi8, #mm.dims<[rows, 2048]>>, tensor<?x1xf32, #mm.dims<[rows, 1]>>
  return %q, %qs : tensor<?x2048xi8, #mm.dims<[rows, 2048]>>, tensor<?x1xf32, #mm.dims<[rows, 1]>>
}

// A row of what was turned lies in many cells.
// CHECK-NOT: pieces
// CHECK: plan.entry @keep_when_rows_are_turned
// CHECK-COUNT-2: plan.dispatch
func.func @keep_when_rows_are_turned(%x: tensor<1024x512xi8>, %xs: tensor<1024x1xf32>) -> (tensor<1024x1024xi8>, tensor<1024x1xf32>) {
  %w = mm.constant dense<1> : tensor<512x1024xi8>
  %s = mm.constant dense<0.5> : tensor<1x1024xf32>
  %0 = mm.quantized_linear %x, %w scale %s input_scale %xs : tensor<1024x1xf32>
      : tensor<1024x512xi8>, tensor<512x1024xi8>, tensor<1x1024xf32> -> tensor<1024x1024xf32>
  %1 = mm.transpose %0 [1, 0] : tensor<1024x1024xf32> -> tensor<1024x1024xf32>
  %q, %qs = mm.quantize_rows %1 {block = 1024 : i64} : tensor<1024x1024xf32> -> tensor<1024x1024xi8>, tensor<1024x1xf32>
  return %q, %qs : tensor<1024x1024xi8>, tensor<1024x1xf32>
}

// A block of threads has no rows to go over.
// CHECK: plan.variant "cuda:sm_80"
// CHECK-NOT: pieces
// CHECK: plan.entry @fuse_when_rows_are_many
// CHECK-COUNT-2: plan.dispatch
// CHECK-NOT: pieces
