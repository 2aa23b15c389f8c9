//===- Messages.h - One line an error ---------------------------*- C++ -*-===//
//
// MLIR's diagnostics, written as users read them:
//
//     mmcc: model.onnx: node 'encoder/MatMul_3': the reason
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_PIPELINE_MESSAGES_H
#define MMCC_COMPILER_PIPELINE_MESSAGES_H

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/raw_ostream.h"
#include <string>

namespace mmcc {

/// While alive, prints errors and warnings of `context` to `os`, each once,
/// with the file it is about; with `remarks` also these. Notes are dropped.
class Messages {
public:
  Messages(mlir::MLIRContext *context, std::string file, llvm::raw_ostream &os,
           bool remarks);

  int errors() const { return errorCount; }

private:
  mlir::LogicalResult print(mlir::Diagnostic &diagnostic);

  std::string file;
  llvm::raw_ostream &os;
  bool remarks;
  int errorCount = 0;
  std::string last;
  mlir::ScopedDiagnosticHandler handler;
};

/// The names of the ONNX nodes that a location holds, each once.
llvm::SetVector<llvm::StringRef> getNodes(mlir::Location location);
/// The same, joined by ", "; empty if there is none.
std::string describeNodes(mlir::Location location);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_MESSAGES_H
