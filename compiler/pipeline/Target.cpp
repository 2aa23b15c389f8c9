//===- Target.cpp - What --------------------------------------------------===//

#include "compiler/pipeline/Target.h"
#include "codegen/cpu/kernels/Levels.h"
#include "codegen/cuda/Architectures.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/TargetParser/Host.h"

using namespace mmcc;
using llvm::StringRef;

/// What a level has beyond its base, or a base beyond x86-64.
static std::vector<StringRef> featuresOf(const cpu::Level &level) {
  return llvm::StringSwitch<std::vector<StringRef>>(level.name)
      .Case("x86-64-v3",
            {"avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"})
      .Case("x86-64-v4",
            {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})
      .Case("x86-64-v3-avxvnni", {"avxvnni"})
      .Case("x86-64-v4-vnni-bf16", {"avx512vnni", "avx512bf16"})
      .Case("x86-64-v4-amx",
            {"avx512vnni", "avx512bf16", "amx-tile", "amx-int8", "amx-bf16"});
}

std::vector<StringRef> mmcc::getCpuLevels() {
  std::vector<StringRef> names;
  for (const cpu::Level &level : cpu::kLevels)
    names.push_back(level.name);
  return names;
}

StringRef mmcc::getHostLevel() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  auto has = [&](const cpu::Level &level) {
    return llvm::all_of(featuresOf(level), [&](StringRef feature) {
      return features.lookup(feature);
    });
  };
  const cpu::Level &least = cpu::kLevels[0];
  StringRef best;
  for (const cpu::Level &level : cpu::kLevels)
    if (has(least) && has(*cpu::findLevel(level.base)) && has(level))
      best = level.name;
  return best;
}

StringRef mmcc::getLeastLevel(llvm::ArrayRef<std::string> targets) {
  for (StringRef target : targets)
    if (const cpu::Level *level = cpu::findTarget(target))
      return level->name;
  return cpu::kLevels[0].name;
}

static bool addCpuLevels(StringRef levels, std::vector<StringRef> &chosen,
                         std::string &error) {
  llvm::SmallVector<StringRef> names;
  levels.split(names, ',');
  for (StringRef name : names) {
    if (name == "native") {
      name = getHostLevel();
      if (name.empty()) {
        error = "--target=cpu:native: this machine lacks AVX2 and FMA, which "
                "the lowest level x86-64-v3 needs";
        return false;
      }
    }
    if (!cpu::findLevel(name)) {
      error = ("--target=cpu:" + name + ": unknown level (known: " +
               llvm::join(getCpuLevels(), ", ") + ", native)")
                  .str();
      return false;
    }
    chosen.push_back(name);
  }
  return true;
}

/// Of cuda:NAME,NAME...
static bool addArchitectures(StringRef value, StringRef names,
                             std::vector<StringRef> &chosen,
                             std::string &error) {
  llvm::SmallVector<StringRef> split;
  names.split(split, ',');
  for (StringRef name : split) {
    if (!cuda::isArchitecture(name)) {
      error = ("--target=" + value + ": unknown architecture '" + name +
               "' (known: " +
               llvm::join(llvm::ArrayRef(cuda::kArchitectures), ", ") + ")")
                  .str();
      return false;
    }
    chosen.push_back(name);
  }
  return true;
}

std::vector<std::string> mmcc::parseTargets(llvm::ArrayRef<std::string> values,
                                            std::string &error) {
  const std::vector<StringRef> levels = getCpuLevels();
  std::vector<StringRef> chosen, architectures;
  for (StringRef value : values) {
    auto [device, named] = value.split(':');
    if (device == "cuda") {
      if (!addArchitectures(value, named, architectures, error))
        return {};
      continue;
    }
    if (device != "cpu") {
      error = ("--target=" + value + ": unknown device '" + device +
               "' (known: cpu, cuda)")
                  .str();
      return {};
    }
    if (value == "cpu")
      chosen.insert(chosen.end(), levels.begin(), levels.end());
    else if (!addCpuLevels(named, chosen, error))
      return {};
  }
  std::vector<std::string> targets;
  for (StringRef level : levels)
    if (values.empty() || llvm::is_contained(chosen, level))
      targets.push_back(("cpu:" + level).str());
  for (StringRef architecture : cuda::kArchitectures)
    if (llvm::is_contained(architectures, architecture))
      targets.push_back(("cuda:" + architecture).str());
  return targets;
}
