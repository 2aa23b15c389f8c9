// RUN: mmcc-opt %s --plan-library-calls --mlir-print-local-scope | FileCheck %s

// Weights lie in columns on a GPU; the bias is a constant, too.
plan.constant @w : bf16 "pairs16" bytes 131072 groups 1 sources [dense<1.0> : tensor<256x256xbf16>] pieces [array<i64: 0, 0, 1, 0, 1, 0, 256, 256, 256, 1>]
plan.constant @w_half : f16 "panels16" bytes 131072 groups 1 sources [dense<1.0> : tensor<256x256xf16>] pieces [array<i64: 0, 0, 1, 0, 1, 0, 256, 256, 256, 1>]
plan.constant @b : f32 "dense" bytes 1024 groups 1 sources [dense<1.0> : tensor<256xf32>] pieces [array<i64: 0, 256, 1>]
// CHECK: plan.constant @b_bf16 : bf16 "rounded" bytes 512 groups 1 sources [dense<1.000000e+00> : tensor<256xf32>] pieces [array<i64: 0, 256, 1>]

#none = affine_map<() -> ()>
#zero = affine_map<() -> (0)>
#starts = affine_map<() -> (0, 0)>
#n = affine_map<(d0) -> (d0)>
#mn = affine_map<(d0, d1) -> (d0 * 256 + d1)>
#shape = affine_map<() -> (1, 512, 256)>
#params = affine_map<() -> (1, 512, 256, 256, 0, 256, 128, 128)>
#grid = affine_map<() -> (2, 4, 1)>
#tensor = affine_map<() -> (512, 256)>

plan.variant "cuda:sm_80" {
  plan.kernel @plain row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  // The batch, of which there is one, may be part of an index; addends stand in any order.
  plan.kernel @residual row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [4] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %bias: !plan.buffer<f32>, %r: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      %0 = plan.load %r[affine_map<(d0, d1, d2) -> (d0 * 131072 + d1 * 256 + d2)>(%b, %i, %j)] : !plan.buffer<f32> -> f32
      %1 = plan.load %bias[#n(%j)] : !plan.buffer<f32> -> f32
      %2 = arith.addf %1, %sum : f32
      %3 = arith.addf %0, %2 : f32
      plan.store %3, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  plan.kernel @relu row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [3] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %bias: !plan.buffer<f32>, %y: !plan.buffer<bf16>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      %1 = plan.load %bias[#n(%j)] : !plan.buffer<f32> -> f32
      %2 = arith.addf %sum, %1 : f32
      %none = arith.constant 0.0 : f32
      %3 = arith.maximumf %2, %none : f32
      %4 = arith.truncf %3 : f32 to bf16
      plan.store %4, %y[#mn(%i, %j)] : bf16, !plan.buffer<bf16>
      plan.yield
    }
  }
  plan.kernel @relu_f16 row "gemm_f16_f16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [3] {
  ^bb0(%a: !plan.buffer<f16>, %w: !plan.buffer<f16>, %bias: !plan.buffer<f32>, %y: !plan.buffer<f16>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      %1 = plan.load %bias[#n(%j)] : !plan.buffer<f32> -> f32
      %2 = arith.addf %sum, %1 : f32
      %none = arith.constant 0.0 : f32
      %3 = arith.maximumf %2, %none : f32
      %4 = arith.truncf %3 : f32 to f16
      plan.store %4, %y[#mn(%i, %j)] : f16, !plan.buffer<f16>
      plan.yield
    }
  }
  plan.kernel @tanh_gelu row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      %half = arith.constant 0.5 : f32
      %0 = arith.mulf %sum, %half : f32
      %1 = arith.mulf %sum, %sum : f32
      %2 = arith.mulf %1, %sum : f32
      %third = arith.constant 0.044715 : f32
      %3 = arith.mulf %third, %2 : f32
      %4 = arith.addf %sum, %3 : f32
      %scale = arith.constant 0.797884583 : f32
      %5 = arith.mulf %scale, %4 : f32
      %6 = math.tanh %5 : f32
      %one = arith.constant 1.0 : f32
      %7 = arith.addf %one, %6 : f32
      %8 = arith.mulf %0, %7 : f32
      plan.store %8, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  plan.kernel @erf_gelu row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      %half = arith.constant 0.5 : f32
      %0 = arith.mulf %sum, %half : f32
      %scale = arith.constant 0.707106769 : f32
      %1 = arith.mulf %sum, %scale : f32
      %2 = math.erf %1 : f32
      %one = arith.constant 1.0 : f32
      %3 = arith.addf %one, %2 : f32
      %4 = arith.mulf %0, %3 : f32
      plan.store %4, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  // tanh, but of something else than the sum that is halved.
  plan.kernel @two_sums row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [3] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %r: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      %other = plan.load %r[#mn(%i, %j)] : !plan.buffer<f32> -> f32
      %half = arith.constant 0.5 : f32
      %0 = arith.mulf %other, %half : f32
      %1 = arith.mulf %sum, %sum : f32
      %2 = arith.mulf %1, %sum : f32
      %third = arith.constant 0.044715 : f32
      %3 = arith.mulf %third, %2 : f32
      %4 = arith.addf %sum, %3 : f32
      %scale = arith.constant 0.797884583 : f32
      %5 = arith.mulf %scale, %4 : f32
      %6 = math.tanh %5 : f32
      %one = arith.constant 1.0 : f32
      %7 = arith.addf %one, %6 : f32
      %8 = arith.mulf %0, %7 : f32
      plan.store %8, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  plan.kernel @transposed row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[affine_map<(d0, d1) -> (d0 + d1 * 512)>(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  plan.kernel @two_results row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [2, 3] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>, %z: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.store %sum, %z[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  // f32 beside a result of bf16 is what the library does not add.
  plan.kernel @wide_residual row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [3] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %r: !plan.buffer<f32>, %y: !plan.buffer<bf16>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      %0 = plan.load %r[#mn(%i, %j)] : !plan.buffer<f32> -> f32
      %1 = arith.addf %sum, %0 : f32
      %2 = arith.truncf %1 : f32 to bf16
      plan.store %2, %y[#mn(%i, %j)] : bf16, !plan.buffer<bf16>
      plan.yield
    }
  }
  plan.kernel @bias_twice row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [3] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %bias: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      %0 = plan.load %bias[#n(%j)] : !plan.buffer<f32> -> f32
      %1 = arith.addf %sum, %0 : f32
      %2 = arith.addf %1, %0 : f32
      plan.store %2, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  // Rows that show at the call, cut out of wider ones.
  plan.kernel @some_rows row "gemm_bf16_bf16" extents affine_map<()[s0] -> (1, s0, 256)> parallel 3 params affine_map<()[s0] -> (1, s0, 256, 256, 0, 768, 64, 16)> offsets affine_map<()[s0] -> (512, 0)> scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  // Rows of a batch that shows at the call, too: one row after the other.
  plan.kernel @batches row "gemm_bf16_bf16" extents affine_map<()[s0, s1] -> (1, s0 * s1, 256)> parallel 3 params affine_map<()[s0, s1] -> (1, s0 * s1, 256, 256, 0, 256, 64, 16)> offsets affine_map<()[s0, s1] -> (0, 0)> scratch #zero written [3] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %r: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      %0 = plan.load %r[affine_map<(d0, d1)[s0, s1] -> ((d0 floordiv s1) * (s1 * 256) + (d0 mod s1) * 256 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
      %1 = arith.addf %sum, %0 : f32
      plan.store %1, %y[affine_map<(d0, d1)[s0, s1] -> (d1 + ((d0 mod s1) + (d0 floordiv s1) * s1) * 256)>(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  // The same with tokens and batch changed.
  plan.kernel @changed row "gemm_bf16_bf16" extents affine_map<()[s0, s1] -> (1, s0 * s1, 256)> parallel 3 params affine_map<()[s0, s1] -> (1, s0 * s1, 256, 256, 0, 256, 64, 16)> offsets affine_map<()[s0, s1] -> (0, 0)> scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[affine_map<(d0, d1)[s0, s1] -> ((d0 floordiv s1) * (s0 * 256) + (d0 mod s1) * 256 + d1)>(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  plan.kernel @few_rows row "gemm_bf16_bf16" extents affine_map<() -> (1, 64, 256)> parallel 3 params affine_map<() -> (1, 64, 256, 256, 0, 256, 64, 64)> offsets #starts scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  plan.kernel @batch row "gemm_bf16_bf16" extents affine_map<() -> (2, 256, 256)> parallel 3 params affine_map<() -> (2, 256, 256, 256, 131072, 256, 64, 64)> offsets #starts scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[affine_map<(d0, d1, d2) -> (d0 * 65536 + d1 * 256 + d2)>(%b, %i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  // Rows of 255 numbers have no 16 bytes in common.
  plan.kernel @odd row "gemm_bf16_bf16" extents #shape parallel 3 params affine_map<() -> (1, 512, 256, 255, 0, 255, 128, 128)> offsets #starts scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  plan.kernel @f32_rows row "gemm_f32_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<f32>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }

  // CHECK-LABEL: plan.entry @library_when_plain
  // CHECK: ^bb0(%[[A:[a-z0-9]+]]: {{.*}}, %[[Y:[a-z0-9]+]]:
  // CHECK: %[[W:.*]] = plan.get_constant @w
  // CHECK: plan.dispatch @plain {{.*}}(%[[A]], %[[W]], %[[Y]]) {{.*}} library "cublaslt.matmul" form "" sizes affine_map<() -> (512, 256, 256, 256, 256, 0)>(%[[W]], %[[A]], %[[Y]])
  plan.entry @library_when_plain symbols [] ranges [] inputs ["a"] outputs ["y"] types [bf16, f32] shapes [#tensor, #tensor] {
  ^bb0(%a: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    plan.dispatch @plain grid #grid sizes #none(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
  }
  // CHECK-LABEL: plan.entry @library_when_bias_and_residual
  // CHECK: ^bb0(%[[A:[a-z0-9]+]]: {{.*}}, %[[R:[a-z0-9]+]]: {{.*}}, %[[Y:[a-z0-9]+]]:
  // CHECK: %[[B:.*]] = plan.get_constant @b :
  // CHECK: plan.dispatch @residual {{.*}} library "cublaslt.matmul" form "bias,residual" {{.*}}(%{{.*}}, %[[A]], %[[Y]], %[[B]], %[[R]])
  plan.entry @library_when_bias_and_residual symbols [] ranges [] inputs ["a", "r"] outputs ["y"] types [bf16, f32, f32] shapes [#tensor, #tensor, #tensor] {
  ^bb0(%a: !plan.buffer<bf16>, %r: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    %b = plan.get_constant @b : !plan.buffer<f32>
    plan.dispatch @residual grid #grid sizes #none(%a, %w, %b, %r, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32>
  }
  // CHECK-LABEL: plan.entry @library_when_relu_to_bf16
  // CHECK: %[[B:.*]] = plan.get_constant @b_bf16 : <bf16>
  // CHECK: plan.dispatch @relu {{.*}} library "cublaslt.matmul" form "bias,relu,narrow" {{.*}}, %[[B]])
  plan.entry @library_when_relu_to_bf16 symbols [] ranges [] inputs ["a"] outputs ["y"] types [bf16, bf16] shapes [#tensor, #tensor] {
  ^bb0(%a: !plan.buffer<bf16>, %y: !plan.buffer<bf16>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    %b = plan.get_constant @b : !plan.buffer<f32>
    plan.dispatch @relu grid #grid sizes #none(%a, %w, %b, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>, !plan.buffer<bf16>
  }
  // CHECK-LABEL: plan.entry @library_when_relu_to_f16
  // CHECK: %[[B:.*]] = plan.get_constant @b_f16 : <f16>
  // CHECK: plan.dispatch @relu_f16 {{.*}} library "cublaslt.matmul" form "bias,relu,narrow,f16" {{.*}}, %[[B]])
  plan.entry @library_when_relu_to_f16 symbols [] ranges [] inputs ["a"] outputs ["y"] types [f16, f16] shapes [#tensor, #tensor] {
  ^bb0(%a: !plan.buffer<f16>, %y: !plan.buffer<f16>):
    %w = plan.get_constant @w_half columns : !plan.buffer<f16>
    %b = plan.get_constant @b : !plan.buffer<f32>
    plan.dispatch @relu_f16 grid #grid sizes #none(%a, %w, %b, %y) : !plan.buffer<f16>, !plan.buffer<f16>, !plan.buffer<f32>, !plan.buffer<f16>
  }
  // A bias of the caller's is of f32 and stays so.
  // CHECK-LABEL: plan.entry @kernel_when_the_bias_is_an_input
  // CHECK-NOT: library "
  plan.entry @kernel_when_the_bias_is_an_input symbols [] ranges [] inputs ["a", "b"] outputs ["y"] types [bf16, f32, bf16] shapes [#tensor, affine_map<() -> (256)>, #tensor] {
  ^bb0(%a: !plan.buffer<bf16>, %b: !plan.buffer<f32>, %y: !plan.buffer<bf16>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    plan.dispatch @relu grid #grid sizes #none(%a, %w, %b, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>, !plan.buffer<bf16>
  }
  // CHECK-LABEL: plan.entry @library_when_tanh_gelu
  // CHECK: plan.dispatch @tanh_gelu {{.*}} library "cublaslt.matmul" form "gelu"
  plan.entry @library_when_tanh_gelu symbols [] ranges [] inputs ["a"] outputs ["y"] types [bf16, f32] shapes [#tensor, #tensor] {
  ^bb0(%a: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    plan.dispatch @tanh_gelu grid #grid sizes #none(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
  }
  // CHECK-LABEL: plan.entry @library_when_rows_show_at_the_call
  // CHECK: plan.dispatch @some_rows {{.*}} library "cublaslt.matmul" form "" sizes affine_map<()[s0] -> (s0 * 2, 256, 256, 768, 256, 512)>
  plan.entry @library_when_rows_show_at_the_call symbols ["rows"] ranges [0, -1] inputs ["a"] outputs ["y"] types [bf16, f32] shapes [affine_map<()[s0] -> (s0, 2, 768)>, affine_map<()[s0] -> (s0, 2, 256)>] {
  ^bb0(%a: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    plan.dispatch @some_rows grid affine_map<()[s0] -> (16, s0, 1)> sizes affine_map<()[s0] -> (s0 * 2)>(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
  }
  // CHECK-LABEL: plan.entry @library_when_the_batch_shows_at_the_call
  // CHECK: plan.dispatch @batches {{.*}} library "cublaslt.matmul" form "residual" sizes affine_map<()[s0, s1] -> (s0 * s1, 256, 256, 256, 256, 0)>
  plan.entry @library_when_the_batch_shows_at_the_call symbols ["batch", "tokens"] ranges [0, -1, 0, -1] inputs ["a", "r"] outputs ["y"] types [bf16, f32, f32] shapes [affine_map<()[s0, s1] -> (s0, s1, 256)>, affine_map<()[s0, s1] -> (s0, s1, 256)>, affine_map<()[s0, s1] -> (s0, s1, 256)>] {
  ^bb0(%a: !plan.buffer<bf16>, %r: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    plan.dispatch @batches grid affine_map<()[s0, s1] -> (16, s0 * s1, 1)> sizes affine_map<()[s0, s1] -> (s0, s1)>(%a, %w, %r, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>, !plan.buffer<f32>
  }
  // CHECK-LABEL: plan.entry @kernel_when_rows_change_places
  // CHECK-NOT: library "
  plan.entry @kernel_when_rows_change_places symbols ["batch", "tokens"] ranges [0, -1, 0, -1] inputs ["a"] outputs ["y"] types [bf16, f32] shapes [affine_map<()[s0, s1] -> (s0, s1, 256)>, affine_map<()[s0, s1] -> (s1, s0, 256)>] {
  ^bb0(%a: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    plan.dispatch @changed grid affine_map<()[s0, s1] -> (16, s0 * s1, 1)> sizes affine_map<()[s0, s1] -> (s0, s1)>(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
  }
  // CHECK-LABEL: plan.entry @kernel_when_anything_else
  // CHECK-COUNT-11: plan.dispatch {{[^"]*$}}
  // CHECK-NOT: library "
  // CHECK: plan.variant "cpu:x86-64-v4"
  plan.entry @kernel_when_anything_else symbols [] ranges [] inputs ["a", "r"] outputs ["y", "z"] types [bf16, f32, f32, bf16] shapes [#tensor, #tensor, #tensor, #tensor] {
  ^bb0(%a: !plan.buffer<bf16>, %r: !plan.buffer<f32>, %y: !plan.buffer<f32>, %z: !plan.buffer<bf16>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    %panels = plan.get_constant @w : !plan.buffer<bf16>
    %b = plan.get_constant @b : !plan.buffer<f32>
    plan.dispatch @erf_gelu grid #grid sizes #none(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
    plan.dispatch @two_sums grid #grid sizes #none(%a, %w, %r, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @transposed grid #grid sizes #none(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
    plan.dispatch @two_results grid #grid sizes #none(%a, %w, %y, %r) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @wide_residual grid #grid sizes #none(%a, %w, %r, %z) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>, !plan.buffer<bf16>
    plan.dispatch @bias_twice grid #grid sizes #none(%a, %w, %b, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>, !plan.buffer<f32>
    plan.dispatch @few_rows grid #grid sizes #none(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
    plan.dispatch @batch grid #grid sizes #none(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
    plan.dispatch @odd grid #grid sizes #none(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
    plan.dispatch @f32_rows grid #grid sizes #none(%r, %w, %y) : !plan.buffer<f32>, !plan.buffer<bf16>, !plan.buffer<f32>
    plan.dispatch @plain grid #grid sizes #none(%a, %panels, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
  }
}

// A processor has no such library.
// CHECK-LABEL: plan.entry @kernel_when_on_a_processor
// CHECK-NOT: library "
plan.variant "cpu:x86-64-v4" {
  plan.kernel @plain row "gemm_bf16_bf16" extents #shape parallel 3 params #params offsets #starts scratch #zero written [2] {
  ^bb0(%a: !plan.buffer<bf16>, %w: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    plan.block "post" {
    ^bb0(%b: index, %i: index, %j: index, %sum: f32):
      plan.store %sum, %y[#mn(%i, %j)] : f32, !plan.buffer<f32>
      plan.yield
    }
  }
  plan.entry @kernel_when_on_a_processor symbols [] ranges [] inputs ["a"] outputs ["y"] types [bf16, f32] shapes [#tensor, #tensor] {
  ^bb0(%a: !plan.buffer<bf16>, %y: !plan.buffer<f32>):
    %w = plan.get_constant @w columns : !plan.buffer<bf16>
    plan.dispatch @plain grid #grid sizes #none(%a, %w, %y) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>
  }
}
