#include "tools/npz/NpyHeader.h"

#include <cstring>

namespace mmcc::npz {

static constexpr char kMagic[] = "\x93NUMPY";
static constexpr size_t kMagicBytes = 6;

std::string ElementType::text() const {
  const char *order = bytes == 1 && kind != 'U' ? "|" : "<";
  return order + std::string(1, kind) +
         std::to_string(kind == 'U' ? bytes / 4 : bytes);
}

std::string npyHeaderBytes(std::string_view prefix, uint64_t &header_bytes) {
  if (prefix.size() < 10 ||
      std::memcmp(prefix.data(), kMagic, kMagicBytes) != 0)
    return "it is not a .npy array";
  auto byte = [&](size_t i) { return uint64_t(uint8_t(prefix[i])); };
  uint64_t major = byte(6);
  if (major < 1 || major > 3 || byte(7) != 0)
    return "its .npy version is unknown";
  if (major == 1) {
    header_bytes = 10 + (byte(8) | byte(9) << 8);
  } else {
    if (prefix.size() < 12)
      return "its .npy header is truncated";
    header_bytes =
        12 + (byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24);
  }
  return header_bytes > kMaxNpyHeaderBytes ? "its .npy header is too long" : "";
}

namespace {

/// Reads the Python dictionary literal of a header.
class Reader {
public:
  explicit Reader(std::string_view text) : rest(text) {}

  void spaces() {
    while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\n'))
      rest.remove_prefix(1);
  }
  bool take(std::string_view token) {
    spaces();
    if (rest.substr(0, token.size()) != token)
      return false;
    rest.remove_prefix(token.size());
    return true;
  }
  bool quoted(std::string_view &text) {
    spaces();
    if (rest.empty() || (rest[0] != '\'' && rest[0] != '"'))
      return false;
    size_t end = rest.find(rest[0], 1);
    if (end == std::string_view::npos)
      return false;
    text = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    return true;
  }
  bool number(int64_t &value) {
    spaces();
    size_t digits = 0;
    value = 0;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') {
      if (__builtin_mul_overflow(value, int64_t(10), &value) ||
          __builtin_add_overflow(value, int64_t(rest[digits] - '0'), &value))
        return false;
      ++digits;
    }
    rest.remove_prefix(digits);
    return digits > 0;
  }
  bool atEnd() {
    spaces();
    return rest.empty();
  }

private:
  std::string_view rest;
};

bool parseType(std::string_view descr, ElementType &type) {
  if (descr.size() < 3 ||
      (descr[0] != '<' && descr[0] != '|' && descr[0] != '='))
    return false;
  Reader digits(descr.substr(2));
  int64_t count = 0;
  if (!digits.number(count) || !digits.atEnd())
    return false;
  type.kind = descr[1];
  static constexpr ElementType known[] = {
      {'f', 2}, {'f', 4}, {'f', 8}, {'i', 1}, {'i', 2}, {'i', 4}, {'i', 8},
      {'u', 1}, {'u', 2}, {'u', 4}, {'u', 8}, {'b', 1}, {'c', 8}, {'c', 16}};
  if (type.kind == 'U') {
    type.bytes = uint32_t(count) * 4;
    return count >= 0 && count <= 1 << 20;
  }
  for (ElementType candidate : known) {
    if (candidate.kind == type.kind && int64_t(candidate.bytes) == count) {
      type = candidate;
      return true;
    }
  }
  return false;
}

bool parseShape(Reader &reader, std::vector<int64_t> &dims) {
  constexpr size_t max_rank = 64;
  if (!reader.take("("))
    return false;
  if (reader.take(")"))
    return true;
  for (;;) {
    int64_t extent = 0;
    if (!reader.number(extent) || dims.size() == max_rank)
      return false;
    dims.push_back(extent);
    if (!reader.take(","))
      return dims.size() > 1 && reader.take(")");
    if (reader.take(")"))
      return true;
  }
}

} // namespace

std::string parseNpyHeader(std::string_view text, NpyHeader &header) {
  header = {};
  if (std::string error = npyHeaderBytes(text, header.header_bytes);
      !error.empty())
    return error;
  if (text.size() != header.header_bytes)
    return "its .npy header is truncated";
  Reader reader(text.substr(uint8_t(text[6]) == 1 ? 10 : 12));
  bool has_type = false, has_order = false, has_shape = false;
  const std::string malformed = "its .npy header is malformed";
  if (!reader.take("{"))
    return malformed;
  while (!reader.take("}")) {
    std::string_view key;
    if (!reader.quoted(key) || !reader.take(":"))
      return malformed;
    if (key == "descr" && !has_type) {
      std::string_view descr;
      if (!reader.quoted(descr))
        return "its element type is a structure";
      if (!parseType(descr, header.type))
        return "its element type '" + std::string(descr.substr(0, 32)) +
               "' is not supported";
      has_type = true;
    } else if (key == "fortran_order" && !has_order) {
      header.fortran_order = reader.take("True");
      if (!header.fortran_order && !reader.take("False"))
        return malformed;
      has_order = true;
    } else if (key == "shape" && !has_shape) {
      if (!parseShape(reader, header.dims))
        return malformed;
      has_shape = true;
    } else {
      return malformed;
    }
    if (!reader.take(",")) {
      if (!reader.take("}"))
        return malformed;
      break;
    }
  }
  if (!reader.atEnd() || !has_type || !has_order || !has_shape)
    return malformed;
  uint64_t bytes = header.type.bytes;
  bool empty = false;
  for (int64_t extent : header.dims)
    empty |= extent == 0;
  for (int64_t extent : header.dims)
    if (!empty && __builtin_mul_overflow(bytes, uint64_t(extent), &bytes))
      return "its shape is too large";
  header.data_bytes = empty ? 0 : bytes;
  return "";
}

std::string formatNpyHeader(ElementType type,
                            const std::vector<int64_t> &dims) {
  std::string dictionary =
      "{'descr': '" + type.text() + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < dims.size(); ++i)
    dictionary += (i ? ", " : "") + std::to_string(dims[i]);
  dictionary += dims.size() == 1 ? ",), }" : "), }";
  constexpr size_t prefix = 10, align = 64;
  size_t total = (prefix + dictionary.size() + 1 + align - 1) / align * align;
  dictionary.append(total - prefix - dictionary.size() - 1, ' ');
  dictionary += '\n';
  std::string header(kMagic, kMagicBytes);
  header += '\1';
  header += '\0';
  header += char(dictionary.size() & 0xff);
  header += char(dictionary.size() >> 8);
  return header + dictionary;
}

} // namespace mmcc::npz
