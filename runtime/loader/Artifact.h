//===- Artifact.h - A verified artifact in memory ---------------*- C++ -*-===//
//
// Opening an artifact checks, in this order: the header, the hash of every
// byte, the FlatBuffer's structure, and every index, range and expression in
// it. Only then does anything else look at the content.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_LOADER_ARTIFACT_H
#define MMCC_RUNTIME_LOADER_ARTIFACT_H

#include "runtime/core/Span.h"
#include "runtime/core/Status.h"
#include "runtime/loader/CpuLevel.h"
#include "runtime/loader/FileMapping.h"
#include "runtime/schema/program_generated.h"

#include <string>

namespace mmcc::runtime {

class Artifact {
public:
  /// Maps and verifies the file with up to `threads` threads. Messages begin
  /// with the file's name (without its directory).
  Status open(const char *path, unsigned threads);

  /// Picks the best CPU variant that this machine can run and maps its code.
  /// `level`, or else the environment's MMCC_ISA, when not empty, names the
  /// level to run: its code, or where there is none that of the level it
  /// extends (serves() in CpuLevel.h).
  Status chooseVariant(const std::string &level);

  /// Picks the best variant for a GPU of compute capability `major`.`minor`:
  /// code runs on GPUs of its own major number and of its minor one or more;
  /// such with a trailing "a" on its own alone. `gpu`: its name, for messages.
  Status chooseGpuVariant(int major, int minor, const std::string &gpu);

  const schema::Program &program() const { return *program_; }
  const schema::Variant &variant() const { return *variant_; }
  /// What it is for, without the kind: "x86-64-v4", "sm_90a".
  const char *level() const;
  /// Entry `index` of the variant.
  const schema::Entry *entry(uint32_t index) const;
  /// Null when the variant has no entry of that name.
  const schema::Entry *findEntry(const std::string &name) const;
  /// The one entry that is not the form with state of another; null when there
  /// are several.
  const schema::Entry *onlyEntry() const;
  const uint8_t *constantData(const schema::Constant &constant) const;
  /// First byte of the chosen variant's code; on a CPU, where it is executed.
  const uint8_t *image() const { return image_; }
  const std::string &name() const { return name_; }
  uint64_t fileBytes() const { return file_.size(); }

private:
  Status checkHeaderAndHashes(unsigned threads);
  Status checkProgram();
  Status error(Code code, const std::string &what) const;

  FileMapping file_;
  std::string name_;
  uint64_t program_offset_ = 0;
  uint64_t program_bytes_ = 0;
  const schema::Program *program_ = nullptr;
  const schema::Variant *variant_ = nullptr;
  const uint8_t *image_ = nullptr;
  CpuLevel level_ = CpuLevel::v3;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_LOADER_ARTIFACT_H
