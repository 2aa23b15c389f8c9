#include "codegen/cpu/kernels/Abi.h"
#include "mmcc/runtime.h"
#include "runtime/device/cpu/KernelAbi.h"
#include "runtime/schema/program_generated.h"

#include <gtest/gtest.h>

extern "C" unsigned bits_from_c(void);

namespace {

TEST(Abi, runtime_and_code_generation_agree_on_kernel_arguments) {
  using Theirs = mmcc::cpu::KernelArgs;
  using Ours = mmcc::runtime::KernelArgs;
  static_assert(sizeof(Ours) == sizeof(Theirs));
  static_assert(offsetof(Ours, buffers) == offsetof(Theirs, buffers));
  static_assert(offsetof(Ours, sizes) == offsetof(Theirs, sizes));
  static_assert(offsetof(Ours, scratch) == offsetof(Theirs, scratch));
}

TEST(Abi, header_works_from_c) { EXPECT_EQ(bits_from_c(), 32u); }

// The numbers are those of TensorProto.DataType in onnx.proto.
TEST(Abi, element_types_have_onnx_numbers) {
  using mmcc::schema::DType;
  EXPECT_EQ(int(DType::f32), 1);
  EXPECT_EQ(int(DType::i64), 7);
  EXPECT_EQ(int(DType::boolean), 9);
  EXPECT_EQ(int(DType::f16), 10);
  EXPECT_EQ(int(DType::bf16), 16);
  EXPECT_EQ(int(DType::f8e5m2), 19);
  EXPECT_EQ(int(DType::i4), 22);
  EXPECT_EQ(int(DType::f4e2m1), 23);
  EXPECT_EQ(int(MMCC_I2), int(DType::i2));
  EXPECT_EQ(int(MMCC_COMPLEX128), int(DType::complex128));
  EXPECT_EQ(mmcc_dtype_bits(MMCC_COMPLEX128), 128u);
  EXPECT_EQ(mmcc_dtype_bits(MMCC_U4), 4u);
  EXPECT_EQ(mmcc_dtype_bits(MMCC_STRING), 0u);
  EXPECT_STREQ(mmcc_dtype_name(MMCC_BF16), "bf16");
  EXPECT_STREQ(mmcc_dtype_name(mmcc_dtype(9999)), "unknown");
}

} // namespace
