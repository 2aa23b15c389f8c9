//===- MachineRoof.cpp - What this machine can do at most -----------------===//

#include "compiler/report/MachineRoof.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <immintrin.h>
#include <memory>
#include <sched.h>
#include <thread>
#include <vector>

using namespace mmcc;

namespace {

using Clock = std::chrono::steady_clock;

// Assembly, because a compiler finds ways around work whose result hardly
// matters. Latency 4 times two pipes needs 8 independent chains; 12 leave slack
// and still fit 16 registers.
constexpr int Chains = 12;
constexpr long Rounds = 4096;
constexpr size_t ReadStreams = 8;

std::atomic<float> Sink;

__attribute__((target("avx2,fma"))) double fmaAvx2() {
  __m256 Acc[Chains];
  for (int I = 0; I < Chains; ++I)
    Acc[I] = _mm256_set1_ps(float(I));
  __m256 Scale = _mm256_set1_ps(0.999f), Step = _mm256_set1_ps(1e-3f);
  for (long R = 0; R < Rounds; ++R)
#pragma clang loop unroll(full)
    for (int I = 0; I < Chains; ++I)
      __asm__ volatile("vfmadd213ps %2, %1, %0"
                       : "+x"(Acc[I])
                       : "x"(Scale), "x"(Step));
  __m256 Sum = Acc[0];
  for (int I = 1; I < Chains; ++I)
    Sum = _mm256_add_ps(Sum, Acc[I]);
  Sink = _mm256_cvtss_f32(Sum);
  return 2.0 * 8 * Chains * Rounds;
}

__attribute__((target("avx512f"))) double fmaAvx512() {
  __m512 Acc[Chains];
  for (int I = 0; I < Chains; ++I)
    Acc[I] = _mm512_set1_ps(float(I));
  __m512 Scale = _mm512_set1_ps(0.999f), Step = _mm512_set1_ps(1e-3f);
  for (long R = 0; R < Rounds; ++R)
#pragma clang loop unroll(full)
    for (int I = 0; I < Chains; ++I)
      __asm__ volatile("vfmadd213ps %2, %1, %0"
                       : "+v"(Acc[I])
                       : "v"(Scale), "v"(Step));
  __m512 Sum = Acc[0];
  for (int I = 1; I < Chains; ++I)
    Sum = _mm512_add_ps(Sum, Acc[I]);
  Sink = _mm512_cvtss_f32(Sum);
  return 2.0 * 16 * Chains * Rounds;
}

/// One pass over \p Data in several streams, which keeps more lines in flight
/// than one stream does. Returns bytes.
__attribute__((target("avx2"))) double readAll(const float *Data,
                                               size_t Count) {
  const size_t Part = Count / ReadStreams;
  __m256 Acc[ReadStreams];
  for (__m256 &A : Acc)
    A = _mm256_setzero_ps();
  for (size_t I = 0; I < Part; I += 16)
    for (size_t S = 0; S < ReadStreams; ++S) {
      const float *At = Data + S * Part + I;
      _mm_prefetch(reinterpret_cast<const char *>(At + 512), _MM_HINT_T0);
      Acc[S] = _mm256_add_ps(
          Acc[S], _mm256_add_ps(_mm256_load_ps(At), _mm256_load_ps(At + 8)));
    }
  __m256 Sum = Acc[0];
  for (size_t S = 1; S < ReadStreams; ++S)
    Sum = _mm256_add_ps(Sum, Acc[S]);
  // All lanes are wanted, or only one of each eight floats would be loaded.
  __asm__ volatile("" : "+x"(Sum));
  Sink = _mm256_cvtss_f32(Sum);
  return 4.0 * Count;
}

/// Runs Work(thread), which returns units done, over and over in every thread
/// for one burst; the best rate in units a second over all bursts.
template <typename Fn>
double bestRate(int Threads, const RoofEffort &Effort, Fn Work) {
  double Best = 0;
  for (int B = 0; B < Effort.bursts; ++B) {
    std::atomic<int> Ready{0};
    std::vector<double> Rates(Threads);
    std::vector<std::thread> Team;
    for (int T = 0; T < Threads; ++T)
      Team.emplace_back([&, T] {
        cpu_set_t Cpu;
        CPU_ZERO(&Cpu);
        CPU_SET(T, &Cpu);
        // Refused in containers with fewer CPUs; the figure is then lower.
        (void)sched_setaffinity(0, sizeof Cpu, &Cpu);
        Work(T);
        ++Ready;
        while (Ready < Threads)
          std::this_thread::yield();
        const auto Start = Clock::now();
        double Units = 0, Seconds = 0;
        do {
          Units += Work(T);
          Seconds = std::chrono::duration<double>(Clock::now() - Start).count();
        } while (Seconds < Effort.burstSeconds);
        Rates[T] = Units / Seconds;
      });
    double Sum = 0;
    for (int T = 0; T < Threads; ++T) {
      Team[T].join();
      Sum += Rates[T];
    }
    Best = std::max(Best, Sum);
  }
  return Best;
}

struct FreeMemory {
  void operator()(float *Data) const { std::free(Data); }
};

} // namespace

MachineRoof mmcc::measureRoof(int threads, const RoofEffort &effort) {
  MachineRoof roof;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    roof.avx2GigaFlops =
        bestRate(threads, effort, [](int) { return fmaAvx2(); }) * 1e-9;
  if (__builtin_cpu_supports("avx512f"))
    roof.avx512GigaFlops =
        bestRate(threads, effort, [](int) { return fmaAvx512(); }) * 1e-9;
  if (!__builtin_cpu_supports("avx2"))
    return roof;
  size_t count = effort.bytesPerThread / sizeof(float);
  std::vector<std::unique_ptr<float, FreeMemory>> parts;
  for (int t = 0; t < threads; ++t) {
    parts.emplace_back(static_cast<float *>(
        std::aligned_alloc(size_t(2) << 20, count * sizeof(float))));
    if (!parts.back())
      return roof;
    std::fill_n(parts.back().get(), count, 1.0f);
  }
  roof.readGigaBytes =
      bestRate(threads, effort,
               [&](int t) { return readAll(parts[t].get(), count); }) *
      1e-9;
  return roof;
}
