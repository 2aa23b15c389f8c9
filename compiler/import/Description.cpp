//===- Description.cpp - Several models as one program --------------------===//

#include "compiler/import/Description.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <nlohmann/json.hpp>
#include <set>

using namespace llvm;
using Json = nlohmann::ordered_json;

namespace mmcc::import {

static constexpr size_t kMaxFileBytes = 1 << 20;
static constexpr size_t kMaxDepth = 8;
static constexpr size_t kMaxEntries = 64;
static constexpr size_t kMaxConnections = 1024;
/// Each further one doubles the number of variants that are compiled.
static constexpr size_t kMaxMissing = 4;
static constexpr size_t kMaxNameBytes = 64;

bool isDescription(StringRef path) { return path.ends_with(".json"); }

std::string Description::connectField(size_t index) {
  return "connect[" + std::to_string(index) + "]";
}
std::string Description::outputField(size_t index) {
  return "outputs[" + std::to_string(index) + "]";
}
std::string Description::missingField(StringRef entry) {
  return ("missing." + entry).str();
}

bool Description::hasEntry(StringRef entry) const {
  return any_of(entries, [&](const Entry &e) { return e.name == entry; });
}

bool Description::isConnected(StringRef entry) const {
  return any_of(connections,
                [&](const Connection &c) {
                  return c.from.entry == entry || c.to.entry == entry;
                }) ||
         any_of(outputs, [&](const ValueName &v) { return v.entry == entry; });
}

std::string inQuotes(StringRef text) {
  constexpr size_t longest = 80;
  std::string shown;
  raw_string_ostream os(shown);
  printEscapedString(text.take_front(longest), os);
  return "'" + shown + (text.size() > longest ? "..." : "") + "'";
}

namespace {

/// Goes through the file once before anything is built from it: depth, keys
/// given twice, syntax.
class Scan : public nlohmann::json_sax<Json> {
public:
  std::string error;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t &) override { return true; }
  bool string(string_t &) override { return true; }
  bool binary(binary_t &) override { return true; }
  bool start_object(size_t) override { return open(); }
  bool start_array(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t &key) override {
    if (keys.back().insert(key).second)
      return true;
    error = "the key " + inQuotes(key) + " is given twice";
    return false;
  }
  bool parse_error(size_t, const std::string &,
                   const nlohmann::detail::exception &failure) override {
    StringRef text = failure.what();
    error = text.substr(text.find("] ") + 2).str();
    return false;
  }

private:
  bool open() {
    keys.emplace_back();
    if (keys.size() <= kMaxDepth)
      return true;
    error = "it is nested too deeply";
    return false;
  }
  bool close() {
    keys.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> keys;
};

class Reader {
public:
  Reader(Description &description, std::string &error)
      : description(description), error(error) {}

  bool read(const Json &json);

private:
  bool fail(const Twine &field, const Twine &reason) {
    error = (field + ": " + reason).str();
    return false;
  }
  bool entries(const Json &json);
  bool connections(const Json &json);
  bool outputs(const Json &json);
  bool missing(const Json &json);
  bool valueName(const Json &json, const Twine &field, ValueName &name);
  bool checkCycles();

  Description &description;
  std::string &error;
};

/// Names become parts of others ("image.features", "chat-without-image").
bool isEntryName(StringRef name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         (isAlpha(name[0]) || name[0] == '_') && all_of(name, [](char c) {
           return isAlnum(c) || c == '_' || c == '-';
         });
}

bool Reader::entries(const Json &json) {
  if (!json.is_object() || json.empty())
    return fail("entries", "must be an object of at least one NAME: FILE");
  if (json.size() > kMaxEntries)
    return fail("entries", "more than " + Twine(kMaxEntries));
  for (const auto &[name, file] : json.items()) {
    std::string field = "entries." + inQuotes(name);
    if (!isEntryName(name))
      return fail(field, "a name is made of letters, digits, '_' and '-', "
                         "begins with a letter or '_' and has at most " +
                             Twine(kMaxNameBytes));
    if (!file.is_string())
      return fail(field, "must be the name of an ONNX file");
    description.entries.push_back({name, file.get_ref<const std::string &>()});
  }
  return true;
}

bool Reader::valueName(const Json &json, const Twine &field, ValueName &name) {
  if (!json.is_string())
    return fail(field, "must be a text \"ENTRY.VALUE\"");
  const std::string &text = json.get_ref<const std::string &>();
  auto [entry, value] = StringRef(text).split('.');
  if (entry.empty() || value.empty())
    return fail(field, inQuotes(text) + " is not of the form ENTRY.VALUE");
  if (!description.hasEntry(entry))
    return fail(field, "there is no entry " + inQuotes(entry));
  name = {entry.str(), value.str()};
  return true;
}

bool Reader::connections(const Json &json) {
  if (!json.is_array())
    return fail("connect", "must be an array of [OUTPUT, INPUT]");
  if (json.size() > kMaxConnections)
    return fail("connect", "more than " + Twine(kMaxConnections));
  for (size_t i = 0; i < json.size(); ++i) {
    std::string field = Description::connectField(i);
    const Json &pair = json[i];
    if (!pair.is_array() || pair.size() != 2)
      return fail(field, "must be an array of two texts, [OUTPUT, INPUT]");
    Description::Connection connection;
    if (!valueName(pair[0], field, connection.from) ||
        !valueName(pair[1], field, connection.to))
      return false;
    if (connection.from.entry == connection.to.entry)
      return fail(field,
                  "connects " + inQuotes(connection.to.entry) + " with itself");
    for (auto [j, other] : enumerate(description.connections))
      if (other.to == connection.to)
        return fail(field, inQuotes(connection.to.str()) +
                               " is already connected by " +
                               Description::connectField(j));
    description.connections.push_back(std::move(connection));
  }
  return checkCycles();
}

/// Takes away what needs nothing that is left, until nothing is left.
bool Reader::checkCycles() {
  std::set<std::string> left;
  for (const Description::Entry &entry : description.entries)
    left.insert(entry.name);
  auto waits = [&](const std::string &entry) {
    return any_of(description.connections, [&](const auto &connection) {
      return connection.to.entry == entry && left.count(connection.from.entry);
    });
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (const Description::Entry &entry : description.entries)
      if (left.count(entry.name) && !waits(entry.name))
        changed = left.erase(entry.name);
  }
  // What feeds the cycle is gone; what the cycle feeds is not.
  for (bool changed = true; changed;) {
    changed = false;
    for (const Description::Entry &entry : description.entries)
      if (left.count(entry.name) &&
          none_of(description.connections, [&](const auto &connection) {
            return connection.from.entry == entry.name &&
                   left.count(connection.to.entry);
          }))
        changed = left.erase(entry.name);
  }
  if (left.empty())
    return true;
  return fail("connect", "the entries " + join(left, ", ") +
                             " need each other's outputs in a circle");
}

bool Reader::outputs(const Json &json) {
  if (!json.is_array() || json.empty())
    return fail("outputs", "must be an array of at least one \"ENTRY.VALUE\"");
  if (json.size() > kMaxConnections)
    return fail("outputs", "more than " + Twine(kMaxConnections));
  for (size_t i = 0; i < json.size(); ++i) {
    ValueName name;
    if (!valueName(json[i], Description::outputField(i), name))
      return false;
    if (is_contained(description.outputs, name))
      return fail(Description::outputField(i),
                  inQuotes(name.str()) + " is given twice");
    description.outputs.push_back(std::move(name));
  }
  return true;
}

bool Reader::missing(const Json &json) {
  if (!json.is_object())
    return fail("missing", "must be an object of ENTRY: POLICY");
  if (json.size() > kMaxMissing)
    return fail("missing", "more than " + Twine(kMaxMissing) +
                               ": each one doubles what is compiled");
  for (const auto &[entry, policy] : json.items()) {
    std::string field = "missing." + inQuotes(entry);
    if (!description.hasEntry(entry))
      return fail(field, "there is no entry of this name");
    if (!description.isConnected(entry))
      return fail(field, "the entry is not connected");
    if (!policy.is_string())
      return fail(field, "must be a text");
    const std::string &text = policy.get_ref<const std::string &>();
    auto [kind, location] = StringRef(text).split(':');
    Description::Missing missing = {entry, Description::Missing::zero,
                                    location.str()};
    bool takesFile = kind == "learned" || kind == "impute";
    if (kind == "skip")
      missing.kind = Description::Missing::skip;
    else if (kind == "learned")
      missing.kind = Description::Missing::learned;
    else if (kind == "impute")
      missing.kind = Description::Missing::impute;
    if ((kind != "zero" && kind != "skip" && !takesFile) ||
        takesFile == location.empty() ||
        StringRef(text).contains(':') != takesFile)
      return fail(field, inQuotes(text) +
                             " is none of zero, skip, learned:FILE.npz and "
                             "impute:FILE.onnx");
    description.missing.push_back(std::move(missing));
  }
  return true;
}

bool Reader::read(const Json &json) {
  if (!json.is_object())
    return fail("it", "must be an object");
  for (const auto &[key, value] : json.items())
    if (key != "entries" && key != "connect" && key != "outputs" &&
        key != "missing")
      return fail(inQuotes(key),
                  "no such key (known: entries, connect, outputs, "
                  "missing)");
  if (!json.contains("entries"))
    return fail("entries", "is missing");
  if (!entries(json["entries"]) ||
      (json.contains("connect") && !connections(json["connect"])) ||
      (json.contains("outputs") && !outputs(json["outputs"])) ||
      (json.contains("missing") && !missing(json["missing"])))
    return false;
  if (description.connections.empty() && description.outputs.empty())
    return true;
  for (const Description::Entry &entry : description.entries)
    if (entry.name == description.name ||
        StringRef(entry.name).starts_with(description.name + "-without-"))
      return fail("entries." + inQuotes(entry.name),
                  "the connected entry has this name, after the file");
  return true;
}

} // namespace

std::optional<Description> readDescription(const std::string &path,
                                           std::string &error) {
  std::shared_ptr<const MappedFile> file = MappedFile::open(path, error);
  if (!file)
    return std::nullopt;
  ArrayRef<char> text = file->bytes();
  if (text.size() > kMaxFileBytes) {
    error = "is larger than 1 MiB";
    return std::nullopt;
  }
  Scan scan;
  if (!Json::sax_parse(text.begin(), text.end(), &scan)) {
    error = scan.error;
    return std::nullopt;
  }
  Description description;
  description.content = file;
  description.file = path;
  size_t slash = path.rfind('/');
  description.folder =
      slash == std::string::npos ? "./" : path.substr(0, slash + 1);
  description.name = sys::path::stem(path).str();
  Json json = Json::parse(text.begin(), text.end(), nullptr,
                          /*allow_exceptions=*/false);
  if (!Reader(description, error).read(json))
    return std::nullopt;
  return description;
}

} // namespace mmcc::import
