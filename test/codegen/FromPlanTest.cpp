//===- FromPlanTest.cpp - plan to the artifact's program ------------------===//

#include "codegen/artifact/FromPlan.h"
#include "codegen/artifact/ConstantPacking.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"

#include <cstring>
#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

using namespace artifact;

class FromPlan : public ::testing::Test {
protected:
  FromPlan() {
    context.loadDialect<plan::PlanDialect>();
    context.getDiagEngine().registerHandler(
        [this](mlir::Diagnostic &d) { message += d.str() + "\n"; });
  }

  bool convert(const std::string &text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module)
      return false;
    std::vector<KernelOffsets> offsets;
    for (auto variant : module->getOps<plan::VariantOp>()) {
      offsets.emplace_back();
      uint64_t next = 64;
      for (auto kernel : variant.getBody().getOps<plan::KernelOp>()) {
        offsets.back().push_back({kernel.getSymName().str(), next});
        next += 128;
      }
      offsets.back().push_back({"helper", next});
    }
    return mlir::succeeded(fromPlan(*module, offsets, program, constants));
  }

  /// All bytes of a constant, read in blocks of `block`.
  template <typename T>
  std::vector<T> content(const ByteSource &source, size_t block) {
    std::vector<T> values(source.bytes / sizeof(T));
    auto *into = reinterpret_cast<uint8_t *>(values.data());
    for (uint64_t at = 0; at < source.bytes; at += block)
      EXPECT_TRUE(source.read(at, into + at,
                              std::min<uint64_t>(block, source.bytes - at)));
    return values;
  }

  /// An entry's expression as text in postfix form.
  std::string postfix(const schema::EntryT &entry, uint32_t id) {
    std::string text;
    size_t begin = id == 0 ? 0 : entry.expr_end[id - 1];
    for (size_t i = begin; i < entry.expr_end[id]; ++i) {
      auto op = schema::ExprOp(entry.expr_code[i]);
      text += text.empty() ? "" : " ";
      if (op == schema::ExprOp::constant)
        text += std::to_string(entry.expr_code[++i]);
      else if (op == schema::ExprOp::symbol)
        text += "s" + std::to_string(entry.expr_code[++i]);
      else
        text += schema::EnumNameExprOp(op);
    }
    return text;
  }

  std::string message;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  schema::ProgramT program;
  std::vector<ByteSource> constants;
};

TEST_F(FromPlan, denseConstants) {
  ASSERT_TRUE(convert(R"(
    plan.constant @plain : f32 "dense" bytes 24 groups 1
      sources [dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>]
      pieces [array<i64: 0, 2, 3, 3, 1>]
    plan.constant @turned : f32 "dense" bytes 16 groups 1
      sources [dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>]
      pieces [array<i64: 2, 2, -1, 2, 3>]
    plan.constant @splat : i64 "dense" bytes 24 groups 1
      sources [dense<7> : tensor<3xi64>] pieces [array<i64: 0, 3, 1>]
    plan.constant @flags : i1 "dense" bytes 3 groups 1
      sources [dense<[true, false, true]> : tensor<3xi1>]
      pieces [array<i64: 0, 3, 1>]
    plan.constant @scalar : f64 "dense" bytes 8 groups 1
      sources [dense<2.5> : tensor<f64>] pieces [array<i64: 0>]
    plan.constant @none : f32 "dense" bytes 0 groups 1
      sources [dense<> : tensor<0xf32>] pieces [array<i64: 0, 0, 1>]
    plan.constant @blob : i16 "dense" bytes 6 groups 1
      sources [dense_resource<data> : tensor<3xi16>]
      pieces [array<i64: 0, 3, 1>]
  {-# dialect_resources: { builtin: { data: "0x02000000010002000300" } } #-})"))
      << message;
  ASSERT_EQ(program.constants.size(), 7u);
  EXPECT_EQ(program.constants[1]->name, "turned");
  EXPECT_EQ(program.constants[1]->dims, (std::vector<uint64_t>{2, 2}));
  EXPECT_EQ(program.constants[3]->dtype, schema::DType::boolean);
  for (size_t block : {8u, 16u, 4096u}) {
    EXPECT_EQ(content<float>(constants[0], block),
              (std::vector<float>{1, 2, 3, 4, 5, 6}));
    // Columns 2 and 1 of both rows.
    EXPECT_EQ(content<float>(constants[1], block),
              (std::vector<float>{3, 6, 2, 5}));
    EXPECT_EQ(content<int64_t>(constants[2], block),
              (std::vector<int64_t>{7, 7, 7}));
    EXPECT_EQ(content<uint8_t>(constants[3], block),
              (std::vector<uint8_t>{1, 0, 1}));
    EXPECT_EQ(content<double>(constants[4], block), (std::vector<double>{2.5}));
    EXPECT_EQ(content<float>(constants[5], block), (std::vector<float>{}));
    EXPECT_EQ(content<int16_t>(constants[6], block),
              (std::vector<int16_t>{1, 2, 3}));
  }
}

/// A tensor attribute of 0, 1, 2, ... as text.
std::string counting(std::vector<int> shape) {
  int count = 1;
  std::string type;
  for (int extent : shape) {
    count *= extent;
    type += std::to_string(extent) + "x";
  }
  std::string values, close;
  // Nested brackets, by where dimensions begin and end.
  for (int i = 0; i < count; ++i) {
    int inner = count;
    for (int extent : shape) {
      if (i % inner == 0)
        values += "[";
      inner /= extent;
    }
    values += std::to_string(i) + ".0";
    inner = 1;
    for (size_t d = shape.size(); d-- > 0;) {
      inner *= shape[d];
      if ((i + 1) % inner == 0)
        values += "]";
    }
    values += i + 1 < count ? ", " : "";
  }
  return "dense<" + values + "> : tensor<" + type + "f32>";
}

// Two linears [k, n] side by side, one stored as [n, k]: N = 20 + 17 = 37 in
// three panels; what is behind column 37 is zero.
TEST_F(FromPlan, panelsOfTwoPieces) {
  ASSERT_TRUE(convert("plan.constant @w : f32 \"panels16\" bytes " +
                      std::to_string(3 * 5 * 16 * 4) + " groups 1 sources [" +
                      counting({5, 20}) + ", " + counting({17, 5}) +
                      "] pieces [array<i64: 0, 0, 1, 0, 1, 0, 5, 20, 20, 1>, "
                      "array<i64: 0, 0, 1, 0, 1, 0, 5, 1, 17, 5>]"))
      << message;
  EXPECT_EQ(program.constants[0]->dims, (std::vector<uint64_t>{5, 37}));
  EXPECT_EQ(program.constants[0]->layout, "panels16");
  std::vector<float> want(3 * 5 * 16);
  for (int k = 0; k < 5; ++k)
    for (int n = 0; n < 37; ++n)
      want[(n / 16 * 5 + k) * 16 + n % 16] =
          n < 20 ? k * 20 + n : (n - 20) * 5 + k;
  for (size_t block : {64u, 192u, 4096u})
    EXPECT_EQ(content<float>(constants[0], block), want);
}

// A matrix [5, 20] of bf16, stored as [20, 5]: rows k and k+1 side by side, the
// last beside zeros, and so behind column 20.
TEST_F(FromPlan, pairsOfAnOddNumberOfRows) {
  std::string values;
  for (int i = 0; i < 100; ++i)
    values += (i % 5 ? ", " : i ? "], [" : "[") + std::to_string(i) + ".0";
  ASSERT_TRUE(convert("plan.constant @w : bf16 \"pairs16\" bytes " +
                      std::to_string(2 * 6 * 16 * 2) +
                      " groups 1 sources [dense<[" + values +
                      "]]> : tensor<20x5xbf16>] pieces "
                      "[array<i64: 0, 0, 1, 0, 1, 0, 5, 1, 20, 5>]"))
      << message;
  std::vector<uint16_t> want(2 * 6 * 16);
  for (int k = 0; k < 5; ++k)
    for (int n = 0; n < 20; ++n) {
      float value = float(n * 5 + k);
      uint32_t bits;
      std::memcpy(&bits, &value, 4); // whole numbers below 256 fit bf16
      want[((n / 16 * 3 + k / 2) * 16 + n % 16) * 2 + k % 2] =
          uint16_t(bits >> 16);
    }
  for (size_t block : {64u, 192u, 4096u})
    EXPECT_EQ(content<uint16_t>(constants[0], block), want);
}

// A filter [N = 6, C/G = 3, 2 x 2] in two groups of three outputs: K is taps,
// then channels.
TEST_F(FromPlan, panelsOfGroupedFilter) {
  ASSERT_TRUE(convert("plan.constant @w : f32 \"panels16\" bytes " +
                      std::to_string(2 * 12 * 16 * 4) + " groups 2 sources [" +
                      counting({6, 3, 2, 2}) +
                      "] pieces [array<i64: 0, 36, 1, 0, 4, 1, 3, 4, 3, 12>]"))
      << message;
  std::vector<float> want(2 * 12 * 16);
  for (int g = 0; g < 2; ++g)
    for (int tap = 0; tap < 4; ++tap)
      for (int c = 0; c < 3; ++c)
        for (int n = 0; n < 3; ++n)
          want[(g * 12 + tap * 3 + c) * 16 + n] =
              ((g * 3 + n) * 3 + c) * 4 + tap;
  for (size_t block : {64u, 320u, 4096u})
    EXPECT_EQ(content<float>(constants[0], block), want);
}

TEST_F(FromPlan, refusesWhatDoesNotFit) {
  auto refused = [&](const std::string &rest) {
    message.clear();
    EXPECT_FALSE(convert("plan.constant @c : f32 " + rest)) << rest;
    return message;
  };
  std::string source = " sources [dense<[1.0, 2.0]> : tensor<2xf32>] ";
  EXPECT_NE(refused("\"dense\" bytes 12 groups 1" + source +
                    "pieces [array<i64: 0, 3, 1>]")
                .find("outside"),
            std::string::npos);
  EXPECT_NE(refused("\"dense\" bytes 8 groups 1" + source +
                    "pieces [array<i64: -1, 2, 1>]")
                .find("outside"),
            std::string::npos);
  EXPECT_NE(refused("\"dense\" bytes 4 groups 1" + source +
                    "pieces [array<i64: 0, 2, 1>]")
                .find("4 bytes"),
            std::string::npos);
  EXPECT_NE(
      refused("\"panels16\" bytes 64 groups 1" + source +
              "pieces [array<i64: 0, 0, 1, 0, 1, 0, 9223372036854775807, 0, "
              "1, 0>]")
          .find("extent"),
      std::string::npos);
  EXPECT_NE(refused("\"panels16\" bytes 64 groups 1" + source +
                    "pieces [array<i64: 0, 0, 1, 0, 1, 0, 2, 1, 1, 1>]")
                .find("64 bytes"),
            std::string::npos);
  EXPECT_NE(refused("\"pairs16\" bytes 128 groups 1" + source +
                    "pieces [array<i64: 0, 0, 1, 0, 1, 0, 2, 1, 1, 1>]")
                .find("pairs of 'f32'"),
            std::string::npos);
  EXPECT_NE(refused("\"rows\" bytes 8 groups 1" + source +
                    "pieces [array<i64: 0, 2, 1>]")
                .find("layout"),
            std::string::npos);
}

const char kVariants[] = R"(
  plan.constant @w : f32 "dense" bytes 8 groups 1
    sources [dense<[1.0, 2.0]> : tensor<2xf32>] pieces [array<i64: 0, 2, 1>]
  plan.variant "cpu:x86-64-v3" {
    plan.kernel @unused row "loops" extents affine_map<() -> (1)> parallel 1
        params affine_map<() -> (1, 1)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (96)> written [] {
    ^bb0(%x: !plan.buffer<f32>):
    }
    plan.kernel @k row "loops" extents affine_map<()[s0] -> (s0)> parallel 1
        params affine_map<() -> (1, 1)> offsets affine_map<() -> ()>
        scratch affine_map<()[s0] -> (s0 * 4)> written [2] {
    ^bb0(%x: !plan.buffer<f32>, %w: !plan.buffer<f32>, %y: !plan.buffer<f32>):
    }
    plan.entry @main symbols ["batch", "side"] ranges [1, -1, 2, 64]
        inputs ["x"] outputs ["y"] types [f32, i64]
        shapes [affine_map<()[s0, s1] -> (s0, s1 * 2 + 1)>, affine_map<()[s0, s1] -> (s0)>] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<i64>):
      %w = plan.get_constant @w : !plan.buffer<f32>
      %a = plan.alloc affine_map<()[s0, s1] -> (s0 * s1)> : !plan.buffer<f32>
      %b = plan.alloc affine_map<()[s0, s1] -> (s0 * 3)> offset affine_map<()[s0, s1] -> (128)> : !plan.buffer<f32>
      plan.dispatch @k grid affine_map<()[s0, s1] -> (s0 ceildiv 8, 1, 1)> sizes affine_map<()[s0, s1] -> (s1 * 3)>
        (%x, %w, %a) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32> loc("first"("m.onnx"))
      plan.dispatch @k grid affine_map<()[s0, s1] -> (s0 ceildiv 8, 1, 1)> sizes affine_map<()[s0, s1] -> (s0)>
        (%a, %w, %b) : !plan.buffer<f32>, !plan.buffer<f32>, !plan.buffer<f32> loc("second"("m.onnx"))
      plan.copy %b to %y bytes affine_map<()[s0, s1] -> (s0 * 8)> : !plan.buffer<f32> to !plan.buffer<i64>
    }
  }
)";

TEST_F(FromPlan, entry) {
  ASSERT_TRUE(convert(kVariants)) << message;
  ASSERT_EQ(program.variants.size(), 1u);
  const schema::VariantT &variant = *program.variants[0];
  EXPECT_EQ(variant.target, "cpu:x86-64-v3");
  ASSERT_EQ(variant.kernels.size(), 2u);
  EXPECT_EQ(variant.kernels[0]->scratch_bytes, 96u);
  EXPECT_EQ(variant.kernels[1]->scratch_bytes, 0u);
  EXPECT_EQ(variant.kernels[1]->entry_offset, 192u);
  ASSERT_EQ(variant.functions.size(), 1u);
  EXPECT_EQ(variant.functions[0]->name, "helper");
  EXPECT_EQ(variant.functions[0]->entry_offset, 320u);
  EXPECT_EQ(variant.entries, (std::vector<uint32_t>{0}));

  const schema::EntryT &entry = *program.entries[0];
  ASSERT_EQ(entry.symbols.size(), 2u);
  EXPECT_EQ(entry.symbols[0]->dim, 0);
  EXPECT_EQ(entry.symbols[0]->hi, -1);
  // side = (dimension 1 - 1) / 2.
  EXPECT_EQ(entry.symbols[1]->dim, 1);
  EXPECT_EQ(entry.symbols[1]->scale, 2);
  EXPECT_EQ(entry.symbols[1]->bias, 1);
  EXPECT_EQ(entry.outputs[0]->dtype, schema::DType::i64);
  EXPECT_EQ(postfix(entry, entry.inputs[0]->dims[1]), "s1 2 mul 1 add");

  // x, y, w, a, b.
  ASSERT_EQ(entry.buffers.size(), 5u);
  EXPECT_EQ(entry.buffers[2]->kind, schema::BufferKind::constant);
  EXPECT_EQ(postfix(entry, entry.buffers[2]->size), "8");
  EXPECT_EQ(postfix(entry, entry.buffers[3]->size), "s0 s1 mul 4 mul");
  EXPECT_EQ(entry.buffers[3]->first_command, 0u);
  EXPECT_EQ(entry.buffers[3]->last_command, 1u);
  EXPECT_EQ(entry.buffers[3]->offset, -1);
  EXPECT_EQ(entry.buffers[4]->first_command, 1u);
  EXPECT_EQ(entry.buffers[4]->last_command, 2u);
  EXPECT_EQ(postfix(entry, entry.buffers[4]->offset), "128");

  ASSERT_EQ(entry.blocks.size(), 1u);
  ASSERT_EQ(entry.blocks[0]->commands.size(), 3u);
  const auto &commands = entry.blocks[0]->commands;
  EXPECT_EQ(entry.node_names, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(commands[1]->node, 1);
  EXPECT_EQ(commands[2]->node, -1);
  const schema::DispatchT &dispatch = *commands[0]->body.AsDispatch();
  EXPECT_EQ(dispatch.kernel, 1u);
  EXPECT_EQ(postfix(entry, dispatch.grid_x), "s0 8 ceildiv");
  // The kernel's s0 is s1 * 3 here.
  EXPECT_EQ(postfix(entry, dispatch.sizes[0]), "s1 3 mul");
  EXPECT_EQ(postfix(entry, dispatch.scratch), "s1 12 mul");
  ASSERT_EQ(dispatch.operands.size(), 3u);
  EXPECT_EQ(dispatch.operands[1].buffer(), 2u);
  EXPECT_EQ(dispatch.operands[1].access(), uint32_t(schema::Access::read));
  EXPECT_EQ(dispatch.operands[2].access(), uint32_t(schema::Access::write));
  EXPECT_EQ(postfix(entry, commands[2]->body.AsCopy()->bytes), "s0 8 mul");
}

// Two levels whose entries are equal share one.
TEST_F(FromPlan, variantsShareEntries) {
  std::string text = kVariants;
  std::string second = text.substr(text.find("plan.variant"));
  second.replace(second.find("v3"), 2, "v4");
  ASSERT_TRUE(convert(text + second)) << message;
  EXPECT_EQ(program.variants.size(), 2u);
  EXPECT_EQ(program.entries.size(), 1u);
  EXPECT_EQ(program.variants[1]->entries, (std::vector<uint32_t>{0}));
}

TEST_F(FromPlan, symbolThatNoInputGives) {
  EXPECT_FALSE(convert(R"(
  plan.variant "cpu:x86-64-v3" {
    plan.entry @main symbols ["n"] ranges [1, -1] inputs ["x"]
        outputs [] types [f32] shapes [affine_map<()[s0] -> (s0 * s0)>] {
    ^bb0(%x: !plan.buffer<f32>):
    }
  })"));
  EXPECT_NE(message.find("symbol 'n'"), std::string::npos) << message;
}

} // namespace
} // namespace mmcc::test
