// Calls that leave inputs out.

#include "test/runtime/TestArtifact.h"

#include <functional>
#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

using namespace schema;

/// Entry "main": out = a + b with b optional; "main-without-b": out = a + a.
TestArtifact artifactWithAbsence() {
  TestArtifact t = addArtifact();
  t.e.store(t.entry());
  auto other = std::make_unique<EntryT>(t.entry());
  other->name = "main-without-b";
  other->inputs.erase(other->inputs.begin() + 1);
  other->buffers[1]->index = 0; // what was b is a
  t.program.entries.push_back(std::move(other));
  t.program.variants[0]->entries = {0, 1};
  t.entry().inputs[1]->optional = true;
  auto absence = std::make_unique<AbsenceT>();
  absence->inputs = {1};
  absence->entry = "main-without-b";
  t.entry().absences.push_back(std::move(absence));
  t.program.features = {"absences"};
  t.program.revision = 2;
  return t;
}

struct Called {
  bool good;
  Error error;
  std::vector<float> sum;
};

class AbsentInput : public testing::Test {
protected:
  void SetUp() override {
    path = artifactWithAbsence().write("absence.mmcc");
    Error error = {};
    model = loadModel(path, error);
    ASSERT_TRUE(bool(model)) << error.message;
    session = model.session(error, "main");
    ASSERT_TRUE(bool(session)) << error.message;
  }

  Called call(std::vector<Tensor> inputs) {
    Called called = {};
    std::vector<Tensor> outputs;
    called.good = session.run(inputs, outputs, called.error);
    if (called.good) {
      const float *data = static_cast<const float *>(outputs[0].data);
      called.sum.assign(data, data + outputs[0].dims[0]);
    }
    return called;
  }

  std::vector<float> a = {1, 2, 3}, b = {10, 20, 30};
  std::string path;
  Model model;
  Session session;
};

TEST_F(AbsentInput, is_left_out_by_an_empty_tensor) {
  EXPECT_EQ(session.input(0).optional, 0);
  EXPECT_EQ(session.input(1).optional, 1);
  Tensor first = tensorOf(MMCC_F32, {3}, a),
         second = tensorOf(MMCC_F32, {3}, b);
  EXPECT_EQ(call({first, second}).sum, (std::vector<float>{11, 22, 33}));
  EXPECT_EQ(session.launches(), 1u);
  EXPECT_EQ(call({first, {}}).sum, (std::vector<float>{2, 4, 6}));
  EXPECT_EQ(call({first, second}).sum, (std::vector<float>{11, 22, 33}));
}

TEST_F(AbsentInput, tells_output_shapes) {
  std::vector<Tensor> outputs;
  Error error = {};
  ASSERT_TRUE(
      session.outputShapes({tensorOf(MMCC_F32, {3}, a), {}}, outputs, error))
      << error.message;
  EXPECT_EQ(outputs[0].dims[0], 3);
}

TEST_F(AbsentInput, that_is_needed_is_asked_for) {
  Called called = call({{}, tensorOf(MMCC_F32, {3}, b)});
  EXPECT_FALSE(called.good);
  EXPECT_EQ(called.error.code, MMCC_INVALID_ARGUMENT);
  EXPECT_STREQ(called.error.message,
               "entry 'main': a call cannot leave out 'a', but may leave out "
               "'b'");
  EXPECT_NE(std::string(call({tensorOf(MMCC_F32, {3}, a)}).error.message)
                .find("2 inputs, but 1 were given"),
            std::string::npos);
}

TEST_F(AbsentInput, is_profiled) {
  mmcc_session_set_profiling(session.get(), 1);
  ASSERT_TRUE(call({tensorOf(MMCC_F32, {3}, a), {}}).good);
  ASSERT_EQ(mmcc_session_profile_size(session.get()), 1u);
  mmcc_profile_row row;
  EXPECT_EQ(mmcc_session_profile(session.get(), 0, &row), MMCC_OK);
  EXPECT_EQ(row.runs, 1u);
}

void expectRefused(const std::function<void(TestArtifact &)> &lie,
                   const std::string &expected) {
  TestArtifact t = artifactWithAbsence();
  lie(t);
  Error error = {};
  Model model = loadModel(t.write("absence-lie.mmcc"), error);
  EXPECT_FALSE(bool(model)) << expected;
  EXPECT_NE(std::string(error.message).find(expected), std::string::npos)
      << error.message;
}

TEST(AbsenceVerifier, refuses_lies) {
  auto absence = [](TestArtifact &t) -> AbsenceT & {
    return *t.entry().absences[0];
  };
  expectRefused([&](TestArtifact &t) { absence(t).inputs = {}; },
                "leaves nothing out");
  expectRefused([&](TestArtifact &t) { absence(t).inputs = {2}; },
                "does not exist");
  expectRefused([&](TestArtifact &t) { absence(t).inputs = {1, 1}; },
                "or one twice");
  expectRefused([&](TestArtifact &t) { absence(t).inputs = {0}; },
                "not optional");
  expectRefused([&](TestArtifact &t) { absence(t).entry = "other"; },
                "the variant does not have");
  expectRefused([&](TestArtifact &t) { absence(t).entry = "main"; },
                "has absences itself");
  expectRefused([&](TestArtifact &t) { t.program.variants[0]->entries = {0}; },
                "the variant does not have");
  expectRefused(
      [&](TestArtifact &t) { t.program.entries[1]->inputs[0]->name = "c"; },
      "with other inputs");
  expectRefused(
      [&](TestArtifact &t) {
        t.program.entries[1]->inputs[0]->dtype = DType::i32;
      },
      "with other inputs");
  expectRefused(
      [&](TestArtifact &t) { t.program.entries[1]->outputs[0]->name = "c"; },
      "with other outputs");
}

} // namespace
} // namespace mmcc::test
