//===- Import.h - ONNX files to mm ------------------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_IMPORT_H
#define MMCC_COMPILER_IMPORT_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <string>
#include <vector>

namespace mmcc::import {

/// `--dim NAME=N` (lo == hi) or `--dim NAME=LO..HI`, both inclusive.
struct DimBinding {
  std::string name;
  int64_t lo;
  int64_t hi;
};

struct ImportOptions {
  std::string path;
  std::vector<DimBinding> dims;
  /// Accept bindings of names that no input of this file has, as where one
  /// command line serves several files.
  bool allowUnknownDims = false;
  /// Name of the func.func; `mm.symbols` on it gives the ranges of symbols.
  std::string entry = "main";
  /// Accept external data files that have further hard links.
  bool allowHardLinks = false;
};

/// Why a model cannot be imported. `node`, `op` and `opset` are empty (0) where
/// the fault lies with the file as a whole or with an input.
struct ImportError {
  std::string file;
  std::string node;
  std::string op;
  int64_t opset = 0;
  std::string reason;

  /// `file: node 'name' (Op, opset N): reason`
  std::string str() const;
};

/// Parses NAME=N or NAME=LO..HI (HI may be left out: unbounded). Nothing if the
/// text is neither.
std::optional<DimBinding> parseDimBinding(llvm::StringRef text);

/// Imports what a Description (Description.h) tells of: a function an entry,
/// one for the connected entries, and one for each set of inputs that may be
/// missing from it. A size is named `batch` in whatever model has it, or
/// `image.batch` in the model of one entry. `options.entry` is not used.
mlir::OwningOpRef<mlir::ModuleOp>
importDescription(const ImportOptions &options, mlir::MLIRContext &context,
                  std::vector<ImportError> &errors);

/// Imports the model into a module with one func.func; `mm.sources` on it lists
/// the files it was read from with their sizes and hashes. The context must
/// have the func and mm dialects loaded; weights are resources of the context
/// that point into the mapped files and keep these mapped. If the model is at
/// fault, returns null and appends every blocker found to `errors`.
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(const ImportOptions &options,
                                             mlir::MLIRContext &context,
                                             std::vector<ImportError> &errors);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_IMPORT_H
