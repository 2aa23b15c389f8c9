#include "runtime/schema/ArtifactFile.h"
#include "test/runtime/TestArtifact.h"

#include <cstring>
#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

using namespace mmcc::artifact;

bool loads(const std::vector<uint8_t> &bytes, std::string *message = nullptr) {
  static MemoryFile file;
  file.write(bytes);
  Error error = {};
  Model model = Model::load(file.path(), error);
  if (message)
    *message = error.message;
  if (!model) {
    EXPECT_NE(error.code, MMCC_OK);
    EXPECT_STRNE(error.message, "");
    return false;
  }
  return true;
}

FileHeader headerOf(const std::vector<uint8_t> &file) {
  FileHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  return header;
}

TEST(HostileFile, no_truncation_loads) {
  std::vector<uint8_t> file = readFile(addArtifact().write("base.mmcc"));
  ASSERT_TRUE(loads(file));
  FileHeader header = headerOf(file);
  for (size_t length = 0; length < file.size(); ++length) {
    // Inside pages of padding every 64th length will do.
    if (length > sizeof(header) && length < header.program_offset &&
        length % 64 != 0)
      continue;
    ASSERT_FALSE(loads({file.begin(), file.begin() + long(length)})) << length;
  }
}

TEST(HostileFile, no_extension_loads) {
  std::vector<uint8_t> file = readFile(addArtifact().write("base.mmcc"));
  file.push_back(0);
  EXPECT_FALSE(loads(file));
}

TEST(HostileFile, every_flipped_bit_of_the_structure_is_noticed) {
  std::vector<uint8_t> file = readFile(addArtifact().write("base.mmcc"));
  FileHeader header = headerOf(file);
  for (size_t i = 0; i < file.size(); ++i) {
    if (i > sizeof(header) && i < header.program_offset && i % 61 != 0)
      continue;
    file[i] ^= uint8_t(1u << (i % 8));
    ASSERT_FALSE(loads(file)) << i;
    file[i] ^= uint8_t(1u << (i % 8));
  }
  EXPECT_TRUE(loads(file));
}

/// An image of nothing but `ret`: whichever way the program is damaged, its
/// kernels do no harm.
TestArtifact harmlessArtifact() {
  TestArtifact t = addArtifact();
  t.images[0] = ByteSource::fromVector(std::vector<uint8_t>(4096, 0xc3));
  uint32_t bytes = t.e.mul(t.e.symbol(0), t.e.constant(4));
  uint32_t mid = t.arena(bytes, 0, 2);
  t.constant("weights", std::vector<float>(64, 1));
  uint32_t weights =
      t.buffer(schema::BufferKind::constant, 0, t.e.constant(256));
  schema::CopyT copy;
  copy.source = std::make_unique<schema::Operand>(operand(weights, kRead));
  copy.target = std::make_unique<schema::Operand>(operand(mid, kWrite));
  copy.bytes = t.e.min(bytes, t.e.constant(256));
  t.command().body.Set(std::move(copy));
  schema::FillT fill;
  fill.target = std::make_unique<schema::Operand>(operand(mid, kWrite));
  fill.bytes = bytes;
  fill.pattern_bytes = 4;
  t.command().body.Set(std::move(fill));
  t.entry().node_names.push_back("node");
  return t;
}

// With the hashes made right again, what loads must also run: accepted means
// sound.
void expectRefusedOrRun(TestArtifact artifact) {
  std::vector<uint8_t> file = readFile(artifact.write("base.mmcc"));
  FileHeader header = headerOf(file);
  MemoryFile memory;
  std::vector<float> data(4096, 1);
  int accepted = 0, ran = 0;
  for (uint64_t i = 0; i < header.program_bytes; ++i) {
    for (uint8_t change :
         {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x7f, 0xff}) {
      std::vector<uint8_t> damaged = file;
      damaged[header.program_offset + i] ^= change;
      rehash(damaged);
      memory.write(damaged);
      Error error = {};
      Model model = Model::load(memory.path(), error);
      if (!model)
        continue;
      ++accepted;
      mmcc_session_options options = {};
      options.struct_bytes = sizeof(options);
      options.threads = 1;
      options.max_arena_bytes = 64 << 20;
      options.max_steps = 100000;
      Session session = model.session(error, model.entries().front(), &options);
      if (!session)
        continue;
      std::vector<Tensor> inputs, outputs;
      for (size_t k = 0; k < session.inputCount(); ++k) {
        ValueInfo info = session.input(k);
        Tensor tensor = tensorOf(info.dtype, {}, data);
        tensor.rank = info.rank;
        for (uint32_t d = 0; d < info.rank; ++d)
          tensor.dims[d] = info.dims[d] >= 0 ? info.dims[d] : 8;
        inputs.push_back(tensor);
      }
      State state;
      if (session.stateCount() == 0)
        ran += session.run(inputs, outputs, error);
      else if ((state = session.state(error, 1000)))
        for (int step = 0; step < 2; ++step)
          ran += session.run(state, inputs, outputs, error);
    }
  }
  // Names and numbers that do not matter remain.
  EXPECT_GT(accepted, 20);
  EXPECT_GT(ran, 20);
}

TEST(HostileFile, a_damaged_program_is_refused_or_runs) {
  expectRefusedOrRun(harmlessArtifact());
}

TEST(HostileFile, a_damaged_program_with_state_is_refused_or_runs) {
  TestArtifact t = stateArtifact();
  t.images[0] = ByteSource::fromVector(std::vector<uint8_t>(4096, 0xc3));
  t.entry().plain = "main";
  expectRefusedOrRun(std::move(t));
}

TEST(HostileFile, lying_headers_are_refused) {
  std::vector<uint8_t> file = readFile(addArtifact().write("base.mmcc"));
  auto refused = [&](auto change, const char *expected) {
    std::vector<uint8_t> lying = file;
    FileHeader header = headerOf(file);
    change(header);
    std::memcpy(lying.data(), &header, sizeof(header));
    // The hash over the header is made right where it still can be.
    FileHeader original = headerOf(file);
    if (header.table_offset == original.table_offset &&
        header.chunk_count == original.chunk_count)
      rehash(lying);
    std::string message;
    EXPECT_FALSE(loads(lying, &message));
    EXPECT_NE(message.find(expected), std::string::npos) << message;
  };
  refused([](FileHeader &h) { h.magic[0] = 'X'; }, "magic");
  refused([](FileHeader &h) { h.format_version = 2; }, "format version 2");
  refused([](FileHeader &h) { h.header_bytes = 64; }, "impossible sizes");
  refused([](FileHeader &h) { h.chunk_bytes = 0; }, "impossible sizes");
  refused([](FileHeader &h) { h.file_bytes = ~0ull; }, "truncated");
  refused([](FileHeader &h) { h.program_offset = ~0ull - 15; }, "outside");
  refused([](FileHeader &h) { h.program_offset += 8; }, "outside");
  refused([](FileHeader &h) { h.program_bytes = ~0ull; }, "outside");
  refused([](FileHeader &h) { h.program_bytes = 4; }, "FlatBuffer");
  refused([](FileHeader &h) { h.table_offset = ~0ull; }, "outside");
  refused([](FileHeader &h) { h.chunk_count = 0; }, "hash table");
  refused([](FileHeader &h) { h.chunk_count = 1ull << 60; }, "hash table");
}

TEST(HostileFile, what_is_no_file_is_refused) {
  Error error = {};
  EXPECT_FALSE(bool(Model::load(temporaryPath("missing"), error)));
  EXPECT_EQ(error.code, MMCC_NOT_FOUND);
  EXPECT_FALSE(bool(Model::load(testing::TempDir(), error)));
  EXPECT_EQ(error.code, MMCC_INVALID_FILE);
  EXPECT_FALSE(bool(Model::load("/dev/zero", error)));
  EXPECT_EQ(error.code, MMCC_INVALID_FILE);
  writeFile(temporaryPath("empty"), {});
  EXPECT_FALSE(bool(Model::load(temporaryPath("empty"), error)));
  EXPECT_EQ(error.code, MMCC_INVALID_FILE);
}

// Messages carry the file's name, not where it lies.
TEST(HostileFile, messages_are_short_and_printable) {
  TestArtifact t = addArtifact();
  t.program.features.push_back("new\nthing\x01" + std::string(5000, 'x'));
  Error error = {};
  std::string path = t.write("feature.mmcc");
  EXPECT_FALSE(bool(Model::load(path, error)));
  EXPECT_EQ(error.code, MMCC_UNSUPPORTED);
  std::string message = error.message;
  EXPECT_EQ(message.find(testing::TempDir()), std::string::npos);
  EXPECT_NE(message.find("new?thing?"), std::string::npos) << message;
  EXPECT_EQ(message.size(), sizeof(error.message) - 1);
}

} // namespace
} // namespace mmcc::test
