//===- Mma.cuh - Instructions of tensor cores, and copies that go on ------===//
//
// A tensor core multiplies 16 rows by 8 columns. Whatever the type, the depth
// of one instruction is 8 words of 32 bits, of which a word holds neighbours
// along K: two bf16 or f16, four bytes or 8-bit floats, or one tf32. Which lane
// has which word is the same for all:
//
//     A [16][8 words]    lane: rows lane / 4 and + 8, words lane % 4 and + 4
//     B [8 words][8]     lane: column lane / 4, words lane % 4 and + 4
//     C [16][8]          lane: rows lane / 4 and + 8, columns 2 (lane % 4), + 1
//
// so that everything around the instruction is written once, for words
// (PTX ISA, "Matrix fragments for mma.m16n8k8", "k16" and "k32").
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_MMA_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_MMA_CUH

#include "Scalar.cuh"

// Tests that run kernels on a CPU bring these functions along.
#ifdef MMCC_CUDA_SHIM
#include "MmaShim.h"
#else

namespace mmcc {

__device__ inline uint32_t sharedAddress(const void *shared) {
  return uint32_t(__cvta_generic_to_shared(shared));
}

//===----------------------------------------------------------------------===//
// Copies from global to shared memory
//===----------------------------------------------------------------------===//

/// Begins to copy the first `bytes` of 16 bytes; the others become 0. Both
/// addresses are multiples of 16, whatever `bytes` is.
__device__ inline void copyAsync(void *shared, const void *global, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   sharedAddress(shared)),
               "l"(global), "r"(bytes)
               : "memory");
}
/// Copies of this thread since the last commit are a group.
__device__ inline void commitCopies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits for all of this thread's groups but the last `Pending`; other threads'
/// copies are there after a barrier.
template <int Pending> __device__ inline void waitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

/// Four matrices of 8 rows of 4 words in shared memory: lane i says where row
/// i % 8 of matrix i / 8 is, and gets word i % 4 of row i / 4 of each.
__device__ inline void loadMatrices(uint32_t (&words)[4], const void *row) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
      : "r"(sharedAddress(row))
      : "memory");
}
/// Of 16-bit numbers, each matrix transposed.
__device__ inline void loadTransposed(uint32_t (&words)[4], const void *row) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
      : "r"(sharedAddress(row))
      : "memory");
}

__device__ inline void multiplyBf16(float (&c)[4], const uint32_t (&a)[4],
                                    uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ inline void multiplyTf32(float (&c)[4], const uint32_t (&a)[4],
                                    uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ inline void multiplyF16(float (&c)[4], const uint32_t (&a)[4],
                                   uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#if __CUDA_ARCH__ >= 890
/// f8e4m3, four to a word.
__device__ inline void multiplyFloat8(float (&c)[4], const uint32_t (&a)[4],
                                      uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
/// The two f8e4m3 in the lower half of a word as f16.
__device__ inline uint32_t halvesOfFloat8(uint32_t word) {
  uint32_t halves;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(halves) : "h"(uint16_t(word)));
  return halves;
}
#endif
__device__ inline void multiplyBytes(int32_t (&c)[4], const uint32_t (&a)[4],
                                     uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// Nearest numbers of 16 bits, a below b.
__device__ inline uint32_t packHalves(bf16, float a, float b) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(b), "f"(a));
  return word;
}
__device__ inline uint32_t packHalves(f16, float a, float b) {
  uint32_t word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(b), "f"(a));
  return word;
}

/// 2^x to two units in the last place.
__device__ inline float exp2Fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// The nearest number of tf32 (10 bits behind the point, ties away from zero),
/// as a float's bits.
__device__ inline uint32_t toTf32(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

} // namespace mmcc

#endif // MMCC_CUDA_SHIM

namespace mmcc {

/// a below b, as a word of T, bf16 or f16. NaN has any of its codes.
template <typename T> __device__ uint32_t packed(float a, float b) {
  return packHalves(T(), a, b);
}
/// The two numbers of such a word.
template <typename T>
__device__ void unpack(uint32_t word, float (&numbers)[2]) {
  numbers[0] = float(bitcast<T>(uint16_t(word)));
  numbers[1] = float(bitcast<T>(uint16_t(word >> 16)));
}

//===----------------------------------------------------------------------===//
// What is multiplied
//===----------------------------------------------------------------------===//

/// Numbers that a word holds, what their products are summed in, and what is to
/// be done to words of A and B that were stored as they are in memory.
template <typename T> struct HalfMath {
  static_assert(std::is_same_v<T, bf16> || std::is_same_v<T, f16>);
  using Sum = float;
  static constexpr int kPerWord = 2;
  static __device__ uint32_t prepare(uint32_t word) { return word; }
  static __device__ uint32_t prepareRight(uint32_t word) { return word; }
  static __device__ void multiply(Sum (&c)[4], const uint32_t (&a)[4],
                                  uint32_t b0, uint32_t b1) {
    if constexpr (std::is_same_v<T, bf16>)
      multiplyBf16(c, a, b0, b1);
    else
      multiplyF16(c, a, b0, b1);
  }
};
struct Tf32Math {
  using Sum = float;
  static constexpr int kPerWord = 1;
  static __device__ uint32_t prepare(uint32_t word) {
    return toTf32(__uint_as_float(word));
  }
  // Who widens B rounds it.
  static __device__ uint32_t prepareRight(uint32_t word) { return word; }
  static __device__ void multiply(Sum (&c)[4], const uint32_t (&a)[4],
                                  uint32_t b0, uint32_t b1) {
    multiplyTf32(c, a, b0, b1);
  }
};
/// Both operands f32 in memory.
struct RoundingTf32Math : Tf32Math {
  static __device__ uint32_t prepareRight(uint32_t word) {
    return prepare(word);
  }
};
struct ByteMath {
  using Sum = int32_t;
  static constexpr int kPerWord = 4;
  static __device__ uint32_t prepare(uint32_t word) { return word; }
  static __device__ uint32_t prepareRight(uint32_t word) { return word; }
  static __device__ void multiply(Sum (&c)[4], const uint32_t (&a)[4],
                                  uint32_t b0, uint32_t b1) {
    multiplyBytes(c, a, b0, b1);
  }
};

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_MMA_CUH
