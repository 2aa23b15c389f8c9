#include "runtime/loader/CpuLevel.h"

#include <cpuid.h>
#include <cstdint>
#include <sys/syscall.h>
#include <unistd.h>

namespace mmcc::runtime {

static constexpr const char *kNames[kCpuLevelCount] = {
    "x86-64-v3", "x86-64-v3-avxvnni", "x86-64-v4", "x86-64-v4-vnni-bf16",
    "x86-64-v4-amx"};

const char *nameOf(CpuLevel level) { return kNames[int(level)]; }

bool parseCpuLevel(std::string_view name, CpuLevel &level) {
  for (int i = 0; i < kCpuLevelCount; ++i) {
    if (name == kNames[i]) {
      level = CpuLevel(i);
      return true;
    }
  }
  return false;
}

namespace {

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

uint64_t enabledStates() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

constexpr bool hasBits(uint64_t value, uint64_t bits) {
  return (value & bits) == bits;
}

constexpr uint32_t bit(unsigned index) { return 1u << index; }

// Extended states the operating system must save (XCR0).
constexpr uint64_t kYmmState = 0x6, kZmmState = 0xe6, kTileState = 0x60000;

/// The best level, or -1. The levels form two chains from v3: avxvnni, and
/// v4 < vnni_bf16 < amx.
struct Detected {
  bool has[kCpuLevelCount] = {};

  Detected() {
    Registers basic = cpuid(1, 0), wide = cpuid(7, 0), wide1 = cpuid(7, 1),
              extended = cpuid(0x80000001, 0);
    // FMA, SSSE3 .. SSE4.2, MOVBE, POPCNT, OSXSAVE, AVX, F16C
    constexpr uint32_t basicBits = bit(0) | bit(9) | bit(12) | bit(13) |
                                   bit(19) | bit(20) | bit(22) | bit(23) |
                                   bit(27) | bit(28) | bit(29);
    if (!hasBits(basic.ecx, basicBits))
      return;
    uint64_t states = enabledStates();
    // BMI1, AVX2, BMI2; LZCNT
    has[int(CpuLevel::v3)] = hasBits(states, kYmmState) &&
                             hasBits(wide.ebx, bit(3) | bit(5) | bit(8)) &&
                             hasBits(extended.ecx, bit(5));
    if (!has[int(CpuLevel::v3)])
      return;
    has[int(CpuLevel::v3_avxvnni)] = hasBits(wide1.eax, bit(4));
    // AVX512 F, DQ, CD, BW, VL
    has[int(CpuLevel::v4)] =
        hasBits(states, kZmmState) &&
        hasBits(wide.ebx, bit(16) | bit(17) | bit(28) | bit(30) | bit(31));
    has[int(CpuLevel::v4_vnni_bf16)] = has[int(CpuLevel::v4)] &&
                                       hasBits(wide.ecx, bit(11)) &&
                                       hasBits(wide1.eax, bit(5));
    // AMX-BF16, AMX-TILE, AMX-INT8
    has[int(CpuLevel::v4_amx)] = has[int(CpuLevel::v4_vnni_bf16)] &&
                                 hasBits(states, kTileState) &&
                                 hasBits(wide.edx, bit(22) | bit(24) | bit(25));
  }
};

} // namespace

bool machineHas(CpuLevel level) {
  static const Detected detected;
  return detected.has[int(level)];
}

bool serves(CpuLevel code, CpuLevel level) {
  bool wide = level >= CpuLevel::v4;
  return code <= level && (code >= CpuLevel::v4) == wide;
}

Status enable(CpuLevel level) {
  if (level != CpuLevel::v4_amx)
    return {};
  constexpr long requestPermission = 0x1023, tileData = 18;
  if (syscall(SYS_arch_prctl, requestPermission, tileData) != 0)
    return {Code::no_device,
            "the operating system does not grant AMX tile state"};
  return {};
}

bool machineRuns(std::string_view name) {
  CpuLevel level;
  return parseCpuLevel(name, level) && machineHas(level) && enable(level).ok();
}

} // namespace mmcc::runtime
