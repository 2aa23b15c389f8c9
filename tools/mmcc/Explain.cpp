//===- Explain.cpp - Which nodes became which kernel ----------------------===//

#include "compiler/pipeline/Compilation.h"
#include "dialects/plan/Plan.h"
#include "tools/mmcc/AttentionForm.h"
#include "tools/mmcc/Verbs.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormattedStream.h"
#include "llvm/Support/raw_ostream.h"

using namespace mmcc;

using Nodes = llvm::SetVector<llvm::StringRef>;

/// Prints a line a launch; `left` loses the nodes that appear.
static void printEntry(plan::VariantOp variant, plan::EntryOp entry,
                       Nodes &left, llvm::raw_ostream &os) {
  os << entry.getSymName() << " for " << variant.getTarget() << "\n"
     << "       kernel                       row              nodes\n";
  int count = 0;
  for (mlir::Operation &op : entry.getBody().front()) {
    Nodes nodes = getNodes(op.getLoc());
    auto printRow = [&](llvm::StringRef kernel, llvm::StringRef row) {
      os << llvm::format("%5d  ", count++) << llvm::left_justify(kernel, 28)
         << " " << llvm::left_justify(row, 16) << " "
         << (nodes.empty() ? "(layout)" : llvm::join(nodes, ", ")) << "\n";
      for (llvm::StringRef node : nodes)
        left.remove(node);
    };
    if (auto dispatch = llvm::dyn_cast<plan::DispatchOp>(op)) {
      auto kernel = variant.lookupSymbol<plan::KernelOp>(dispatch.getKernel());
      printRow(dispatch.getKernel(), kernel ? kernel.getRow() : "");
      if (std::string form = kernel ? describeAttentionForm(kernel) : "";
          !form.empty())
        os << "         " << form << "\n";
      if (dispatch.getLibrary())
        os << "         " << *dispatch.getLibrary() << " ("
           << dispatch.getForm().value_or("")
           << ") where there is the library\n";
    } else if (llvm::isa<plan::CopyOp>(op)) {
      printRow("copy", "");
    }
  }
}

ExitCode mmcc::explain(const CommandLine &commandLine) {
  CompileOptions options = commandLine.compile;
  // One level tells it all: regions do not depend on the others.
  options.targets.resize(1);
  options.explain = true;
  Compilation compilation(options, llvm::errs());
  if (ExitCode code = compilation.run(Stage::import); code != ExitCode::done)
    return code;
  Nodes left;
  compilation.module().walk([&](mlir::Operation *op) {
    for (llvm::StringRef node : getNodes(op->getLoc()))
      left.insert(node);
  });
  if (ExitCode code = compilation.run(Stage::schedule); code != ExitCode::done)
    return code;
  for (auto variant : compilation.module().getOps<plan::VariantOp>())
    for (auto entry : variant.getBody().getOps<plan::EntryOp>())
      printEntry(variant, entry, left, llvm::outs());
  if (!left.empty())
    llvm::outs() << "without a launch of their own (read through an index map, "
                    "part of a kernel above, or evaluated):\n       "
                 << llvm::join(left, ", ") << "\n";
  return ExitCode::done;
}
