//===- WireSkeleton.cpp - A model's protobuf without its weights ----------===//

#include "compiler/import/WireSkeleton.h"
#include "llvm/ADT/StringExtras.h"
#include <cstring>

using namespace llvm;

namespace mmcc::import {

std::string RawDataReference::encode() const {
  std::string bytes(sizeof(*this), '\0');
  std::memcpy(bytes.data(), this, sizeof(*this));
  return bytes;
}

std::optional<RawDataReference> RawDataReference::decode(StringRef bytes) {
  RawDataReference reference;
  if (bytes.size() != sizeof(reference))
    return std::nullopt;
  std::memcpy(&reference, bytes.data(), sizeof(reference));
  return reference;
}

namespace {

/// The messages of onnx.proto that can hold a TensorProto.
enum class Message {
  Model,
  Graph,
  Node,
  Attribute,
  Tensor,
  SparseTensor,
  Function
};

/// What becomes of a length-delimited field.
struct Fate {
  enum Kind { Copy, Drop, Descend, Reference } kind = Copy;
  Message message = Message::Model;
};

Fate descend(Message message) { return {Fate::Descend, message}; }

Fate fateOf(Message message, uint64_t field) {
  const Fate copy{Fate::Copy, message}, drop{Fate::Drop, message};
  switch (message) {
  case Message::Model:
    switch (field) {
    case 7: // graph
      return descend(Message::Graph);
    case 25: // functions
      return descend(Message::Function);
    case 6:  // doc_string
    case 14: // metadata_props
    case 20: // training_info
    case 26: // configuration
      return drop;
    default:
      return copy;
    }
  case Message::Graph:
    switch (field) {
    case 1: // node
      return descend(Message::Node);
    case 5: // initializer
      return descend(Message::Tensor);
    case 15: // sparse_initializer
      return descend(Message::SparseTensor);
    case 10: // doc_string
    case 13: // value_info
    case 14: // quantization_annotation
    case 16: // metadata_props
      return drop;
    default:
      return copy;
    }
  case Message::Node:
    switch (field) {
    case 5: // attribute
      return descend(Message::Attribute);
    case 6:  // doc_string
    case 9:  // metadata_props
    case 10: // device_configurations
      return drop;
    default:
      return copy;
    }
  case Message::Attribute:
    switch (field) {
    case 5:  // t
    case 10: // tensors
      return descend(Message::Tensor);
    case 6:  // g
    case 11: // graphs
      return descend(Message::Graph);
    case 22: // sparse_tensor
    case 23: // sparse_tensors
      return descend(Message::SparseTensor);
    case 13: // doc_string
      return drop;
    default:
      return copy;
    }
  case Message::SparseTensor:
    // values, indices
    return field == 1 || field == 2 ? descend(Message::Tensor) : copy;
  case Message::Tensor:
    switch (field) {
    case 9: // raw_data
      return {Fate::Reference, message};
    case 12: // doc_string
    case 16: // metadata_props
      return drop;
    default:
      return copy;
    }
  case Message::Function:
    switch (field) {
    case 7: // node
      return descend(Message::Node);
    case 11: // attribute_proto
      return descend(Message::Attribute);
    case 8:  // doc_string
    case 12: // value_info
    case 14: // metadata_props
      return drop;
    default:
      return copy;
    }
  }
  return copy;
}

class Rewriter {
public:
  Rewriter(ArrayRef<char> file, std::string &error)
      : file(file), error(error) {}

  /// Appends the message in [position, end) to `out`.
  bool rewrite(Message message, uint64_t position, uint64_t end, int depth,
               std::string &out) {
    if (depth > kMaxMessageDepth)
      return fail(position, "messages nest deeper than " +
                                Twine(kMaxMessageDepth) + " levels");
    while (position < end) {
      uint64_t start = position, key, length;
      if (!readVarint(position, end, key))
        return false;
      uint64_t field = key >> 3;
      if (field == 0 || field > 0x1fffffff)
        return fail(start, "invalid field number");
      switch (key & 7) {
      case 0:
        if (!readVarint(position, end, length))
          return false;
        out.append(file.data() + start, position - start);
        continue;
      case 1:
      case 5:
        length = (key & 7) == 1 ? 8 : 4;
        break;
      case 2:
        if (!readVarint(position, end, length))
          return false;
        break;
      default:
        return fail(start, "unknown wire type " + Twine(key & 7));
      }
      if (length > end - position)
        return fail(start,
                    "field of " + Twine(length) + " bytes exceeds its message");
      uint64_t next = position + length;
      Fate fate =
          (key & 7) == 2 ? fateOf(message, field) : Fate{Fate::Copy, message};
      switch (fate.kind) {
      case Fate::Copy:
        out.append(file.data() + start, next - start);
        break;
      case Fate::Drop:
        break;
      case Fate::Reference:
        appendField(key, RawDataReference{position, length}.encode(), out);
        break;
      case Fate::Descend: {
        std::string inner;
        if (!rewrite(fate.message, position, next, depth + 1, inner))
          return false;
        appendField(key, inner, out);
        break;
      }
      }
      position = next;
    }
    return true;
  }

private:
  bool fail(uint64_t offset, const Twine &reason) {
    error = ("not a valid ONNX file: " + reason + " (at byte " + Twine(offset) +
             ")")
                .str();
    return false;
  }

  bool readVarint(uint64_t &position, uint64_t end, uint64_t &value) {
    uint64_t start = position;
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (position >= end)
        return fail(start, "truncated number");
      uint64_t byte = static_cast<unsigned char>(file[position++]);
      value |= (byte & 0x7f) << shift;
      if (!(byte & 0x80))
        return true;
    }
    return fail(start, "number longer than 64 bits");
  }

  static void appendVarint(uint64_t value, std::string &out) {
    for (; value >= 0x80; value >>= 7)
      out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  }

  static void appendField(uint64_t key, StringRef content, std::string &out) {
    appendVarint(key, out);
    appendVarint(content.size(), out);
    out.append(content.data(), content.size());
  }

  ArrayRef<char> file;
  std::string &error;
};

} // namespace

std::optional<std::string> buildSkeleton(ArrayRef<char> file,
                                         std::string &error) {
  std::string skeleton;
  Rewriter rewriter(file, error);
  if (!rewriter.rewrite(Message::Model, 0, file.size(), 0, skeleton))
    return std::nullopt;
  return skeleton;
}

} // namespace mmcc::import
