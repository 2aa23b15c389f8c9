//===- TensorReader.cpp - Tensors of a model file -------------------------===//

#include "compiler/import/TensorReader.h"
#include "compiler/import/ElementType.h"
#include "compiler/import/WireSkeleton.h"
#include "compiler/import/onnx.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"
#include <cstring>
#include <limits>

using namespace mlir;

namespace mmcc::import {

static constexpr int64_t kMaxInlineBytes = 1024;
static constexpr int64_t kMaxDenseBytes = int64_t(256) << 20;
static constexpr int64_t kMaxElements = int64_t(1) << 40;
static constexpr size_t kMaxRank = 32;

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

TensorReader::TensorReader(std::shared_ptr<const MappedFile> file,
                           std::string folder, bool allowHardLinks)
    : file(std::move(file)), folder(std::move(folder), allowHardLinks),
      parsed(std::make_unique<onnx::ModelProto>()) {}
TensorReader::~TensorReader() = default;

std::unique_ptr<TensorReader> TensorReader::open(const std::string &path,
                                                 bool allowHardLinks,
                                                 std::string &error) {
  std::shared_ptr<const MappedFile> file = MappedFile::open(path, error);
  return file ? parse(std::move(file), path, allowHardLinks, error) : nullptr;
}

std::unique_ptr<TensorReader>
TensorReader::parse(std::shared_ptr<const MappedFile> file,
                    const std::string &path, bool allowHardLinks,
                    std::string &error) {
  std::optional<std::string> skeleton = buildSkeleton(file->bytes(), error);
  if (!skeleton)
    return nullptr;
  if (skeleton->size() > size_t(std::numeric_limits<int32_t>::max())) {
    error = "the model takes over 2 GB without its weights";
    return nullptr;
  }
  size_t slash = path.rfind('/');
  std::unique_ptr<TensorReader> reader(new TensorReader(
      file, slash == std::string::npos ? "." : path.substr(0, slash + 1),
      allowHardLinks));
  google::protobuf::io::CodedInputStream stream(
      reinterpret_cast<const uint8_t *>(skeleton->data()), skeleton->size());
  // Room for the types inside of the deepest message that the skeleton allows.
  stream.SetRecursionLimit(kMaxMessageDepth + 32);
  if (!reader->parsed->ParseFromCodedStream(&stream) ||
      !stream.ConsumedEntireMessage()) {
    error = "not a valid ONNX file: protobuf cannot parse it";
    return nullptr;
  }
  return reader;
}

//===----------------------------------------------------------------------===//
// Dense tensors
//===----------------------------------------------------------------------===//

RankedTensorType checkedType(ArrayRef<int64_t> sizes, Type elementType,
                             std::string &error) {
  if (sizes.size() > kMaxRank) {
    error = "has " + std::to_string(sizes.size()) + " dimensions, over " +
            std::to_string(kMaxRank);
    return {};
  }
  int64_t count = 1;
  for (int64_t size : sizes) {
    if (size < 0) {
      error = "has the negative size " + std::to_string(size);
      return {};
    }
    if (size > kMaxElements ||
        llvm::MulOverflow(count, std::max<int64_t>(size, 1), count) ||
        count > kMaxElements) {
      error = "has an absurdly large shape";
      return {};
    }
  }
  return RankedTensorType::get(sizes, elementType);
}

/// Elements that protobuf holds as `Wide`, stored as `Narrow`.
template <typename Narrow, typename Field>
static std::optional<TensorContent>
fromField(const Field &field, RankedTensorType type, std::string &error,
          size_t perElement = 1) {
  size_t count = type.getNumElements();
  if (static_cast<size_t>(field.size()) != count * perElement) {
    error = "holds " + std::to_string(field.size()) +
            " elements where its shape needs " + std::to_string(count);
    return std::nullopt;
  }
  auto bytes = std::make_shared<std::vector<char>>(count * sizeof(Narrow));
  for (size_t i = 0; i < count; ++i) {
    Narrow value = static_cast<Narrow>(field[i]);
    std::memcpy(bytes->data() + i * sizeof(Narrow), &value, sizeof(Narrow));
  }
  return TensorContent{type, *bytes, bytes};
}

static std::optional<TensorContent>
fromTypedField(const onnx::TensorProto &tensor, RankedTensorType type,
               std::string &error) {
  switch (tensor.data_type()) {
  case onnx::TensorProto::FLOAT:
    return fromField<float>(tensor.float_data(), type, error);
  case onnx::TensorProto::DOUBLE:
    return fromField<double>(tensor.double_data(), type, error);
  case onnx::TensorProto::INT64:
    return fromField<int64_t>(tensor.int64_data(), type, error);
  case onnx::TensorProto::UINT64:
    return fromField<uint64_t>(tensor.uint64_data(), type, error);
  case onnx::TensorProto::UINT32:
    return fromField<uint32_t>(tensor.uint64_data(), type, error);
  case onnx::TensorProto::INT32:
    return fromField<int32_t>(tensor.int32_data(), type, error);
  default:
    // The rest lies in int32_data: small integers and the bits of small floats.
    return bytesPerElement(type.getElementType()) == 2
               ? fromField<uint16_t>(tensor.int32_data(), type, error)
               : fromField<uint8_t>(tensor.int32_data(), type, error);
  }
}

std::optional<TensorContent>
TensorReader::readExternal(const onnx::TensorProto &tensor,
                           RankedTensorType type, uint64_t size,
                           std::string &error) {
  llvm::StringMap<std::string> entries;
  for (const auto &entry : tensor.external_data()) {
    if (!llvm::is_contained(
            {"location", "offset", "length", "checksum", "basepath"},
            entry.key())) {
      error = "has the unknown external_data key '" + entry.key() + "'";
      return std::nullopt;
    }
    if (!entries.try_emplace(entry.key(), entry.value()).second) {
      error = "has the external_data key '" + entry.key() + "' twice";
      return std::nullopt;
    }
  }
  auto number = [&](StringRef key, uint64_t absent) -> std::optional<uint64_t> {
    auto it = entries.find(key);
    if (it == entries.end())
      return absent;
    uint64_t value;
    if (!StringRef(it->second).getAsInteger(10, value))
      return value;
    error = "has an external_data " + key.str() + " of '" + it->second +
            "', which is no size";
    return std::nullopt;
  };
  std::optional<uint64_t> offset = number("offset", 0);
  std::optional<uint64_t> length = number("length", size);
  if (!offset || !length)
    return std::nullopt;
  if (*length != size) {
    error = "needs " + std::to_string(size) +
            " bytes where external_data gives " + std::to_string(*length);
    return std::nullopt;
  }
  std::string location = entries.lookup("location");
  std::string reason;
  std::shared_ptr<const MappedFile> data = folder.map(location, reason);
  if (!data) {
    error = "external file '" + location + "' " + reason;
    return std::nullopt;
  }
  uint64_t available = data->bytes().size();
  if (*offset > available || size > available - *offset) {
    error = "wants bytes " + std::to_string(*offset) + " to " +
            std::to_string(*offset) + "+" + std::to_string(size) +
            " of the external file '" + location + "', which has " +
            std::to_string(available);
    return std::nullopt;
  }
  return TensorContent{type, data->bytes().slice(*offset, size), data};
}

static bool isHalfByte(int32_t dataType) {
  return dataType == onnx::TensorProto::INT4 ||
         dataType == onnx::TensorProto::UINT4;
}

/// Two elements a byte, the first in its low half, as bytes of `type`.
static TensorContent unpackHalfBytes(const TensorContent &packed,
                                     RankedTensorType type) {
  auto bytes = std::make_shared<std::vector<char>>(type.getNumElements());
  bool isUnsigned = type.getElementType().isUnsignedInteger();
  for (size_t i = 0; i < bytes->size(); ++i) {
    int half = uint8_t(packed.bytes[i / 2]) >> (i % 2 * 4) & 15;
    (*bytes)[i] = char(isUnsigned || half < 8 ? half : half - 16);
  }
  return {type, *bytes, bytes, true};
}

/// ONNX stores bool as a byte; anything but 0 counts as true.
static TensorContent normalizeBools(TensorContent content) {
  if (!isBool(content.type.getElementType()) ||
      llvm::all_of(content.bytes, [](char c) { return c == 0 || c == 1; }))
    return content;
  auto bytes = std::make_shared<std::vector<char>>(content.bytes.begin(),
                                                   content.bytes.end());
  for (char &c : *bytes)
    c = c != 0;
  return {content.type, *bytes, bytes};
}

std::optional<TensorContent> TensorReader::read(const onnx::TensorProto &tensor,
                                                MLIRContext *context,
                                                std::string &error) {
  bool isHalf = isHalfByte(tensor.data_type());
  Type elementType =
      elementTypeFor(!isHalf ? tensor.data_type()
                     : tensor.data_type() == onnx::TensorProto::INT4
                         ? onnx::TensorProto::INT8
                         : onnx::TensorProto::UINT8,
                     context);
  if (!elementType) {
    error = "has elements of type " + dataTypeName(tensor.data_type()) +
            ", which is not supported";
    return std::nullopt;
  }
  if (tensor.has_segment()) {
    error = "is stored in segments, which is not supported";
    return std::nullopt;
  }
  SmallVector<int64_t> sizes(tensor.dims().begin(), tensor.dims().end());
  RankedTensorType type = checkedType(sizes, elementType, error);
  if (!type)
    return std::nullopt;
  RankedTensorType wanted = type;
  if (isHalf)
    type = RankedTensorType::get(
        {(type.getNumElements() + 1) / 2},
        elementTypeFor(onnx::TensorProto::UINT8, context));
  uint64_t size = type.getNumElements() * bytesPerElement(elementType);
  std::optional<TensorContent> content;
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    content = readExternal(tensor, type, size, error);
  } else if (tensor.has_raw_data()) {
    auto reference = RawDataReference::decode(tensor.raw_data());
    if (!reference || reference->length != size) {
      error = "needs " + std::to_string(size) + " bytes but holds " +
              std::to_string(reference ? reference->length : 0);
      return std::nullopt;
    }
    content =
        TensorContent{type, file->bytes().slice(reference->offset, size), file};
  } else {
    content = fromTypedField(tensor, type, error);
  }
  if (content)
    content = isHalf ? unpackHalfBytes(*content, wanted)
                     : normalizeBools(std::move(*content));
  return content;
}

//===----------------------------------------------------------------------===//
// Sparse tensors
//===----------------------------------------------------------------------===//

std::optional<TensorContent>
TensorReader::read(const onnx::SparseTensorProto &sparse, MLIRContext *context,
                   std::string &error) {
  std::optional<TensorContent> values = read(sparse.values(), context, error);
  if (!values)
    return std::nullopt;
  std::optional<TensorContent> indices = read(sparse.indices(), context, error);
  if (!indices)
    return std::nullopt;
  SmallVector<int64_t> sizes(sparse.dims().begin(), sparse.dims().end());
  Type elementType = values->type.getElementType();
  RankedTensorType type = checkedType(sizes, elementType, error);
  if (!type)
    return std::nullopt;
  int64_t width = bytesPerElement(elementType);
  if (type.getNumElements() > kMaxDenseBytes / width) {
    error = "is a sparse tensor of over 256 MiB when dense";
    return std::nullopt;
  }
  int64_t count = values->type.getNumElements(), rank = sizes.size();
  ArrayRef<int64_t> indexSizes = indices->type.getShape();
  bool linear = indexSizes.size() == 1 && indexSizes[0] == count;
  bool tuples =
      indexSizes.size() == 2 && indexSizes[0] == count && indexSizes[1] == rank;
  if (values->type.getRank() != 1 || !(linear || tuples) ||
      !indices->type.getElementType().isInteger(64)) {
    error = "is a sparse tensor with indices of the wrong shape or type";
    return std::nullopt;
  }
  auto dense =
      std::make_shared<std::vector<char>>(type.getNumElements() * width);
  auto index = [&](int64_t i) {
    int64_t value;
    std::memcpy(&value, indices->bytes.data() + i * sizeof(value),
                sizeof(value));
    return value;
  };
  for (int64_t i = 0; i < count; ++i) {
    int64_t position = linear ? index(i) : 0;
    bool inside = position >= 0 && position < type.getNumElements();
    for (int64_t d = 0; tuples && inside && d < rank; ++d) {
      int64_t coordinate = index(i * rank + d);
      inside = coordinate >= 0 && coordinate < sizes[d];
      position = position * sizes[d] + coordinate;
    }
    if (!inside) {
      error = "is a sparse tensor with an index outside its shape";
      return std::nullopt;
    }
    std::memcpy(dense->data() + position * width,
                values->bytes.data() + i * width, width);
  }
  return TensorContent{type, *dense, dense, values->isHalfByte};
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

static bool isSplat(ArrayRef<char> bytes, int64_t width) {
  return bytes.size() > size_t(width) &&
         std::memcmp(bytes.data(), bytes.data() + width,
                     bytes.size() - width) == 0;
}

/// A name that printed IR can hold: the parser of dense_resource takes neither
/// "onnx::MatMul_368" nor "/encoder/norm", nor a string.
static std::string resourceName(StringRef name) {
  std::string result;
  if (name.empty() || !llvm::isAlpha(name[0]))
    result = "_";
  for (char c : name)
    result += llvm::isAlnum(c) || c == '_' || c == '.' ? c : '_';
  return result;
}

ElementsAttr makeElements(const TensorContent &content, StringRef name) {
  RankedTensorType type = content.type;
  int64_t width = bytesPerElement(type.getElementType());
  if (content.bytes.empty())
    return DenseElementsAttr::get(type, ArrayRef<Attribute>());
  if (content.bytes.size() <= size_t(kMaxInlineBytes)) {
    ArrayRef<char> bytes = content.bytes;
    if (isBool(type.getElementType())) {
      SmallVector<bool> values(bytes.begin(), bytes.end());
      return DenseElementsAttr::get(type, values);
    }
    if (isSplat(bytes, width))
      bytes = bytes.take_front(width);
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  }
  // The address decides what alignment can be promised; mappings start on a
  // page, so that it is the file offset's.
  size_t alignment =
      llvm::MinAlign(reinterpret_cast<uintptr_t>(content.bytes.data()), 64);
  AsmResourceBlob blob(
      content.bytes, alignment,
      [owner = content.owner](void *, size_t, size_t) {},
      /*dataIsMutable=*/false);
  auto handle =
      DenseResourceElementsHandle::getManagerInterface(type.getContext())
          .insert(resourceName(name), std::move(blob));
  return DenseResourceElementsAttr::get(type, handle);
}

DictionaryAttr describeFile(MLIRContext *context, StringRef name,
                            ArrayRef<char> bytes) {
  Builder builder(context);
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(
      {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  std::string text = llvm::utohexstr(hash.high64, /*LowerCase=*/true, 16) +
                     llvm::utohexstr(hash.low64, /*LowerCase=*/true, 16);
  return builder.getDictionaryAttr(
      {builder.getNamedAttr("name", builder.getStringAttr(name)),
       builder.getNamedAttr("bytes", builder.getI64IntegerAttr(bytes.size())),
       builder.getNamedAttr("hash", builder.getStringAttr(text))});
}

ArrayAttr TensorReader::describeSources(MLIRContext *context,
                                        StringRef name) const {
  SmallVector<Attribute> sources = {describeFile(context, name, file->bytes())};
  for (const auto &[location, mapped] : folder.mapped())
    sources.push_back(describeFile(context, location, mapped->bytes()));
  return ArrayAttr::get(context, sources);
}

} // namespace mmcc::import
