//===- Explain.cpp - Which nodes became which kernel
//-----------------------===//

#include "compiler/pipeline/Compilation.h"
#include "dialects/plan/Plan.h"
#include "tools/mmcc/Verbs.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormattedStream.h"
#include "llvm/Support/raw_ostream.h"

using namespace mmcc;

static void printEntry(plan::VariantOp variant, plan::EntryOp entry,
                       llvm::raw_ostream &os) {
  os << variant.getTarget() << " " << entry.getSymName() << "\n";
  int count = 0;
  for (mlir::Operation &op : entry.getBody().front()) {
    std::string nodes = describeNodes(op.getLoc());
    auto printRow = [&](llvm::StringRef kernel, llvm::StringRef row) {
      os << llvm::format("%5d  ", count++) << llvm::left_justify(kernel, 28)
         << " " << llvm::left_justify(row, 16) << " "
         << (nodes.empty() ? "(layout)" : nodes) << "\n";
    };
    if (auto dispatch = llvm::dyn_cast<plan::DispatchOp>(op)) {
      auto kernel = variant.lookupSymbol<plan::KernelOp>(dispatch.getKernel());
      printRow(dispatch.getKernel(), kernel ? kernel.getRow() : "");
    } else if (llvm::isa<plan::CopyOp>(op)) {
      printRow("copy", "");
    }
  }
}

ExitCode mmcc::explain(const CommandLine &commandLine) {
  CompileOptions options = commandLine.compile;
  // One level tells it all: regions do not depend on the others.
  options.targets.resize(1);
  Compilation compilation(options, llvm::errs());
  ExitCode code = compilation.run(Stage::schedule);
  if (code != ExitCode::done)
    return code;
  llvm::outs() << "      kernel                       row              nodes\n";
  for (auto variant : compilation.module().getOps<plan::VariantOp>())
    for (auto entry : variant.getBody().getOps<plan::EntryOp>())
      printEntry(variant, entry, llvm::outs());
  return ExitCode::done;
}
