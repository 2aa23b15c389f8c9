#include "tools/npz/Npz.h"
#include "test/runtime/TestArtifact.h"

#include <cstring>
#include <gtest/gtest.h>

namespace mmcc::npz {
namespace {

std::string headerText(const std::string &dictionary, int major = 1) {
  std::string text = "\x93NUMPY";
  text += char(major);
  text += '\0';
  text += char(dictionary.size() & 0xff);
  text += char(dictionary.size() >> 8);
  if (major > 1)
    text += std::string(2, '\0');
  return text + dictionary;
}

std::string parse(const std::string &dictionary, NpyHeader &header) {
  return parseNpyHeader(headerText(dictionary), header);
}

TEST(Npy, reads_what_numpy_writes) {
  NpyHeader header;
  EXPECT_EQ(parse("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), "
                  "}      \n",
                  header),
            "");
  EXPECT_EQ(header.type.kind, 'f');
  EXPECT_EQ(header.type.bytes, 4u);
  EXPECT_EQ(header.dims, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.data_bytes, 24u);
  EXPECT_EQ(parse("{'descr': '|b1', 'fortran_order': True, 'shape': (7,), }\n",
                  header),
            "");
  EXPECT_TRUE(header.fortran_order);
  EXPECT_EQ(header.dims, std::vector<int64_t>{7});
  EXPECT_EQ(
      parse("{'descr': '<U5', 'fortran_order': False, 'shape': (), }", header),
      "");
  EXPECT_EQ(header.data_bytes, 20u);
  EXPECT_EQ(parseNpyHeader(headerText("{'descr': '<i8', 'fortran_order': "
                                      "False, 'shape': (0, 4), }",
                                      2),
                           header),
            "");
  EXPECT_EQ(header.data_bytes, 0u);
}

TEST(Npy, refuses_the_rest) {
  NpyHeader header;
  auto refused = [&](const std::string &text) {
    return !parse(text, header).empty();
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("{"));
  EXPECT_TRUE(refused("{}"));
  EXPECT_TRUE(
      refused("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}"));
  EXPECT_TRUE(
      refused("{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}"));
  EXPECT_TRUE(
      refused("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"));
  EXPECT_TRUE(refused("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}"));
  EXPECT_TRUE(
      refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1)}"));
  EXPECT_TRUE(
      refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"));
  EXPECT_TRUE(refused("{'descr': '<f4', 'fortran_order': False}"));
  EXPECT_TRUE(refused("{'descr': '<f4', 'descr': '<f4', 'fortran_order': "
                      "False, 'shape': (1,)}"));
  EXPECT_TRUE(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), "
                      "'x': 1}"));
  EXPECT_TRUE(refused("{'descr': '<f4', 'fortran_order': False, 'shape': "
                      "(4611686018427387904, 4)}"));
  EXPECT_TRUE(refused("{'descr': '<f4', 'fortran_order': False, 'shape': "
                      "(99999999999999999999,)}"));
  EXPECT_TRUE(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} "
                      "x"));
}

TEST(Npz, round_trip) {
  Array a{"x", {'f', 4}, {2, 2}, std::vector<uint8_t>(16)};
  for (size_t i = 0; i < 16; ++i)
    a.data[i] = uint8_t(i);
  Array empty{"none", {'i', 8}, {0, 3}, {}};
  std::string path = test::temporaryPath("round.npz");
  ASSERT_EQ(writeNpz(path, {a, empty}), "");
  std::vector<uint8_t> first = test::readFile(path);
  ASSERT_EQ(writeNpz(path, {a, empty}), "");
  EXPECT_EQ(test::readFile(path), first);
  std::vector<Array> back;
  ASSERT_EQ(readNpz(path, back), "");
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].name, "x");
  EXPECT_EQ(back[0].dims, a.dims);
  EXPECT_EQ(back[0].data, a.data);
  EXPECT_EQ(back[1].dims, empty.dims);
}

TEST(Npz, damage_is_refused) {
  Array a{"x", {'f', 4}, {8}, std::vector<uint8_t>(32, 7)};
  std::string path = test::temporaryPath("damage.npz");
  ASSERT_EQ(writeNpz(path, {a}), "");
  std::vector<uint8_t> file = test::readFile(path);
  for (size_t length = 0; length < file.size(); ++length) {
    test::writeFile(path, {file.begin(), file.begin() + long(length)});
    std::vector<Array> back;
    EXPECT_NE(readNpz(path, back), "") << length;
  }
  for (size_t i = 0; i < file.size(); ++i) {
    std::vector<uint8_t> changed = file;
    changed[i] ^= 0x10;
    test::writeFile(path, changed);
    std::vector<Array> back;
    // Some bytes (times, attributes) do not matter; data always does.
    if (readNpz(path, back).empty() && back.size() == 1)
      EXPECT_EQ(back[0].data, a.data) << i;
  }
}

} // namespace
} // namespace mmcc::npz
