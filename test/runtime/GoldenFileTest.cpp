// Artifacts written by earlier versions load and give the same results. A file
// is added with each revision of the schema or of the file format, and none is
// ever rewritten.

#include "test/runtime/TestArtifact.h"

#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

// revision1: out[i] = a[i] + b[i] + w[i] over [n], n = 4, with
// w = 0.5, 1, 2, 4 a constant and a + b in an arena buffer.
TEST(GoldenFile, revision1) {
  Loaded loaded(std::string(MMCC_GOLDEN_FILES) + "/revision1.artifact", 2);
  ASSERT_TRUE(bool(loaded.session));
  EXPECT_EQ(loaded.model.entries(), std::vector<std::string>{"main"});
  std::vector<float> a = {1, 2, 3, 4}, b = {10, 20, 30, 40};
  std::vector<Tensor> outputs;
  Error error = {};
  ASSERT_TRUE(loaded.session.run(
      {tensorOf(MMCC_F32, {4}, a), tensorOf(MMCC_F32, {4}, b)}, outputs, error))
      << error.message;
  const float *out = static_cast<const float *>(outputs[0].data);
  EXPECT_EQ(std::vector<float>(out, out + 4),
            (std::vector<float>{11.5, 23, 35, 48}));
  std::vector<float> five(5);
  EXPECT_FALSE(loaded.session.run(
      {tensorOf(MMCC_F32, {5}, five), tensorOf(MMCC_F32, {5}, five)}, outputs,
      error));
  EXPECT_STREQ(error.message,
               "entry 'main': input 'a': dimension 0 (5) gives 'n' = 5, which "
               "must be 4 to 4");
}

} // namespace
} // namespace mmcc::test
