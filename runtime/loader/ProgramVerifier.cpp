#include "runtime/loader/ProgramVerifier.h"

#include "runtime/core/CheckedMath.h"
#include "runtime/core/DType.h"
#include "runtime/schema/ArtifactFile.h"

#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace mmcc::runtime {

using namespace schema;

static Status invalid(std::string what) {
  return {Code::invalid_file, std::move(what)};
}

static std::string numbered(const char *what, size_t index) {
  return std::string(what) + " " + std::to_string(index);
}

static std::string_view viewOf(const flatbuffers::String *text) {
  return {text->data(), text->size()};
}

static Status verifyFeatures(const Program &program) {
  static constexpr std::string_view known[] = {
      "branch", "loop", "streams", "absences", "state", "columns", "maps"};
  if (program.revision() == 0 || program.revision() > kKnownRevision)
    return {Code::unsupported,
            "the program has revision " + std::to_string(program.revision()) +
                ", this runtime knows up to " + std::to_string(kKnownRevision)};
  for (uint32_t i = 0; i < lengthOf(program.features()); ++i) {
    std::string_view feature = viewOf(program.features()->Get(i));
    bool found = false;
    for (std::string_view name : known)
      found |= name == feature;
    if (!found)
      return {Code::unsupported, "the artifact needs the feature '" +
                                     std::string(feature) +
                                     "', which this runtime does not have"};
  }
  return {};
}

static Status verifySegments(const Program &program, uint64_t begin,
                             uint64_t end) {
  uint64_t position = begin;
  for (uint32_t i = 0; i < lengthOf(program.segments()); ++i) {
    const Segment &segment = *program.segments()->Get(i);
    if (segment.offset() % artifact::kPageBytes != 0)
      return invalid(numbered("segment", i) + " is not page-aligned");
    if (segment.offset() < position ||
        !rangeFits(segment.offset(), segment.bytes(), end))
      return invalid(numbered("segment", i) +
                     " overlaps another part of the file or leaves it");
    position = segment.offset() + segment.bytes();
  }
  return {};
}

static Status verifyConstants(const Program &program) {
  for (uint32_t i = 0; i < lengthOf(program.constants()); ++i) {
    const Constant &constant = *program.constants()->Get(i);
    std::string where = numbered("constant", i);
    if (constant.segment() >= lengthOf(program.segments()))
      return invalid(where + " lies in a segment that does not exist");
    const Segment &segment = *program.segments()->Get(constant.segment());
    if (segment.executable())
      return invalid(where + " lies in a code segment");
    if (!rangeFits(constant.offset(), constant.bytes(), segment.bytes()))
      return invalid(where + " leaves its segment");
    if (constant.offset() % artifact::kConstantAlign != 0)
      return invalid(where + " is not aligned");
    if (constant.dtype() > DType::MAX)
      return invalid(where + " has an unknown element type");
    if (!elementsAligned(constant.dims()))
      return invalid(where + ": its shape is not aligned");
    bool row_major = lengthOf(constant.layout()) == 0;
    int64_t elements = 1, bytes = 0;
    bool sized = true;
    for (uint32_t d = 0; d < lengthOf(constant.dims()); ++d) {
      uint64_t extent = constant.dims()->Get(d);
      sized &= extent <= uint64_t(INT64_MAX) &&
               checkedMul(elements, int64_t(extent), elements);
    }
    if (row_major && bitsOf(constant.dtype()) != 0 &&
        (!sized || !bytesOf(constant.dtype(), elements, bytes) ||
         uint64_t(bytes) != constant.bytes()))
      return invalid(where + ": its size is not that of its shape");
  }
  return {};
}

static Status verifyVariant(const Program &program, const Variant &variant,
                            const std::string &where) {
  if (variant.image_segment() >= lengthOf(program.segments()))
    return invalid(where + ": its code lies in no segment");
  const Segment &segment = *program.segments()->Get(variant.image_segment());
  if (!segment.executable() || variant.image_bytes() == 0 ||
      variant.image_bytes() > segment.bytes())
    return invalid(where + ": its code is not within a code segment");
  constexpr uint64_t max_scratch = uint64_t(1) << 30;
  constexpr uint32_t max_threads = 1024; // of a GPU's block
  for (uint32_t i = 0; i < lengthOf(variant.kernels()); ++i) {
    const Kernel &kernel = *variant.kernels()->Get(i);
    if (kernel.entry_offset() >= variant.image_bytes())
      return invalid(where + ": " + numbered("kernel", i) +
                     " begins outside the code");
    if (kernel.code_bytes() > variant.image_bytes() - kernel.entry_offset())
      return invalid(where + ": " + numbered("kernel", i) +
                     " ends outside the code");
    if (kernel.threads() > max_threads)
      return invalid(where + ": " + numbered("kernel", i) +
                     " asks for too many threads");
    if (kernel.scratch_bytes() > max_scratch)
      return invalid(where + ": " + numbered("kernel", i) +
                     " asks for too much scratch memory");
  }
  for (uint32_t i = 0; i < lengthOf(variant.functions()); ++i)
    if (variant.functions()->Get(i)->entry_offset() >= variant.image_bytes())
      return invalid(where + ": " + numbered("function", i) +
                     " begins outside the code");
  std::unordered_set<std::string_view> names;
  for (uint32_t i = 0; i < lengthOf(variant.entries()); ++i) {
    uint32_t index = variant.entries()->Get(i);
    if (index >= lengthOf(program.entries()))
      return invalid(where + " names an entry that does not exist");
    const Entry &entry = *program.entries()->Get(index);
    if (!names.insert(viewOf(entry.name())).second)
      return invalid(where + " has two entries of one name");
    // A CPU reads constants where the file has them.
    if (variant.target()->str().rfind("cuda:", 0) != 0)
      for (uint32_t b = 0; b < lengthOf(entry.buffers()); ++b)
        if (entry.buffers()->Get(b)->columns())
          return invalid(where + ": " + numbered("buffer", b) +
                         " of an entry is for GPUs");
  }
  if (names.empty())
    return invalid(where + " has no entry");
  return {};
}

Status verifyProgram(const Program &program, uint64_t segments_begin,
                     uint64_t segments_end) {
  MMCC_RETURN_IF_ERROR(verifyFeatures(program));
  MMCC_RETURN_IF_ERROR(verifySegments(program, segments_begin, segments_end));
  MMCC_RETURN_IF_ERROR(verifyConstants(program));
  for (uint32_t i = 0; i < lengthOf(program.entries()); ++i) {
    Status status = verifyEntry(program, *program.entries()->Get(i));
    if (!status.ok())
      return {status.code(),
              numbered("entry", i) + ": " + std::string(status.message())};
  }

  // An entry that several variants share is verified against the fewest
  // kernels that any of them has.
  std::unordered_set<std::string_view> targets;
  std::unordered_map<uint32_t, uint64_t> kernel_counts;
  for (uint32_t v = 0; v < lengthOf(program.variants()); ++v) {
    const Variant &variant = *program.variants()->Get(v);
    std::string where = numbered("variant", v);
    if (!targets.insert(viewOf(variant.target())).second)
      return invalid(where + " repeats another one's target");
    MMCC_RETURN_IF_ERROR(verifyVariant(program, variant, where));
    Status absences = verifyAbsences(program, variant);
    if (!absences.ok())
      return {absences.code(), where + ": " + std::string(absences.message())};
    uint64_t kernels = lengthOf(variant.kernels());
    for (uint32_t i = 0; i < lengthOf(variant.entries()); ++i) {
      auto [known, added] =
          kernel_counts.try_emplace(variant.entries()->Get(i), kernels);
      known->second = std::min(known->second, kernels);
    }
  }
  if (targets.empty())
    return invalid("the program has no variant");
  for (uint32_t i = 0; i < lengthOf(program.entries()); ++i) {
    auto known = kernel_counts.find(i);
    if (known == kernel_counts.end())
      return invalid(numbered("entry", i) + " belongs to no variant");
    Status status = verifyCommands(*program.entries()->Get(i), known->second);
    if (!status.ok())
      return {status.code(),
              numbered("entry", i) + ": " + std::string(status.message())};
  }
  return {};
}

} // namespace mmcc::runtime
