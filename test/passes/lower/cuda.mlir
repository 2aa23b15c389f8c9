// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v3,cuda:sm_80,cuda:sm_90a" --mlir-print-local-scope > %t
// RUN: FileCheck %s < %t
// RUN: cuda_source %t --print | FileCheck %s --check-prefix=SOURCE

// A GPU gets cells of its own, and all architectures the same plan; weights are
// there once.
// CHECK-COUNT-2: plan.constant
// CHECK-NOT: plan.constant
// CHECK: plan.variant "cpu:x86-64-v3"
// CHECK: plan.variant "cuda:sm_80"

// 12 tiles of 128 by 128 leave most of a GPU idle: 5 * 8 of 64 by 64.
// CHECK: plan.kernel @[[TILES:.*]] row "gemm_f32" {{.*}} params affine_map<() -> (1, 300, 512, 64, 0, 64, 64, 64)>
// CHECK-SAME: scratch affine_map<() -> (0)>
// CHECK: plan.kernel @[[SOFTMAX:.*]] row "loops" {{.*}} params affine_map<() -> (1, 8)>
// CHECK: plan.dispatch @[[TILES]] grid affine_map<() -> (8, 5, 1)>
// CHECK: plan.dispatch @[[SOFTMAX]] grid affine_map<() -> (38, 1, 1)>
// One row is bound by its weight: a block a panel of 16 columns.
// CHECK: plan.kernel @[[STEP:.*]] row "gemm_f32" {{.*}} params affine_map<() -> (1, 1, 512, 64, 0, 0, 8, 16)>
// CHECK: plan.dispatch @[[STEP]] grid affine_map<() -> (32, 1, 1)>
// Where rows show at the call, the grid is of panels, too.
// CHECK: plan.kernel @[[ANY:.*]] row "gemm_bf16_bf16" {{.*}} params affine_map<()[s0] -> (1, s0, 512, 64, 0, 64, 64, 16)>
// CHECK: plan.dispatch @[[ANY]] grid affine_map<()[s0] -> (32, s0 ceildiv 64, 1)>
// CHECK: plan.variant "cuda:sm_90a"

// A warp takes a row that memory runs along; what follows a product is a
// function of the template.
// SOURCE: #include "Gemm.cuh"
// SOURCE: MMCC_KERNEL(mmcc_kernel, 256, Arguments<3, 0>)
// SOURCE: const GemmParams params{1, 300, 512, 64, 0, 64, 64, 64};
// SOURCE-NEXT: gemm<64, 64>(
// SOURCE-NEXT: x0 + 0, x1 + 0, params,
// SOURCE-NEXT: [&](Index d0, Index d1, Index d2, float value) {
// SOURCE: x2[d1 * 512 + d2] = v{{[0-9]+}};
// SOURCE: #include "Team.cuh"
// SOURCE: using Index = int;
// SOURCE: forEachPoint<Warp, Index, 256>(
// SOURCE-NEXT: Index(1), Index(300), 1, 8,
// SOURCE: const auto r0 = team.template reduce<Largest>(Index(512), [&](Index i) {
// SOURCE: const auto r1 = team.template reduce<Sum>(Index(512), [&](Index i) {
// SOURCE: expf(
// SOURCE: team.each(Index(512), [&](Index i) {
// SOURCE: gemm<8, 16>(
// SOURCE: #include "TensorGemm.cuh"
// SOURCE: MMCC_KERNEL(mmcc_kernel, 256, Arguments<3, 1>)
// SOURCE: const bf16 *const __restrict__ x0
// SOURCE: const GemmParams params{1, s0, 512, 64, 0, 64, 64, 16};
// SOURCE-NEXT: gemmHalves<64, 16>(
func.func @main(%x: tensor<300x64xf32>) -> tensor<300x512xf32> {
  %w = mm.constant dense<0.5> : tensor<64x512xf32>
  %0 = mm.linear %x, %w : tensor<300x64xf32>, tensor<64x512xf32> -> tensor<300x512xf32>
  %1 = mm.relu %0 : tensor<300x512xf32> -> tensor<300x512xf32>
  %2 = mm.softmax %1 axis 1 : tensor<300x512xf32> -> tensor<300x512xf32>
  return %2 : tensor<300x512xf32>
}

func.func @step(%x: tensor<1x64xf32>) -> tensor<1x512xf32> {
  %w = mm.constant dense<0.5> : tensor<64x512xf32>
  %0 = mm.linear %x, %w : tensor<1x64xf32>, tensor<64x512xf32> -> tensor<1x512xf32>
  return %0 : tensor<1x512xf32>
}

func.func @any(%x: tensor<?x64xbf16, #mm.dims<[rows, 64]>>) -> tensor<?x512xf32, #mm.dims<[rows, 512]>> {
  %w = mm.constant dense<0.5> : tensor<64x512xbf16>
  %0 = mm.linear %x, %w wide : tensor<?x64xbf16, #mm.dims<[rows, 64]>>, tensor<64x512xbf16> -> tensor<?x512xf32, #mm.dims<[rows, 512]>>
  return %0 : tensor<?x512xf32, #mm.dims<[rows, 512]>>
}
