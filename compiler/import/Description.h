//===- Description.h - Several models as one program ------------*- C++ -*-===//
//
// A JSON file that names models and says how they belong together:
//
//     {"entries": {"image": "vision.onnx", "decoder": "decoder.onnx"},
//      "connect": [["image.features", "decoder.image_embeds"]],
//      "outputs": ["decoder.logits"],
//      "missing": {"image": "zero"}}
//
// Each entry is callable alone. What `connect` and `outputs` mention becomes
// one more entry, named after the file: outputs flow into the inputs they are
// connected to, and `outputs` (by default all outputs that are not connected)
// are what the entry gives. `missing` says what stands in for the outputs of an
// entry whose inputs a caller leaves out:
//
//     "zero"              zeros
//     "learned:FILE.npz"  an array an output, of its name, broadcast to its
//     shape "impute:FILE.onnx"  the outputs of a model. Its inputs are named
//     after
//                         what they take: ENTRY.VALUE, an input or an output
//     "skip"              no tokens: [batch, tokens, ...] becomes [batch, 0,
//     ...]
//
// Files are relative to the JSON file and lie in its folder.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_IMPORT_DESCRIPTION_H
#define MMCC_COMPILER_IMPORT_DESCRIPTION_H

#include "compiler/import/MappedFile.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <vector>

namespace mmcc::import {

/// "image.features": an input or an output of an entry.
struct ValueName {
  std::string entry;
  std::string value;

  std::string str() const { return entry + "." + value; }
  bool operator==(const ValueName &other) const {
    return entry == other.entry && value == other.value;
  }
};

struct Description {
  struct Entry {
    std::string name;
    std::string location;
  };
  struct Connection {
    ValueName from, to;
  };
  struct Missing {
    enum Kind { zero, skip, learned, impute };
    std::string entry;
    Kind kind;
    std::string location; // of what is learned or imputes
  };

  std::shared_ptr<const MappedFile> content;
  std::string file;   // as given
  std::string folder; // that holds it; ends in '/'
  std::string name;   // of the connected entry: the file's stem
  std::vector<Entry> entries;
  std::vector<Connection> connections;
  std::vector<ValueName> outputs;
  std::vector<Missing> missing;

  bool hasEntry(llvm::StringRef entry) const;
  /// Whether the entry is a part of the connected one.
  bool isConnected(llvm::StringRef entry) const;
  /// Where in the file connection or output `index` stands, for messages.
  static std::string connectField(size_t index);
  static std::string outputField(size_t index);
  static std::string missingField(llvm::StringRef entry);
};

/// Text of the file for a message: one printable line, in quotes, not too long.
std::string inQuotes(llvm::StringRef text);

/// Whether a model's path means such a file.
bool isDescription(llvm::StringRef path);

/// Reads and checks all that can be checked without opening a model. On
/// failure `error` names the field.
std::optional<Description> readDescription(const std::string &path,
                                           std::string &error);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_DESCRIPTION_H
