//===- Substitute.h - What stands in for an output --------------*- C++ -*-===//
//
// Where a caller leaves out what an entry reads, its outputs are constants: of
// zeros, learned, or without tokens.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_IMPORT_SUBSTITUTE_H
#define MMCC_COMPILER_IMPORT_SUBSTITUTE_H

#include "compiler/import/Emitter.h"
#include "tools/npz/Npz.h"
#include <map>

namespace mmcc::import {

/// Arrays of npz files, by file. Attributes are made once, so that all
/// functions share them.
class LearnedArrays {
public:
  /// Reads a mapped file; a message on failure.
  std::string read(const std::string &location, const MappedFile &file);
  /// The array of a name as a constant with elements of `elementType`; null
  /// with `error` set if there is none or it has another type.
  Tensor find(const std::string &location, llvm::StringRef name,
              mlir::Type elementType, Emitter &emitter, std::string &error);

private:
  struct Learned {
    std::shared_ptr<npz::Array> array;
    mlir::ElementsAttr attribute;
  };
  std::map<std::string, std::map<std::string, Learned>> files;
};

/// The dimension that counts tokens: [batch, tokens, ...].
inline constexpr int64_t kTokenAxis = 1;

/// Zeros of a shape.
Tensor zeros(Emitter &emitter, mlir::Type elementType,
             llvm::ArrayRef<mm::Dim> shape);

/// Fails, with the name of the node that is at fault in `node`, if something
/// that is computed from `skipped`, tensors without tokens, has elements
/// without being a concatenation: it would need the tokens.
mlir::LogicalResult checkTokensAreNotNeeded(llvm::ArrayRef<mlir::Value> skipped,
                                            std::string &node);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_SUBSTITUTE_H
