// Calls that leave inputs out: each is carried out by another entry, in a
// session of its own on the same threads.

#include "runtime/executor/Session.h"
#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>

namespace mmcc::runtime {

using namespace schema;

Status Session::startAlternatives() {
  const Entry &entry = program_.entry;
  for (uint32_t i = 0; i < lengthOf(entry.absences()); ++i) {
    const Absence &absence = *entry.absences()->Get(i);
    const Entry &other = *artifact_->findEntry(absence.entry()->str());
    Alternative alternative;
    alternative.absent.assign(lengthOf(entry.inputs()), 0);
    for (uint32_t input : *absence.inputs())
      alternative.absent[input] = 1;
    for (uint32_t k = 0; k < lengthOf(other.inputs()); ++k)
      for (uint32_t j = 0; j < lengthOf(entry.inputs()); ++j)
        if (other.inputs()->Get(k)->name()->str() ==
            entry.inputs()->Get(j)->name()->str())
          alternative.taken.push_back(j);
    alternative.inputs.resize(alternative.taken.size());
    alternative.session =
        std::make_unique<Session>(artifact_, gpu_ ? gpu_->program() : nullptr,
                                  other, max_arena_bytes_, max_steps_);
    alternative.session->team_ = team_;
    if (gpu_)
      MMCC_RETURN_IF_ERROR(alternative.session->gpu_->start());
    alternatives_.push_back(std::move(alternative));
  }
  return {};
}

/// "'image.pixels', 'image.mask'"
std::string Session::describeAbsent(const std::vector<uint8_t> &absent) const {
  std::string text;
  for (uint32_t i = 0; i < absent.size(); ++i)
    if (absent[i])
      text += (text.empty() ? "'" : ", '") +
              program_.entry.inputs()->Get(i)->name()->str() + "'";
  return text;
}

static bool isAbsent(const mmcc_tensor &tensor) {
  return DType(tensor.dtype) == DType::undefined;
}

Status Session::findAlternative(Span<const mmcc_tensor> inputs,
                                Alternative *&alternative) {
  alternative = nullptr;
  size_t absent = size_t(std::count_if(inputs.begin(), inputs.end(), isAbsent));
  if (absent == 0 || alternatives_.empty() ||
      inputs.size() != lengthOf(program_.entry.inputs()))
    return {}; // or what is wrong is found when inputs are bound
  for (Alternative &each : alternatives_) {
    bool same = true;
    for (size_t i = 0; i < inputs.size(); ++i)
      same &= isAbsent(inputs[i]) == (each.absent[i] != 0);
    if (!same)
      continue;
    for (size_t i = 0; i < each.taken.size(); ++i)
      each.inputs[i] = inputs[each.taken[i]];
    alternative = &each;
    return {};
  }
  std::vector<uint8_t> given;
  for (const mmcc_tensor &tensor : inputs)
    given.push_back(isAbsent(tensor));
  std::string choices;
  for (const Alternative &each : alternatives_)
    choices += (choices.empty() ? "" : "; or ") + describeAbsent(each.absent);
  return {Code::invalid_argument, "a call cannot leave out " +
                                      describeAbsent(given) +
                                      ", but may leave out " + choices};
}

uint64_t Session::launches() {
  std::lock_guard<std::mutex> lock(mutex_);
  return last_run_ == this ? launches_ : last_run_->launches();
}

} // namespace mmcc::runtime
