#include "test/runtime/TestArtifact.h"

#include "runtime/core/Hash.h"
#include "runtime/schema/ArtifactFile.h"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <sys/mman.h>
#include <unistd.h>

namespace mmcc::test {

using namespace schema;

Operand operand(uint32_t buffer, uint32_t access, int32_t offset,
                int32_t bytes) {
  return Operand(buffer, access, offset, bytes);
}

const std::vector<uint8_t> &testImage() {
  static const std::vector<uint8_t> image = readFile(MMCC_TEST_IMAGE);
  return image;
}

TestArtifact::TestArtifact(const std::string &entry_name,
                           const std::string &target) {
  auto entry = std::make_unique<EntryT>();
  entry->name = entry_name;
  entry->blocks.push_back(std::make_unique<BlockT>());
  program.producer = "test";
  program.entries.push_back(std::move(entry));
  auto variant = std::make_unique<VariantT>();
  variant->target = target;
  variant->entries = {0};
  for (uint32_t k = 0; k < kernel_count; ++k) {
    auto kernel = std::make_unique<KernelT>();
    kernel->name = "kernel" + std::to_string(k);
    kernel->entry_offset = k * 16;
    kernel->scratch_bytes = k == cell_id ? 64 : 0;
    variant->kernels.push_back(std::move(kernel));
  }
  program.variants.push_back(std::move(variant));
  images.push_back(artifact::ByteSource::fromVector(testImage()));
}

uint32_t TestArtifact::symbol(const std::string &name, int32_t input,
                              int32_t dim, int64_t lo, int64_t hi) {
  auto symbol = std::make_unique<SymbolT>();
  symbol->name = name;
  symbol->lo = lo;
  symbol->hi = hi;
  symbol->input = input;
  symbol->dim = dim;
  entry().symbols.push_back(std::move(symbol));
  return uint32_t(entry().symbols.size() - 1);
}

static std::unique_ptr<ValueT> value(const std::string &name, DType dtype,
                                     std::vector<uint32_t> dims) {
  auto value = std::make_unique<ValueT>();
  value->name = name;
  value->dtype = dtype;
  value->dims = std::move(dims);
  return value;
}

uint32_t TestArtifact::input(const std::string &name, DType dtype,
                             std::vector<uint32_t> dims) {
  entry().inputs.push_back(value(name, dtype, std::move(dims)));
  return uint32_t(entry().inputs.size() - 1);
}

uint32_t TestArtifact::output(const std::string &name, DType dtype,
                              std::vector<uint32_t> dims) {
  entry().outputs.push_back(value(name, dtype, std::move(dims)));
  return uint32_t(entry().outputs.size() - 1);
}

uint32_t TestArtifact::state(const std::string &name, DType dtype,
                             uint32_t batch, int64_t heads, int64_t width,
                             uint32_t appended) {
  auto state = std::make_unique<StateT>();
  state->name = name;
  state->dtype = dtype;
  state->dims = {batch, e.constant(heads), e.constant(width)};
  state->block_tokens = 64;
  state->scaled = dtype == DType::i8 || dtype == DType::f8e4m3fn;
  state->appended = appended;
  entry().states.push_back(std::move(state));
  return uint32_t(entry().states.size() - 1);
}

uint32_t TestArtifact::constant(const std::string &name,
                                const std::vector<float> &values) {
  auto constant = std::make_unique<ConstantT>();
  constant->name = name;
  constant->dtype = DType::f32;
  constant->dims = {values.size()};
  program.constants.push_back(std::move(constant));
  std::vector<uint8_t> bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  constants.push_back(artifact::ByteSource::fromVector(std::move(bytes)));
  return uint32_t(constants.size() - 1);
}

uint32_t TestArtifact::buffer(BufferKind kind, uint32_t index, uint32_t size) {
  auto buffer = std::make_unique<BufferT>();
  buffer->kind = kind;
  buffer->index = index;
  buffer->size = size;
  entry().buffers.push_back(std::move(buffer));
  return uint32_t(entry().buffers.size() - 1);
}

uint32_t TestArtifact::arena(uint32_t size, uint32_t first, uint32_t last,
                             int32_t offset) {
  uint32_t id = buffer(BufferKind::arena, 0, size);
  entry().buffers[id]->first_command = first;
  entry().buffers[id]->last_command = last;
  entry().buffers[id]->offset = offset;
  return id;
}

CommandT &TestArtifact::command(uint32_t block) {
  while (entry().blocks.size() <= block)
    entry().blocks.push_back(std::make_unique<BlockT>());
  auto &commands = entry().blocks[block]->commands;
  commands.push_back(std::make_unique<CommandT>());
  return *commands.back();
}

uint32_t TestArtifact::dispatch(Kernel kernel, std::vector<uint32_t> grid,
                                std::vector<Operand> operands,
                                std::vector<uint32_t> sizes, uint32_t block) {
  DispatchT dispatch;
  dispatch.kernel = kernel;
  dispatch.grid_x = grid[0];
  dispatch.grid_y = grid.size() > 1 ? grid[1] : e.constant(1);
  dispatch.grid_z = grid.size() > 2 ? grid[2] : e.constant(1);
  dispatch.operands = std::move(operands);
  dispatch.sizes = std::move(sizes);
  command(block).body.Set(std::move(dispatch));
  return uint32_t(entry().blocks[block]->commands.size() - 1);
}

std::string TestArtifact::write(const std::string &name) {
#ifdef MMCC_TEST_GPU
  moveToGpu(*this);
#endif
  e.store(entry());
  std::string path = temporaryPath(name);
  auto error =
      artifact::writeArtifact(path, program, constants, images, &result);
  EXPECT_FALSE(error) << error->message;
  return path;
}

TestArtifact addArtifact() {
  TestArtifact t;
  uint32_t n = t.e.symbol(t.symbol("n", 0, 0, 1, 4096));
  t.input("a", DType::f32, {n});
  t.input("b", DType::f32, {n});
  t.output("out", DType::f32, {n});
  uint32_t bytes = t.e.mul(n, t.e.constant(4));
  uint32_t a = t.buffer(BufferKind::input, 0, bytes);
  uint32_t b = t.buffer(BufferKind::input, 1, bytes);
  uint32_t out = t.buffer(BufferKind::output, 0, bytes);
  uint32_t block = t.e.constant(64);
  t.dispatch(add_f32, {t.e.ceilDiv(n, block)},
             {operand(a, kRead), operand(b, kRead), operand(out, kWrite)},
             {n, block});
  return t;
}

TestArtifact stateArtifact(const std::string &entry) {
  TestArtifact t(entry);
  uint32_t n = t.e.symbol(t.symbol("n", 0, 0, 1, 4096));
  uint32_t past = t.e.symbol(t.symbol("past", 0, -1, 0, 1000));
  t.entry().symbols[1]->origin = SymbolOrigin::state_length;
  t.input("a", DType::f32, {n});
  t.output("out", DType::f32, {t.e.constant(1)});
  t.state("kept", DType::f32, t.e.constant(1), 1, 1, n);
  uint32_t a = t.buffer(BufferKind::input, 0, t.e.mul(n, t.e.constant(4)));
  uint32_t kept = t.buffer(BufferKind::state, 0, t.e.constant(0));
  uint32_t out = t.buffer(BufferKind::output, 0, t.e.constant(4));
  t.dispatch(
      keep_sum, {t.e.constant(1)},
      {operand(a, kRead), operand(kept, kRead | kWrite), operand(out, kWrite)},
      {past, n});
  t.program.revision = 3;
  t.program.features = {"state"};
  return t;
}

std::string temporaryPath(const std::string &name) {
  return testing::TempDir() + "mmcc_" + std::to_string(getpid()) + "_" + name;
}

std::vector<uint8_t> readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

void writeFile(const std::string &path, const std::vector<uint8_t> &bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char *>(bytes.data()),
             std::streamsize(bytes.size()));
}

MemoryFile::MemoryFile()
    : descriptor_(memfd_create("artifact", MFD_CLOEXEC)),
      path_("/proc/self/fd/" + std::to_string(descriptor_)) {}

MemoryFile::~MemoryFile() { close(descriptor_); }

void MemoryFile::write(const std::vector<uint8_t> &bytes) {
  EXPECT_EQ(ftruncate(descriptor_, 0), 0);
  EXPECT_EQ(pwrite(descriptor_, bytes.data(), bytes.size(), 0),
            ssize_t(bytes.size()));
}

void rehash(std::vector<uint8_t> &file) {
  using namespace mmcc::artifact;
  FileHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  uint64_t hashed = header.table_offset - header.header_bytes;
  for (uint64_t chunk = 0; chunk < header.chunk_count; ++chunk) {
    uint64_t begin = chunk * kChunkBytes;
    Hash128 hash =
        runtime::hash128(file.data() + header.header_bytes + begin,
                         std::min<uint64_t>(kChunkBytes, hashed - begin));
    std::memcpy(file.data() + header.table_offset + chunk * sizeof(hash), &hash,
                sizeof(hash));
  }
  Hash128 hash = runtime::hash128(file.data(), kHeaderHashOffset,
                                  file.data() + header.table_offset,
                                  file.size() - header.table_offset);
  std::memcpy(file.data() + kHeaderHashOffset, &hash, sizeof(hash));
}

Model loadModel(const std::string &path, Error &error) {
  mmcc_model_options options = {};
  options.struct_bytes = sizeof(options);
#ifdef MMCC_TEST_GPU
  options.device = "cuda";
#endif
  return Model::load(path, error, &options);
}

Loaded::Loaded(const std::string &path, unsigned threads) {
  Error error = {};
  model = loadModel(path, error);
  EXPECT_TRUE(bool(model)) << error.message;
  if (!model)
    return;
  mmcc_session_options options = {};
  options.struct_bytes = sizeof(options);
  options.threads = threads;
  session = model.session(error, "", &options);
  EXPECT_TRUE(bool(session)) << error.message;
}

} // namespace mmcc::test
