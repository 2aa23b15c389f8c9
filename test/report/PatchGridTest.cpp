// Patches of an image from the number of tokens.

#include "compiler/report/Patches.h"

#include <gtest/gtest.h>

namespace mmcc {
namespace {

void expectGrid(int64_t tokens, int64_t height, int64_t width, int64_t rows,
                int64_t columns, int64_t lead) {
  std::optional<PatchGrid> grid = findGrid(tokens, height, width);
  ASSERT_TRUE(grid) << tokens;
  EXPECT_EQ(grid->rows, rows);
  EXPECT_EQ(grid->columns, columns);
  EXPECT_EQ(grid->lead, lead);
}

TEST(PatchGrid, of_encoders_that_everybody_knows) {
  expectGrid(197, 224, 224, 14, 14, 1); // ViT-B/16
  expectGrid(198, 224, 224, 14, 14, 2); // DeiT: class and distillation
  expectGrid(577, 384, 384, 24, 24, 1); // ViT-L/16 at 384
  expectGrid(196, 224, 224, 14, 14, 0); // SigLIP has no class token
  expectGrid(261, 224, 224, 16, 16, 5); // DINOv2 with four registers
  expectGrid(1 + 8 * 12, 128, 192, 8, 12, 1);
}

TEST(PatchGrid, is_refused_where_there_is_none) {
  EXPECT_FALSE(findGrid(0, 224, 224));
  EXPECT_FALSE(findGrid(1500, 80, 3000)); // frames of audio
  EXPECT_FALSE(findGrid(230, 224, 224));  // 17 to 34 tokens too many
}

} // namespace
} // namespace mmcc
