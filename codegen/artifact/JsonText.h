//===- JsonText.h - Puts JSON together --------------------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_ARTIFACT_JSONTEXT_H
#define MMCC_CODEGEN_ARTIFACT_JSONTEXT_H

#include <cstdint>
#include <string>
#include <utility>

namespace mmcc::artifact {

/// Indented JSON, one element a line. Strings may hold any bytes; those that
/// are not UTF-8 come out as U+FFFD.
class JsonText {
public:
  JsonText &key(const char *name);
  void beginObject() { open('{'); }
  void endObject() { close('}'); }
  void beginArray() { open('['); }
  void endArray() { close(']'); }
  void string(const std::string &value);
  void number(int64_t value);
  void boolean(bool value);
  void null();

  void field(const char *name, const std::string &value) {
    key(name).string(value);
  }
  void field(const char *name, int64_t value) { key(name).number(value); }

  /// The finished text, with a line end.
  std::string take() { return std::move(text) + "\n"; }

private:
  void open(char bracket);
  void close(char bracket);
  void separate();
  void quoted(const std::string &value);

  std::string text;
  std::string indent;
  bool first = true;
  bool after_key = false;
};

} // namespace mmcc::artifact

#endif // MMCC_CODEGEN_ARTIFACT_JSONTEXT_H
