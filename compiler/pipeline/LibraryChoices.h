//===- LibraryChoices.h - What was found best on GPUs -----------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_LIBRARYCHOICES_H
#define MMCC_COMPILER_PIPELINE_LIBRARYCHOICES_H

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace mmcc {

/// Gives products of known rows that a library may do what the record has of
/// them, for every GPU and library in it. Fails, with a message, if the file is
/// no record.
mlir::LogicalResult addLibraryChoices(mlir::ModuleOp module,
                                      const std::string &record);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_LIBRARYCHOICES_H
