#include "codegen/cpu/MathLibrary.h"

#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Verifier.h"

namespace mmcc::cpu {

static std::string symbolOf(llvm::StringRef name, llvm::Type *type) {
  const char *suffix = type->getScalarType()->isDoubleTy() ? "_f64" : "_f32";
  return ("mmk_" + name + suffix).str();
}

bool MathLibrary::contains(llvm::StringRef name, llvm::Type *type) const {
  return library.getFunction(symbolOf(name, type)) != nullptr;
}

llvm::AttrBuilder MathLibrary::targetAttributes() const {
  llvm::AttrBuilder attributes(module.getContext());
  for (const llvm::Function &function : library) {
    if (!function.hasFnAttribute("target-features"))
      continue;
    for (const char *name : {"target-cpu", "target-features", "tune-cpu"})
      if (function.hasFnAttribute(name))
        attributes.addAttribute(function.getFnAttribute(name));
    break;
  }
  return attributes;
}

llvm::Function *MathLibrary::declare(llvm::Function *original) {
  return llvm::cast<llvm::Function>(
      module
          .getOrInsertFunction(original->getName(), original->getFunctionType())
          .getCallee());
}

namespace {
/// Copies a function without loops and memory with vector types. Branches
/// become selects: what a block computes has no side effects, so all blocks
/// can be computed.
class Widener {
public:
  Widener(llvm::Function *from, llvm::Function *to, unsigned width)
      : from(from), to(to), width(width),
        b(llvm::BasicBlock::Create(to->getContext(), "", to)) {}

  bool run() {
    for (auto [oldArg, newArg] : llvm::zip(from->args(), to->args()))
      values[&oldArg] = &newArg;
    for (llvm::BasicBlock &block : *from) {
      if (!enter(block))
        return false;
      for (llvm::Instruction &instruction : block)
        if (!copy(instruction))
          return false;
    }
    return true;
  }

private:
  llvm::Value *get(llvm::Value *value) {
    if (auto *constant = llvm::dyn_cast<llvm::Constant>(value))
      return llvm::isa<llvm::ConstantExpr, llvm::GlobalValue>(constant)
                 ? nullptr
                 : llvm::ConstantVector::getSplat(
                       llvm::ElementCount::getFixed(width), constant);
    return values.lookup(value);
  }

  /// Predecessors must be done: blocks are in topological order after
  /// optimisation, or the function is not widened.
  bool enter(llvm::BasicBlock &block) {
    if (&block == &from->getEntryBlock()) {
      reached[&block] = llvm::ConstantVector::getSplat(
          llvm::ElementCount::getFixed(width), b.getTrue());
      return true;
    }
    llvm::Value *any = nullptr;
    for (llvm::BasicBlock *before : llvm::predecessors(&block)) {
      llvm::Value *edge = edges.lookup({before, &block});
      if (!edge)
        return false;
      any = any ? b.CreateOr(any, edge) : edge;
    }
    reached[&block] = any;
    return any != nullptr;
  }

  llvm::Value *copyPhi(llvm::PHINode &phi) {
    llvm::Value *result = nullptr;
    for (unsigned i = 0; i < phi.getNumIncomingValues(); ++i) {
      llvm::Value *value = get(phi.getIncomingValue(i));
      llvm::Value *edge =
          edges.lookup({phi.getIncomingBlock(i), phi.getParent()});
      if (!value || !edge)
        return nullptr;
      result = result ? b.CreateSelect(edge, value, result) : value;
    }
    return result;
  }

  bool branch(llvm::BranchInst &branch) {
    llvm::BasicBlock *block = branch.getParent();
    llvm::Value *here = reached.lookup(block);
    if (branch.isUnconditional()) {
      edges[{block, branch.getSuccessor(0)}] = here;
      return true;
    }
    llvm::Value *condition = get(branch.getCondition());
    if (!condition || branch.getSuccessor(0) == branch.getSuccessor(1))
      return false;
    edges[{block, branch.getSuccessor(0)}] = b.CreateAnd(here, condition);
    edges[{block, branch.getSuccessor(1)}] =
        b.CreateAnd(here, b.CreateNot(condition));
    return true;
  }

  llvm::Value *copyCall(llvm::CallInst &call) {
    llvm::Intrinsic::ID id = call.getIntrinsicID();
    if (id == llvm::Intrinsic::not_intrinsic ||
        !llvm::isTriviallyVectorizable(id))
      return nullptr;
    auto wide = [&](llvm::Type *type) {
      return llvm::FixedVectorType::get(type, width);
    };
    llvm::SmallVector<llvm::Value *> args;
    llvm::SmallVector<llvm::Type *> overloads;
    if (llvm::isVectorIntrinsicWithOverloadTypeAtArg(id, -1))
      overloads.push_back(wide(call.getType()));
    for (unsigned i = 0; i < call.arg_size(); ++i) {
      llvm::Value *arg = call.getArgOperand(i);
      bool scalar = llvm::isVectorIntrinsicWithScalarOpAtArg(id, i);
      if (!scalar)
        arg = get(arg);
      if (!arg || (scalar && !llvm::isa<llvm::Constant>(arg)))
        return nullptr;
      args.push_back(arg);
      if (llvm::isVectorIntrinsicWithOverloadTypeAtArg(id, i))
        overloads.push_back(arg->getType());
    }
    llvm::Function *callee =
        llvm::Intrinsic::getDeclaration(to->getParent(), id, overloads);
    llvm::CallInst *copy = b.CreateCall(callee, args);
    if (llvm::isa<llvm::FPMathOperator>(copy))
      copy->copyFastMathFlags(&call);
    return copy;
  }

  bool copy(llvm::Instruction &instruction) {
    if (auto *jump = llvm::dyn_cast<llvm::BranchInst>(&instruction))
      return branch(*jump);
    if (auto *done = llvm::dyn_cast<llvm::ReturnInst>(&instruction)) {
      llvm::Value *value = get(done->getReturnValue());
      // One return only, in the last block.
      if (!value || instruction.getParent() != &from->back())
        return false;
      b.CreateRet(value);
      return true;
    }
    llvm::Value *result = nullptr;
    if (auto *phi = llvm::dyn_cast<llvm::PHINode>(&instruction))
      result = copyPhi(*phi);
    else if (auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction))
      result = copyCall(*call);
    else if (llvm::isa<llvm::BinaryOperator, llvm::UnaryOperator, llvm::CmpInst,
                       llvm::SelectInst, llvm::CastInst, llvm::FreezeInst>(
                 &instruction))
      result = copySimple(instruction);
    values[&instruction] = result;
    return result != nullptr;
  }

  llvm::Value *copySimple(llvm::Instruction &instruction) {
    llvm::Instruction *clone = instruction.clone();
    for (llvm::Use &use : clone->operands()) {
      llvm::Value *operand = get(use);
      if (!operand) {
        clone->deleteValue();
        return nullptr;
      }
      use.set(operand);
    }
    if (instruction.getType()->isVectorTy() ||
        instruction.getType()->isPointerTy()) {
      clone->deleteValue();
      return nullptr;
    }
    clone->mutateType(llvm::FixedVectorType::get(instruction.getType(), width));
    clone->dropUnknownNonDebugMetadata();
    b.Insert(clone);
    return clone;
  }

  llvm::Function *from;
  llvm::Function *to;
  unsigned width;
  llvm::IRBuilder<> b;
  llvm::DenseMap<llvm::Value *, llvm::Value *> values;
  llvm::DenseMap<llvm::BasicBlock *, llvm::Value *> reached;
  llvm::DenseMap<std::pair<llvm::BasicBlock *, llvm::BasicBlock *>,
                 llvm::Value *>
      edges;
};
} // namespace

llvm::Function *MathLibrary::widen(llvm::Function *original, unsigned width) {
  std::string name = (original->getName() + ".x" + llvm::Twine(width)).str();
  auto known = widened.find(name);
  if (known != widened.end())
    return known->second;
  llvm::Function *&result = widened[name];
  if (llvm::Error error = original->materialize()) {
    llvm::consumeError(std::move(error));
    return nullptr;
  }
  auto wide = [&](llvm::Type *type) {
    return llvm::FixedVectorType::get(type, width);
  };
  llvm::SmallVector<llvm::Type *> params;
  for (llvm::Argument &arg : original->args())
    params.push_back(wide(arg.getType()));
  auto *function = llvm::Function::Create(
      llvm::FunctionType::get(wide(original->getReturnType()), params, false),
      llvm::GlobalValue::InternalLinkage, name, module);
  if (!Widener(original, function, width).run()) {
    function->eraseFromParent();
    return nullptr;
  }
  function->addFnAttrs(targetAttributes());
  function->addFnAttr(llvm::Attribute::AlwaysInline);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  return result = function;
}

llvm::Value *MathLibrary::call(llvm::IRBuilder<> &b, llvm::StringRef name,
                               llvm::ArrayRef<llvm::Value *> args) {
  llvm::Function *original =
      library.getFunction(symbolOf(name, args[0]->getType()));
  if (!original || original->arg_size() != args.size())
    return nullptr;
  auto *vector = llvm::dyn_cast<llvm::FixedVectorType>(args[0]->getType());
  if (!vector)
    return b.CreateCall(declare(original), args);
  unsigned width = vector->getNumElements();
  if (llvm::Function *wide = widen(original, width))
    return b.CreateCall(wide, args);
  llvm::Value *result = llvm::PoisonValue::get(
      llvm::FixedVectorType::get(original->getReturnType(), width));
  for (unsigned lane = 0; lane < width; ++lane) {
    llvm::SmallVector<llvm::Value *> scalars;
    for (llvm::Value *arg : args)
      scalars.push_back(b.CreateExtractElement(arg, lane));
    result = b.CreateInsertElement(
        result, b.CreateCall(declare(original), scalars), lane);
  }
  return result;
}

} // namespace mmcc::cpu
