//===- CellRowsTest.cpp - Rows that a product's cells go over once more ---===//

#include "codegen/cpu/kernels/Scratch.h"
#include "test/codegen/KernelHarness.h"

#include <cmath>
#include <cstring>

namespace mmcc::test {
namespace {

/// relu(a w) [2, M, N] of whole numbers, which are exact, as bytes: a scale for
/// each `piece` columns.
struct Shape {
  int64_t N, piece, mBlock, nBlock;
  /// The numbers stay with the cell.
  bool isLocal;

  static constexpr int64_t batch = 2, depth = 24;
  int64_t row() const { return isLocal ? nBlock : N; }

  std::string text() const {
    auto number = [](int64_t value) { return std::to_string(value); };
    std::string all = "affine_map<(d0, d1, d2, d3)[s0] -> ((d0 * s0 + d1) * ",
                piece_ = " + d2 * " + number(piece) + " + d3)>";
    return R"(
    plan.kernel @k row "gemm_f32" extents affine_map<()[s0] -> (2, s0, )" +
           number(N) + R"()> parallel 3
        params affine_map<()[s0] -> (2, s0, )" +
           number(N) + ", 24, s0 * 24, 24, " + number(mBlock) + ", " +
           number(nBlock) + R"()>
        offsets affine_map<()[s0] -> (0, 0)> scratch affine_map<() -> (0)>
        written )" +
           (isLocal ? "[2, 3]" : "[2, 3, 4]") +
           " pieces affine_map<()[s0] -> (2, s0, " + number(N / piece) + ", " +
           number(piece) + ")>" +
           (isLocal ? " local " + number(cpu::gemmScratchBytes()) : "") + R"( {
    ^bb0(%a: !plan.buffer<f32>, %w: !plan.buffer<f32>, %q: !plan.buffer<i8>, %scales: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "post" {
      ^bb0(%b: index, %m: index, %n: index, %v: f32):
        %zero = arith.constant 0.0 : f32
        %0 = arith.maximumf %v, %zero : f32
        plan.store %0, %y[affine_map<(d0, d1, d2)[s0] -> ((d0 * s0 + d1) * )" +
           number(row()) + R"( + d2)>(%b, %m, %n)] : f32, !plan.buffer<f32>
        plan.yield
      }
      plan.block "reduce" combine "max" {
      ^bb0(%b: index, %m: index, %g: index, %k: index):
        %0 = plan.load %y[)" +
           all + number(row()) + piece_ +
           R"((%b, %m, %g, %k)] : !plan.buffer<f32> -> f32
        %1 = math.absf %0 : f32
        plan.yield %1 : f32
      }
      plan.block "finish" {
      ^bb0(%b: index, %m: index, %g: index, %largest: f32):
        %c = arith.constant 0.5 : f32
        %0 = arith.mulf %largest, %c : f32
        plan.store %0, %scales[affine_map<(d0, d1, d2)[s0] -> ((d0 * s0 + d1) * )" +
           number(N / piece) +
           R"( + d2)>(%b, %m, %g)] : f32, !plan.buffer<f32>
        plan.yield
      }
      plan.block "map" {
      ^bb0(%b: index, %m: index, %g: index, %k: index, %largest: f32):
        %0 = plan.load %y[)" +
           all + number(row()) + piece_ +
           R"((%b, %m, %g, %k)] : !plan.buffer<f32> -> f32
        %1 = arith.subf %largest, %0 : f32
        %2 = arith.fptosi %1 : f32 to i8
        plan.store %2, %q[)" +
           all + number(N) + piece_ +
           R"((%b, %m, %g, %k)] : i8, !plan.buffer<i8>
        plan.yield
      }
    })";
  }
};

void expectRows(const Shape &shape, const std::string &level) {
  Program program(shape.text(), level);
  if (level == kCuda) { // cells are blocks of threads
    EXPECT_FALSE(program.compiled());
    EXPECT_NE(program.message.find("no pieces of rows"), std::string::npos)
        << program.message;
    return;
  }
  ASSERT_TRUE(program.compiled()) << program.message;
  const int64_t N = shape.N, K = Shape::depth, pieces = N / shape.piece;
  auto whole = [](size_t count, unsigned seed) {
    std::vector<float> values = randomFloats(count, -2.4f, 2.4f, seed);
    for (float &value : values)
      value = std::nearbyint(value);
    return values;
  };
  for (int64_t M : {1, 13, 20, 21, 59}) {
    SCOPED_TRACE(M);
    const int64_t rows = Shape::batch * M;
    std::vector<float> a = whole(rows * K, 1), w = whole(K * N, 2);
    std::vector<float> packed((N + 15) / 16 * 16 * K);
    for (int64_t k = 0; k < K; ++k)
      for (int64_t n = 0; n < N; ++n)
        packed[(n / 16 * K + k) * 16 + n % 16] = w[k * N + n];
    std::vector<float> y(rows * N), scales(rows * pieces, -1);
    std::vector<int8_t> q(rows * N, -1);
    std::vector<float> wantY, wantScales;
    std::vector<int8_t> wantQ;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t g = 0; g < pieces; ++g) {
        float largest = 0;
        for (int64_t n = g * shape.piece; n < (g + 1) * shape.piece; ++n) {
          float sum = 0;
          for (int64_t k = 0; k < K; ++k)
            sum += a[r * K + k] * w[k * N + n];
          wantY.push_back(std::max(sum, 0.0f));
          largest = std::max(largest, wantY.back());
        }
        wantScales.push_back(largest / 2);
        for (int64_t n = wantY.size() - shape.piece; n < int64_t(wantY.size());
             ++n)
          wantQ.push_back(int8_t(largest - wantY[n]));
      }
    std::vector<void *> buffers = {a.data(), packed.data(), q.data(),
                                   scales.data()};
    if (!shape.isLocal)
      buffers.push_back(y.data());
    size_t used = 0;
    program.run("k",
                {(N + shape.nBlock - 1) / shape.nBlock,
                 (M + shape.mBlock - 1) / shape.mBlock, Shape::batch},
                buffers, {M}, &used);
    size_t end = cpu::gemmScratchBytes();
    if (shape.isLocal)
      end += shape.mBlock * shape.nBlock * 4;
    EXPECT_LE(used, end);
    EXPECT_EQ(scales, wantScales);
    EXPECT_EQ(q, wantQ);
    if (!shape.isLocal)
      EXPECT_EQ(y, wantY);
  }
}

using CellRows = EachLevel;

TEST_P(CellRows, wholeRowsStayWithTheCell) {
  expectRows({80, 80, 20, 96, true}, GetParam());
}
TEST_P(CellRows, wholeRowsAreStored) {
  expectRows({80, 80, 20, 96, false}, GetParam());
}
// Two cells a row, of four pieces and of two.
TEST_P(CellRows, piecesStayWithTheCell) {
  expectRows({192, 32, 20, 128, true}, GetParam());
}
// Pieces that are no whole vectors.
TEST_P(CellRows, oddPiecesStayWithTheCell) {
  expectRows({180, 36, 20, 288, true}, GetParam());
  expectRows({150, 50, 7, 160, true}, GetParam());
}
TEST_P(CellRows, piecesAreStored) {
  expectRows({192, 64, 20, 128, false}, GetParam());
}

MMCC_AT_EACH_LEVEL(CellRows);

// What says something else than its row does is refused.
TEST(CellRowsErrors, refused) {
  auto compile = [](std::string from, const std::string &to) {
    std::string text = Shape{192, 32, 20, 128, true}.text();
    size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    Program program(text.replace(at, from.size(), to),
                    runnableLevels().front());
    EXPECT_FALSE(program.compiled());
    return program.message;
  };
  EXPECT_NE(compile(", 6, 32)>", ", 6)>").find("four extents of pieces"),
            std::string::npos);
  EXPECT_NE(compile("local 7168", "local 7169").find("no multiple of 64"),
            std::string::npos);
  EXPECT_NE(compile("written [2, 3]", "written [2, 3, 4]")
                .find("written operand 4 does not exist"),
            std::string::npos);
  EXPECT_NE(
      compile("block \"finish\"", "block \"sequential\"").find("does not know"),
      std::string::npos);
  EXPECT_NE(compile("row \"gemm_f32\"", "row \"loops\"").find("no product"),
            std::string::npos);
}

} // namespace
} // namespace mmcc::test
