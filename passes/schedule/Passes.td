//===- Passes.td - Placing what lower made ---------------------*- tablegen -*-===//

#ifndef MMCC_SCHEDULE_PASSES
#define MMCC_SCHEDULE_PASSES

include "mlir/Pass/PassBase.td"

def PlanInPlace : Pass<"plan-in-place", "mlir::ModuleOp"> {
  let summary = "lets a kernel write over a buffer that it is the last to read";
  let description = [{
    Where a kernel reads an element of one buffer only to store the same
    element of another (a residual, an elementwise chain) and nobody reads the
    first buffer later, both become one.

    Before:
    ```mlir
    plan.dispatch @add grid ... (%residual, %update, %sum)
    ```
    After:
    ```mlir
    plan.dispatch @add grid ... (%residual, %update, %residual)
    ```
  }];
  let statistics = [Statistic<"buffersReused", "buffers-reused", "buffers that became another's">];
}

def PlanStreams : Pass<"plan-streams", "mlir::ModuleOp"> {
  let summary = "gives independent branches streams of their own";
  let description = [{
    Branches that touch no buffer that the other writes, until a launch needs
    both (two encoders in front of a decoder), run side by side: each is a
    stream, and where they meet the launch waits for the streams that end there.
    A branch of fewer than `fewest-launches` launches stays in the stream of the
    branch that it meets.

    Before:
    ```mlir
    plan.dispatch @a grid ... (%image, %0)
    plan.dispatch @b grid ... (%text, %1)
    plan.dispatch @c grid ... (%0, %1, %out)
    ```
    After:
    ```mlir
    plan.dispatch @a grid ... (%image, %0)
    plan.dispatch @b grid ... stream 1 (%text, %1)
    plan.dispatch @c grid ... waits array<i64: 1> (%0, %1, %out)
    ```
  }];
  let options = [
    Option<"fewestLaunches", "fewest-launches", "unsigned", "8", "of a branch that is worth a stream">,
    Option<"mostStreams", "most-streams", "unsigned", "8", "of an entry">,
  ];
  let statistics = [Statistic<"streamsMade", "streams-made", "streams beside the first one">];
}

def PlanSchedule : Pass<"plan-schedule", "mlir::ModuleOp"> {
  let summary = "gives every buffer its place in the arena";
  let description = [{
    Buffers of one stream that are never live at the same time share memory. Offsets are
    found by best fit in several orders (by size, by lifetime, by size times
    lifetime, seeded shuffles); the smallest arena wins. The lower bound is the
    largest sum of sizes that are live at one command (`lower_bound`, in bytes,
    on the entry). Entries with a buffer of
    unknown size are left to the runtime, which places buffers once per shape.

    Before:
    ```mlir
    %0 = plan.alloc affine_map<() -> (1024)> : !plan.buffer<f32>
    plan.dispatch @a grid ... (%x, %0)
    %1 = plan.alloc affine_map<() -> (512)> : !plan.buffer<f32>
    plan.dispatch @b grid ... (%0, %1)
    ```
    After:
    ```mlir
    %0 = plan.alloc affine_map<() -> (1024)> offset affine_map<() -> (0)> : !plan.buffer<f32>
    plan.dispatch @a grid ... (%x, %0)
    %1 = plan.alloc affine_map<() -> (512)> offset affine_map<() -> (4096)> : !plan.buffer<f32>
    plan.dispatch @b grid ... (%0, %1)
    ```
  }];
  let statistics = [
    Statistic<"arenaBytes", "arena-bytes", "bytes of all arenas">,
    Statistic<"lowerBoundBytes", "lower-bound-bytes", "largest sum of live buffers">,
  ];
}

def PlanLibraryCalls : Pass<"plan-library-calls", "mlir::ModuleOp"> {
  let summary = "says which products a library may do in a kernel's place";
  let description = [{
    On a GPU cuBLASLt may multiply rows of bf16 or f16 with weights of it that lie
    there in columns, at least 128 rows or as many as show at the call, where
    what the kernel does with a sum is what the library's epilogues do: adding a
    bias and a residual, ReLU, GELU in its tanh form, storing rows without gaps.
    The kernel stays, for GPUs without the library. A bias beside a result of 16
    bits is rounded to that, as the library wants it.

    Before:
    ```mlir
    plan.dispatch @gemm grid ... (%x, %w, %b, %y)
    ```
    After:
    ```mlir
    plan.dispatch @gemm grid ... (%x, %w, %b, %y) : ...
        library "cublaslt.matmul" form "bias" sizes affine_map<() -> (256, 768, 3072, 3072, 3072, 0)> (%w, %x, %y, %b) : ...
    ```
  }];
  let statistics = [Statistic<"calls", "library-calls", "launches that a library may do">];
}

#endif // MMCC_SCHEDULE_PASSES
