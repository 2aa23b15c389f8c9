#include "runtime/core/MatmulForm.h"

#include "runtime/core/Span.h"

#include <algorithm>
#include <string_view>

namespace mmcc::runtime {

using namespace schema;

static std::string_view viewOf(const flatbuffers::String *text) {
  return text ? std::string_view(text->data(), text->size())
              : std::string_view();
}

bool isMatmul(const LibraryCall &call) {
  return viewOf(call.function()) == kMatmulFunction;
}

namespace {

constexpr struct {
  std::string_view word;
  uint32_t bit;
} known[] = {{"bias", kMatmulBias},     {"residual", kMatmulResidual},
             {"relu", kMatmulRelu},     {"gelu", kMatmulGelu},
             {"narrow", kMatmulNarrow}, {"f16", kMatmulF16}};

} // namespace

std::string matmulFormText(uint32_t form) {
  std::string text;
  for (const auto &each : known)
    if (form & each.bit)
      text += (text.empty() ? "" : ",") + std::string(each.word);
  return text;
}

/// The bits of words with commas between them; false for another word.
static bool readWords(std::string_view text, uint32_t &form) {
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    uint32_t bit = 0;
    for (const auto &each : known)
      if (each.word == word)
        bit = each.bit;
    if (!bit || (form & bit))
      return false;
    form |= bit;
  }
  return true;
}

bool readMatmulForm(const LibraryCall &call, uint32_t &form) {
  form = 0;
  uint32_t lists = 0;
  for (uint32_t i = 0; i < lengthOf(call.attributes()); ++i) {
    const KeyValue &each = *call.attributes()->Get(i);
    if (viewOf(each.key()) != "form")
      continue;
    if (!readWords(viewOf(each.value()), form))
      return false;
    ++lists;
  }
  return lists == 1 && (~form & (kMatmulRelu | kMatmulGelu));
}

} // namespace mmcc::runtime
