//===- StepAttentionTest.cpp - Attention of few queries on a GPU ----------===//
//
// The same keys and values for both targets: what the processor's kernels make
// of them (judged by test/codegen/kernels) is what the GPU's form comes to,
// with the keys cut, in whatever order blocks and threads run.
//
//===----------------------------------------------------------------------===//

#include "codegen/cuda/kernels/Blocking.cuh"
#include "test/codegen/KernelHarness.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>

namespace mmcc::test {
namespace {

constexpr int64_t kBatch = 2, kKvHeads = 2, kBlockTokens = 64;
constexpr double kScale = 0.25;
constexpr const char *kProcessor = "x86-64-v3";
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::string number(int64_t value) { return std::to_string(value); }

/// What a program is compiled for; numbers of queries and keys show at the
/// call.
struct Form {
  std::string row, type; // attention_..., of the elements of keys
  int64_t group, D, Dv;
  bool hasScore = false;
  bool isState() const { return row.find("_state_") != std::string::npos; }
  int64_t heads() const { return group * kKvHeads; }
};

struct Call {
  int64_t Sq, past;
  bool causal = true;
  int64_t window = 0;
  int64_t blocks = 16; // along x
  int64_t stride = 0;
  int64_t Skv() const { return past + Sq; }
};

/// Symbols: queries, keys, causal, the diagonal's offset, window, stride.
constexpr const char *kSymbols = "[s0, s1, s2, s3, s4, s5]";

std::string paramsOf(const Form &f, bool isCuda) {
  int64_t bits;
  std::memcpy(&bits, &kScale, sizeof bits);
  const int64_t H = f.heads();
  std::string text = number(kBatch) + ", " + number(H) + ", ";
  text += number(f.isState() ? kKvHeads : f.group) + ", s0, s1, " +
          number(f.D) + ", " + number(f.Dv) + ", " + number(bits) +
          ", s2, s3, s4, s0 * " + number(H * f.D) + ", s0 * " + number(f.D) +
          ", " + number(f.D);
  if (f.isState())
    return text + ", 32, " + number(isCuda ? 1 : std::min<int64_t>(f.group, 4));
  // Tokens of keys interleave heads, those of values do not.
  return text + ", s1 * " + number(kKvHeads * f.D) + ", " + number(f.D) + ", " +
         number(kKvHeads * f.D) + ", s1 * " + number(kKvHeads * f.Dv) +
         ", s1 * " + number(f.Dv) + ", " + number(f.Dv) + ", " +
         (f.row == "attention_f32" ? "32" : "64") + ", s5, s3, 0";
}

/// The score: nothing of a key that the mask hides, else a bias is added.
constexpr const char *kScore = R"(
  plan.block "score" {
  ^bb0(%b: index, %h: index, %i: index, %j: index, %s: f32):
    %m = plan.load %mask[affine_map<(d0) -> (d0)>(%j)] : !plan.buffer<i1> -> i1
    %a = plan.load %bias[affine_map<(d0, d1, d2)[s0, s1, s2, s3, s4, s5] -> ((d0 * s0 + d1) * s1 + d2)>(%h, %i, %j)] : !plan.buffer<f32> -> f32
    %t = arith.addf %s, %a : f32
    %ninf = arith.constant 0xFF800000 : f32
    %r = arith.select %m, %t, %ninf : f32
    plan.yield %r : f32
  })";

std::string kernelText(const Form &f, bool isCuda) {
  const std::string sizes = "affine_map<()" + std::string(kSymbols) + " -> (";
  std::string arguments = "%q: !plan.buffer<f32>, %k: !plan.buffer<" + f.type +
                          ">, %v: !plan.buffer<" + f.type + ">";
  int64_t tensors = 3;
  if (!f.isState())
    arguments += ", %span: !plan.buffer<i32>", ++tensors;
  std::string written;
  if (isCuda) {
    arguments += ", %p: !plan.buffer<f32>, %c: !plan.buffer<i32>";
    written = number(tensors) + ", " + number(tensors + 1) + ", ";
    tensors += 2;
  }
  std::string offsets = "0";
  for (int64_t i = 1; i < tensors; ++i)
    offsets += ", 0";
  return "plan.kernel @k row \"" + f.row + "\" extents " + sizes +
         number(kBatch) + ", " + number(f.heads()) + ", s0, " + number(f.Dv) +
         ")> parallel 4 params " + sizes + paramsOf(f, isCuda) + ")> offsets " +
         sizes + offsets + ")> scratch " + sizes + "4194304)> written [" +
         written + number(tensors + 2) + "] {\n^bb0(" + arguments +
         ", %mask: !plan.buffer<i1>, %bias: !plan.buffer<f32>, %y: "
         "!plan.buffer<f32>):" +
         (f.hasScore ? kScore : "") +
         "\n  plan.block \"post\" {\n"
         "  ^bb0(%b: index, %h: index, %i: index, %d: index, %o: f32):\n"
         "    plan.store %o, %y[affine_map<(d0, d1, d2, d3)" +
         kSymbols + " -> (((d0 * " + number(f.heads()) +
         " + d1) * s0 + d2) * " + number(f.Dv) +
         " + d3)>(%b, %h, %i, %d)] : f32, !plan.buffer<f32>\n"
         "    plan.yield\n  }\n}\n";
}

std::string appendText(const Form &f, int64_t width) {
  const std::string row = number(width);
  return "plan.kernel @append row \"state_append_" +
         f.row.substr(f.row.rfind('_') + 1) +
         "\" extents affine_map<()[s0] -> (2, 2, s0, " + row +
         ")> parallel 4 params affine_map<()[s0] -> (2, 2, s0, " + row +
         ", 0, s0 * " + number(2 * width) + ", s0 * " + row + ", " + row +
         ")> offsets affine_map<()[s0] -> (0, 0)> scratch affine_map<()[s0] -> "
         "(0)> written [1] {\n^bb0(%x: !plan.buffer<f32>, %s: !plan.buffer<" +
         f.type + ">):\n}\n";
}

/// Forms are compiled once for all tests.
Program &programOf(const std::string &text, const char *level) {
  static std::map<std::string, std::unique_ptr<Program>> programs;
  std::unique_ptr<Program> &program = programs[level + text];
  if (!program)
    program = std::make_unique<Program>(text, level);
  return *program;
}

/// A state of a width, its blocks one behind the other, with random numbers
/// that the processor's append kernel put there.
class State {
public:
  State(const Form &f, int64_t width, int64_t tokens, unsigned seed)
      : x(randomFloats(size_t(kBatch * kKvHeads * tokens * width), -1, 1,
                       seed)) {
    const int64_t bytes = f.type == "f32" ? 4 : f.type == "f16" ? 2 : 1;
    const int64_t ofBlock = kBatch * kKvHeads * kBlockTokens *
                            (width * bytes + (bytes == 1 ? 4 : 0));
    const int64_t blocks = (tokens + kBlockTokens - 1) / kBlockTokens;
    // Behind it nothing may be read; what is not written is NaN.
    memory.assign(size_t(blocks * ofBlock / 4 + 16), kNaN);
    for (int64_t i = 0; i < blocks; ++i)
      table.push_back(reinterpret_cast<char *>(memory.data()) + i * ofBlock);
    programOf(appendText(f, width), kProcessor)
        .run("append", {1, kKvHeads, kBatch}, {x.data(), table.data()},
             {tokens});
  }
  std::vector<void *> table;

private:
  std::vector<float> x, memory;
};

class Step {
public:
  explicit Step(const Form &form)
      : f(form), cuda(programOf(kernelText(f, true), kCuda)),
        cpu(programOf(kernelText(ofProcessor(f), false), kProcessor)) {}

  /// `tolerance` is of the rounding that the row allows.
  void check(const Call &c, double tolerance = 1e-5) {
    SCOPED_TRACE(f.row + " group " + number(f.group) + " D " + number(f.D) +
                 "/" + number(f.Dv) + " queries " + number(c.Sq) + " past " +
                 number(c.past) + " window " + number(c.window) + " stride " +
                 number(c.stride) + (c.causal ? " causal" : "") + " blocks " +
                 number(c.blocks));
    auto q = randomFloats(size_t(kBatch * f.heads() * c.Sq * f.D), -2, 2, 3);
    auto k = randomFloats(size_t(kBatch * kKvHeads * c.Skv() * f.D), -1, 1, 4);
    auto v = randomFloats(size_t(kBatch * kKvHeads * c.Skv() * f.Dv), -1, 1, 5);
    auto bias = randomFloats(size_t(f.heads() * c.Sq * c.Skv()), -1, 1, 6);
    std::vector<uint8_t> mask(size_t(c.Skv()), 1);
    for (size_t j = 0; j < mask.size(); ++j)
      mask[j] = j % 5 != 3 && j / 40 % 7 != 2;
    std::unique_ptr<State> keys, values;
    void *from[2] = {k.data(), v.data()};
    if (f.isState()) {
      keys = std::make_unique<State>(f, f.D, c.Skv(), 4);
      values = std::make_unique<State>(f, f.Dv, c.Skv(), 5);
      from[0] = keys->table.data(), from[1] = values->table.data();
    }
    auto run = [&](Program &program, bool isCuda) {
      const int64_t parts = (f.group + 3) / 4;
      std::array<int64_t, 3> grid{(c.Sq + 31) / 32, f.heads(), kBatch};
      if (f.isState() && !isCuda)
        grid[1] = kKvHeads * parts;
      if (isCuda)
        grid[0] = (c.Sq + 31) / 32 + c.blocks - 1;
      std::vector<float> y(size_t(kBatch * f.heads() * c.Sq * f.Dv), kNaN);
      const int64_t splits = std::min(c.blocks * f.group, cuda::kMostKeySplits);
      std::vector<float> partials(
          size_t(kBatch * f.heads() * splits *
                     std::min(c.Sq, cuda::kStepQueries) * (f.Dv + 2) +
                 8),
          kNaN);
      const size_t end = partials.size() - 8;
      std::vector<int32_t> counters(kBatch * kKvHeads, 0);
      std::vector<void *> buffers{q.data(), from[0], from[1]};
      if (!f.isState())
        buffers.push_back(k.data());
      if (isCuda)
        buffers.insert(buffers.end(), {partials.data(), counters.data()});
      buffers.insert(buffers.end(), {mask.data(), bias.data(), y.data()});
      program.run("k", grid, buffers,
                  {c.Sq, c.Skv(), c.causal, c.past, c.window, c.stride});
      EXPECT_EQ(counters, std::vector<int32_t>(kBatch * kKvHeads, 0));
      for (size_t i = end; i < partials.size(); ++i)
        EXPECT_TRUE(std::isnan(partials[i])) << "written behind the end";
      return y;
    };
    std::vector<float> want = run(cpu, false);
    // What nobody sees may be anything.
    if (f.hasScore && !f.isState())
      for (int64_t b = 0; b < kBatch * kKvHeads; ++b)
        for (int64_t j = 0; j < c.Skv(); ++j)
          if (!mask[size_t(j)])
            std::fill_n(v.begin() + (b * c.Skv() + j) * f.Dv, f.Dv, kNaN);
    std::vector<float> got = run(cuda, true);
    setenv("MMCC_SHIM_ORDER", "reverse", 1);
    std::vector<float> other = run(cuda, true);
    unsetenv("MMCC_SHIM_ORDER");
    EXPECT_EQ(std::memcmp(got.data(), other.data(), got.size() * 4), 0)
        << "results depend on the order of threads or blocks";
    expectClose(got, std::vector<double>(want.begin(), want.end()), tolerance,
                tolerance);
  }

private:
  /// Few queries are computed in f32 whatever the row.
  static Form ofProcessor(Form f) {
    if (!f.isState())
      f.row = "attention_f32";
    return f;
  }

  Form f;
  Program &cuda, &cpu;
};

const std::pair<const char *, const char *> kStates[] = {
    {"attention_state_f32", "f32"},
    {"attention_state_f16", "f16"},
    {"attention_state_i8", "i8"},
    {"attention_state_f8", "f8E4M3FN"}};

TEST(StepAttention, pasts) {
  for (auto [row, type] : kStates)
    for (int64_t group : {1, 2, 7}) {
      Step step({row, type, group, 32, 32});
      for (int64_t past : {0, 1, 31, 32, 33, 127, 128, 129, 1000, 5000})
        step.check({1, past});
    }
}

TEST(StepAttention, queries) {
  for (auto [row, type] : kStates)
    for (int64_t group : {1, 7}) {
      Step step({row, type, group, 32, 32});
      // More than eight have tiles.
      for (int64_t Sq : {2, 5, 8, 9, 40})
        for (int64_t past : {0, 33, 500})
          step.check({Sq, past});
    }
}

// Numbers that are no whole 16 bytes, several chunks of 128, and wide heads.
TEST(StepAttention, widths) {
  for (auto [row, type] : kStates)
    for (auto [D, Dv] : {std::pair<int64_t, int64_t>{20, 33}, {150, 72}}) {
      Step step({row, type, 2, D, Dv});
      for (int64_t past : {40, 700})
        step.check({3, past});
    }
  Step({"attention_f32", "f32", 3, 300, 260}).check({2, 300});
  Step({"attention_state_i8", "i8", 9, 64, 256}).check({2, 300});
}

TEST(StepAttention, windows) {
  for (const char *row : {"attention_state_f16", "attention_f32"}) {
    Step step(
        {row, row == std::string("attention_f32") ? "f32" : "f16", 2, 16, 16});
    for (int64_t Sq : {1, 6})
      for (int64_t window : {1, 50, 300, 900})
        for (bool causal : {true, false})
          step.check({Sq, 800, causal, window});
    step.check({4, 700, false});
  }
  // Beside the window every 50th key.
  Step({"attention_f32", "f32", 2, 16, 16}).check({3, 800, true, 40, 16, 50});
}

TEST(StepAttention, scores) {
  for (auto [row, type] :
       {std::pair("attention_f32", "f32"), kStates[0], kStates[2]}) {
    Step step({row, type, 7, 16, 16, true});
    for (int64_t Sq : {1, 4})
      for (int64_t past : {0, 2, 60, 900})
        step.check({Sq, past});
    step.check({2, 900, true, 100});
  }
}

// Keys are cut by what a grid has, and not beyond.
TEST(StepAttention, splits) {
  for (int64_t group : {1, 7}) {
    Step step({"attention_state_f16", "f16", group, 32, 32});
    for (int64_t blocks : {1, 2, 3, 150})
      for (int64_t Sq : {1, 7})
        step.check({Sq, 3000, true, 0, blocks});
  }
  Step step({"attention_f32", "f32", 1, 8, 8});
  step.check({1, 40000, true, 0, 150});
}

// Few queries are exact; tiles of more round.
TEST(StepAttention, tensorCores) {
  for (const char *row : {"attention_bf16", "attention_f16", "attention_i8"}) {
    Step step({row, "f32", 2, 40, 40});
    for (int64_t past : {0, 33, 700}) {
      for (int64_t Sq : {1, 4, 8})
        step.check({Sq, past});
      step.check({20, past}, 0.03);
    }
  }
}

// Nobody sees anything: zeros, not NaN.
TEST(StepAttention, nothingIsSeen) {
  Step step({"attention_f32", "f32", 2, 16, 16, true});
  // The mask hides the tokens 80 .. 119, and the window the others.
  Call call{1, 115, true, 30};
  step.check(call);
}

} // namespace
} // namespace mmcc::test
