#include "test/runtime/TestArtifact.h"

#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

using namespace schema;

/// Runs with inputs a and b of these shapes and returns the message.
struct Shapes {
  std::vector<int64_t> a, b;
};

std::string messageFor(const std::string &path, const Shapes &shapes,
                       mmcc_dtype dtype = MMCC_F32) {
  Loaded loaded(path, 1);
  std::vector<float> data(10000, 1);
  std::vector<Tensor> outputs;
  Error error = {};
  if (loaded.session.run(
          {tensorOf(dtype, shapes.a, data), tensorOf(dtype, shapes.b, data)},
          outputs, error))
    return "";
  EXPECT_EQ(error.code, MMCC_INVALID_ARGUMENT);
  return error.message;
}

TEST(InputCheck, names_input_and_dimension) {
  std::string path = addArtifact().write("add.mmcc");
  EXPECT_EQ(messageFor(path, {{5}, {5}}), "");
  EXPECT_EQ(messageFor(path, {{5}, {6}}),
            "entry 'main': input 'b': dimension 0 is 6, but must be n = 5");
  EXPECT_EQ(messageFor(path, {{5000}, {5000}}),
            "entry 'main': input 'a': dimension 0 (5000) gives 'n' = 5000, "
            "which must be 1 to 4096");
  EXPECT_EQ(messageFor(path, {{0}, {0}}),
            "entry 'main': input 'a': dimension 0 (0) gives 'n' = 0, which "
            "must be 1 to 4096");
  EXPECT_EQ(messageFor(path, {{5, 1}, {5}}),
            "entry 'main': input 'a' has 1 dimensions, but 2 were given");
  EXPECT_EQ(messageFor(path, {{5}, {5}}, MMCC_I32),
            "entry 'main': input 'a' is f32, but i32 was given");
  EXPECT_EQ(messageFor(path, {{-5}, {5}}),
            "entry 'main': input 'a' has an impossible shape");
}

TEST(InputCheck, memory_is_checked) {
  Loaded loaded(addArtifact().write("add.mmcc"), 1);
  std::vector<float> data(100);
  Tensor good = tensorOf(MMCC_F32, {10}, data);
  std::vector<Tensor> outputs;
  Error error = {};
  Tensor small = good;
  small.bytes = 39;
  EXPECT_FALSE(loaded.session.run({good, small}, outputs, error));
  EXPECT_STREQ(error.message, "entry 'main': input 'b' needs 40 bytes, but 39 "
                              "were given");
  Tensor missing = good;
  missing.data = nullptr;
  EXPECT_FALSE(loaded.session.run({good, missing}, outputs, error));
  EXPECT_STREQ(error.message, "entry 'main': input 'b' is missing");
  Tensor crooked = good;
  crooked.data = reinterpret_cast<char *>(data.data()) + 1;
  EXPECT_FALSE(loaded.session.run({good, crooked}, outputs, error));
  EXPECT_STREQ(error.message,
               "entry 'main': input 'b' is not aligned to its elements");
  EXPECT_FALSE(loaded.session.run({good}, outputs, error));
  EXPECT_STREQ(error.message,
               "entry 'main': the entry has 2 inputs, but 1 were given");
}

TEST(InputCheck, scaled_symbols_steps_and_constraints) {
  TestArtifact t;
  uint32_t blocks_symbol = t.symbol("blocks", 0, 0, 2, 20);
  SymbolT &blocks = *t.entry().symbols[blocks_symbol];
  blocks.scale = 8;
  blocks.bias = 1;
  blocks.step = 2;
  uint32_t b = t.e.symbol(blocks_symbol);
  uint32_t tokens = t.e.add(t.e.mul(b, t.e.constant(8)), t.e.constant(1));
  uint32_t m = t.e.symbol(t.symbol("m", 1, 0));
  t.input("a", DType::f32, {tokens});
  t.input("b", DType::f32, {m});
  auto constraint = std::make_unique<ConstraintT>();
  constraint->kind = ConstraintKind::less_equal;
  constraint->lhs = m;
  constraint->rhs = tokens;
  constraint->message = "node Add_3";
  t.entry().constraints.push_back(std::move(constraint));
  std::string path = t.write("scaled.mmcc");
  EXPECT_EQ(messageFor(path, {{17}, {17}}), "");
  EXPECT_EQ(messageFor(path, {{33}, {1}}), "");
  EXPECT_EQ(messageFor(path, {{16}, {1}}),
            "entry 'main': input 'a': dimension 0 (16) is not of the form "
            "8*blocks + 1");
  EXPECT_EQ(messageFor(path, {{25}, {1}}),
            "entry 'main': input 'a': dimension 0 (25) gives 'blocks' = 3, "
            "which must be 2 plus a multiple of 2");
  EXPECT_EQ(messageFor(path, {{17}, {18}}),
            "entry 'main': the shapes of the inputs do not fit each other: m "
            "<= blocks*8 + 1 (node Add_3) does not hold for 18 and 17");
}

TEST(InputCheck, entries_are_found_by_name) {
  Error error = {};
  Model model = loadModel(addArtifact().write("add.mmcc"), error);
  ASSERT_TRUE(bool(model));
  EXPECT_EQ(model.entries(), std::vector<std::string>{"main"});
  EXPECT_TRUE(bool(model.session(error, "main")));
  EXPECT_FALSE(bool(model.session(error, "other")));
  EXPECT_EQ(error.code, MMCC_NOT_FOUND);
}

} // namespace
} // namespace mmcc::test
