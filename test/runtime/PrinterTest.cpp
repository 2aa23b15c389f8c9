#include "codegen/artifact/Printer.h"
#include "runtime/loader/Artifact.h"
#include "test/runtime/TestArtifact.h"

#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

using namespace schema;

/// n of 1..4096 f32; an arena of 4 n fixed at 64, and 8 n placed at run time.
TestArtifact describedArtifact() {
  TestArtifact t = addArtifact();
  uint32_t n = t.e.symbol(0);
  t.arena(t.e.mul(n, t.e.constant(4)), 0, 0, int32_t(t.e.constant(64)));
  t.arena(t.e.mul(n, t.e.constant(8)), 0, 0);
  t.constant("weights", {1, 2, 3});
  t.entry().node_names = {"Add \"one\"\n"};
  t.entry().blocks[0]->commands[0]->node = 0;
  t.program.options = "--target=cpu";
  return t;
}

TEST(Printer, text) {
  TestArtifact t = describedArtifact();
  runtime::Artifact artifact;
  ASSERT_TRUE(artifact.open(t.write("print.mmcc").c_str(), 1).ok());
  std::string text =
      artifact::printText(artifact.program(), "print.mmcc", 16500, true);
  for (const char *line :
       {"print.mmcc: 16.50 kB, 1 constants in 12 B\n",
        "options   --target=cpu\n",
        "variant   cpu:x86-64-v3: ", "cpu:x86-64-v3: entry main\n",
        "  symbol   n: 1..4096 (input a, dimension 0)\n",
        "  input    b: f32 [n]\n", "  output   out: f32 [n]\n",
        // 64 + 4 * 4096, of which 4 * 4096 are alive, and 8 * 4096.
        "  arena    16448 bytes (1.004 x what is alive at once) and at most "
        "32768 placed at run time\n",
        "kernel0 (ceildiv(n, 64) x 1 x 1) on input 0, input 1, output 0"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
}

TEST(Printer, json) {
  TestArtifact t = describedArtifact();
  t.program.producer = std::string("\xff\xc3\xa9\n\"");
  runtime::Artifact artifact;
  ASSERT_TRUE(artifact.open(t.write("print.mmcc").c_str(), 1).ok());
  std::string json = artifact::printJson(artifact.program(), "x", 7);
  for (const char *part :
       {"\"file_bytes\": 7,\n", "\"arena_bytes\": 16448,\n",
        "\"arena_live_bytes\": 16384,\n",
        "\"producer\": \"\xef\xbf\xbd\xc3\xa9\\u000a\\\"\",\n",
        "\"Dispatch\": 1\n", "\"shape\": [\n            \"n\"\n          ]",
        "\"weights_bytes\": 12,\n"})
    EXPECT_NE(json.find(part), std::string::npos) << part << "\n" << json;
}

} // namespace
} // namespace mmcc::test
