#include "test/runtime/TestArtifact.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

namespace fs = std::filesystem;

TEST(Writer, same_input_same_bytes) {
  std::vector<uint8_t> first = readFile(addArtifact().write("w1.mmcc"));
  std::vector<uint8_t> second = readFile(addArtifact().write("w2.mmcc"));
  EXPECT_EQ(first, second);
}

/// The stored place of each constant.
std::vector<std::pair<uint32_t, uint64_t>> placesOf(const TestArtifact &t) {
  std::vector<std::pair<uint32_t, uint64_t>> places;
  for (const auto &constant : t.program.constants)
    places.emplace_back(constant->segment, constant->offset);
  return places;
}

TEST(Writer, equal_constants_are_stored_once) {
  TestArtifact t = addArtifact();
  std::vector<float> large(100000, 1.5f), other(100000, 2.5f);
  t.constant("a", {1, 2, 3});
  t.constant("A", large);
  t.constant("b", {1, 2, 4});
  t.constant("c", {1, 2, 3});
  t.constant("B", other);
  t.constant("C", large);
  Loaded loaded(t.write("equal.mmcc"), 1);
  auto places = placesOf(t);
  EXPECT_EQ(places[0], places[3]);
  EXPECT_NE(places[0], places[2]);
  EXPECT_EQ(places[1], places[5]);
  EXPECT_NE(places[1], places[4]);
  EXPECT_EQ(t.result.constant_bytes, 3 * 12u + 3 * 400000u);
  EXPECT_EQ(t.result.stored_constant_bytes, 2 * 12u + 2 * 400000u);
  EXPECT_EQ(t.result.file_bytes, readFile(temporaryPath("equal.mmcc")).size());
}

// More than one hash chunk, with a duplicate that is taken back across chunks.
TEST(Writer, many_chunks) {
  TestArtifact t = addArtifact();
  for (int copy = 0; copy < 2; ++copy) {
    auto constant = std::make_unique<schema::ConstantT>();
    constant->name = "big" + std::to_string(copy);
    constant->dtype = schema::DType::u8;
    constant->dims = {9u << 20};
    t.program.constants.push_back(std::move(constant));
    uint64_t next = 0;
    t.constants.push_back({9u << 20, [next](uint64_t offset, uint8_t *into,
                                            size_t count) mutable {
                             EXPECT_EQ(offset, next);
                             next += count;
                             for (size_t i = 0; i < count; ++i)
                               into[i] = uint8_t((offset + i) * 31 >> 7);
                             return true;
                           }});
  }
  std::string path = t.write("chunks.mmcc");
  EXPECT_LT(t.result.file_bytes, 10u << 20);
  Loaded loaded(path, 1);
  std::vector<uint8_t> file = readFile(path);
  file[8u << 20] ^= 1;
  writeFile(path, file);
  Error error = {};
  EXPECT_FALSE(bool(Model::load(path, error)));
  EXPECT_EQ(error.code, MMCC_INVALID_FILE);
  EXPECT_NE(std::string(error.message).find("damaged"), std::string::npos);
}

TEST(Writer, a_failing_source_leaves_the_old_file) {
  std::string path = addArtifact().write("kept.mmcc");
  std::vector<uint8_t> before = readFile(path);
  TestArtifact t = addArtifact();
  t.constant("broken", {1, 2, 3});
  t.constants.back().read = [](uint64_t, uint8_t *, size_t) { return false; };
  t.e.store(t.entry());
  auto error = artifact::writeArtifact(path, t.program, t.constants, t.images);
  ASSERT_TRUE(error.has_value());
  EXPECT_FALSE(error->environment);
  EXPECT_EQ(error->message, "cannot produce the bytes of constant 'broken'");
  EXPECT_EQ(readFile(path), before);
  std::string stem = fs::path(path).filename().string() + ".";
  for (const auto &file : fs::directory_iterator(fs::path(path).parent_path()))
    EXPECT_NE(file.path().filename().string().rfind(stem, 0), 0u)
        << file.path();
}

TEST(Writer, an_impossible_place_is_the_environments_fault) {
  TestArtifact t = addArtifact();
  t.e.store(t.entry());
  auto error = artifact::writeArtifact("/nonexistent/x.mmcc", t.program,
                                       t.constants, t.images);
  ASSERT_TRUE(error.has_value());
  EXPECT_TRUE(error->environment);
}

} // namespace
} // namespace mmcc::test
