//===- Taps.cpp - Every node's results as outputs -------------------------===//

#include "compiler/pipeline/Taps.h"
#include "compiler/pipeline/Messages.h"
#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

using namespace mmcc;
using namespace mlir;

/// Whether an operation of another node, or the return, reads the value.
static bool leavesNode(Value value, StringRef node) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    return isa<func::ReturnOp>(user) || describeNodes(user->getLoc()) != node;
  });
}

static void addTaps(func::FuncOp func) {
  // What stands in for a function has other nodes, and so other outputs.
  func->removeAttr("mm.absences");
  Operation *terminator = func.getBody().back().getTerminator();
  SmallVector<Value> results(terminator->getOperands());
  SmallVector<Type> types(func.getResultTypes());
  SmallVector<std::string> names;
  llvm::StringMap<int> counts;
  for (Operation &op : func.getBody().getOps()) {
    std::string node = describeNodes(op.getLoc());
    if (node.empty() || isa<mm::ConstantOp>(op))
      continue;
    for (Value result : op.getResults()) {
      if (!leavesNode(result, node))
        continue;
      int count = counts[node]++;
      names.push_back(kTapPrefix + node +
                      (count ? ":" + std::to_string(count) : ""));
      results.push_back(result);
      types.push_back(result.getType());
    }
  }
  unsigned first = func.getNumResults();
  terminator->setOperands(results);
  func.setType(
      FunctionType::get(func.getContext(), func.getArgumentTypes(), types));
  for (auto [index, name] : llvm::enumerate(names))
    func.setResultAttr(first + index, "mm.name",
                       StringAttr::get(func.getContext(), name));
}

void mmcc::addTaps(ModuleOp module) {
  for (auto func : module.getOps<func::FuncOp>())
    ::addTaps(func);
}
