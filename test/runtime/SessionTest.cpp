#include "test/runtime/TestArtifact.h"

#include <atomic>
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>
#include <numeric>
#include <thread>

static std::atomic<uint64_t> allocations{0};

// ThreadSanitizer brings its own.
#if !__has_feature(thread_sanitizer)
void *operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void *memory = std::malloc(bytes ? bytes : 1))
    return memory;
  throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }
#endif

namespace mmcc::test {
namespace {

using namespace schema;

std::vector<float> ramp(size_t count, float start, float step) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = start + step * float(i);
  return values;
}

/// Adds two ramps of length n in the session and checks every sum.
void checkAdd(Session &session, int64_t n) {
  std::vector<float> a = ramp(size_t(n), 0, 1), b = ramp(size_t(n), 100, 2);
  std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {n}, a),
                                tensorOf(MMCC_F32, {n}, b)};
  std::vector<Tensor> outputs;
  Error error = {};
  ASSERT_TRUE(session.run(inputs, outputs, error)) << error.message;
  ASSERT_EQ(outputs[0].rank, 1u);
  ASSERT_EQ(outputs[0].dims[0], n);
  ASSERT_EQ(outputs[0].bytes, uint64_t(n) * 4);
  const float *sum = static_cast<const float *>(outputs[0].data);
  for (int64_t i = 0; i < n; ++i)
    ASSERT_EQ(sum[i], 100 + 3 * float(i)) << i;
}

TEST(Session, adds_at_any_length) {
  std::string path = addArtifact().write("add.mmcc");
  Loaded loaded(path, 2);
  ASSERT_TRUE(bool(loaded.session));
  // More shapes than plans are kept, and back to the first.
  for (int64_t n : {1, 63, 64, 65, 128, 1000, 4096, 7, 9, 11, 13, 1})
    checkAdd(loaded.session, n);
}

TEST(Session, describes_inputs_and_outputs) {
  Loaded loaded(addArtifact().write("add.mmcc"), 1);
  ASSERT_TRUE(bool(loaded.session));
  ASSERT_EQ(loaded.session.inputCount(), 2u);
  ValueInfo info = loaded.session.input(1);
  EXPECT_STREQ(info.name, "b");
  EXPECT_EQ(info.dtype, MMCC_F32);
  EXPECT_EQ(info.rank, 1u);
  EXPECT_EQ(info.dims[0], -1);
  EXPECT_EQ(info.dim_lo[0], 1);
  EXPECT_EQ(info.dim_hi[0], 4096);
  EXPECT_STREQ(info.dim_text[0], "n");
  EXPECT_EQ(mmcc_session_input(loaded.session.get(), 2, &info, nullptr),
            MMCC_NOT_FOUND);
}

TEST(Session, tells_output_shapes) {
  Loaded loaded(addArtifact().write("add.mmcc"), 1);
  Tensor input = {};
  input.dtype = MMCC_F32;
  input.rank = 1;
  input.dims[0] = 33;
  std::vector<Tensor> outputs;
  Error error = {};
  ASSERT_TRUE(loaded.session.outputShapes({input, input}, outputs, error))
      << error.message;
  EXPECT_EQ(outputs[0].dims[0], 33);
  EXPECT_EQ(outputs[0].bytes, 132u);
}

TEST(Session, writes_to_the_callers_memory) {
  Loaded loaded(addArtifact().write("add.mmcc"), 2);
  std::vector<float> a = ramp(100, 0, 1), b = ramp(100, 5, 0), out(100, -1);
  std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {100}, a),
                                tensorOf(MMCC_F32, {100}, b)};
  std::vector<Tensor> outputs = {tensorOf(MMCC_F32, {}, out)};
  Error error = {};
  ASSERT_TRUE(loaded.session.run(inputs, outputs, error)) << error.message;
  EXPECT_EQ(out[0], 5);
  EXPECT_EQ(out[99], 104);
  EXPECT_EQ(outputs[0].dims[0], 100);

  outputs[0].bytes = 399;
  EXPECT_FALSE(loaded.session.run(inputs, outputs, error));
  EXPECT_EQ(error.code, MMCC_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "entry 'main': output 'out' needs 400 bytes, but "
                              "there is room for 399");
}

#ifndef MMCC_TEST_GPU // the fake driver allocates for what it is asked
TEST(Session, a_shape_seen_before_allocates_nothing) {
  Loaded loaded(addArtifact().write("add.mmcc"), 2);
  std::vector<float> a = ramp(500, 0, 1), b = ramp(500, 5, 0);
  std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {500}, a),
                                tensorOf(MMCC_F32, {500}, b)};
  std::vector<Tensor> longer = inputs;
  std::vector<Tensor> outputs(1);
  for (Tensor &input : inputs)
    input.dims[0] = 300;
  Error error = {};
  for (auto *shapes : {&inputs, &longer}) {
    outputs[0].data = nullptr;
    ASSERT_TRUE(loaded.session.run(*shapes, outputs, error));
  }
  if (allocations.load() == 0)
    GTEST_SKIP() << "allocations are not counted in this build";
  uint64_t before = allocations.load();
  for (int i = 0; i < 10; ++i) {
    for (auto *shapes : {&inputs, &longer}) {
      outputs[0].data = nullptr;
      mmcc_code code = mmcc_session_run(loaded.session.get(), shapes->data(), 2,
                                        outputs.data(), 1, &error);
      ASSERT_EQ(code, MMCC_OK);
    }
  }
  EXPECT_EQ(allocations.load(), before);
}
#endif

/// mid[r] = sum of row r; out[r] = mid[r] + mid[r].
TestArtifact twoStepArtifact() {
  TestArtifact t;
  uint32_t rows = t.e.symbol(t.symbol("rows", 0, 0, 1));
  uint32_t columns = t.e.symbol(t.symbol("columns", 0, 1, 1));
  t.input("x", DType::f32, {rows, columns});
  t.output("out", DType::f32, {rows});
  uint32_t bytes = t.e.mul(rows, t.e.constant(4));
  uint32_t x = t.buffer(BufferKind::input, 0, t.e.mul(bytes, columns));
  uint32_t out = t.buffer(BufferKind::output, 0, bytes);
  uint32_t mid = t.arena(bytes, 0, 1);
  t.dispatch(sum_rows, {rows}, {operand(x, kRead), operand(mid, kWrite)},
             {columns});
  uint32_t block = t.e.constant(3);
  t.dispatch(add_f32, {t.e.ceilDiv(rows, block)},
             {operand(mid, kRead), operand(mid, kRead), operand(out, kWrite)},
             {rows, block});
  return t;
}

TEST(Session, results_do_not_depend_on_the_number_of_threads) {
  std::string path = twoStepArtifact().write("two.mmcc");
  const int64_t rows = 101, columns = 257;
  std::vector<float> x(size_t(rows * columns));
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = 1.0f / float(i % 97 + 1);
  std::vector<float> expected;
  for (unsigned threads : {1u, 2u, 3u, 5u}) {
    Loaded loaded(path, threads);
    std::vector<float> out(size_t(rows), -1);
    std::vector<Tensor> outputs = {tensorOf(MMCC_F32, {}, out)};
    Error error = {};
    for (int i = 0; i < 30; ++i) {
      std::fill(out.begin(), out.end(), -1.0f);
      ASSERT_TRUE(loaded.session.run({tensorOf(MMCC_F32, {rows, columns}, x)},
                                     outputs, error));
      if (expected.empty()) {
        expected = out;
        // The kernel's order of summation, by hand.
        float sum = 0;
        for (int64_t c = 0; c < columns; ++c)
          sum += x[size_t(7 * columns + c)];
        ASSERT_EQ(out[7], sum + sum);
      }
      ASSERT_EQ(out, expected) << threads << " threads";
    }
  }
}

TEST(Session, every_cell_runs_once_with_its_own_scratch) {
  TestArtifact t;
  uint32_t nx = t.e.constant(5), ny = t.e.constant(4), nz = t.e.constant(3);
  t.output("ids", DType::f32, {nz, ny, nx});
  uint32_t out = t.buffer(BufferKind::output, 0, t.e.constant(240));
  t.dispatch(cell_id, {nx, ny, nz}, {operand(out, kWrite)}, {nx, ny});
  std::string path = t.write("cells.mmcc");
  for (unsigned threads : {1u, 2u, 7u}) {
    Loaded loaded(path, threads);
    std::vector<Tensor> outputs;
    Error error = {};
    ASSERT_TRUE(loaded.session.run({}, outputs, error)) << error.message;
    const float *ids = static_cast<const float *>(outputs[0].data);
    for (int z = 0; z < 3; ++z)
      for (int y = 0; y < 4; ++y)
        for (int x = 0; x < 5; ++x)
          ASSERT_EQ(ids[(z * 4 + y) * 5 + x], float(10000 * z + 100 * y + x));
  }
}

TEST(Session, kernels_run_in_the_default_float_mode) {
  TestArtifact t;
  uint32_t n = t.e.constant(8);
  t.output("modes", DType::i32, {n});
  uint32_t out = t.buffer(BufferKind::output, 0, t.e.constant(32));
  t.dispatch(float_mode, {n}, {operand(out, kWrite)}, {});
  Loaded loaded(t.write("mode.mmcc"), 2);
  std::vector<Tensor> outputs;
  Error error = {};
  ASSERT_TRUE(loaded.session.run({}, outputs, error)) << error.message;
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(static_cast<const int32_t *>(outputs[0].data)[i], 0x1f80);
}

TEST(Session, constants_are_read_from_the_file) {
  TestArtifact t;
  uint32_t n = t.e.constant(3), bytes = t.e.constant(12);
  t.output("out", DType::f32, {n});
  uint32_t a =
      t.buffer(BufferKind::constant, t.constant("a", {1, 2, 3}), bytes);
  uint32_t b =
      t.buffer(BufferKind::constant, t.constant("b", {10, 20, 30}), bytes);
  uint32_t out = t.buffer(BufferKind::output, 0, bytes);
  t.dispatch(add_f32, {t.e.constant(1)},
             {operand(a, kRead), operand(b, kRead), operand(out, kWrite)},
             {n, n});
  Loaded loaded(t.write("constants.mmcc"), 1);
  EXPECT_EQ(mmcc_model_weights_bytes(loaded.model.get()), 64u + 12u);
  std::vector<Tensor> outputs;
  Error error = {};
  ASSERT_TRUE(loaded.session.run({}, outputs, error)) << error.message;
  const float *sum = static_cast<const float *>(outputs[0].data);
  EXPECT_EQ(sum[0], 11);
  EXPECT_EQ(sum[1], 22);
  EXPECT_EQ(sum[2], 33);
}

TEST(Session, concurrent_calls_wait_for_each_other) {
  Loaded loaded(addArtifact().write("add.mmcc"), 2);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, caller] {
      int64_t n = 100 + 50 * caller;
      std::vector<float> a = ramp(size_t(n), float(caller), 1), b = a,
                         out(a.size());
      std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {n}, a),
                                    tensorOf(MMCC_F32, {n}, b)};
      std::vector<Tensor> outputs = {tensorOf(MMCC_F32, {}, out)};
      Error error = {};
      for (int i = 0; i < 50; ++i)
        if (!loaded.session.run(inputs, outputs, error) ||
            out[size_t(n - 1)] != 2 * a[size_t(n - 1)])
          wrong.fetch_add(1);
    });
  }
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(Session, the_arena_limit_is_kept) {
  std::string path = twoStepArtifact().write("two.mmcc");
  Error error = {};
  Model model = loadModel(path, error);
  mmcc_session_options options = {};
  options.struct_bytes = sizeof(options);
  options.max_arena_bytes = 4096;
  Session session = model.session(error, "main", &options);
  std::vector<float> x(4096, 1);
  std::vector<Tensor> outputs;
  EXPECT_TRUE(session.run({tensorOf(MMCC_F32, {1024, 4}, x)}, outputs, error));
  EXPECT_EQ(mmcc_session_arena_bytes(session.get()), 4096u);
  EXPECT_FALSE(session.run({tensorOf(MMCC_F32, {1025, 3}, x)}, outputs, error));
  EXPECT_EQ(error.code, MMCC_OUT_OF_MEMORY);
  EXPECT_STREQ(error.message, "entry 'main': the call needs an arena of 4100 "
                              "bytes, the limit is 4096");
}

TEST(Session, profile_counts_runs) {
  Loaded loaded(twoStepArtifact().write("two.mmcc"), 2);
  mmcc_session_set_profiling(loaded.session.get(), 1);
  std::vector<float> x(1000, 1);
  std::vector<Tensor> outputs;
  Error error = {};
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(
        loaded.session.run({tensorOf(MMCC_F32, {100, 10}, x)}, outputs, error));
  ASSERT_EQ(mmcc_session_profile_size(loaded.session.get()), 2u);
  mmcc_profile_row row;
  ASSERT_EQ(mmcc_session_profile(loaded.session.get(), 0, &row), MMCC_OK);
  EXPECT_STREQ(row.kernel, "kernel6");
  EXPECT_EQ(row.runs, 3u);
  EXPECT_GT(row.nanoseconds, 0u);
  EXPECT_EQ(static_cast<const float *>(outputs[0].data)[99], 20);
}

} // namespace
} // namespace mmcc::test
