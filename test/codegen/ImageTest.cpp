//===- ImageTest.cpp - Images as a whole ----------------------------------===//

#include "test/codegen/KernelHarness.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Parser/Parser.h"

#include <cmath>

namespace mmcc::test {
namespace {

/// A kernel that applies `body` to %v, of type f32, giving %w.
std::string kernel(const std::string &name, const std::string &body) {
  return "plan.kernel @\"" + name + R"(" row "loops"
      extents affine_map<() -> (20)> parallel 1
      params affine_map<() -> (1, 20)> offsets affine_map<() -> ()>
      scratch affine_map<() -> (0)> written [1] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%i: index):
        %v = plan.load %x[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<f32> -> f32
        )" +
         body + R"(
        plan.store %w, %y[affine_map<(d0) -> (d0)>(%i)] : f32, !plan.buffer<f32>
        plan.yield
      }
    }
    )";
}

class Image : public ::testing::Test {
protected:
  Image() {
    context.loadDialect<plan::PlanDialect, mlir::arith::ArithDialect,
                        mlir::math::MathDialect>();
    context.getDiagEngine().registerHandler(
        [this](mlir::Diagnostic &d) { message += d.str() + "\n"; });
  }

  mlir::FailureOr<cpu::CodeImage> emit(const std::string &kernels,
                                       cpu::CpuOptions options = {}) {
    module = mlir::parseSourceString<mlir::ModuleOp>(
        "plan.variant \"cpu:x86-64-v3\" {\n" + kernels + "\n}", &context);
    if (!module)
      return mlir::failure();
    return cpu::emitImage(*module->getOps<plan::VariantOp>().begin(), options);
  }

  std::string message;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

TEST_F(Image, sameInputSameBytes) {
  std::string kernels = kernel("a", "%w = math.exp %v : f32") +
                        kernel("b", "%w = math.tanh %v : f32") +
                        kernel("c", "%w = arith.negf %v : f32");
  cpu::CpuOptions one, two;
  one.threads = 1;
  auto first = emit(kernels, one), second = emit(kernels, two);
  ASSERT_TRUE(mlir::succeeded(first)) << message;
  ASSERT_TRUE(mlir::succeeded(second)) << message;
  EXPECT_EQ(first->bytes, second->bytes);
  ASSERT_EQ(first->kernels.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(first->kernels[i].name, std::string(1, char('a' + i)));
    EXPECT_EQ(first->kernels[i].offset, second->kernels[i].offset);
  }
}

// Names mean nothing to the linker.
TEST_F(Image, anyKernelName) {
  std::string names[] = {"memcpy", "mmk_exp_f32", "a\\22*; }", "\\C3\\A4"};
  std::string kernels;
  for (const std::string &name : names)
    kernels += kernel(name, "%w = math.exp %v : f32");
  Program program(kernels, "x86-64-v3");
  ASSERT_TRUE(program.compiled()) << program.message;
  std::vector<float> x(20, 1.0f), y(20);
  for (const char *name : {"memcpy", "mmk_exp_f32", "a\"*; }", "\xc3\xa4"}) {
    std::fill(y.begin(), y.end(), 0.0f);
    program.run(name, {1, 1, 1}, {x.data(), y.data()});
    EXPECT_NEAR(y[19], std::exp(1.0), 1e-6) << name;
  }
}

TEST_F(Image, everyLevel) {
  for (const char *level : {"x86-64-v3", "x86-64-v3-avxvnni", "x86-64-v4",
                            "x86-64-v4-vnni-bf16", "x86-64-v4-amx"}) {
    cpu::CpuOptions options;
    options.level = level;
    EXPECT_TRUE(
        mlir::succeeded(emit(kernel("a", "%w = math.log %v : f32"), options)))
        << level << message;
  }
  cpu::CpuOptions options;
  options.level = "x86-64-v9";
  EXPECT_TRUE(
      mlir::failed(emit(kernel("a", "%w = math.log %v : f32"), options)));
  EXPECT_NE(message.find("x86-64-v9"), std::string::npos);
}

TEST_F(Image, withoutKernels) {
  auto image = emit("");
  ASSERT_TRUE(mlir::succeeded(image)) << message;
  EXPECT_TRUE(image->kernels.empty());
}

TEST_F(Image, errorsNameWhatIsAtFault) {
  auto refused = [&](const std::string &body) {
    message.clear();
    EXPECT_TRUE(mlir::failed(emit(kernel("a", body)))) << body;
    return message;
  };
  EXPECT_NE(refused("%s, %w = arith.addui_extended %c, %c : i32, i1").size(),
            0u);
  EXPECT_NE(
      refused("%u = arith.constant 1 : i7\n%w = arith.uitofp %u : i7 to f32")
          .find("no values"),
      std::string::npos);
  EXPECT_NE(refused("%w = plan.load %x[affine_map<(d0, d1) -> (d0)>(%i)] : "
                    "!plan.buffer<f32> -> f32")
                .find("1 dimensions"),
            std::string::npos);
  EXPECT_NE(
      refused("%q = plan.load %x[affine_map<(d0) -> (d0)>(%i)] : "
              "!plan.buffer<f32> -> f64\n%w = arith.truncf %q : f64 to f32")
          .find("cannot load"),
      std::string::npos);
}

} // namespace
} // namespace mmcc::test
