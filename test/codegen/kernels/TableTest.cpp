//===- TableTest.cpp - kernels.inc and the levels' modules ----------------===//

#include "codegen/cpu/kernels/Bitcode.h"
#include "codegen/cpu/kernels/Levels.h"
#include "runtime/loader/CpuLevel.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

using namespace mmcc::test;
using mmcc::cpu::BitcodeModule;
using mmcc::cpu::findBitcode;

namespace {

TEST(Table, EveryRowIsAtEveryLevel) {
  for (const Level &level : allLevels()) {
#define MMCC_KERNEL(row, tensors, params, blocks)                              \
  EXPECT_NE(dlsym(level.library, "mmk_" #row), nullptr)                        \
      << #row << " at " << level.name;
#include "codegen/cpu/kernels/kernels.inc"
  }
}

TEST(Table, BasesAreEmbedded) {
  for (const char *level : {"x86-64-v3", "x86-64-v4"}) {
    const BitcodeModule *module = findBitcode(level);
    ASSERT_NE(module, nullptr);
    ASSERT_GT(module->size, 1000u);
    // LLVM's magic number.
    EXPECT_EQ(module->data[0], 'B');
    EXPECT_EQ(module->data[1], 'C');
    EXPECT_EQ(module->data[2], 0xC0);
    EXPECT_EQ(module->data[3], 0xDE);
  }
  EXPECT_EQ(findBitcode("x86-64-v2"), nullptr);
}

TEST(Table, FormsAreRows) {
  for (const mmcc::cpu::Level &level : mmcc::cpu::kLevels) {
    ASSERT_NE(mmcc::cpu::findLevel(level.base), nullptr);
    EXPECT_EQ(mmcc::cpu::findTarget("cpu:" + std::string(level.name)), &level);
    mmcc::runtime::CpuLevel known;
    EXPECT_TRUE(mmcc::runtime::parseCpuLevel(level.name, known)) << level.name;
    EXPECT_TRUE(mmcc::cpu::findLevel(level.base)->isBase());
    size_t rows = 0, forms = 0;
    for (std::string_view form : level.forms)
      forms += !form.empty();
#define MMCC_KERNEL(row, tensors, params, blocks) rows += level.hasFormOf(#row);
#include "codegen/cpu/kernels/kernels.inc"
    EXPECT_EQ(rows, forms) << level.name;
    EXPECT_EQ(forms == 0, level.isBase()) << level.name;
  }
}

} // namespace
