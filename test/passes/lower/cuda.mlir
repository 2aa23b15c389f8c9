// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v3,cuda:sm_80,cuda:sm_90a" --mlir-print-local-scope > %t
// RUN: FileCheck %s < %t
// RUN: cuda_source %t --print | FileCheck %s --check-prefix=SOURCE

// A GPU gets cells of its own, and all architectures the same plan; weights are
// there once.
// CHECK-COUNT-1: plan.constant
// CHECK-NOT: plan.constant
// CHECK: plan.variant "cpu:x86-64-v3"
// CHECK: plan.variant "cuda:sm_80"
// CHECK: row "gemm_f32" {{.*}} params affine_map<() -> (1, 300, 512, 64, 0, 64, 128, 128)>
// CHECK: row "loops" {{.*}} params affine_map<() -> (1, 8)>
// CHECK: plan.dispatch @gemm_f32_0 grid affine_map<() -> (4, 3, 1)>
// CHECK: plan.dispatch @loops_1 grid affine_map<() -> (38, 1, 1)>
// CHECK: plan.variant "cuda:sm_90a"

// A warp takes a row that memory runs along; what follows a product is a
// function of the template.
// SOURCE: #include "Gemm.cuh"
// SOURCE: MMCC_KERNEL(mmcc_kernel, 256, Arguments<3, 0>)
// SOURCE: const GemmParams params{1, 300, 512, 64, 0, 64, 128, 128};
// SOURCE-NEXT: gemm(
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
func.func @main(%x: tensor<300x64xf32>) -> tensor<300x512xf32> {
  %w = mm.constant dense<0.5> : tensor<64x512xf32>
  %0 = mm.linear %x, %w : tensor<300x64xf32>, tensor<64x512xf32> -> tensor<300x512xf32>
  %1 = mm.relu %0 : tensor<300x512xf32> -> tensor<300x512xf32>
  %2 = mm.softmax %1 axis 1 : tensor<300x512xf32> -> tensor<300x512xf32>
  return %2 : tensor<300x512xf32>
}
