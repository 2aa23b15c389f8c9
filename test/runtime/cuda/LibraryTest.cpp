// Products that a library does in a kernel's place: the artifact's kernel gives
// something else, which tells who has done it.

#include "test/runtime/TestArtifact.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>

// The fake driver's, which this program links.
extern "C" {
int cuMemAlloc_v2(unsigned long long *address, size_t bytes);
int cuMemFree_v2(unsigned long long address);
int cuStreamCreate(void **stream, unsigned flags);
int cuStreamDestroy_v2(void *stream);
int cuStreamSynchronize(void *stream);
int cuMemcpyHtoDAsync_v2(unsigned long long target, const void *source,
                         size_t bytes, void *stream);
}

namespace mmcc::test {
namespace {

using namespace schema;

const int library_path = setenv("MMCC_CUBLASLT", MMCC_FAKE_CUBLASLT, 1);

constexpr size_t K = 16, N = 24;

uint16_t bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return uint16_t(bits >> 16); // of small integers nothing is lost
}

float weight(size_t k, size_t n) { return float((3 * k + 5 * n) % 7) - 3; }
float bias(size_t n) { return float(n % 5); }
float activation(size_t m, size_t k) { return float((m + 2 * k) % 5) - 2; }
float residual(size_t m, size_t n) { return float((7 * m + n) % 11); }

/// 16-bit numbers as TestArtifact takes them.
std::vector<float> packed(const std::vector<uint16_t> &numbers) {
  std::vector<float> words(numbers.size() / 2);
  std::memcpy(words.data(), numbers.data(), 2 * numbers.size());
  return words;
}

/// mid [m, N] is the sum a [m, K] * w + bias + r by the library, and r + r by
/// the kernel; out = mid + r. `change` may alter the library's call.
template <typename Change> TestArtifact libraryArtifact(Change change) {
  TestArtifact t;
  uint32_t m = t.e.symbol(t.symbol("m", 0, 0, 1, 4096));
  uint32_t k = t.e.constant(K), n = t.e.constant(N);
  uint32_t count = t.e.mul(m, n), bytes = t.e.mul(count, t.e.constant(4));
  std::vector<uint16_t> weights;
  for (size_t column = 0; column < N; ++column)
    for (size_t row = 0; row < K; ++row)
      weights.push_back(bf16(weight(row, column)));
  std::vector<float> biases;
  for (size_t column = 0; column < N; ++column)
    biases.push_back(bias(column));
  uint32_t a = t.buffer(BufferKind::input, t.input("a", DType::bf16, {m, k}),
                        t.e.mul(m, t.e.constant(2 * K)));
  uint32_t r =
      t.buffer(BufferKind::input, t.input("r", DType::f32, {m, n}), bytes);
  uint32_t out =
      t.buffer(BufferKind::output, t.output("out", DType::f32, {m, n}), bytes);
  uint32_t w = t.buffer(BufferKind::constant, t.constant("w", packed(weights)),
                        t.e.constant(2 * K * N));
  uint32_t b = t.buffer(BufferKind::constant, t.constant("b", biases),
                        t.e.constant(4 * N));
  uint32_t mid = t.arena(bytes, 0, 1);
  auto add = [&](uint32_t x, uint32_t y, uint32_t sum) {
    t.dispatch(add_f32, {t.e.constant(1)},
               {operand(x, kRead), operand(y, kRead), operand(sum, kWrite)},
               {count, count});
  };
  add(r, r, mid);
  add(mid, r, out);
  auto call = std::make_unique<LibraryCallT>();
  call->function = "cublaslt.matmul";
  call->operands = {operand(w, kRead), operand(a, kRead), operand(mid, kWrite),
                    operand(b, kRead), operand(r, kRead)};
  call->sizes = {m, n, k, k, k};
  call->attributes.push_back(std::make_unique<KeyValueT>());
  call->attributes[0]->key = "form";
  call->attributes[0]->value = "bias,residual";
  change(t, *call);
  t.entry().blocks[0]->commands[0]->body.AsDispatch()->library =
      std::move(call);
  return t;
}
TestArtifact libraryArtifact() {
  return libraryArtifact([](TestArtifact &, LibraryCallT &) {});
}

/// A call's tensors on the host.
struct Rows {
  std::vector<uint16_t> a;
  std::vector<float> r;
  int64_t count;

  explicit Rows(size_t m, size_t seed = 0) : count(int64_t(m)) {
    for (size_t row = 0; row < m; ++row) {
      for (size_t k = 0; k < K; ++k)
        a.push_back(bf16(activation(row + seed, k)));
      for (size_t n = 0; n < N; ++n)
        r.push_back(residual(row + seed, n));
    }
  }
  std::vector<Tensor> tensors() {
    return {tensorOf(MMCC_BF16, {count, int64_t(K)}, a),
            tensorOf(MMCC_F32, {count, int64_t(N)}, r)};
  }
};

void expectResult(const Tensor &out, size_t m, size_t seed, bool by_library) {
  const float *got = static_cast<const float *>(out.data);
  for (size_t row = 0; row < m; ++row)
    for (size_t n = 0; n < N; ++n) {
      float r = residual(row + seed, n);
      float want = by_library ? bias(n) + 2 * r : 3 * r;
      for (size_t k = 0; by_library && k < K; ++k)
        want += activation(row + seed, k) * weight(k, n);
      ASSERT_EQ(got[row * N + n], want) << row << ", " << n << " of " << m;
    }
}

TEST(Library, does_products_of_many_rows) {
  Loaded loaded(libraryArtifact().write("library.mmcc"), 1);
  EXPECT_STREQ(mmcc_model_library(loaded.model.get()), "cuBLASLt 13.1.1");
  // Graphs are made, changed, and made anew: 64 rows are the least that it
  // does, and more than 100 take it two kernels.
  size_t seed = 0;
  for (size_t m : {80, 80, 80, 10, 10, 10, 80,  80,  120, 120, 80,  80,
                   64, 64, 63, 63, 63, 64, 200, 200, 120, 120, 200, 80})
    for (int again = 0; again < 2; ++again) {
      Rows rows(m, ++seed);
      std::vector<Tensor> outputs;
      Error error = {};
      ASSERT_TRUE(loaded.session.run(rows.tensors(), outputs, error))
          << error.message;
      expectResult(outputs[0], m, seed, m >= 64);
    }
}

TEST(Library, is_named_in_profiles) {
  Loaded loaded(libraryArtifact().write("library.mmcc"), 1);
  mmcc_session_set_profiling(loaded.session.get(), 1);
  for (size_t m : {80, 10}) {
    Rows rows(m);
    std::vector<Tensor> outputs;
    Error error = {};
    ASSERT_TRUE(loaded.session.run(rows.tensors(), outputs, error))
        << error.message;
    mmcc_profile_row row = {};
    ASSERT_EQ(mmcc_session_profile(loaded.session.get(), 0, &row), MMCC_OK);
    EXPECT_STREQ(row.kernel, m >= 64 ? "cublaslt.matmul" : "kernel0");
  }
}

TEST(Library, is_not_given_what_it_cannot_read_at_once) {
  // Rows of a caller's on the GPU, not at a multiple of 16 bytes.
  Loaded loaded(libraryArtifact().write("library.mmcc"), 1);
  unsigned long long address = 0;
  void *stream = nullptr;
  Rows rows(80);
  ASSERT_EQ(cuMemAlloc_v2(&address, 2 * rows.a.size() + 16), 0);
  ASSERT_EQ(cuStreamCreate(&stream, 0), 0);
  for (size_t offset : {0, 2, 8, 16}) {
    ASSERT_EQ(cuMemcpyHtoDAsync_v2(address + offset, rows.a.data(),
                                   2 * rows.a.size(), stream),
              0);
    ASSERT_EQ(cuStreamSynchronize(stream), 0);
    std::vector<Tensor> inputs = rows.tensors(), outputs;
    inputs[0].data = reinterpret_cast<void *>(address + offset);
    Error error = {};
    ASSERT_TRUE(loaded.session.run(inputs, outputs, error)) << error.message;
    expectResult(outputs[0], 80, 0, offset % 16 == 0);
  }
  cuStreamDestroy_v2(stream);
  cuMemFree_v2(address);
}

TEST(Library, one_that_is_not_known_is_left_out) {
  Loaded loaded(libraryArtifact([](TestArtifact &, LibraryCallT &call) {
                  call.function = "other.matmul";
                }).write("library.mmcc"),
                1);
  Rows rows(80);
  std::vector<Tensor> outputs;
  Error error = {};
  ASSERT_TRUE(loaded.session.run(rows.tensors(), outputs, error))
      << error.message;
  expectResult(outputs[0], 80, 0, false);
}

TEST(Library, is_given_sizes_that_fit) {
  auto expect = [](auto change, const std::string &message) {
    Loaded loaded(libraryArtifact(change).write("library.mmcc"), 1);
    Rows rows(80);
    std::vector<Tensor> outputs;
    Error error = {};
    EXPECT_FALSE(loaded.session.run(rows.tensors(), outputs, error)) << message;
    EXPECT_EQ(error.code, MMCC_INVALID_FILE);
    EXPECT_NE(std::string(error.message).find("command 0: " + message),
              std::string::npos)
        << error.message;
    Rows few(10);
    EXPECT_TRUE(loaded.session.run(few.tensors(), outputs, error))
        << error.message;
  };
  auto size = [](size_t i, int64_t value) {
    return [=](TestArtifact &t, LibraryCallT &call) {
      call.sizes[i] = t.e.constant(value);
    };
  };
  const char *impossible = "a library is given impossible sizes";
  for (size_t i : {1, 2, 3, 4}) { // n, k and what lies between rows
    expect(size(i, 0), impossible);
    expect(size(i, -16), impossible);
    expect(size(i, int64_t(1) << 40), impossible);
  }
  expect(size(3, K - 1), impossible);
  expect(size(4, K - 1), impossible);
  const char *outside = "an operand leaves its buffer";
  expect(size(1, N + 1), outside);
  expect(size(3, K + 8), outside);
  expect(size(4, K + 8), outside);
  expect(
      [](TestArtifact &t, LibraryCallT &call) {
        call.operands[1] = operand(0, kRead, int32_t(t.e.constant(2)));
      },
      outside);
  expect(
      [](TestArtifact &t, LibraryCallT &call) {
        call.sizes[0] = t.e.mul(call.sizes[0], t.e.constant(3));
      },
      outside);
}

} // namespace
} // namespace mmcc::test
