//===- Printer.h - What an artifact holds -----------------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_ARTIFACT_PRINTER_H
#define MMCC_CODEGEN_ARTIFACT_PRINTER_H

#include "runtime/schema/program_generated.h"

#include <cstdint>
#include <string>

namespace mmcc::artifact {

/// Both take a program that the runtime's loader has verified. Entries that
/// several variants share are printed once.
///
/// Text: sizes, variants with their kernels, entries with symbols, inputs,
/// outputs, arena and, with `commands`, each command.
std::string printText(const schema::Program &program, const std::string &file,
                      uint64_t file_bytes, bool commands);

/// JSON with the keys file, file_bytes, revision, producer, options, features,
/// notes, sources, constants, weights_bytes, variants and entries.
std::string printJson(const schema::Program &program, const std::string &file,
                      uint64_t file_bytes);

/// What the program's arena takes when each symbol has its largest value, or
/// its smallest where there is no largest.
struct ArenaNeed {
  /// End of the highest buffer that the compiler has placed.
  int64_t fixed_bytes = 0;
  /// The largest sum of such buffers that hold data at one command: no
  /// placement takes less.
  int64_t live_bytes = 0;
  /// Buffers left to the runtime, side by side: an upper bound.
  int64_t placed_at_run_time_bytes = 0;
  /// Some symbol has no upper bound.
  bool unbounded = false;
};
ArenaNeed arenaNeed(const schema::Entry &entry);

} // namespace mmcc::artifact

#endif // MMCC_CODEGEN_ARTIFACT_PRINTER_H
