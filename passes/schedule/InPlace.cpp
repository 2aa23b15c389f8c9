//===- InPlace.cpp - The pass plan-in-place -------------------------------===//

#include "dialects/plan/Plan.h"
#include "passes/schedule/Passes.h"

using namespace mlir;

namespace mmcc {
#define GEN_PASS_DEF_PLANINPLACE
#include "passes/schedule/Passes.h.inc"

namespace {

/// How many leading operands the microkernel reads by itself.
unsigned tensorCount(StringRef row) {
#define UNWRAP(...) {__VA_ARGS__}
#define MMCC_KERNEL(name, tensors, params, blocks)                             \
  if (row == #name)                                                            \
    return std::initializer_list<const char *>(UNWRAP tensors).size();
#include "codegen/cpu/kernels/kernels.inc"
#undef UNWRAP
  return 0;
}

/// Every access to kernel arguments `read` and `written` is one load and one
/// store of the same element at the same point: then one buffer can serve as
/// both, since no element is read after it was written.
bool accessesCoincide(plan::KernelOp kernel, unsigned read, unsigned written) {
  if (read < tensorCount(kernel.getRow()))
    return false; // the microkernel reads it in an order of its own
  plan::StoreOp store;
  for (Operation *user : kernel.getBody().getArgument(written).getUsers()) {
    if (store || !isa<plan::StoreOp>(user))
      return false;
    store = cast<plan::StoreOp>(user);
  }
  if (!store || kernel.getBody().getArgument(read).use_empty())
    return false;
  return llvm::all_of(kernel.getBody().getArgument(read).getUsers(),
                      [&](Operation *user) {
                        auto load = dyn_cast<plan::LoadOp>(user);
                        return load && load->getBlock() == store->getBlock() &&
                               load.getMap() == store.getMap() &&
                               load.getIndices() == store.getIndices();
                      });
}

struct PlanInPlace : impl::PlanInPlaceBase<PlanInPlace> {
  void runOnOperation() override {
    getOperation().walk([&](plan::VariantOp variant) {
      SymbolTable symbols(variant);
      for (auto entry : variant.getBody().getOps<plan::EntryOp>())
        for (auto dispatch : llvm::make_early_inc_range(
                 entry.getBody().getOps<plan::DispatchOp>()))
          reuse(dispatch, symbols.lookup<plan::KernelOp>(dispatch.getKernel()));
    });
  }

  void reuse(plan::DispatchOp dispatch, plan::KernelOp kernel) {
    for (int64_t written : kernel.getWritten()) {
      auto target =
          dispatch.getKernelOperands()[written].getDefiningOp<plan::AllocOp>();
      if (!target || target.getOffset() || !isFirstUse(target, dispatch))
        continue;
      for (auto [read, operand] :
           llvm::enumerate(dispatch.getKernelOperands())) {
        auto source = operand.getDefiningOp<plan::AllocOp>();
        if (!source || source == target ||
            source.getElements() != target.getElements() ||
            source.getType() != target.getType() ||
            !isLastUse(source, dispatch) ||
            llvm::count(dispatch.getKernelOperands(), operand) != 1 ||
            !accessesCoincide(kernel, read, written))
          continue;
        target.replaceAllUsesWith(source.getResult());
        target.erase();
        ++buffersReused;
        break;
      }
    }
  }

  static bool isFirstUse(plan::AllocOp buffer, Operation *command) {
    return llvm::all_of(buffer->getUsers(), [&](Operation *user) {
      return user == command || command->isBeforeInBlock(user);
    });
  }
  static bool isLastUse(plan::AllocOp buffer, Operation *command) {
    return llvm::all_of(buffer->getUsers(), [&](Operation *user) {
      return user == command || user->isBeforeInBlock(command);
    });
  }
};

} // namespace
} // namespace mmcc
