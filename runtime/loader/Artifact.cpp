#include "runtime/loader/Artifact.h"

#include "runtime/core/CheckedMath.h"
#include "runtime/core/Hash.h"
#include "runtime/loader/ChunkHashes.h"
#include "runtime/loader/ProgramVerifier.h"
#include "runtime/schema/ArtifactFile.h"

#include <cstdlib>
#include <cstring>

namespace mmcc::runtime {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "the file is read in place");

Status Artifact::error(Code code, const std::string &what) const {
  return {code, name_ + ": " + what};
}

Status Artifact::checkHeaderAndHashes(unsigned threads) {
  auto invalid = [&](const char *what) {
    return error(Code::invalid_file, what);
  };
  const uint8_t *data = file_.data();
  artifact::FileHeader header;
  if (file_.size() < sizeof(header.magic) ||
      std::memcmp(data, artifact::kMagic, sizeof(artifact::kMagic)) != 0)
    return invalid("not an mmcc artifact (the magic number is missing)");
  if (file_.size() < artifact::kHeaderBytes)
    return invalid("the file ends within its header");
  std::memcpy(&header, data, sizeof(header));
  if (header.format_version != artifact::kFormatVersion)
    return error(Code::unsupported,
                 "the file has format version " +
                     std::to_string(header.format_version) +
                     ", this runtime reads version " +
                     std::to_string(artifact::kFormatVersion));
  if (header.header_bytes != artifact::kHeaderBytes ||
      header.chunk_bytes != artifact::kChunkBytes)
    return invalid("the header has impossible sizes");
  if (header.file_bytes != file_.size())
    return invalid("the file is truncated or has been extended");
  if (header.program_offset < header.header_bytes ||
      header.program_offset % 16 != 0 ||
      header.program_bytes > artifact::kMaxProgramBytes ||
      !rangeFits(header.program_offset, header.program_bytes,
                 header.table_offset) ||
      header.table_offset > header.file_bytes)
    return invalid("the header places the program outside of the file");
  uint64_t hashed = header.table_offset - header.header_bytes;
  uint64_t table_bytes = header.file_bytes - header.table_offset;
  constexpr uint64_t chunk = artifact::kChunkBytes;
  if (header.chunk_count != hashed / chunk + (hashed % chunk != 0) ||
      table_bytes % sizeof(artifact::Hash128) != 0 ||
      header.chunk_count != table_bytes / sizeof(artifact::Hash128))
    return invalid("the hash table does not fit the file");

  artifact::Hash128 expected;
  std::memcpy(&expected, data + artifact::kHeaderHashOffset, sizeof(expected));
  if (!equal(hash128(data, artifact::kHeaderHashOffset,
                     data + header.table_offset, table_bytes),
             expected))
    return invalid("the header's hash does not match: the file is damaged");
  uint64_t bad = findBadChunk(data + header.header_bytes, hashed,
                              data + header.table_offset, threads);
  if (bad != kNoBadChunk)
    return error(Code::invalid_file,
                 "the file is damaged: the hash of the bytes from " +
                     std::to_string(header.header_bytes + bad * chunk) +
                     " on does not match");
  program_offset_ = header.program_offset;
  program_bytes_ = header.program_bytes;
  return {};
}

Status Artifact::checkProgram() {
  const uint8_t *data = file_.data() + program_offset_;
  // Smaller than that, FlatBuffers' accessors for the identifier would leave
  // the buffer.
  if (program_bytes_ < 16 || !schema::ProgramBufferHasIdentifier(data))
    return error(Code::invalid_file, "the program is not a FlatBuffer of mmcc");
  constexpr flatbuffers::uoffset_t max_depth = 64, max_tables = 4u << 20;
  flatbuffers::Verifier verifier(data, size_t(program_bytes_), max_depth,
                                 max_tables);
  if (!schema::VerifyProgramBuffer(verifier))
    return error(Code::invalid_file, "the program's structure is damaged");
  const schema::Program *program = schema::GetProgram(data);
  Status status =
      verifyProgram(*program, artifact::kHeaderBytes, program_offset_);
  if (!status.ok())
    return error(status.code(), status.message());
  program_ = program;
  return {};
}

Status Artifact::open(const char *path, unsigned threads) {
  const char *slash = std::strrchr(path, '/');
  name_ = slash ? slash + 1 : path;
  if (Status status = file_.open(path); !status.ok())
    return error(status.code(), status.message());
  MMCC_RETURN_IF_ERROR(checkHeaderAndHashes(threads));
  return checkProgram();
}

Status Artifact::chooseVariant(const std::string &level) {
  constexpr std::string_view prefix = "cpu:";
  const char *from_environment = std::getenv("MMCC_ISA");
  std::string wanted = level;
  if (wanted.empty() && from_environment)
    wanted = from_environment;
  CpuLevel only = CpuLevel::v3;
  if (!wanted.empty() && !parseCpuLevel(wanted, only))
    return {Code::invalid_argument, "'" + wanted + "' is no CPU level"};
  if (!wanted.empty() && !machineHas(only))
    return {Code::no_device, "this processor cannot run " + wanted};

  std::string present;
  const schema::Variant *best = nullptr;
  for (const schema::Variant *variant : *program_->variants()) {
    std::string_view target(variant->target()->data(),
                            variant->target()->size());
    present += (present.empty() ? "" : ", ") + std::string(target);
    CpuLevel candidate;
    if (target.substr(0, prefix.size()) != prefix ||
        !parseCpuLevel(target.substr(prefix.size()), candidate))
      continue;
    // A system may keep tiles from its programs: the level below will do.
    bool fits = wanted.empty() ? machineHas(candidate) && enable(candidate).ok()
                               : serves(candidate, only);
    if (fits && (!best || int(candidate) > int(level_))) {
      best = variant;
      level_ = candidate;
    }
  }
  if (!best)
    return error(wanted.empty() ? Code::no_device : Code::invalid_argument,
                 (wanted.empty() ? "nothing in it runs on this processor"
                                 : "it has no code for " + wanted) +
                     " (it has: " + present + ")");
  MMCC_RETURN_IF_ERROR(enable(level_));
  const schema::Segment &segment =
      *program_->segments()->Get(best->image_segment());
  Status status =
      file_.mapExecutable(segment.offset(), best->image_bytes(), image_);
  if (!status.ok())
    return error(status.code(), status.message());
  variant_ = best;
  return {};
}

/// "sm_90a": 90 and whether there is an "a". 0: it is no such name.
static int parseArchitecture(std::string_view name, bool &exact) {
  if (name.substr(0, 3) != "sm_")
    return 0;
  name.remove_prefix(3);
  exact = !name.empty() && name.back() == 'a';
  if (exact)
    name.remove_suffix(1);
  int number = 0;
  if (name.empty() || name.size() > 4)
    return 0;
  for (char c : name) {
    if (c < '0' || c > '9')
      return 0;
    number = number * 10 + (c - '0');
  }
  return number;
}

Status Artifact::chooseGpuVariant(int major, int minor,
                                  const std::string &gpu) {
  constexpr std::string_view prefix = "cuda:";
  std::string present;
  const schema::Variant *best = nullptr;
  int best_number = 0;
  for (const schema::Variant *variant : *program_->variants()) {
    std::string_view target(variant->target()->data(),
                            variant->target()->size());
    present += (present.empty() ? "" : ", ") + std::string(target);
    bool exact = false;
    int number = target.substr(0, prefix.size()) == prefix
                     ? parseArchitecture(target.substr(prefix.size()), exact)
                     : 0;
    if (number == 0 || number / 10 != major || number % 10 > minor ||
        (exact && number % 10 != minor))
      continue;
    // Of one number, code for that GPU alone is the better.
    if (int rank = 2 * number + exact; rank > best_number) {
      best = variant;
      best_number = rank;
    }
  }
  if (!best)
    return error(Code::no_device,
                 "nothing in it runs on " + gpu + ", which is an sm_" +
                     std::to_string(major) + std::to_string(minor) +
                     " (it has: " + present + ")");
  for (uint32_t i = 0; i < lengthOf(best->kernels()); ++i) {
    const schema::Kernel &kernel = *best->kernels()->Get(i);
    if (kernel.code_bytes() == 0 || kernel.threads() == 0)
      return error(Code::invalid_file, "kernel '" + kernel.name()->str() +
                                           "' has no code or no threads");
  }
  variant_ = best;
  image_ =
      file_.data() + program_->segments()->Get(best->image_segment())->offset();
  return {};
}

const char *Artifact::level() const {
  // Behind "cpu:" or "cuda:", without which no variant is chosen.
  return std::strchr(variant_->target()->c_str(), ':') + 1;
}

const schema::Entry *Artifact::entry(uint32_t index) const {
  return program_->entries()->Get(variant_->entries()->Get(index));
}

const schema::Entry *Artifact::findEntry(const std::string &name) const {
  for (uint32_t i = 0; i < variant_->entries()->size(); ++i)
    if (entry(i)->name()->str() == name)
      return entry(i);
  return nullptr;
}

const schema::Entry *Artifact::onlyEntry() const {
  const schema::Entry *only = nullptr;
  for (uint32_t i = 0; i < variant_->entries()->size(); ++i) {
    if (entry(i)->plain())
      continue;
    if (only)
      return nullptr;
    only = entry(i);
  }
  return only;
}

const uint8_t *Artifact::constantData(const schema::Constant &constant) const {
  const schema::Segment &segment =
      *program_->segments()->Get(constant.segment());
  return file_.data() + segment.offset() + constant.offset();
}

} // namespace mmcc::runtime
