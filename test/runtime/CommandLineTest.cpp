// mmcc-run as a process: exit codes, messages, conversions.

#include "test/runtime/TestArtifact.h"
#include "tools/npz/Npz.h"

#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/wait.h>

namespace mmcc::test {
namespace {

struct Outcome {
  int code;
  std::string text; // both streams
};

Outcome runTool(const std::string &arguments) {
  std::string command = MMCC_RUN " " + arguments + " 2>&1";
  std::FILE *pipe = popen(command.c_str(), "r");
  Outcome outcome = {-1, ""};
  if (!pipe)
    return outcome;
  char buffer[256];
  while (size_t count = std::fread(buffer, 1, sizeof(buffer), pipe))
    outcome.text.append(buffer, count);
  outcome.code = WEXITSTATUS(pclose(pipe));
  return outcome;
}

npz::Array floats(const std::string &name, const std::vector<float> &values) {
  npz::Array array{name, {'f', 4}, {int64_t(values.size())}, {}};
  array.data.resize(values.size() * 4);
  std::memcpy(array.data.data(), values.data(), array.data.size());
  return array;
}

std::string addInputs() {
  std::string path = temporaryPath("in.npz");
  EXPECT_EQ(
      npz::writeNpz(path, {floats("a", {1, 2, 3}), floats("b", {10, 20, 30}),
                           floats("label", {1})}),
      "");
  return path;
}

TEST(CommandLine, runs_and_writes_outputs) {
  std::string model = addArtifact().write("add.mmcc");
  std::string out = temporaryPath("out.npz");
  Outcome outcome =
      runTool(model + " --inputs " + addInputs() + " --outputs " + out);
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_EQ(outcome.text, "");
  std::vector<npz::Array> arrays;
  ASSERT_EQ(npz::readNpz(out, arrays), "");
  ASSERT_EQ(arrays.size(), 1u);
  EXPECT_EQ(arrays[0].name, "out");
  EXPECT_EQ(arrays[0].data, floats("out", {11, 22, 33}).data);
}

TEST(CommandLine, bench_writes_the_promised_keys) {
  std::string model = addArtifact().write("add.mmcc");
  std::string json = temporaryPath("bench.json");
  Outcome outcome = runTool(model + " --inputs " + addInputs() +
                            " --bench 0.05 --threads 1 --json " + json);
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  std::vector<uint8_t> bytes = readFile(json);
  std::string text(bytes.begin(), bytes.end());
  for (const char *key :
       {"median_ms", "min_ms", "runs", "load_ms", "first_ms", "peak_rss_bytes",
        "arena_bytes", "weights_bytes", "isa", "threads"})
    EXPECT_NE(text.find("\"" + std::string(key) + "\": "), std::string::npos)
        << key;
  EXPECT_NE(text.find("\"threads\": 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\"isa\": \"x86-64-v3\""), std::string::npos);
}

TEST(CommandLine, exit_codes_tell_who_is_at_fault) {
  std::string model = addArtifact().write("add.mmcc"), in = addInputs();
  std::string good = model + " --inputs " + in, out = temporaryPath("o.npz");
  auto code = [&](const std::string &arguments) {
    Outcome outcome = runTool(arguments);
    // One line, whatever is wrong.
    EXPECT_EQ(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 1)
        << outcome.text;
    return outcome.code;
  };
  EXPECT_EQ(code("missing.mmcc --inputs " + in + " --outputs " + out), 1);
  EXPECT_EQ(code(in + " --inputs " + in + " --outputs " + out), 1);
  EXPECT_EQ(code(model + " --inputs missing.npz --outputs " + out), 1);
  EXPECT_EQ(code(good + " --outputs " + out + " --entry other"), 1);
  EXPECT_EQ(code(good), 2);
  EXPECT_EQ(code(good + " --outputs " + out + " --threads 0"), 2);
  EXPECT_EQ(code(good + " --outputs " + out + " --isa x86-64-v9"), 2);
  EXPECT_EQ(code(good + " --outputs " + out + " --device tpu"), 2);
  EXPECT_EQ(code(good + " --outputs " + out + " --no-such-option"), 2);
  EXPECT_EQ(code(good + " --outputs " + out + " --device cuda"), 4);
  EXPECT_EQ(code(good + " --outputs /nonexistent/o.npz"), 4);
}

TEST(CommandLine, names_what_is_missing_or_wrong) {
  std::string model = addArtifact().write("add.mmcc");
  std::string in = temporaryPath("bad.npz");
  ASSERT_EQ(npz::writeNpz(in, {floats("a", {1})}), "");
  std::string arguments = model + " --outputs x.npz --inputs " + in;
  EXPECT_NE(runTool(arguments).text.find("no array for input 'b'"),
            std::string::npos);
  npz::Array wrong = floats("b", {1});
  wrong.type = {'i', 4};
  ASSERT_EQ(npz::writeNpz(in, {floats("a", {1}), wrong}), "");
  EXPECT_NE(runTool(arguments).text.find(
                "input 'b' is f32 (numpy <f4), but the array is numpy <i4"),
            std::string::npos);
}

/// Copies its input to its output.
std::string copyModel(schema::DType dtype, int64_t elements, int64_t bytes) {
  TestArtifact t;
  uint32_t n = t.e.constant(elements), size = t.e.constant(bytes);
  t.input("x", dtype, {n});
  t.output("y", dtype, {n});
  schema::CopyT copy;
  copy.source = std::make_unique<schema::Operand>(
      operand(t.buffer(schema::BufferKind::input, 0, size), kRead));
  copy.target = std::make_unique<schema::Operand>(
      operand(t.buffer(schema::BufferKind::output, 0, size), kWrite));
  copy.bytes = size;
  t.command().body.Set(std::move(copy));
  return t.write("copy.mmcc");
}

TEST(CommandLine, types_without_a_numpy_name_travel) {
  struct Case {
    schema::DType dtype;
    npz::ElementType carrier;
    int64_t bytes; // of five elements
    std::vector<uint8_t> data;
  };
  const Case cases[] = {
      {schema::DType::i4, {'i', 1}, 3, {0xf8, 7, 0, 0xff, 3}}, // -8 7 0 -1 3
      {schema::DType::u4, {'u', 1}, 3, {15, 0, 1, 9, 3}},
      {schema::DType::i2, {'i', 1}, 2, {0xfe, 1, 0, 0xff, 1}},
      {schema::DType::f8e4m3fn, {'u', 1}, 5, {1, 2, 3, 200, 255}},
      {schema::DType::boolean, {'b', 1}, 5, {1, 0, 0, 1, 1}},
      {schema::DType::bf16, {'u', 2}, 10, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
      {schema::DType::f16, {'f', 2}, 10, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
  };
  std::string in = temporaryPath("t.npz"), out = temporaryPath("u.npz");
  for (const Case &c : cases) {
    ASSERT_EQ(npz::writeNpz(in, {{"x", c.carrier, {5}, c.data}}), "");
    Outcome outcome = runTool(copyModel(c.dtype, 5, c.bytes) + " --inputs " +
                              in + " --outputs " + out);
    ASSERT_EQ(outcome.code, 0) << outcome.text;
    std::vector<npz::Array> arrays;
    ASSERT_EQ(npz::readNpz(out, arrays), "");
    EXPECT_TRUE(arrays[0].type == c.carrier);
    EXPECT_EQ(arrays[0].data, c.data) << int(c.dtype);
  }
  ASSERT_EQ(npz::writeNpz(in, {{"x", {'i', 1}, {5}, {8, 0, 0, 0, 0}}}), "");
  Outcome outcome = runTool(copyModel(schema::DType::i4, 5, 3) + " --inputs " +
                            in + " --outputs " + out);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.text.find("a value does not fit i4"), std::string::npos);
}

} // namespace
} // namespace mmcc::test
