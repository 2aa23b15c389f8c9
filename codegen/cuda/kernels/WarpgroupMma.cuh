//===- WarpgroupMma.cuh - Hopper's products of four warps together --------===//
//
// Code for sm_90a (Hopper) has an instruction by which a warpgroup, four warps
// of which the first is a multiple of four, multiplies 64 rows by up to 256
// columns. Operands stay in shared memory; only sums are in registers. As in
// Mma.cuh its depth is 8 words of 32 bits, whatever the type. Which lane has
// which sum is as there, too, a warp having 16 of the rows:
//
//     C [64][N]    lane: rows 16 (warp % 4) + lane / 4 and + 8,
//                  of each 8 columns 2 (lane % 4) and + 1
//
// Rows of A, and columns of B, are lines of 128 bytes along K, one behind the
// other. The eight pieces of 16 bytes of a line trade places, so that what is
// read together lies in different banks:
//
//     piece c of line l lies where piece c ^ (l % 8) would    (128B swizzle)
//
// and eight lines begin at a multiple of 1024 bytes (PTX ISA, "Asynchronous
// warpgroup-level matrix shared memory layout": K-major).
//
// The instruction works while threads go on. What it reads must have been
// written, and what it is about to write must not be touched, between
// `beginProducts` and `waitForProducts`:
//
//     threads write operands ─ fenceOperands ─ barrier ─┐
//     beginProducts ─ multiplyWarpgroup ... ─ commitProducts ─ waitForProducts
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_WARPGROUPMMA_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_WARPGROUPMMA_CUH

#include "Abi.cuh"
#include "Mma.cuh"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL) || defined(MMCC_SHIM_WARPGROUPS)
#define MMCC_WARPGROUPS
#endif

#ifdef MMCC_WARPGROUPS

namespace mmcc {

/// Bytes of a line, and of the pieces that trade places.
constexpr int kLineBytes = 128, kPieceBytes = 16;
/// Bytes of a line that one instruction multiplies.
constexpr int kStepBytes = 32;
/// What eight lines are, and are aligned to.
constexpr int kSwizzleBytes = 8 * kLineBytes;

/// Where piece `piece` of a line lies, in bytes from the first line.
__device__ constexpr int pieceOffset(int line, int piece) {
  return line * kLineBytes + (piece ^ line % 8) * kPieceBytes;
}

/// What lies in memory that is aligned to less, and has as much more.
template <typename T> __device__ T &inSwizzles(char *memory) {
  static_assert(alignof(T) == kSwizzleBytes);
  const uint32_t over = sharedAddress(memory) % kSwizzleBytes;
  return *reinterpret_cast<T *>(memory +
                                (kSwizzleBytes - over) % kSwizzleBytes);
}

/// What the instruction takes for an operand whose first line is `shared`
/// bytes into shared memory, 8 words of K being at `bytes` of each line. (The
/// distance of eight lines from the next is in units of 16 bytes; that of
/// pieces is not used with this swizzle, whose number is 1.)
__device__ constexpr uint64_t operandAt(uint32_t shared, int bytes) {
  return uint64_t((shared + bytes & 0x3ffff) >> 4) | uint64_t(1) << 16 |
         uint64_t(kSwizzleBytes >> 4) << 32 | uint64_t(1) << 62;
}

/// The same of lines that are rows of B, 64 columns each, 8 lines of K being at
/// `shared`; the next 64 columns are `apart` bytes on.
__device__ constexpr uint64_t acrossAt(uint32_t shared, int apart) {
  return uint64_t((shared & 0x3ffff) >> 4) | uint64_t(apart >> 4) << 16 |
         uint64_t(kSwizzleBytes >> 4) << 32 | uint64_t(1) << 62;
}

} // namespace mmcc

#ifdef MMCC_CUDA_SHIM
#include "WarpgroupShim.h"
#else

namespace mmcc {

/// What this thread has written to shared memory, tensor cores may read after
/// the next barrier.
__device__ inline void fenceOperands() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
/// Stores 16 bytes; the address is a multiple of it.
__device__ inline void storePiece(void *shared, const uint32_t (&words)[4]) {
  *static_cast<uint4 *>(shared) =
      make_uint4(words[0], words[1], words[2], words[3]);
}
/// Before products whose sums a thread has touched.
__device__ inline void beginProducts() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
/// Products since the last commit are a group.
__device__ inline void commitProducts() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits for all of this warpgroup's groups but the last `Pending`.
template <int Pending> __device__ inline void waitForProducts() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

/// One of a block's barriers 1 .. 15 (0 is __syncthreads), for two warpgroups:
/// one waits until the other has arrived, which goes on. What was written
/// before an arrival is there after the wait.
__device__ inline void waitAt(int barrier) {
  asm volatile("bar.sync %0, 256;" ::"r"(barrier) : "memory");
}
__device__ inline void arriveAt(int barrier) {
  asm volatile("bar.arrive %0, 256;" ::"r"(barrier) : "memory");
}

/// Sums are what they are here, after waiting for all: nothing that reads them
/// is moved to before it.
template <int Sums> __device__ void takeSums(float (&c)[Sums]) {
#pragma unroll
  for (int i = 0; i < Sums; ++i)
    asm volatile("" : "+f"(c[i])::"memory");
}
template <int Sums> __device__ void takeSums(int32_t (&c)[Sums]) {
#pragma unroll
  for (int i = 0; i < Sums; ++i)
    asm volatile("" : "+r"(c[i])::"memory");
}
/// A in registers has been read: nothing else is put there before.
__device__ inline void keepRows(uint32_t (&a)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i)
    asm volatile("" : "+r"(a[i])::"memory");
}

//===----------------------------------------------------------------------===//
// The instruction, by the number of columns
//===----------------------------------------------------------------------===//

// The places of sums in the instruction's text, and the sums.
#define MMCC_PLACES_16                                                         \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define MMCC_PLACES_32                                                         \
  MMCC_PLACES_16                                                               \
  ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, "   \
  "%30, %31"
#define MMCC_PLACES_64                                                         \
  MMCC_PLACES_32                                                               \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, "   \
  "%46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, "     \
  "%60, %61, %62, %63"
#define MMCC_SUMS_4(KIND, C, I)                                                \
  KIND(C[I]), KIND(C[I + 1]), KIND(C[I + 2]), KIND(C[I + 3])
#define MMCC_SUMS_16(KIND, C, I)                                               \
  MMCC_SUMS_4(KIND, C, I), MMCC_SUMS_4(KIND, C, I + 4),                        \
      MMCC_SUMS_4(KIND, C, I + 8), MMCC_SUMS_4(KIND, C, I + 12)
#define MMCC_SUMS_32(KIND, C, I)                                               \
  MMCC_SUMS_16(KIND, C, I), MMCC_SUMS_16(KIND, C, I + 16)
#define MMCC_SUMS_64(KIND, C, I)                                               \
  MMCC_SUMS_32(KIND, C, I), MMCC_SUMS_32(KIND, C, I + 32)

// c = a b + (adds ? c : 0): SUMS registers of KIND for 2 SUMS columns; A, B and
// P are the places of what follows them. REST is what a type has beside.
#define MMCC_WARPGROUP_FORM(NAME, SUM, KIND, COLUMNS, SUMS, A, B, P, TYPES,    \
                            REST)                                              \
  __device__ inline void NAME(SUM(&c)[SUMS], uint64_t a, uint64_t b,           \
                              bool adds) {                                     \
    asm volatile("{\n.reg .pred adds;\nsetp.ne.b32 adds, " P                   \
                 ", 0;\nwgmma.mma_async.sync.aligned.m64n" COLUMNS TYPES       \
                 " {" MMCC_PLACES_##SUMS "}, " A ", " B ", adds" REST ";\n}"   \
                 : MMCC_SUMS_##SUMS(KIND, c, 0)                                \
                 : "l"(a), "l"(b), "r"(int(adds))                              \
                 : "memory");                                                  \
  }
#define MMCC_WARPGROUP_TYPE(NAME, SUM, KIND, TYPES, REST)                      \
  MMCC_WARPGROUP_FORM(NAME, SUM, KIND, "32", 16, "%16", "%17", "%18", TYPES,   \
                      REST)                                                    \
  MMCC_WARPGROUP_FORM(NAME, SUM, KIND, "64", 32, "%32", "%33", "%34", TYPES,   \
                      REST)                                                    \
  MMCC_WARPGROUP_FORM(NAME, SUM, KIND, "128", 64, "%64", "%65", "%66", TYPES,  \
                      REST)

// Neither operand is negated nor lies the other way round.
MMCC_WARPGROUP_TYPE(multiplyWarpgroupBf16, float, "+f", "k16.f32.bf16.bf16",
                    ", 1, 1, 0, 0")
MMCC_WARPGROUP_TYPE(multiplyWarpgroupF16, float, "+f", "k16.f32.f16.f16",
                    ", 1, 1, 0, 0")
MMCC_WARPGROUP_TYPE(multiplyWarpgroupFloat8, float, "+f", "k32.f32.e4m3.e4m3",
                    ", 1, 1")
MMCC_WARPGROUP_TYPE(multiplyWarpgroupBytes, int32_t, "+r", "k32.s32.s8.s8", "")

// The same with A in registers, as a fragment of Mma.cuh for each warp, which
// must stay until the product is waited for.
#define MMCC_WARPGROUP_ROWS(NAME, T, TYPES, COLUMNS, SUMS, A0, A1, A2, A3, B,  \
                            P, ACROSS)                                         \
  __device__ inline void NAME(T, float(&c)[SUMS], const uint32_t(&a)[4],       \
                              uint64_t b, bool adds) {                         \
    asm volatile(                                                              \
        "{\n.reg .pred adds;\nsetp.ne.b32 adds, " P                            \
        ", 0;\nwgmma.mma_async.sync.aligned.m64n" COLUMNS TYPES                \
        " {" MMCC_PLACES_##SUMS "}, {" A0 ", " A1 ", " A2 ", " A3 "}, " B      \
                                ", adds, 1, 1, " ACROSS ";\n}"                 \
        : MMCC_SUMS_##SUMS("+f", c, 0)                                         \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(adds))   \
        : "memory");                                                           \
  }
// "Across": B's lines are its rows.
#define MMCC_WARPGROUP_ROWS_OF(T, TYPES)                                       \
  MMCC_WARPGROUP_ROWS(multiplyRows, T, TYPES, "64", 32, "%32", "%33", "%34",   \
                      "%35", "%36", "%37", "0")                                \
  MMCC_WARPGROUP_ROWS(multiplyRowsAcross, T, TYPES, "64", 32, "%32", "%33",    \
                      "%34", "%35", "%36", "%37", "1")                         \
  MMCC_WARPGROUP_ROWS(multiplyRowsAcross, T, TYPES, "128", 64, "%64", "%65",   \
                      "%66", "%67", "%68", "%69", "1")
MMCC_WARPGROUP_ROWS_OF(bf16, "k16.f32.bf16.bf16")
MMCC_WARPGROUP_ROWS_OF(f16, "k16.f32.f16.f16")

#undef MMCC_WARPGROUP_ROWS_OF
#undef MMCC_WARPGROUP_ROWS
#undef MMCC_WARPGROUP_TYPE
#undef MMCC_WARPGROUP_FORM
#undef MMCC_SUMS_64
#undef MMCC_SUMS_32
#undef MMCC_SUMS_16
#undef MMCC_SUMS_4
#undef MMCC_PLACES_64
#undef MMCC_PLACES_32
#undef MMCC_PLACES_16

} // namespace mmcc

#endif // MMCC_CUDA_SHIM

namespace mmcc {

/// Of the types of Mma.cuh.
template <int Sums>
__device__ void multiplyWarpgroup(HalfMath<bf16>, float (&c)[Sums], uint64_t a,
                                  uint64_t b, bool adds) {
  multiplyWarpgroupBf16(c, a, b, adds);
}
template <int Sums>
__device__ void multiplyWarpgroup(HalfMath<f16>, float (&c)[Sums], uint64_t a,
                                  uint64_t b, bool adds) {
  multiplyWarpgroupF16(c, a, b, adds);
}
template <int Sums>
__device__ void multiplyWarpgroup(ByteMath, int32_t (&c)[Sums], uint64_t a,
                                  uint64_t b, bool adds) {
  multiplyWarpgroupBytes(c, a, b, adds);
}

} // namespace mmcc

#endif // MMCC_WARPGROUPS

#endif // MMCC_CODEGEN_CUDA_KERNELS_WARPGROUPMMA_CUH
