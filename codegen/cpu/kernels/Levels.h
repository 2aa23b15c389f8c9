//===- Levels.h - The instruction sets that code is made for ----*- C++ -*-===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_LEVELS_H
#define MMCC_CODEGEN_CPU_KERNELS_LEVELS_H

#include <string_view>

namespace mmcc::cpu {

/// A row of levels.inc.
struct Level {
  std::string_view name, base;
  int lanes;
  /// Rows of kernels.inc with a form of their own, then empty names.
  std::string_view forms[8];

  constexpr bool isBase() const { return name == base; }
  constexpr bool hasFormOf(std::string_view row) const {
    for (std::string_view form : forms)
      if (!form.empty() && form == row)
        return true;
    return false;
  }
};

#define MMCC_FORMS(...) {__VA_ARGS__}
#define MMCC_LEVEL(symbol, name, base, lanes, forms)                           \
  {name, base, lanes, MMCC_FORMS forms},
inline constexpr Level kLevels[] = {
#include "codegen/cpu/kernels/levels.inc"
};
#undef MMCC_FORMS

/// Null when there is no such level.
constexpr const Level *findLevel(std::string_view name) {
  for (const Level &level : kLevels)
    if (level.name == name)
      return &level;
  return nullptr;
}

/// The level of a target, "cpu:x86-64-v4". Null for another device, or none.
constexpr const Level *findTarget(std::string_view target) {
  constexpr std::string_view device = "cpu:";
  return target.substr(0, device.size()) == device
             ? findLevel(target.substr(device.size()))
             : nullptr;
}

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_LEVELS_H
