//===- CanonicalOrder.cpp - Operations in the order of need ---------------===//

#include "dialects/mm/MM.h"
#include "passes/simplify/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace mmcc {
#define GEN_PASS_DEF_CANONICALORDER
#include "passes/simplify/Passes.h.inc"
} // namespace mmcc

using namespace mlir;

namespace {

/// Everything that `root` depends on and lies in its block, each operation
/// after its operands, which come in the order in which they are written.
void collect(Operation *root, llvm::SetVector<Operation *> &order) {
  struct Visit {
    Operation *op;
    unsigned nextOperand;
  };
  SmallVector<Visit> stack{{root, 0}};
  while (!stack.empty()) {
    Visit &visit = stack.back();
    if (visit.nextOperand == visit.op->getNumOperands()) {
      order.insert(visit.op);
      stack.pop_back();
      continue;
    }
    Operation *source =
        visit.op->getOperand(visit.nextOperand++).getDefiningOp();
    if (source && !order.contains(source))
      stack.push_back({source, 0});
  }
}

struct CanonicalOrder : mmcc::impl::CanonicalOrderBase<CanonicalOrder> {
  void runOnOperation() override {
    for (Block &block : getOperation().getBody()) {
      llvm::SetVector<Operation *> order;
      Operation *terminator = block.getTerminator();
      collect(terminator, order);
      // What nothing depends on stays, behind the rest.
      for (Operation &op : block)
        collect(&op, order);
      auto place = [&](bool constants) {
        for (Operation *op : order)
          if (isa<mmcc::mm::ConstantOp>(op) == constants)
            op->moveBefore(&block, block.end());
      };
      place(true);
      place(false);
      terminator->moveBefore(&block, block.end());
    }
  }
};

} // namespace
