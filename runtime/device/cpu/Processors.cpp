#include "runtime/device/cpu/Processors.h"

#include <algorithm>
#include <cstdio>
#include <sched.h>

namespace mmcc::runtime {

unsigned processorsOfQuota(const std::string &cpu_max) {
  long long quota = 0, period = 0;
  if (std::sscanf(cpu_max.c_str(), "%lld %lld", &quota, &period) != 2 ||
      quota <= 0 || period <= 0)
    return 0;
  long long whole = quota / period + (quota % period != 0);
  return unsigned(std::min(whole, 1ll << 20));
}

static std::string textOf(const char *path) {
  char text[64] = "";
  if (std::FILE *file = std::fopen(path, "re")) {
    text[std::fread(text, 1, sizeof(text) - 1, file)] = '\0';
    std::fclose(file);
  }
  return text;
}

unsigned availableProcessors() {
  cpu_set_t set;
  unsigned count = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    count = unsigned(std::max(1, CPU_COUNT(&set)));
  // Version 2 of control groups, else version 1. In a container its own group
  // is mounted there.
  std::string quota = textOf("/sys/fs/cgroup/cpu.max");
  if (quota.empty())
    quota = textOf("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") + " " +
            textOf("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  unsigned limit = processorsOfQuota(quota);
  return limit ? std::min(count, limit) : count;
}

} // namespace mmcc::runtime
