// What is kept from call to call.

#include "runtime/executor/StateRows.h"
#include "test/runtime/TestArtifact.h"

#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

namespace mmcc::test {
namespace {

using schema::DType;

/// One to `count`, beginning at `first`.
std::vector<float> numbers(size_t count, float first = 1) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

/// A model that keeps sums, and a state of it.
struct Keeping {
  explicit Keeping(uint64_t capacity = 0, uint64_t max_bytes = 0)
      : path(stateArtifact().write("state.mmcc")),
        model(loadModel(path, error)) {
    mmcc_session_options options = {};
    options.struct_bytes = sizeof(options);
    options.threads = 1;
    options.max_arena_bytes = max_bytes;
    session = model.session(error, "main.state", &options);
    EXPECT_TRUE(bool(session)) << error.message;
    state = session.state(error, capacity);
    EXPECT_TRUE(bool(state)) << error.message;
  }

  bool append(std::vector<float> values, State &to) {
    std::vector<Tensor> inputs = {
        tensorOf(MMCC_F32, {int64_t(values.size())}, values)};
    outputs.clear();
    return session.run(to, inputs, outputs, error);
  }
  bool append(std::vector<float> values) {
    return append(std::move(values), state);
  }
  float sum() const { return *static_cast<float *>(outputs[0].data); }
  bool says(const char *text) const {
    return std::string(error.message).find(text) != std::string::npos;
  }

  Error error = {};
  std::string path;
  Model model;
  Session session;
  State state;
  std::vector<Tensor> outputs;
};

TEST(State, grows_by_what_each_run_appends) {
  Keeping k;
  EXPECT_EQ(k.state.length(), 0u);
  EXPECT_EQ(k.state.bytes(), 0u);
  float expected = 0, next = 1;
  uint64_t length = 0;
  // Blocks end at 64 and 128.
  for (size_t count : {1, 62, 1, 1, 62, 1, 1, 100}) {
    ASSERT_TRUE(k.append(numbers(count, next))) << k.error.message;
    for (size_t i = 0; i < count; ++i)
      expected += next++;
    length += count;
    EXPECT_EQ(k.sum(), expected);
    EXPECT_EQ(k.state.length(), length);
    // A block is 64 floats.
    EXPECT_EQ(k.state.bytes(), (length + 63) / 64 * 256);
  }
}

TEST(State, is_described) {
  Keeping k;
  ASSERT_EQ(k.session.stateCount(), 1u);
  ValueInfo info = k.session.stateInfo(0);
  EXPECT_STREQ(info.name, "kept");
  EXPECT_EQ(info.dtype, mmcc_dtype(MMCC_F32));
  EXPECT_EQ(info.rank, 4u);
  EXPECT_EQ(info.dims[0], 1);
  EXPECT_EQ(info.dims[2], -1);
  EXPECT_STREQ(info.dim_text[2], "past");
  EXPECT_EQ(info.dims[3], 1);
  EXPECT_EQ(mmcc_session_state(k.session.get(), 1, &info, &k.error),
            MMCC_NOT_FOUND);
}

TEST(State, is_cut_and_goes_on) {
  Keeping k;
  ASSERT_TRUE(k.append(numbers(100)));
  ASSERT_TRUE(k.state.truncate(63, k.error));
  EXPECT_EQ(k.state.length(), 63u);
  ASSERT_TRUE(k.append({1000}));
  EXPECT_EQ(k.sum(), 63 * 64 / 2 + 1000);
  EXPECT_FALSE(k.state.truncate(65, k.error));
  EXPECT_STREQ(k.error.message, "the state holds 64 tokens and cannot be cut "
                                "to 65");
  ASSERT_TRUE(k.state.truncate(0, k.error));
  ASSERT_TRUE(k.append({5}));
  EXPECT_EQ(k.sum(), 5);
}

TEST(State, a_full_state_stays_as_it_is) {
  Keeping k(70);
  ASSERT_TRUE(k.append(numbers(68)));
  EXPECT_FALSE(k.append(numbers(3)));
  EXPECT_EQ(k.error.code, MMCC_OUT_OF_MEMORY);
  EXPECT_STREQ(k.error.message,
               "entry 'main.state': the state holds 68 of at most 70 tokens "
               "and has no room for 3 more");
  EXPECT_EQ(k.state.length(), 68u);
  ASSERT_TRUE(k.append({0, 0}));
  EXPECT_EQ(k.sum(), 68 * 69 / 2);
}

TEST(State, the_models_own_bound_holds) {
  Keeping k;
  ASSERT_TRUE(k.append(numbers(1000)));
  EXPECT_EQ(k.state.length(), 1000u);
  ASSERT_TRUE(k.append({1}));
  EXPECT_FALSE(k.append({1}));
  EXPECT_TRUE(k.says("the state's length gives 'past' = 1001, which must be 0 "
                     "to 1000"))
      << k.error.message;
}

TEST(State, counts_against_the_limit) {
  Keeping k(0, 600); // two blocks of 256 bytes
  ASSERT_TRUE(k.append(numbers(128)));
  EXPECT_FALSE(k.append({1}));
  EXPECT_EQ(k.error.code, MMCC_OUT_OF_MEMORY);
  EXPECT_TRUE(k.says("768 of state, the limit is 600")) << k.error.message;
  EXPECT_EQ(k.state.length(), 128u);
}

TEST(State, conversations_do_not_meet) {
  Keeping k;
  State other = k.session.state(k.error);
  ASSERT_TRUE(k.append({1, 2, 3}));
  ASSERT_TRUE(k.append({10}, other));
  EXPECT_EQ(k.sum(), 10);
  ASSERT_TRUE(k.append({4}));
  EXPECT_EQ(k.sum(), 10);
  // Another session of the entry goes on with it.
  Session second = k.model.session(k.error, "main.state");
  std::vector<float> five = {5};
  std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {1}, five)};
  k.outputs.clear();
  ASSERT_TRUE(second.run(k.state, inputs, k.outputs, k.error));
  EXPECT_EQ(k.sum(), 15);
}

TEST(State, belongs_to_its_model) {
  Keeping one, two;
  EXPECT_FALSE(one.append({1}, two.state));
  EXPECT_TRUE(one.says("made for another model")) << one.error.message;
  EXPECT_EQ(two.state.length(), 0u);
}

TEST(State, is_given_if_and_only_if_it_is_kept) {
  Keeping k;
  std::vector<float> one = {1};
  std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {1}, one)};
  EXPECT_FALSE(k.session.run(inputs, k.outputs, k.error));
  EXPECT_STREQ(k.error.message,
               "entry 'main.state': the entry keeps state: run it with one");
  Loaded plain(addArtifact().write("plain.mmcc"), 1);
  EXPECT_FALSE(plain.session.state(k.error));
  EXPECT_STREQ(k.error.message, "entry 'main' keeps no state");
  inputs.push_back(inputs[0]);
  EXPECT_FALSE(plain.session.run(k.state, inputs, k.outputs, k.error));
  EXPECT_STREQ(k.error.message,
               "entry 'main': the entry keeps no state, but one was given");
}

TEST(State, options_are_checked) {
  Keeping k;
  EXPECT_FALSE(k.session.state(k.error, 0, 2));
  EXPECT_STREQ(k.error.message, "entry 'main.state' has a batch of 1, not 2");
  EXPECT_FALSE(k.session.state(k.error, uint64_t(1) << 40));
  EXPECT_TRUE(k.says("at most 2^31"));
  mmcc_state_free(nullptr);
  EXPECT_EQ(mmcc_state_create(k.session.get(), nullptr, nullptr, &k.error),
            MMCC_INVALID_ARGUMENT);
}

TEST(State, shapes_are_those_of_its_length) {
  TestArtifact t = stateArtifact();
  t.output("longer", DType::f32, {t.e.add(t.e.symbol(1), t.e.symbol(0))});
  Error error = {};
  Model model = loadModel(t.write("shapes.mmcc"), error);
  ASSERT_TRUE(bool(model)) << error.message;
  Session session = model.session(error, "main.state");
  ASSERT_TRUE(bool(session)) << error.message;
  State state = session.state(error);
  std::vector<float> three = {1, 2, 3};
  std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {3}, three)}, outputs(2);
  for (int64_t length : {3, 6}) {
    ASSERT_EQ(mmcc_session_output_shapes_with_state(session.get(), state.get(),
                                                    inputs.data(), 1,
                                                    outputs.data(), 2, &error),
              MMCC_OK)
        << error.message;
    EXPECT_EQ(outputs[1].dims[0], length);
    outputs[0].data = outputs[1].data = nullptr;
    ASSERT_TRUE(session.run(state, inputs, outputs, error)) << error.message;
    EXPECT_EQ(outputs[1].dims[0], length);
  }
}

TEST(State, a_form_with_state_is_not_another_entry) {
  TestArtifact t = addArtifact();
  TestArtifact other = stateArtifact();
  other.entry().plain = "main";
  other.e.store(other.entry());
  t.program.entries.push_back(std::move(other.program.entries[0]));
  t.program.variants[0]->entries = {0, 1};
  t.program.revision = 3;
  t.program.features = {"state"};
  Error error = {};
  Model model = loadModel(t.write("both.mmcc"), error);
  ASSERT_TRUE(bool(model)) << error.message;
  Session plain = model.session(error);
  ASSERT_TRUE(bool(plain)) << error.message;
  EXPECT_EQ(plain.stateCount(), 0u);
  EXPECT_EQ(model.session(error, "main.state").stateCount(), 1u);
}

TEST(State, is_filled_and_read) {
  for (auto [dtype, step] : {std::pair(DType::f32, 0.0f),
                             {DType::f16, 0x1p-11f},
                             {DType::i8, 0.5f / 127},
                             {DType::f8e4m3fn, 0x1p-4f}}) {
    TestArtifact t = stateArtifact();
    t.entry().states.clear();
    uint32_t n = t.e.symbol(0);
    t.state("keys", dtype, n, 3, 5, t.e.constant(1));
    t.state("values", dtype, n, 2, 7, t.e.constant(1));
    Error error = {};
    Model model = loadModel(t.write("fill.mmcc"), error);
    ASSERT_TRUE(bool(model)) << error.message;
    Session session = model.session(error, "main.state");
    State state = session.state(error, 200, 2);
    ASSERT_TRUE(bool(state)) << error.message;
    const int64_t tokens = 130;
    std::vector<float> keys(2 * 3 * tokens * 5), values(2 * 2 * tokens * 7);
    for (size_t i = 0; i < keys.size(); ++i)
      keys[i] = std::sin(float(i));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = std::cos(float(i));
    std::vector<Tensor> tensors = {
        tensorOf(MMCC_F32, {2, 3, tokens, 5}, keys),
        tensorOf(MMCC_F32, {2, 2, tokens, 7}, values)};
    ASSERT_TRUE(state.fill(tensors, error)) << error.message;
    EXPECT_EQ(state.length(), uint64_t(tokens));
    ASSERT_TRUE(state.truncate(100, error));
    Tensor got = {};
    ASSERT_TRUE(state.read(1, got, error)) << error.message;
    EXPECT_EQ(got.bytes, 2u * 2 * 100 * 7 * 4);
    std::vector<float> back(2 * 2 * 100 * 7);
    got.data = back.data();
    ASSERT_TRUE(state.read(1, got, error)) << error.message;
    for (int64_t h = 0; h < 4; ++h)
      for (int64_t i = 0; i < 100 * 7; ++i)
        ASSERT_NEAR(back[h * 700 + i], values[h * tokens * 7 + i],
                    step * 1.001f + 1e-7f);
    got.bytes -= 4;
    EXPECT_FALSE(state.read(1, got, error));
    EXPECT_FALSE(state.read(2, got, error));

    tensors[1].dims[2] = 129;
    EXPECT_FALSE(state.fill(tensors, error));
    EXPECT_STREQ(error.message, "state 'values' is filled with f32 [2, 2, 130, "
                                "7], which this is not");
    tensors[1].dims[2] = tensors[0].dims[2] = 201;
    EXPECT_FALSE(state.fill(tensors, error)); // also too few bytes
    tensors.pop_back();
    EXPECT_FALSE(state.fill(tensors, error));
    EXPECT_EQ(state.length(), 100u);
  }
}

TEST(State, narrow_numbers_round_to_nearest_and_even) {
  auto f16 = [](float x) {
    uint16_t bits;
    runtime::storeStateRow(DType::f16, reinterpret_cast<uint8_t *>(&bits),
                           nullptr, &x, 1);
    return bits;
  };
  EXPECT_EQ(f16(1), 0x3c00);
  EXPECT_EQ(f16(-2), 0xc000);
  EXPECT_EQ(f16(1 + 0x1p-11f), 0x3c00);     // a tie, to even
  EXPECT_EQ(f16(1 + 3 * 0x1p-11f), 0x3c02); // likewise
  EXPECT_EQ(f16(65504), 0x7bff);
  EXPECT_EQ(f16(65520), 0x7c00); // infinity
  EXPECT_EQ(f16(0x1p-24f), 0x0001);
  EXPECT_EQ(f16(0x1p-14f), 0x0400);
  EXPECT_EQ(f16(0x1p-14f - 0x1p-25f), 0x0400); // up to the first normal one
  // 448 is the largest: with it in the row, the others are stored as they are.
  auto f8 = [](float x) {
    float row[2] = {448, x}, scale;
    uint8_t bits[2];
    runtime::storeStateRow(DType::f8e4m3fn, bits, &scale, row, 2);
    EXPECT_EQ(scale, 256);
    EXPECT_EQ(bits[0], 0x7e);
    return bits[1];
  };
  EXPECT_EQ(f8(1), 0x38);
  EXPECT_EQ(f8(-1), 0xb8);
  EXPECT_EQ(f8(1 + 0x1p-4f), 0x38); // a tie, to even
  EXPECT_EQ(f8(0x1p-9f), 0x01);
  EXPECT_EQ(f8(0x1p-6f), 0x08);
  EXPECT_EQ(f8(-448), 0xfe);
  for (int code = 0; code < 0x7f; ++code) {
    float value, scale = 256;
    auto bits = uint8_t(code);
    runtime::loadStateRow(DType::f8e4m3fn, &value, &scale, &bits, 1);
    EXPECT_EQ(f8(value), code);
  }
}

TEST(State, what_is_no_number_stays_none) {
  for (DType dtype : {DType::f32, DType::f16, DType::i8, DType::f8e4m3fn}) {
    float row[3] = {1, NAN, 2}, back[3] = {}, number = 1;
    float *scale = runtime::stateElementBytes(dtype) == 1 ? &number : nullptr;
    uint8_t bytes[12];
    runtime::storeStateRow(dtype, bytes, scale, row, 3);
    runtime::loadStateRow(dtype, back, scale, bytes, 3);
    EXPECT_TRUE(std::isnan(back[1])) << int(dtype);
  }
}

} // namespace
} // namespace mmcc::test
