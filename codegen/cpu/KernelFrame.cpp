#include "codegen/cpu/KernelFrame.h"

#include "llvm/IR/MDBuilder.h"

using namespace mlir;

namespace mmcc::cpu {

llvm::Value *loadInvariant(llvm::IRBuilder<> &b, llvm::Type *type,
                           llvm::Value *array, uint64_t index) {
  llvm::Value *address = b.CreateConstInBoundsGEP1_64(type, array, index);
  llvm::LoadInst *load = b.CreateLoad(type, address);
  load->setMetadata(llvm::LLVMContext::MD_invariant_load,
                    llvm::MDNode::get(b.getContext(), {}));
  return load;
}

/// The largest number of symbols that any map of the kernel has.
static unsigned symbolCount(plan::KernelOp kernel) {
  unsigned count = 0;
  auto visit = [&](AffineMap map) {
    count = std::max(count, map.getNumSymbols());
  };
  for (AffineMap map : {kernel.getExtents(), kernel.getParams(),
                        kernel.getOffsets(), kernel.getScratch()})
    visit(map);
  if (std::optional<AffineMap> pieces = kernel.getPieces())
    visit(*pieces);
  kernel.getBody().walk([&](Operation *op) {
    if (auto load = dyn_cast<plan::LoadOp>(op))
      visit(load.getMap());
    else if (auto store = dyn_cast<plan::StoreOp>(op))
      visit(store.getMap());
    else if (auto size = dyn_cast<plan::SizeOp>(op))
      visit(size.getMap());
  });
  return count;
}

KernelFrame::KernelFrame(llvm::IRBuilder<> &b, plan::KernelOp kernel,
                         llvm::Value *args, bool withLocal)
    : kernel(kernel), args(args) {
  llvm::Value *bufferArray = loadInvariant(b, b.getPtrTy(), args, 0);
  unsigned count = kernel.getBody().getNumArguments();
  unsigned known = withLocal ? count : this->kernel.getOperandCount();
  for (unsigned i = 0; i < known; ++i)
    buffers.push_back(loadInvariant(b, b.getPtrTy(), bufferArray, i));
  if (unsigned symbolsUsed = symbolCount(kernel)) {
    llvm::Value *sizes = loadInvariant(b, b.getPtrTy(), args, 1);
    for (unsigned i = 0; i < symbolsUsed; ++i)
      symbols.push_back(loadInvariant(b, b.getInt64Ty(), sizes, i));
  }

  llvm::MDBuilder metadata(b.getContext());
  llvm::MDNode *domain = metadata.createAnonymousAliasScopeDomain();
  SmallVector<llvm::Metadata *> own;
  for (unsigned i = 0; i < count; ++i)
    own.push_back(metadata.createAnonymousAliasScope(domain));
  auto isWritten = [&](unsigned i) {
    return i >= this->kernel.getOperandCount() ||
           llvm::is_contained(this->kernel.getWritten(), int64_t(i));
  };
  for (unsigned i = 0; i < count; ++i) {
    SmallVector<llvm::Metadata *> distinct;
    for (unsigned other = 0; other < count; ++other)
      if (other != i && (isWritten(i) || isWritten(other)))
        distinct.push_back(own[other]);
    scopes.push_back(llvm::MDNode::get(b.getContext(), own[i]));
    others.push_back(llvm::MDNode::get(b.getContext(), distinct));
  }
}

void KernelFrame::annotate(llvm::Instruction *access, unsigned operand) const {
  access->setMetadata(llvm::LLVMContext::MD_alias_scope, scopes[operand]);
  access->setMetadata(llvm::LLVMContext::MD_noalias, others[operand]);
}

} // namespace mmcc::cpu
