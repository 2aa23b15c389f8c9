//===- TensorReader.h - Tensors of a model file -----------------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_TENSORREADER_H
#define MMCC_COMPILER_IMPORT_TENSORREADER_H

#include "compiler/import/ExternalFolder.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/DenseMap.h"
#include <optional>

namespace onnx {
class ModelProto;
class SparseTensorProto;
class TensorProto;
} // namespace onnx

namespace mmcc::import {

/// Row-major elements as little-endian bytes, one byte a bool. `bytes` points
/// into a mapped file or into memory; `owner` keeps either alive. Elements of
/// 4 bits take a byte each, of an 8-bit type.
struct TensorContent {
  mlir::RankedTensorType type;
  llvm::ArrayRef<char> bytes;
  std::shared_ptr<const void> owner;
  bool isHalfByte = false;
};

/// The one way from a TensorProto, wherever it stands in the model, to its
/// elements. Every length is checked against type, shape and file first.
class TensorReader {
public:
  /// Maps and parses `path`. Null with `error` set if that fails.
  static std::unique_ptr<TensorReader>
  open(const std::string &path, bool allowHardLinks, std::string &error);
  /// The same for a file that is mapped already; `path` says in which folder
  /// its external data lie.
  static std::unique_ptr<TensorReader>
  parse(std::shared_ptr<const MappedFile> file, const std::string &path,
        bool allowHardLinks, std::string &error);
  ~TensorReader();

  const onnx::ModelProto &model() const { return *parsed; }

  std::optional<TensorContent> read(const onnx::TensorProto &tensor,
                                    mlir::MLIRContext *context,
                                    std::string &error);
  /// A sparse tensor made dense; refused if it then takes over 256 MiB.
  std::optional<TensorContent> read(const onnx::SparseTensorProto &tensor,
                                    mlir::MLIRContext *context,
                                    std::string &error);

  /// What the model was read from: the file itself as `name`, then external
  /// data by location. Each a dictionary of name, bytes and hash (XXH3-128 of
  /// the content, hexadecimal).
  mlir::ArrayAttr describeSources(mlir::MLIRContext *context,
                                  llvm::StringRef name) const;

  /// The attribute made before for this proto (each start of an import asks
  /// again), or an empty place for it.
  mlir::ElementsAttr &attributeOf(const void *proto) {
    return attributes[proto];
  }

private:
  TensorReader(std::shared_ptr<const MappedFile> file, std::string folder,
               bool allowHardLinks);
  std::optional<TensorContent> readExternal(const onnx::TensorProto &tensor,
                                            mlir::RankedTensorType type,
                                            uint64_t size, std::string &error);

  std::shared_ptr<const MappedFile> file;
  ExternalFolder folder;
  std::unique_ptr<onnx::ModelProto> parsed;
  llvm::DenseMap<const void *, mlir::ElementsAttr> attributes;
};

/// A file for `mm.sources`: its name, its bytes and their hash.
mlir::DictionaryAttr describeFile(mlir::MLIRContext *context,
                                  llvm::StringRef name,
                                  llvm::ArrayRef<char> bytes);

/// The attribute for `mm.constant`: up to 1 KiB in the IR, anything larger a
/// resource named after `name` that points at the content, kept alive by it.
mlir::ElementsAttr makeElements(const TensorContent &content,
                                llvm::StringRef name);

/// The tensor type with these sizes, or null with `error` set if a size is
/// negative or the whole is absurdly large.
mlir::RankedTensorType checkedType(llvm::ArrayRef<int64_t> sizes,
                                   mlir::Type elementType, std::string &error);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_TENSORREADER_H
