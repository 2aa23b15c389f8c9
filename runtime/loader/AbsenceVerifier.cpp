#include "runtime/loader/ProgramVerifier.h"

#include <string_view>
#include <unordered_map>

namespace mmcc::runtime {

using namespace schema;

static std::string_view viewOf(const flatbuffers::String *text) {
  return {text->data(), text->size()};
}

static bool isSameKind(const Value &a, const Value &b) {
  return a.dtype() == b.dtype() && a.kind() == b.kind() &&
         lengthOf(a.dims()) == lengthOf(b.dims());
}

/// Null, or what is wrong.
static const char *problemOf(const Entry &entry, const Absence &absence,
                             const Entry *other) {
  std::unordered_map<std::string_view, const Value *> left;
  for (uint32_t i = 0; i < lengthOf(entry.inputs()); ++i)
    left[viewOf(entry.inputs()->Get(i)->name())] = entry.inputs()->Get(i);
  if (lengthOf(absence.inputs()) == 0)
    return "leaves nothing out";
  for (uint32_t i = 0; i < lengthOf(absence.inputs()); ++i) {
    uint32_t input = absence.inputs()->Get(i);
    if (input >= lengthOf(entry.inputs()) ||
        (i > 0 && input <= absence.inputs()->Get(i - 1)))
      return "leaves out an input that does not exist, or one twice";
    if (!entry.inputs()->Get(input)->optional())
      return "leaves out an input that is not optional";
    left.erase(viewOf(entry.inputs()->Get(input)->name()));
  }
  if (!other)
    return "names an entry that the variant does not have";
  if (lengthOf(other->absences()) != 0)
    return "names an entry that has absences itself";
  if (lengthOf(other->inputs()) != left.size() ||
      lengthOf(other->outputs()) != lengthOf(entry.outputs()))
    return "names an entry with other inputs or outputs";
  for (uint32_t i = 0; i < lengthOf(other->inputs()); ++i) {
    const Value &input = *other->inputs()->Get(i);
    auto same = left.find(viewOf(input.name()));
    if (same == left.end() || !isSameKind(*same->second, input))
      return "names an entry with other inputs";
  }
  for (uint32_t i = 0; i < lengthOf(other->outputs()); ++i) {
    const Value &output = *other->outputs()->Get(i);
    const Value &same = *entry.outputs()->Get(i);
    if (viewOf(output.name()) != viewOf(same.name()) ||
        !isSameKind(output, same))
      return "names an entry with other outputs";
  }
  return nullptr;
}

Status verifyAbsences(const Program &program, const Variant &variant) {
  std::unordered_map<std::string_view, const Entry *> entries;
  for (uint32_t i = 0; i < lengthOf(variant.entries()); ++i) {
    const Entry *entry = program.entries()->Get(variant.entries()->Get(i));
    entries[viewOf(entry->name())] = entry;
  }
  for (const auto &[name, entry] : entries)
    for (uint32_t i = 0; i < lengthOf(entry->absences()); ++i) {
      const Absence &absence = *entry->absences()->Get(i);
      auto other = entries.find(viewOf(absence.entry()));
      if (const char *problem =
              problemOf(*entry, absence,
                        other == entries.end() ? nullptr : other->second))
        return {Code::invalid_file, "entry '" + std::string(name) +
                                        "': absence " + std::to_string(i) +
                                        " " + problem};
    }
  return {};
}

} // namespace mmcc::runtime
