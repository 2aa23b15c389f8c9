// What is a GPU's alone: who owns its memory, tensors that lie there, and what
// happens when it fails. The sources of runtime_tests, built for the GPU,
// have the rest.

#include "test/runtime/TestArtifact.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>

using Address = unsigned long long;

// The fake driver's, which this program links.
extern "C" {
int cuMemAlloc_v2(Address *address, size_t bytes);
int cuMemFree_v2(Address address);
int cuMemGetInfo_v2(size_t *free, size_t *total);
int cuCtxSetCurrent(void *context);
int cuStreamCreate(void **stream, unsigned flags);
int cuStreamDestroy_v2(void *stream);
int cuStreamSynchronize(void *stream);
int cuMemcpyHtoDAsync_v2(Address target, const void *source, size_t bytes,
                         void *stream);
int cuMemcpyDtoHAsync_v2(void *target, Address source, size_t bytes,
                         void *stream);
}

namespace mmcc::test {
namespace {

using namespace schema;

size_t freeBytes() {
  size_t free = 0, total = 0;
  EXPECT_EQ(cuMemGetInfo_v2(&free, &total), 0);
  return free;
}

/// The constant's number i.
float weight(size_t i) { return float(i % 100003); }

/// out [n] = (w + a) + a, with a constant w of n numbers.
TestArtifact weightedArtifact(size_t n) {
  TestArtifact t;
  uint32_t size = t.e.constant(int64_t(n)),
           bytes = t.e.constant(int64_t(4 * n));
  t.input("a", DType::f32, {size});
  t.output("out", DType::f32, {size});
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i)
    values[i] = weight(i);
  uint32_t w = t.buffer(BufferKind::constant, t.constant("w", values), bytes);
  uint32_t a = t.buffer(BufferKind::input, 0, bytes);
  uint32_t out = t.buffer(BufferKind::output, 0, bytes);
  uint32_t mid = t.arena(bytes, 0, 1);
  for (auto [x, sum] : {std::pair(w, mid), {mid, out}})
    t.dispatch(add_f32, {t.e.constant(1)},
               {operand(x, kRead), operand(a, kRead), operand(sum, kWrite)},
               {size, size});
  return t;
}

/// A range of the GPU's memory that a caller has.
class DeviceArray {
public:
  explicit DeviceArray(size_t count) : bytes(4 * count) {
    EXPECT_EQ(cuMemAlloc_v2(&address, bytes), 0);
    EXPECT_EQ(cuStreamCreate(&stream, 0), 0);
  }
  ~DeviceArray() {
    cuStreamDestroy_v2(stream);
    cuMemFree_v2(address);
  }
  void set(const std::vector<float> &values) {
    EXPECT_EQ(cuMemcpyHtoDAsync_v2(address, values.data(), bytes, stream), 0);
    EXPECT_EQ(cuStreamSynchronize(stream), 0);
  }
  std::vector<float> get() {
    std::vector<float> values(bytes / 4);
    EXPECT_EQ(cuMemcpyDtoHAsync_v2(values.data(), address, bytes, stream), 0);
    EXPECT_EQ(cuStreamSynchronize(stream), 0);
    return values;
  }
  Tensor tensor() {
    Tensor tensor = {};
    tensor.dtype = MMCC_F32;
    tensor.rank = 1;
    tensor.dims[0] = int64_t(bytes / 4);
    tensor.data = reinterpret_cast<void *>(address);
    tensor.bytes = bytes;
    return tensor;
  }

private:
  Address address = 0;
  size_t bytes;
  void *stream = nullptr;
};

TEST(Gpu, sessions_share_one_copy_of_the_weights) {
  constexpr size_t count = 5 << 20; // 20 MiB: several parts of the upload
  std::string path = weightedArtifact(count).write("weights.mmcc");
  Error error = {};
  Model model = loadModel(path, error);
  ASSERT_TRUE(bool(model)) << error.message;
  EXPECT_STREQ(mmcc_model_isa(model.get()), "sm_80");
  size_t before = freeBytes();
  Session first = model.session(error, "main"), second = model.session(error);
  ASSERT_TRUE(bool(first) && bool(second)) << error.message;
  EXPECT_EQ(freeBytes(), before);
  std::vector<float> a(count);
  for (size_t i = 0; i < count; ++i)
    a[i] = float(i);
  std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {int64_t(count)}, a)};
  for (Session *session : {&first, &second}) {
    std::vector<Tensor> outputs;
    ASSERT_TRUE(session->run(inputs, outputs, error)) << error.message;
    const float *out = static_cast<const float *>(outputs[0].data);
    for (size_t i = 0; i < count; ++i)
      ASSERT_EQ(out[i], weight(i) + float(i) + float(i)) << i;
  }
}

/// A weight of panels in the file, and in columns as a kernel wants it.
struct Columns {
  std::string layout;
  DType dtype;
  uint64_t depth, width, word, lines;
  DType rounded = DType::undefined;

  uint64_t panels() const { return (width + 15) / 16; }
  uint64_t wordThere() const { return rounded == DType::undefined ? word : 2; }
  uint64_t pitch() const { return (lines * wordThere() + 15) / 16 * 16; }
  std::vector<uint8_t> file() const {
    std::vector<uint8_t> bytes(panels() * lines * 16 * word);
    // Floats whose bits survive sums with zero.
    if (rounded == DType::undefined)
      for (uint64_t i = 0; i < bytes.size(); ++i)
        bytes[i] = uint8_t(i * 37 % 113 + i / 251 % 7);
    else
      for (uint64_t i = 0; i < bytes.size() / 4; ++i) {
        float number = 1 + float(i) * 0.37f;
        std::memcpy(&bytes[i * 4], &number, 4);
      }
    return bytes;
  }
  std::vector<uint8_t> there() const {
    std::vector<uint8_t> from = file(), to(panels() * 16 * pitch());
    for (uint64_t n = 0; n < panels() * 16; ++n)
      for (uint64_t i = 0; i < lines; ++i) {
        const uint8_t *word_ =
            &from[((n / 16 * lines + i) * 16 + n % 16) * word];
        uint8_t *target = &to[n * pitch() + i * wordThere()];
        if (rounded == DType::undefined) {
          std::memcpy(target, word_, word);
          continue;
        }
        // The nearer of the two neighbours, the even one of equals.
        uint32_t bits;
        std::memcpy(&bits, word_, 4);
        uint32_t rest = bits & 0xffff;
        uint16_t code = uint16_t(bits >> 16);
        code += rest > 0x8000 || (rest == 0x8000 && code % 2);
        std::memcpy(target, &code, 2);
      }
    return to;
  }
};

void check(const Columns &columns) {
  SCOPED_TRACE(columns.layout + " " + std::to_string(columns.depth));
  const std::vector<uint8_t> want = columns.there();
  const size_t count = want.size() / 4;
  TestArtifact t = weightedArtifact(count);
  t.program.revision = 4;
  t.program.features = {"columns"};
  ConstantT &constant = *t.program.constants[0];
  constant.layout = columns.layout;
  constant.dtype = columns.dtype;
  constant.dims = {columns.depth, columns.width};
  BufferT &weight = *t.entry().buffers[0];
  weight.columns = true;
  weight.rounded = columns.rounded;
  std::vector<uint8_t> file = columns.file();
  weight.size = t.e.constant(int64_t(file.size()));
  t.constants[0] = artifact::ByteSource::fromVector(std::move(file));
  Loaded loaded(t.write("columns.mmcc"), 1);
  ASSERT_TRUE(bool(loaded.session));
  std::vector<float> zeros(count);
  std::vector<Tensor> outputs;
  Error error = {};
  ASSERT_TRUE(loaded.session.run({tensorOf(MMCC_F32, {int64_t(count)}, zeros)},
                                 outputs, error))
      << error.message;
  EXPECT_EQ(std::memcmp(outputs[0].data, want.data(), want.size()), 0);
}

TEST(Gpu, panels_become_columns_while_they_are_uploaded) {
  check({"panels16", DType::f32, 5, 33, 4, 5});
  check({"pairs16", DType::bf16, 41, 50, 4, 21});
  check({"lines8", DType::i8, 96, 16, 4, 24});
  check({"panels16", DType::f16, 19, 20, 2, 19});
  check({"panels16", DType::f8e4m3fn, 70, 16, 1, 70});
  check({"panels16", DType::f32, 75, 40, 4, 75, DType::bf16});
  // A panel that is more than a part of the upload, and many that are less.
  check({"panels16", DType::f32, 140000, 20, 4, 140000});
  check({"pairs16", DType::bf16, 1002, 5000, 4, 501});
}

TEST(Gpu, memory_is_given_back) {
  Loaded kept(addArtifact().write("kept.mmcc"), 1); // holds the context
  size_t before = freeBytes();
  {
    Loaded loaded(weightedArtifact(1000).write("weights.mmcc"), 1);
    EXPECT_LT(freeBytes(), before);
  }
  EXPECT_EQ(freeBytes(), before);
}

TEST(Gpu, tensors_that_lie_there_are_used_in_place) {
  Loaded loaded(addArtifact().write("add.mmcc"), 1);
  constexpr size_t n = 300;
  DeviceArray a(n), out(n);
  std::vector<float> b(n, 5);
  size_t staged = 0;
  for (float first : {1.f, 7.f, 9.f, 11.f, 13.f}) {
    a.set(std::vector<float>(n, first));
    std::vector<Tensor> inputs = {a.tensor(), tensorOf(MMCC_F32, {n}, b)};
    std::vector<Tensor> outputs = {out.tensor()};
    Error error = {};
    ASSERT_TRUE(loaded.session.run(inputs, outputs, error)) << error.message;
    EXPECT_EQ(out.get(), std::vector<float>(n, first + 5));
    if (!staged)
      staged = freeBytes();
    EXPECT_EQ(freeBytes(), staged) << "calls after the first allocate nothing";
  }
}

TEST(Gpu, addresses_may_change_from_call_to_call) {
  // What has run before is replayed as a graph, which holds addresses.
  Loaded loaded(weightedArtifact(64).write("weights.mmcc"), 1);
  DeviceArray arrays[] = {DeviceArray(64), DeviceArray(64)};
  DeviceArray results[] = {DeviceArray(64), DeviceArray(64)};
  for (int call = 0; call < 12; ++call) {
    int which = call < 6 ? call % 2 : call / 3 % 2;
    arrays[which].set(std::vector<float>(64, float(call)));
    std::vector<Tensor> outputs = {results[which].tensor()};
    Error error = {};
    ASSERT_TRUE(loaded.session.run({arrays[which].tensor()}, outputs, error))
        << error.message;
    std::vector<float> got = results[which].get();
    for (size_t i = 0; i < 64; ++i)
      ASSERT_EQ(got[i], weight(i) + 2 * float(call)) << i;
  }
}

TEST(Gpu, launches_may_be_empty_in_some_calls) {
  // As a graph it has two kernels or three.
  TestArtifact t;
  uint32_t n = t.e.symbol(t.symbol("n", 0, 0, 1, 4096));
  uint32_t bytes = t.e.mul(n, t.e.constant(4)), block = t.e.constant(64);
  uint32_t a =
      t.buffer(BufferKind::input, t.input("a", DType::f32, {n}), bytes);
  uint32_t out =
      t.buffer(BufferKind::output, t.output("out", DType::f32, {n}), bytes);
  uint32_t mid = t.arena(bytes, 0, 2), unused = t.arena(bytes, 1, 2);
  uint32_t cells = t.e.ceilDiv(n, block), whole = t.e.floorDiv(n, block);
  auto add = [&](uint32_t grid, uint32_t x, uint32_t sum) {
    t.dispatch(add_f32, {grid},
               {operand(x, kRead), operand(a, kRead), operand(sum, kWrite)},
               {n, block});
  };
  add(cells, a, mid);
  add(whole, mid, unused);
  add(cells, mid, out);
  Loaded loaded(t.write("empty.mmcc"), 1);
  float value = 0;
  for (size_t size : {100, 100, 30, 30, 100, 200, 30}) {
    std::vector<float> data(size, ++value);
    std::vector<Tensor> outputs;
    Error error = {};
    ASSERT_TRUE(loaded.session.run({tensorOf(MMCC_F32, {int64_t(size)}, data)},
                                   outputs, error))
        << error.message;
    EXPECT_EQ(static_cast<const float *>(outputs[0].data)[size - 1], 3 * value);
  }
}

TEST(Gpu, outputs_of_all_streams_are_awaited) {
  TestArtifact t;
  uint32_t n = t.e.constant(64), bytes = t.e.constant(256);
  uint32_t in =
      t.buffer(BufferKind::input, t.input("a", DType::f32, {n}), bytes);
  for (uint32_t stream = 0; stream < 3; ++stream) {
    uint32_t out = t.buffer(
        BufferKind::output,
        t.output("out" + std::to_string(stream), DType::f32, {n}), bytes);
    t.dispatch(add_f32, {t.e.constant(1)},
               {operand(in, kRead), operand(in, kRead), operand(out, kWrite)},
               {n, n});
    t.entry().blocks[0]->commands.back()->stream = stream;
  }
  t.entry().stream_count = 3;
  t.program.features = {"streams"};
  Loaded loaded(t.write("three.mmcc"), 1);
  for (float value : {1.f, 2.f, 3.f, 4.f}) {
    std::vector<float> a(64, value);
    std::vector<Tensor> outputs;
    Error error = {};
    ASSERT_TRUE(
        loaded.session.run({tensorOf(MMCC_F32, {64}, a)}, outputs, error))
        << error.message;
    for (const Tensor &out : outputs)
      EXPECT_EQ(static_cast<const float *>(out.data)[63], 2 * value);
  }
}

TEST(Gpu, a_grid_that_no_gpu_takes_is_refused) {
  TestArtifact t;
  uint32_t n = t.e.symbol(t.symbol("n", 0, 0, 0));
  t.input("a", DType::u8, {n});
  t.output("out", DType::f32, {n});
  uint32_t out = t.buffer(BufferKind::output, 0, t.e.mul(n, t.e.constant(4)));
  uint32_t one = t.e.constant(1);
  t.dispatch(cell_id, {one, n, one}, {operand(out, kWrite)}, {one, n});
  Loaded loaded(t.write("high.mmcc"), 1);
  std::vector<uint8_t> a(65536);
  std::vector<Tensor> outputs;
  Error error = {};
  EXPECT_TRUE(
      loaded.session.run({tensorOf(MMCC_U8, {65535}, a)}, outputs, error))
      << error.message;
  outputs.clear();
  EXPECT_TRUE(loaded.session.run({tensorOf(MMCC_U8, {0}, a)}, outputs, error))
      << error.message;
  outputs.clear();
  EXPECT_FALSE(
      loaded.session.run({tensorOf(MMCC_U8, {65536}, a)}, outputs, error));
  EXPECT_EQ(error.code, MMCC_UNSUPPORTED);
  EXPECT_NE(std::string(error.message)
                .find("command 0: a grid of 1 x 65536 x 1 blocks"),
            std::string::npos)
      << error.message;
}

TEST(Gpu, code_is_chosen_by_capability) {
  TestArtifact t = addArtifact();
  moveToGpu(t);
  t.program.variants[0]->target = "cuda:sm_86"; // the fake one is an sm_80
  std::string path = t.write("other.mmcc");
  Error error = {};
  EXPECT_FALSE(bool(loadModel(path, error)));
  EXPECT_EQ(error.code, MMCC_NO_DEVICE);
  EXPECT_NE(std::string(error.message)
                .find("nothing in it runs on Fake GPU, which is an sm_80 (it "
                      "has: cuda:sm_86)"),
            std::string::npos)
      << error.message;
}

TEST(Gpu, devices_are_named) {
  std::string path = addArtifact().write("add.mmcc");
  mmcc_model_options options = {};
  options.struct_bytes = sizeof(options);
  auto codeOf = [&](const char *device, const char *isa = nullptr) {
    Error error = {};
    options.device = device;
    options.isa = isa;
    Model model = Model::load(path, error, &options);
    return model ? MMCC_OK : error.code;
  };
  EXPECT_EQ(codeOf("cuda"), MMCC_OK);
  EXPECT_EQ(codeOf("cuda:0"), MMCC_OK);
  EXPECT_EQ(codeOf("cuda:1"), MMCC_NO_DEVICE);
  for (const char *nonsense :
       {"cuda:", "cuda:-1", "cuda:0x", "cuda0", "gpu", ""})
    EXPECT_EQ(codeOf(nonsense), MMCC_INVALID_ARGUMENT) << nonsense;
  EXPECT_EQ(codeOf("cuda:99999999999"), MMCC_INVALID_ARGUMENT);
  EXPECT_EQ(codeOf("cuda", "x86-64-v3"), MMCC_INVALID_ARGUMENT);
  EXPECT_EQ(codeOf("cpu"), MMCC_NO_DEVICE); // it has code for a GPU alone
}

TEST(Gpu, a_state_belongs_to_it) {
  std::string path = stateArtifact().write("state.mmcc");
  Error error = {};
  Model model = loadModel(path, error);
  Session session = model.session(error, "main.state");
  ASSERT_TRUE(bool(session)) << error.message;
  size_t before = freeBytes();
  mmcc::State state = session.state(error);
  ASSERT_TRUE(bool(state)) << error.message;
  std::vector<float> a(700, 1);
  std::vector<Tensor> outputs;
  ASSERT_TRUE(
      session.run(state, {tensorOf(MMCC_F32, {700}, a)}, outputs, error))
      << error.message;
  EXPECT_EQ(static_cast<const float *>(outputs[0].data)[0], 700);
  EXPECT_LT(freeBytes(), before);
  EXPECT_GE(state.bytes(), 4 * 700u);
}

} // namespace
} // namespace mmcc::test
