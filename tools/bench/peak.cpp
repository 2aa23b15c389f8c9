// Limits of the machine (compiler/report/MachineRoof.h):
//
//   peak [threads]   one JSON object on standard output

#include "compiler/report/MachineRoof.h"

#include <cstdio>
#include <cstdlib>

int main(int argc, char **argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  if (threads < 1 || threads > 1024) {
    std::fprintf(stderr, "peak: threads must be from 1 to 1024\n");
    return 2;
  }
  const mmcc::MachineRoof roof =
      mmcc::measureRoof(threads, {7, 0.15, size_t(256) << 20});
  std::printf("{\"threads\": %d", threads);
  if (roof.avx2GigaFlops > 0)
    std::printf(", \"avx2_fma_gflops\": %.1f", roof.avx2GigaFlops);
  if (roof.avx512GigaFlops > 0)
    std::printf(", \"avx512_fma_gflops\": %.1f", roof.avx512GigaFlops);
  if (roof.readGigaBytes > 0)
    std::printf(", \"read_gb_per_s\": %.1f", roof.readGigaBytes);
  std::printf("}\n");
  return 0;
}
