// RUN: mmcc-opt %s --mm-lower-to-plan="target=cuda:sm_80" --mlir-print-local-scope > %t
// RUN: FileCheck %s < %t
// RUN: cuda_source %t --print | FileCheck %s --check-prefix=SOURCE

// What a CPU has scratch for, a GPU keeps in memory: one more tensor, written.
// CHECK: plan.variant "cuda:sm_80"
// CHECK: plan.kernel @[[MATCH:.*]] row "token_match_f32" {{.*}} offsets affine_map<() -> (0, 0)> scratch affine_map<() -> (0)> written [1, 2]
// CHECK-NEXT: %{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<i64>, %{{.*}}: !plan.buffer<i64>
// Cells share what is left of the tokens, 8 of them at a time.
// CHECK: plan.kernel @[[MERGE:.*]] row "token_merge_f32" {{.*}} params affine_map<() -> (2, 197, 184, 768, 151296, 768, 197, 151296, 0, 256)>
// CHECK: %[[KEPT:.*]] = plan.alloc affine_map<() -> (198)> : <i64>
// CHECK: plan.dispatch @[[MATCH]] grid affine_map<() -> (1, 1, 2)> {{.*}}(%{{.*}}, %[[KEPT]], %{{.*}})
// CHECK: plan.dispatch @[[MERGE]] grid affine_map<() -> (3, 23, 2)>
// SOURCE: int64_t *const __restrict__ x1
// SOURCE: tokenMatch(
// SOURCE: tokenMerge(
func.func @merged(%k: tensor<2x197x64xf32>, %x: tensor<2x197x768xf32>) -> tensor<2x184x768xf32> {
  %m = mm.match_tokens %k {merged = 13 : i64, protect = 1 : i64} : tensor<2x197x64xf32> -> tensor<2x197xi64>
  %y = mm.merge_tokens %x, %m {left = 184 : i64} : tensor<2x197x768xf32>, tensor<2x197xi64> -> tensor<2x184x768xf32>
  return %y : tensor<2x184x768xf32>
}

// Long rows are a block's each, short ones a warp's; all cells are along x.
// CHECK: plan.kernel @[[LONG:.*]] row "topk_f32" {{.*}} params affine_map<() -> (70000, 1000, 5, 1, 1024, 1000, 0, 1000, 1)>
// CHECK: plan.dispatch @[[LONG]] grid affine_map<() -> (70000, 1, 1)>
func.func @long(%x: tensor<70000x1000xf32>) -> tensor<70000x5xf32> {
  %v, %i = mm.topk %x axis 1 largest true : tensor<70000x1000xf32> -> tensor<70000x5xf32>, tensor<70000x5xi64>
  return %v : tensor<70000x5xf32>
}

// CHECK: plan.kernel @[[SHORT:.*]] row "topk_f32" {{.*}} params affine_map<() -> (90, 64, 6, 1, 128, 64, 0, 64, 8)>
// CHECK: plan.dispatch @[[SHORT]] grid affine_map<() -> (12, 1, 1)>
func.func @short(%x: tensor<90x64xf32>) -> tensor<90x6xf32> {
  %v, %i = mm.topk %x axis 1 largest true : tensor<90x64xf32> -> tensor<90x6xf32>, tensor<90x6xi64>
  return %v : tensor<90x6xf32>
}

// Few rows are cut; what the pieces have found is joined.
// CHECK: plan.kernel @[[PIECES:.*]] row "topk_f32" {{.*}} params affine_map<() -> (2, 100000, 5, 1, 2176, 100000, 0, 100000, 1)>
// CHECK: plan.kernel @[[JOIN:.*]] row "topk_f32" {{.*}} params affine_map<() -> (2, 230, 5, 1, 256, 230, 1, 230, 8)>
// CHECK: plan.dispatch @[[PIECES]] grid affine_map<() -> (92, 1, 1)>
// CHECK: plan.dispatch @[[JOIN]] grid affine_map<() -> (1, 1, 1)>
func.func @few(%x: tensor<2x100000xf32>) -> tensor<2x5xf32> {
  %v, %i = mm.topk %x axis 1 largest true : tensor<2x100000xf32> -> tensor<2x5xf32>, tensor<2x5xi64>
  return %v : tensor<2x5xf32>
}

// Many of the best have room for few queries in a cell.
// CHECK: plan.kernel @{{.*}} row "retrieve_f32" {{.*}} params affine_map<() -> (40, 5000, 64, 10, 64, 384, 32)>
// SOURCE: retrieve<64>(
func.func @search(%x: tensor<40x64xf32>) -> tensor<2x40x10xf32> {
  %w = mm.constant dense<0.5> : tensor<64x5000xf32>
  %0 = mm.retrieve %x, %w {k = 10 : i64} : tensor<40x64xf32>, tensor<64x5000xf32> -> tensor<2x40x10xf32>
  return %0 : tensor<2x40x10xf32>
}

// CHECK: plan.kernel @{{.*}} row "retrieve_f32" {{.*}} params affine_map<() -> (40, 5000, 64, 96, 64, 512, 16)>
// SOURCE: retrieve<128>(
func.func @search_for_many(%x: tensor<40x64xf32>) -> tensor<2x40x96xf32> {
  %w = mm.constant dense<0.5> : tensor<64x5000xf32>
  %0 = mm.retrieve %x, %w {k = 96 : i64} : tensor<40x64xf32>, tensor<64x5000xf32> -> tensor<2x40x96xf32>
  return %0 : tensor<2x40x96xf32>
}

// More have none: scores are written.
// CHECK-NOT: row "retrieve_f32"
// CHECK: plan.kernel @{{.*}} row "gemm_f32" {{.*}} params affine_map<() -> (1, 40, 5000, 64, 0, 64, 64, 64)>
// CHECK: plan.kernel @{{.*}} row "topk_f32" {{.*}} params affine_map<() -> (40, 5000, 97, 1, 2560, 5000, 0, 5000, 1)>
func.func @search_for_more(%x: tensor<40x64xf32>) -> tensor<2x40x97xf32> {
  %w = mm.constant dense<0.5> : tensor<64x5000xf32>
  %0 = mm.retrieve %x, %w {k = 97 : i64} : tensor<40x64xf32>, tensor<64x5000xf32> -> tensor<2x40x97xf32>
  return %0 : tensor<2x40x97xf32>
}

// CHECK: plan.kernel @[[COSINES:.*]] row "similarity_f32"
// CHECK: plan.dispatch @[[COSINES]] grid affine_map<() -> (2, 3, 1)>
// SOURCE: similarity(
func.func @cosines(%a: tensor<300x64xf32>, %b: tensor<130x64xf32>) -> tensor<300x130xf32> {
  %0 = mm.similarity %a, %b {lhs_epsilon = 0.0 : f64, rhs_epsilon = 0.0 : f64} : tensor<300x64xf32>, tensor<130x64xf32> -> tensor<300x130xf32>
  return %0 : tensor<300x130xf32>
}

// CHECK: plan.kernel @{{.*}} row "token_select_f32" {{.*}} written [1, 2]
// CHECK-NEXT: %{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<f32>, %{{.*}}: !plan.buffer<i64>
// SOURCE: tokenSelect(
func.func @chosen(%s: tensor<1x576x576xf32>) -> tensor<1x144xi64> {
  %p = mm.select_tokens %s {keep = 144 : i64} : tensor<1x576x576xf32> -> tensor<1x144xi64>
  return %p : tensor<1x144xi64>
}
