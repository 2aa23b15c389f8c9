//===- DimParam.h - dim_param texts as dimensions ---------------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_DIMPARAM_H
#define MMCC_COMPILER_IMPORT_DIMPARAM_H

#include "compiler/import/DimFacts.h"
#include "llvm/ADT/StringSet.h"

namespace mmcc::import {

/// Whether the text can only be a name, not an expression.
bool isPlainDimName(llvm::StringRef text);

/// The dimension that a dim_param stands for. Exporters write sums and products
/// of other dimensions ("past + 1"): a text is read as such if each name in it
/// is one of `plainDims`, and as one opaque name otherwise.
mm::Dim parseDimParam(llvm::StringRef text, const llvm::StringSet<> &plainDims,
                      DimFacts &facts, mlir::MLIRContext *context);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_DIMPARAM_H
