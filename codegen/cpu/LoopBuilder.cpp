#include "codegen/cpu/LoopBuilder.h"

namespace mmcc::cpu {

static std::optional<int64_t> constantOf(llvm::Value *value) {
  if (auto *constant = llvm::dyn_cast<llvm::ConstantInt>(value))
    return constant->getSExtValue();
  return std::nullopt;
}

Carried emitLoop(
    llvm::IRBuilder<> &b, llvm::Value *begin, llvm::Value *end, uint64_t step,
    llvm::ArrayRef<llvm::Value *> init,
    llvm::function_ref<Carried(llvm::Value *, llvm::ArrayRef<llvm::Value *>)>
        body) {
  Carried initial(init.begin(), init.end());
  if (begin == end)
    return initial;
  std::optional<int64_t> first = constantOf(begin), last = constantOf(end);
  if (first && last) {
    if (*first >= *last)
      return initial;
    if (*last - *first <= int64_t(step))
      return body(begin, init);
  }
  llvm::Function *function = b.GetInsertBlock()->getParent();
  llvm::LLVMContext &context = b.getContext();
  llvm::BasicBlock *before = b.GetInsertBlock();
  auto *loop = llvm::BasicBlock::Create(context, "loop", function);
  auto *done = llvm::BasicBlock::Create(context, "done", function);
  if (first && last)
    b.CreateBr(loop);
  else
    b.CreateCondBr(b.CreateICmpSLT(begin, end), loop, done);

  b.SetInsertPoint(loop);
  llvm::PHINode *iv = b.CreatePHI(begin->getType(), 2, "iv");
  iv->addIncoming(begin, before);
  llvm::SmallVector<llvm::PHINode *> phis;
  Carried current;
  for (llvm::Value *value : init) {
    phis.push_back(b.CreatePHI(value->getType(), 2));
    phis.back()->addIncoming(value, before);
    current.push_back(phis.back());
  }
  Carried next = body(iv, current);
  llvm::Value *ivNext =
      b.CreateNSWAdd(iv, llvm::ConstantInt::get(iv->getType(), step));
  llvm::BasicBlock *latch = b.GetInsertBlock();
  b.CreateCondBr(b.CreateICmpSLT(ivNext, end), loop, done);
  iv->addIncoming(ivNext, latch);
  for (auto [phi, value] : llvm::zip(phis, next))
    phi->addIncoming(value, latch);

  b.SetInsertPoint(done);
  if (first && last)
    return next;
  Carried result;
  for (auto [from, to] : llvm::zip(init, next)) {
    llvm::PHINode *phi = b.CreatePHI(from->getType(), 2);
    phi->addIncoming(from, before);
    phi->addIncoming(to, latch);
    result.push_back(phi);
  }
  return result;
}

Carried emitIf(llvm::IRBuilder<> &b, llvm::Value *condition,
               llvm::ArrayRef<llvm::Value *> init,
               llvm::function_ref<Carried()> body) {
  if (auto *constant = llvm::dyn_cast<llvm::ConstantInt>(condition))
    return constant->isZero() ? Carried(init.begin(), init.end()) : body();
  llvm::Function *function = b.GetInsertBlock()->getParent();
  llvm::BasicBlock *before = b.GetInsertBlock();
  auto *then = llvm::BasicBlock::Create(b.getContext(), "then", function);
  auto *done = llvm::BasicBlock::Create(b.getContext(), "endif", function);
  b.CreateCondBr(condition, then, done);
  b.SetInsertPoint(then);
  Carried values = body();
  llvm::BasicBlock *end = b.GetInsertBlock();
  b.CreateBr(done);
  b.SetInsertPoint(done);
  Carried result;
  for (auto [from, to] : llvm::zip(init, values)) {
    llvm::PHINode *phi = b.CreatePHI(from->getType(), 2);
    phi->addIncoming(from, before);
    phi->addIncoming(to, end);
    result.push_back(phi);
  }
  return result;
}

} // namespace mmcc::cpu
