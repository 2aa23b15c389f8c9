//===- TuningRecord.cpp - What was timed, in a file -----------------------===//

#include "compiler/pipeline/TuningRecord.h"
#include "compiler/pipeline/Target.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>
#include <thread>

using namespace mmcc;
using quantize::LayerExtents;

/// No record is so large.
constexpr uint64_t kMostBytes = uint64_t(64) << 20;

static std::string keyOf(const LayerExtents &layer) {
  LayerExtents at = TuningRecord::rounded(layer);
  return llvm::formatv("{0} x {1} x {2}", at.rows, at.in, at.out);
}

LayerExtents TuningRecord::rounded(LayerExtents layer) {
  double exponent =
      std::round(std::log2(double(std::max<int64_t>(layer.rows, 1))));
  layer.rows = int64_t(1) << int64_t(std::min(exponent, 20.0));
  return layer;
}

/// The processor's name, as Linux has it.
static std::string processorName() {
  auto file = llvm::MemoryBuffer::getFileAsStream("/proc/cpuinfo");
  if (!file)
    return "unknown processor";
  auto [before, after] = (*file)->getBuffer().split("model name");
  llvm::StringRef line = after.split('\n').first;
  return line.split(':').second.trim().str();
}

std::string TuningRecord::thisMachine() {
  static const std::string machine =
      llvm::formatv("{0}, {1}, {2} threads", processorName(), getHostLevel(),
                    std::thread::hardware_concurrency());
  return machine;
}

/// "library", "kernel", or the bytes of an algorithm.
static bool isChoice(llvm::StringRef text) {
  constexpr size_t digits = 128;
  return text == "library" || text == "kernel" ||
         (text.size() == digits && llvm::all_of(text, llvm::isHexDigit));
}

std::string TuningRecord::open(const std::string &file) {
  path = file;
  machines.clear();
  products.clear();
  isChanged = false;
  if (!llvm::sys::fs::exists(path))
    return "";
  uint64_t bytes = 0;
  if (llvm::sys::fs::file_size(path, bytes) || bytes > kMostBytes)
    return path + ": is no record of timings";
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return path + ": " + buffer.getError().message();
  llvm::Expected<llvm::json::Value> value =
      llvm::json::parse((*buffer)->getBuffer());
  if (!value)
    return path + ": " + llvm::toString(value.takeError());
  const llvm::json::Object *root = value->getAsObject();
  const llvm::json::Object *all = root ? root->getObject("machines") : nullptr;
  if (!all || root->getInteger("version") != 1)
    return path + ": is no record of timings of version 1";
  for (const auto &[machine, layers] : *all) {
    const llvm::json::Object *some = layers.getAsObject();
    if (!some)
      return path + ": '" + machine.str() + "' is no object";
    for (const auto &[layer, times] : *some) {
      const llvm::json::Object *schemes = times.getAsObject();
      if (!schemes)
        return path + ": '" + layer.str() + "' is no object";
      for (const auto &[scheme, time] : *schemes) {
        std::optional<double> microseconds = time.getAsNumber();
        if (!microseconds || !(*microseconds > 0))
          return path + ": '" + layer.str() + "', '" + scheme.str() +
                 "' is no time in microseconds";
        machines[machine.str()][layer.str()][scheme.str()] = *microseconds;
      }
    }
  }
  const llvm::json::Object *gpus = root->getObject("products");
  for (const auto &[machine, some] : gpus ? *gpus : llvm::json::Object()) {
    const llvm::json::Object *each = some.getAsObject();
    if (!each)
      return path + ": '" + machine.str() + "' is no object";
    for (const auto &[product, value] : *each) {
      const llvm::json::Object *known = value.getAsObject();
      std::optional<llvm::StringRef> choice =
          known ? known->getString("choice") : std::nullopt;
      std::optional<double> time =
          known ? known->getNumber("microseconds") : std::nullopt;
      if (!choice || !time || !isChoice(*choice))
        return path + ": '" + product.str() + "' has no choice and time";
      products[machine.str()][product.str()] = {choice->str(), *time};
    }
  }
  return "";
}

std::string TuningRecord::productName(int64_t m, int64_t n, int64_t k,
                                      int64_t row, const std::string &form) {
  std::string name = llvm::formatv("{0} x {1} x {2}", m, n, k);
  if (row != k)
    name += llvm::formatv(" of {0}", row);
  return form.empty() ? name : name + ", " + form;
}

std::string TuningRecord::findProduct(const std::string &machine,
                                      const std::string &product) const {
  auto all = products.find(machine);
  if (all == products.end())
    return "";
  auto found = all->second.find(product);
  return found == all->second.end() ? "" : found->second.choice;
}

void TuningRecord::addProduct(const std::string &machine,
                              const std::string &product,
                              const std::string &choice, double microseconds) {
  products[machine][product] = {choice, std::round(microseconds * 100) / 100};
  isChanged = true;
}

void TuningRecord::forEachChoice(
    const std::string &product,
    llvm::function_ref<void(const std::string &, const std::string &)> visit)
    const {
  for (const auto &[machine, all] : products)
    if (auto found = all.find(product); found != all.end())
      visit(machine, found->second.choice);
}

double TuningRecord::find(const LayerExtents &layer,
                          const std::string &scheme) const {
  auto machine = machines.find(thisMachine());
  if (machine == machines.end())
    return 0;
  auto times = machine->second.find(keyOf(layer));
  if (times == machine->second.end())
    return 0;
  auto time = times->second.find(scheme);
  return time == times->second.end() ? 0 : time->second;
}

void TuningRecord::add(const LayerExtents &layer, const std::string &scheme,
                       double microseconds) {
  machines[thisMachine()][keyOf(layer)][scheme] =
      std::round(microseconds * 100) / 100;
  isChanged = true;
}

std::string TuningRecord::save() const {
  if (!isChanged)
    return "";
  llvm::json::Object all;
  for (const auto &[machine, layers] : machines) {
    llvm::json::Object some;
    for (const auto &[layer, times] : layers) {
      llvm::json::Object schemes;
      for (const auto &[scheme, time] : times)
        schemes[scheme] = time;
      some[layer] = std::move(schemes);
    }
    all[machine] = std::move(some);
  }
  llvm::json::Object root{{"version", 1}, {"machines", std::move(all)}};
  llvm::json::Object gpus;
  for (const auto &[machine, some] : products) {
    llvm::json::Object each;
    for (const auto &[product, choice] : some)
      each[product] = llvm::json::Object{{"choice", choice.choice},
                                         {"microseconds", choice.microseconds}};
    gpus[machine] = std::move(each);
  }
  if (!gpus.empty())
    root["products"] = std::move(gpus);
  llvm::Error failure = llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
    os << llvm::formatv("{0:2}", llvm::json::Value(std::move(root))) << "\n";
    return llvm::Error::success();
  });
  if (!failure)
    return "";
  return path + ": " + llvm::toString(std::move(failure));
}
