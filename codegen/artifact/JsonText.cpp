#include "codegen/artifact/JsonText.h"

#include <cstdio>

namespace mmcc::artifact {

void JsonText::separate() {
  if (after_key) {
    after_key = false;
    return;
  }
  if (!first)
    text += ",";
  if (!indent.empty())
    text += "\n" + indent;
  first = false;
}

void JsonText::open(char bracket) {
  separate();
  text += bracket;
  indent += "  ";
  first = true;
}

void JsonText::close(char bracket) {
  indent.resize(indent.size() - 2);
  if (!first)
    text += "\n" + indent;
  text += bracket;
  first = false;
}

JsonText &JsonText::key(const char *name) {
  separate();
  quoted(name);
  text += ": ";
  after_key = true;
  return *this;
}

void JsonText::string(const std::string &value) {
  separate();
  quoted(value);
}

void JsonText::number(int64_t value) {
  separate();
  text += std::to_string(value);
}

void JsonText::boolean(bool value) {
  separate();
  text += value ? "true" : "false";
}

void JsonText::null() {
  separate();
  text += "null";
}

/// Length of the UTF-8 sequence that begins at `at`, 0 when there is none.
static size_t sequenceAt(const std::string &text, size_t at) {
  unsigned char lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80)
    return 1;
  size_t length = lead >= 0xf0 && lead < 0xf5   ? 4
                  : lead >= 0xe0 && lead < 0xf0 ? 3
                  : lead >= 0xc2 && lead < 0xe0 ? 2
                                                : 0;
  if (length == 0 || at + length > text.size())
    return 0;
  for (size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80)
      return 0;
  unsigned char next = static_cast<unsigned char>(text[at + 1]);
  bool overlong =
      (lead == 0xe0 && next < 0xa0) || (lead == 0xf0 && next < 0x90);
  bool outside = (lead == 0xed && next > 0x9f) || (lead == 0xf4 && next > 0x8f);
  return overlong || outside ? 0 : length;
}

void JsonText::quoted(const std::string &value) {
  text += '"';
  for (size_t i = 0; i < value.size();) {
    unsigned char c = static_cast<unsigned char>(value[i]);
    size_t length = sequenceAt(value, i);
    if (length == 0) {
      text += "\xef\xbf\xbd";
      ++i;
      continue;
    }
    if (c == '"' || c == '\\') {
      text += '\\';
      text += char(c);
    } else if (c < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", c);
      text += escape;
    } else {
      text.append(value, i, length);
    }
    i += length;
  }
  text += '"';
}

} // namespace mmcc::artifact
