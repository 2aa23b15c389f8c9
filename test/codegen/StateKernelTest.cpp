//===- StateKernelTest.cpp - Keys and values in a state's blocks ----------===//

#include "test/codegen/KernelHarness.h"

#include <cmath>
#include <cstring>

namespace mmcc::test {
namespace {

using StateKernel = EachLevel;

constexpr int kHeads = 2, kWidth = 32, kBlockTokens = 64, kRows = 70,
              kFirst = 40, kQueries = 3;

/// A state of two blocks, each with an address in the table that kernels get.
struct State {
  explicit State(int elementBytes, bool scaled)
      : memory(2, std::vector<uint8_t>(
                      kHeads * kBlockTokens *
                          (kWidth * elementBytes + (scaled ? 4 : 0)) +
                      64)) {
    for (std::vector<uint8_t> &block : memory)
      table.push_back(block.data());
  }
  std::vector<std::vector<uint8_t>> memory;
  std::vector<void *> table;
};

struct Kind {
  const char *row, *type;
  int bytes;
  bool scaled;
  double tolerance;
};

/// Tokens from kFirst on, beyond the first block's end.
std::string appendKernel(const Kind &kind, bool isCuda) {
  std::string row = kind.row, type = kind.type;
  return "plan.kernel @append row \"state_append_" + row +
         "\" extents affine_map<() -> (1, 2, 70, 32)> parallel 4 "
         "params affine_map<()[s0] -> (1, 2, 70, 32, s0, 4480, 2240, 32)> "
         "offsets affine_map<() -> (0, 0" +
         (isCuda ? ", 0" : "") +
         ")> scratch affine_map<() -> (0)> "
         "written [1" +
         (isCuda ? ", 2" : "") +
         "] {\n^bb0(%x: !plan.buffer<f32>, %s: !plan.buffer<" + type + ">" +
         (isCuda ? ", %c: !plan.buffer<i32>" : "") + "):\n}\n";
}

/// 4 heads of queries, two of which share keys; the last one sees all.
std::string attentionKernel(const Kind &kind, double scale, bool isCuda) {
  int64_t bits;
  std::memcpy(&bits, &scale, sizeof bits);
  std::string row = kind.row, type = kind.type;
  // On a GPU heads have a cell each, and the row two tensors for its own use.
  return "plan.kernel @attend row \"attention_state_" + row +
         "\" extents affine_map<() -> (1, 4, 3, 32)> parallel 4 params "
         "affine_map<() -> (1, 4, 2, 3, 110, 32, 32, " +
         std::to_string(bits) + ", 1, 107, 0, 384, 96, 32, 3, " +
         (isCuda ? "1" : "2") + ")> offsets affine_map<() -> (0, 0, 0" +
         (isCuda ? ", 0, 0" : "") +
         ")> scratch affine_map<() -> (1048576)> written [" +
         (isCuda ? "3, 4, 5" : "3") +
         "] {\n"
         "^bb0(%q: !plan.buffer<f32>, %k: !plan.buffer<" +
         type + ">, %v: !plan.buffer<" + type + ">, " +
         (isCuda ? "%p: !plan.buffer<f32>, %c: !plan.buffer<i32>, " : "") +
         "%y: !plan.buffer<f32>):\n"
         "  plan.block \"post\" {\n"
         "  ^bb0(%b: index, %h: index, %i: index, %d: index, %o: f32):\n"
         "    plan.store %o, %y[affine_map<(d0, d1, d2) -> (d0 * 96 + d1 * 32 "
         "+ d2)>(%h, %i, %d)] : f32, !plan.buffer<f32>\n    plan.yield\n  "
         "}\n}\n";
}

// What is appended at two lengths is what attention reads, in every type: the
// judge is attention in double precision over the numbers as they were.
TEST_P(StateKernel, appendThenAttend) {
  const Kind kinds[] = {{"f32", "f32", 4, false, 1e-5},
                        {"f16", "f16", 2, false, 2e-3},
                        {"i8", "i8", 1, true, 2e-2},
                        {"f8", "f8E4M3FN", 1, true, 6e-2}};
  const double scale = 1 / std::sqrt(double(kWidth));
  for (const Kind &kind : kinds) {
    SCOPED_TRACE(kind.row);
    const bool isCuda = GetParam() == kCuda;
    Program program(appendKernel(kind, isCuda) +
                        attentionKernel(kind, scale, isCuda),
                    GetParam());
    // What attention counts in, and what one split leaves alone.
    std::vector<int32_t> counters(kHeads, -1);
    std::vector<float> partials(1, NAN);
    State keys(kind.bytes, kind.scaled), values(kind.bytes, kind.scaled);
    auto k = randomFloats(kHeads * 110 * kWidth),
         v = randomFloats(kHeads * 110 * kWidth, -1, 1, 2),
         q = randomFloats(4 * kQueries * kWidth, -1, 1, 3);
    // First 70 tokens from 0 on, then 70 from 40 on: 30 are written again.
    for (int64_t first : {0, kFirst})
      for (auto [state, numbers] : {std::pair(&keys, &k), {&values, &v}}) {
        std::vector<float> x;
        for (int h = 0; h < kHeads; ++h)
          x.insert(x.end(), numbers->begin() + (h * 110 + first) * kWidth,
                   numbers->begin() + (h * 110 + first + kRows) * kWidth);
        std::vector<void *> buffers{x.data(), state->table.data()};
        if (isCuda)
          buffers.push_back(counters.data());
        program.run("append", {1, kHeads, 1}, buffers, {first});
      }
    std::vector<float> y(4 * kQueries * kWidth);
    EXPECT_EQ(counters, std::vector<int32_t>(kHeads, isCuda ? 0 : -1));
    std::vector<void *> buffers{q.data(), keys.table.data(),
                                values.table.data()};
    if (isCuda)
      buffers.insert(buffers.end(), {partials.data(), counters.data()});
    buffers.push_back(y.data());
    program.run("attend", {1, isCuda ? 2 * kHeads : kHeads, 1}, buffers);
    std::vector<double> want(y.size());
    for (int h = 0; h < 4; ++h)
      for (int i = 0; i < kQueries; ++i) {
        std::vector<double> weights;
        double sum = 0;
        for (int j = 0; j <= i + 107; ++j) {
          double dot = 0;
          for (int d = 0; d < kWidth; ++d)
            dot += double(q[(h * kQueries + i) * kWidth + d]) *
                   k[(h / 2 * 110 + j) * kWidth + d];
          weights.push_back(std::exp(dot * scale));
          sum += weights.back();
        }
        for (int d = 0; d < kWidth; ++d)
          for (size_t j = 0; j < weights.size(); ++j)
            want[(h * kQueries + i) * kWidth + d] +=
                weights[j] / sum * v[(h / 2 * 110 + j) * kWidth + d];
      }
    expectClose(y, want, kind.tolerance, kind.tolerance * 0.2);
  }
}
MMCC_AT_EACH_LEVEL(StateKernel);

} // namespace
} // namespace mmcc::test
