//===- Messages.cpp - One line an error -----------------------------------===//

#include "compiler/pipeline/Messages.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mmcc;

llvm::SetVector<llvm::StringRef> mmcc::getNodes(mlir::Location location) {
  llvm::SetVector<llvm::StringRef> nodes;
  location->walk([&](mlir::Location inner) {
    // Import writes a node as loc("node"(loc("file"))).
    auto named = llvm::dyn_cast<mlir::NameLoc>(inner);
    if (named && llvm::isa<mlir::NameLoc>(named.getChildLoc()))
      nodes.insert(named.getName());
    return mlir::WalkResult::advance();
  });
  return nodes;
}

std::string mmcc::describeNodes(mlir::Location location) {
  return llvm::join(getNodes(location), ", ");
}

static std::string describePosition(mlir::Location location) {
  std::string nodes = describeNodes(location);
  if (!nodes.empty())
    return "node '" + nodes + "': ";
  if (auto place = llvm::dyn_cast<mlir::FileLineColLoc>(location))
    if (place.getLine() > 0)
      return (llvm::Twine("line ") + llvm::Twine(place.getLine()) +
              ", column " + llvm::Twine(place.getColumn()) + ": ")
          .str();
  return "";
}

Messages::Messages(mlir::MLIRContext *context, std::string file,
                   llvm::raw_ostream &os, bool remarks)
    : file(std::move(file)), os(os), remarks(remarks),
      handler(context, [this](mlir::Diagnostic &diagnostic) {
        return print(diagnostic);
      }) {}

mlir::LogicalResult Messages::print(mlir::Diagnostic &diagnostic) {
  mlir::DiagnosticSeverity severity = diagnostic.getSeverity();
  bool isError = severity == mlir::DiagnosticSeverity::Error;
  bool isRemark = severity == mlir::DiagnosticSeverity::Remark;
  if (severity == mlir::DiagnosticSeverity::Note || (isRemark && !remarks))
    return mlir::success();
  std::string message = "mmcc: " + file + ": " +
                        (isError    ? ""
                         : isRemark ? "remark: "
                                    : "warning: ") +
                        describePosition(diagnostic.getLocation()) +
                        diagnostic.str();
  errorCount += isError;
  if (message != last)
    os << message << "\n";
  last = std::move(message);
  return mlir::success();
}
