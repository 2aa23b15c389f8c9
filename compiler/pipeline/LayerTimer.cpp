//===- LayerTimer.cpp - Times linear layers on this machine ---------------===//

#include "compiler/pipeline/LayerTimer.h"
#include "compiler/pipeline/Messages.h"
#include "compiler/pipeline/Stages.h"
#include "compiler/pipeline/Target.h"
#include "compiler/pipeline/Trial.h"
#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/quantize/LayerPlan.h"
#include <algorithm>
#include <chrono>
#include <random>

using namespace mlir;
using namespace mmcc;
using quantize::LayerExtents;

namespace {

/// Weights of as many bytes in f32 are in no cache when they are needed again.
constexpr int64_t kWeightBytes = int64_t(64) << 20;
constexpr int64_t kMostLayers = 16;
constexpr double kSeconds = 0.15;
constexpr size_t kLeastRuns = 5;

std::vector<float> randomFloats(int64_t count) {
  std::mt19937 random(1);
  std::vector<float> numbers(size_t(count), 0.0f);
  for (float &number : numbers)
    number = float(int32_t(random())) * 0x1p-31f;
  return numbers;
}

/// x [rows, in] times `count` weights [in, out].
OwningOpRef<ModuleOp> makeLayers(MLIRContext *context,
                                 const LayerExtents &layer, int64_t count) {
  OpBuilder builder(context);
  Location loc = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  builder.setInsertionPointToEnd(module->getBody());
  Type f32 = builder.getF32Type();
  Type x = RankedTensorType::get({layer.rows, layer.in}, f32);
  auto weight = RankedTensorType::get({layer.in, layer.out}, f32);
  SmallVector<Type> results(
      count, RankedTensorType::get({layer.rows, layer.out}, f32));
  auto func = builder.create<func::FuncOp>(
      loc, "layers", builder.getFunctionType({x}, results));
  func.setArgAttr(0, "mm.name", builder.getStringAttr("x"));
  builder.setInsertionPointToEnd(func.addEntryBlock());
  SmallVector<Value> outputs;
  std::vector<float> numbers = randomFloats(weight.getNumElements());
  for (int64_t i = 0; i < count; ++i) {
    // No two are equal, or they would be stored once.
    numbers.front() = float(i);
    ArrayRef<char> bytes(reinterpret_cast<const char *>(numbers.data()),
                         numbers.size() * sizeof(float));
    auto value = DenseResourceElementsAttr::get(
        weight, "timed",
        HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, 64));
    outputs.push_back(builder.create<mm::LinearOp>(
        loc, func.getArgument(0), builder.create<mm::ConstantOp>(loc, value),
        Value()));
    func.setResultAttr(i, "mm.name",
                       builder.getStringAttr("y" + std::to_string(i)));
  }
  builder.create<func::ReturnOp>(loc, outputs);
  return module;
}

npz::Array inputOf(const LayerExtents &layer) {
  npz::Array x;
  x.name = "x";
  x.type = {'f', sizeof(float)};
  x.dims = {layer.rows, layer.in};
  std::vector<float> numbers = randomFloats(layer.rows * layer.in);
  x.data.resize(numbers.size() * sizeof(float));
  std::copy_n(reinterpret_cast<const uint8_t *>(numbers.data()), x.data.size(),
              x.data.begin());
  return x;
}

} // namespace

double LayerTimer::time(const LayerExtents &layer,
                        const std::optional<QuantizeRequest> &scheme) {
  LayerExtents at = TuningRecord::rounded(layer);
  std::string name = describe(scheme);
  if (double known = record.find(at, name); known > 0)
    return known;
  double microseconds = measure(at, scheme);
  if (microseconds > 0)
    record.add(at, name, microseconds);
  return microseconds;
}

double LayerTimer::measure(const LayerExtents &layer,
                           const std::optional<QuantizeRequest> &scheme) {
  DialectRegistry registry;
  registerStages(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  Messages reporting(&context, "timing", messages, /*remarks=*/false);
  int64_t bytes = layer.in * layer.out * int64_t(sizeof(float));
  int64_t count = std::clamp<int64_t>(kWeightBytes / bytes, 1, kMostLayers);
  CompileOptions options = trialOptions({});
  options.targets = {("cpu:" + getHostLevel()).str()};
  if (scheme && scheme->isHalf()) {
    options.precision = scheme->scheme;
  } else if (scheme) {
    options.quantize = scheme;
    // What rounds the numbers does not matter to their time.
    options.quantize->method = "rtn";
  }
  Sample sample{"timing", {inputOf(layer)}};
  Execution execution;
  if (openTrial(makeLayers(&context, layer, count), Stage::optimize, options,
                sample, execution, messages) != ExitCode::done)
    return 0;
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  auto begin = Clock::now();
  do {
    auto start = Clock::now();
    if (std::string message = execution.run(sample.arrays); !message.empty()) {
      messages << "mmcc: timing: " << message << "\n";
      return 0;
    }
    times.push_back(
        std::chrono::duration<double, std::micro>(Clock::now() - start)
            .count());
  } while (times.size() < kLeastRuns ||
           std::chrono::duration<double>(Clock::now() - begin).count() <
               kSeconds);
  std::nth_element(times.begin(), times.begin() + times.size() / 2,
                   times.end());
  return times[times.size() / 2] / double(count);
}
