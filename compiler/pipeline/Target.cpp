//===- Target.cpp - What --------------------------------------------------===//

#include "compiler/pipeline/Target.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace mmcc;
using llvm::StringRef;

static constexpr StringRef kLevels[] = {"x86-64-v3", "x86-64-v4"};

// Levels of the command line's vocabulary that have no kernels yet.
static constexpr StringRef kLaterLevels[] = {
    "x86-64-v3-avxvnni", "x86-64-v4-vnni-bf16", "x86-64-v4-amx"};

static constexpr StringRef kV3Features[] = {"avx2", "fma",   "bmi",  "bmi2",
                                            "f16c", "lzcnt", "movbe"};
static constexpr StringRef kV4Features[] = {"avx512f", "avx512bw", "avx512cd",
                                            "avx512dq", "avx512vl"};

llvm::ArrayRef<StringRef> mmcc::getCpuLevels() { return kLevels; }

StringRef mmcc::getHostLevel() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  auto has = [&](StringRef feature) { return features.lookup(feature); };
  if (!llvm::all_of(kV3Features, has))
    return "";
  return llvm::all_of(kV4Features, has) ? kLevels[1] : kLevels[0];
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
    if (llvm::is_contained(kLaterLevels, name)) {
      error =
          ("not supported yet: --target=cpu:" + name +
           " (levels with kernels: " + llvm::join(getCpuLevels(), ", ") + ")")
              .str();
      return false;
    }
    if (!llvm::is_contained(kLevels, name)) {
      error = ("--target=cpu:" + name + ": unknown level (known: " +
               llvm::join(getCpuLevels(), ", ") + ", native)")
                  .str();
      return false;
    }
    chosen.push_back(name);
  }
  return true;
}

std::vector<std::string> mmcc::parseTargets(llvm::ArrayRef<std::string> values,
                                            std::string &error) {
  std::vector<StringRef> chosen;
  for (StringRef value : values) {
    auto [device, levels] = value.split(':');
    if (device == "cuda") {
      error = ("not supported yet: --target=" + value +
               " (this build generates CPU code only)")
                  .str();
      return {};
    }
    if (device != "cpu") {
      error = ("--target=" + value + ": unknown device '" + device +
               "' (known: cpu, cuda)")
                  .str();
      return {};
    }
    if (value == "cpu")
      chosen.insert(chosen.end(), std::begin(kLevels), std::end(kLevels));
    else if (!addCpuLevels(levels, chosen, error))
      return {};
  }
  std::vector<std::string> targets;
  for (StringRef level : kLevels)
    if (values.empty() || llvm::is_contained(chosen, level))
      targets.push_back(("cpu:" + level).str());
  return targets;
}
