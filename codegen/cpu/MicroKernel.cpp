#include "codegen/cpu/MicroKernel.h"

#include "codegen/cpu/BlockEmitter.h"
#include "codegen/cpu/LoopKernel.h"
#include "codegen/cpu/NumberConversion.h"
#include "codegen/cpu/Strip.h"

using namespace mlir;

namespace mmcc::cpu {

/// An array on the stack that holds `values`.
llvm::Value *MicroKernel::array(llvm::Type *element,
                                ArrayRef<llvm::Value *> values) {
  llvm::Type *type = llvm::ArrayType::get(element, values.size());
  llvm::Value *address = b.CreateAlloca(type);
  for (auto [i, value] : llvm::enumerate(values))
    b.CreateStore(value, b.CreateConstInBoundsGEP2_64(type, address, 0, i));
  return address;
}

FailureOr<MicroKernel::Cell> MicroKernel::cellOf(const KernelRow &row,
                                                 ArrayRef<llvm::Value *> params,
                                                 ArrayRef<llvm::Value *> cell) {
  SmallVector<llvm::Value *> found;
  for (StringRef name : {"B", "M", "N", "m_block", "n_block"}) {
    const auto *at = llvm::find(row.params, name);
    if (at == row.params.end())
      return plan::KernelOp(frame.kernel)
                 .emitOpError("has pieces of rows, row '")
             << row.name << "' no '" << name << "'";
    found.push_back(params[at - row.params.begin()]);
  }
  llvm::Value *M = found[1], *mBlock = found[3], *nBlock = found[4];
  auto rest = [&](llvm::Value *block, llvm::Value *all, llvm::Value *first) {
    return b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, block,
                                   b.CreateNSWSub(all, first));
  };
  Cell result;
  result.firstRow = b.CreateNSWMul(cell[1], mBlock);
  result.rows = rest(mBlock, M, result.firstRow);
  auto *width = llvm::dyn_cast<llvm::ConstantInt>(nBlock);
  auto *all = llvm::dyn_cast<llvm::ConstantInt>(found[2]);
  if (width && all && width->getZExtValue() >= all->getZExtValue()) {
    result.firstColumn = b.getInt64(0);
    result.columns = all;
  } else {
    result.firstColumn = b.CreateNSWMul(cell[0], nBlock);
    result.columns = rest(nBlock, found[2], result.firstColumn);
  }
  llvm::Value *row0 =
      b.CreateNSWAdd(b.CreateNSWMul(cell[2], M), result.firstRow);
  result.origin =
      b.CreateNSWAdd(b.CreateNSWMul(row0, nBlock), result.firstColumn);
  return result;
}

LogicalResult MicroKernel::emit(ArrayRef<llvm::Value *> cell,
                                NewFunction newFunction) {
  plan::KernelOp kernel = frame.kernel;
  const KernelRow *row = findKernelRow(kernel.getRow());
  if (!row)
    return kernel.emitOpError("names row '")
           << kernel.getRow() << "', which kernels.inc does not have";
  unsigned tensorCount = row->tensors.size();
  if (kernel.getParams().getNumResults() != row->params.size())
    return kernel.emitOpError("has ")
           << kernel.getParams().getNumResults() << " params, row '"
           << row->name << "' takes " << row->params.size();
  if (kernel.getOffsets().getNumResults() != tensorCount ||
      kernel.getBody().getNumArguments() < tensorCount)
    return kernel.emitOpError("needs ")
           << tensorCount << " tensors and their offsets";

  AffineEmitter affine(b);
  SmallVector<llvm::Value *> params =
      affine.emitSizes(kernel.getParams(), frame.symbols);
  SmallVector<llvm::Value *> offsets =
      affine.emitSizes(kernel.getOffsets(), frame.symbols);
  SmallVector<llvm::Value *> tensors;
  for (unsigned i = 0; i < tensorCount; ++i) {
    auto buffer =
        cast<plan::BufferType>(kernel.getBody().getArgument(i).getType());
    llvm::Type *element = memoryType(buffer.getElementType(), b.getContext());
    if (!element)
      return kernel.emitOpError("has a tensor of type ") << buffer;
    tensors.push_back(b.CreateGEP(element, frame.buffers[i], offsets[i]));
  }

  KernelFrame inner = frame;
  FailureOr<Cell> part = failure();
  if (kernel.getPieces() && failed(part = cellOf(*row, params, cell)))
    return failure();
  if (std::optional<uint64_t> local = kernel.getLocal()) {
    // Blocks find its address behind those of the operands.
    llvm::Value *scratch = loadInvariant(b, b.getPtrTy(), frame.args, 2);
    llvm::Value *first =
        b.CreateGEP(b.getInt8Ty(), scratch, b.getInt64(*local));
    inner.buffers.push_back(
        b.CreateGEP(b.getFloatTy(), first, b.CreateNeg(part->origin)));
    llvm::Value *sizes = loadInvariant(b, b.getPtrTy(), frame.args, 1);
    inner.args = array(b.getPtrTy(),
                       {array(b.getPtrTy(), inner.buffers), sizes, scratch});
  }

  llvm::Value *null = llvm::ConstantPointerNull::get(b.getPtrTy());
  llvm::Value *post = null, *score = null;
  SmallVector<plan::BlockOp> ofPieces;
  for (plan::BlockOp block : kernel.getBody().getOps<plan::BlockOp>()) {
    if (kernel.getPieces() &&
        llvm::is_contained({"map", "reduce", "finish"}, block.getRole())) {
      ofPieces.push_back(block);
      continue;
    }
    if (!llvm::is_contained(row->blocks, block.getRole()))
      return block.emitOpError("has a role that row '")
             << row->name << "' does not know";
    llvm::Value *&slot = block.getRole() == "post" ? post : score;
    if (slot != null)
      return block.emitOpError("is the second of its role");
    FailureOr<llvm::Function *> function = blockFunction(block, newFunction);
    if (failed(function))
      return failure();
    slot = *function;
  }
  if (post == null && llvm::is_contained(row->blocks, "post"))
    return kernel.emitOpError("needs a post block");

  llvm::Value *members[] = {inner.args,
                            array(b.getInt64Ty(), params),
                            array(b.getPtrTy(), tensors),
                            cell[0],
                            cell[1],
                            cell[2],
                            post,
                            score};
  SmallVector<llvm::Type *> types;
  for (llvm::Value *member : members)
    types.push_back(member->getType());
  llvm::Type *callType = llvm::StructType::get(b.getContext(), types);
  llvm::Value *call = b.CreateAlloca(callType);
  for (auto [i, member] : llvm::enumerate(members))
    b.CreateStore(member, b.CreateStructGEP(callType, call, i));
  llvm::Module *module = b.GetInsertBlock()->getModule();
  b.CreateCall(module->getOrInsertFunction(("mmk_" + row->name).str(),
                                           b.getVoidTy(), b.getPtrTy()),
               call);
  if (ofPieces.empty())
    return success();
  llvm::Value *width =
      affine.emitSizes(kernel.getPieces()->getSubMap({3}), frame.symbols)[0];
  return LoopKernel(b, math, inner, level, ofPieces, *kernel.getPieces())
      .emitPieces(cell[2], {part->firstRow, part->rows},
                  {b.CreateUDiv(part->firstColumn, width),
                   b.CreateUDiv(part->columns, width)});
}

/// Emits `block` as a BlockFn: loops over the rows and columns of a tile.
FailureOr<llvm::Function *>
MicroKernel::blockFunction(plan::BlockOp block, NewFunction newFunction) {
  Block &body = block.getBody().front();
  unsigned rank = 0;
  while (rank < body.getNumArguments() &&
         isa<IndexType>(body.getArgument(rank).getType()))
    ++rank;
  bool isScore = block.getRole() == "score";
  auto yield = dyn_cast<plan::YieldOp>(body.back());
  if (rank < 2 || body.getNumArguments() != rank + 1 ||
      !body.getArgument(rank).getType().isF32())
    return block.emitOpError("takes indices and one f32");
  if (!yield || yield.getNumOperands() != (isScore ? 1 : 0) ||
      (isScore && !yield.getOperand(0).getType().isF32()))
    return block.emitOpError("yields one f32 if and only if it is a score");

  llvm::Type *i64 = b.getInt64Ty(), *ptr = b.getPtrTy();
  auto *type = llvm::FunctionType::get(
      b.getVoidTy(), {ptr, ptr, i64, i64, i64, i64, ptr, i64}, false);
  plan::KernelOp kernel = frame.kernel;
  std::string name =
      (b.GetInsertBlock()->getParent()->getName() + "." + block.getRole())
          .str();
  llvm::Function *function = newFunction(name, type);
  // The tile is the thread's own memory.
  function->addParamAttr(6, llvm::Attribute::NoAlias);
  llvm::IRBuilder<>::InsertPointGuard guard(b);
  b.SetInsertPoint(llvm::BasicBlock::Create(b.getContext(), "entry", function));
  auto arg = [&](unsigned i) { return function->getArg(i); };
  KernelFrame inner(b, frame.kernel, arg(0), /*withLocal=*/true);
  BlockEmitter emitter(b, math, inner);
  SmallVector<llvm::Value *> outer;
  for (unsigned i = 0; i + 2 < rank; ++i)
    outer.push_back(loadInvariant(b, i64, arg(1), i));

  StripShape shape;
  shape.width = level.lanes;
  shape.dim = rank - 1;
  // Tiles of packed products start at a panel, the others anywhere.
  shape.align = kernel.getRow() == "gemm_f32" ? level.lanes : 1;
  llvm::Align align(4);
  auto vectorOf = [&](const StripPart &part, llvm::Value *address) {
    auto *vector = llvm::FixedVectorType::get(b.getFloatTy(), shape.width);
    if (!part.lanes.mask)
      return (llvm::Value *)b.CreateAlignedLoad(vector, address, align);
    return (llvm::Value *)b.CreateMaskedLoad(
        vector, address, align, part.lanes.mask,
        llvm::Constant::getNullValue(vector));
  };
  llvm::Value *zero = b.getInt64(0);
  emitLoop(
      b, zero, arg(4), 1, {}, [&](llvm::Value *r, ArrayRef<llvm::Value *>) {
        llvm::Value *tileRow =
            b.CreateGEP(b.getFloatTy(), arg(6), b.CreateNSWMul(r, arg(7)));
        SmallVector<llvm::Value *> indices = outer;
        indices.push_back(b.CreateNSWAdd(arg(2), r));
        indices.push_back(nullptr);
        emitStrip(b, zero, arg(5), shape, {},
                  [&](ArrayRef<StripPart> parts, ArrayRef<llvm::Value *>) {
                    for (const StripPart &part : parts) {
                      llvm::Value *address =
                          b.CreateGEP(b.getFloatTy(), tileRow, part.first);
                      indices.back() = b.CreateNSWAdd(arg(3), part.first);
                      BlockEmitter::Values results = emitter.emit(
                          block, indices, vectorOf(part, address), part.lanes);
                      if (!isScore || emitter.failed())
                        continue;
                      llvm::Value *value = splat(b, results[0], shape.width);
                      if (part.lanes.mask)
                        b.CreateMaskedStore(value, address, align,
                                            part.lanes.mask);
                      else
                        b.CreateAlignedStore(value, address, align);
                    }
                    return Carried();
                  });
        return Carried();
      });
  b.CreateRetVoid();
  if (emitter.failed())
    return failure();
  return function;
}

} // namespace mmcc::cpu
