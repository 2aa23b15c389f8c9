#include "codegen/cpu/Strip.h"

#include "llvm/IR/Constants.h"

#include <numeric>

namespace mmcc::cpu {

unsigned fittingCopies(llvm::Value *count, unsigned width, unsigned copies) {
  auto *constant = llvm::dyn_cast<llvm::ConstantInt>(count);
  if (!constant)
    return copies;
  while (copies > 1 && constant->getZExtValue() < uint64_t(width) * copies)
    copies /= 2;
  return copies;
}

Carried emitStrip(llvm::IRBuilder<> &b, llvm::Value *begin, llvm::Value *count,
                  const StripShape &shape, llvm::ArrayRef<llvm::Value *> init,
                  llvm::function_ref<Carried(llvm::ArrayRef<StripPart>,
                                             llvm::ArrayRef<llvm::Value *>)>
                      body) {
  uint64_t width = shape.width, group = width * shape.copies;
  Carried state(init.begin(), init.end());
  auto lanes = [&](uint64_t stride) {
    Lanes result;
    result.width = shape.width;
    result.dim = shape.dim;
    result.align = std::gcd(shape.align, stride);
    return result;
  };
  llvm::Value *at = begin;
  auto upTo = [&](uint64_t step, unsigned copies) {
    llvm::Value *whole = b.CreateAnd(count, b.getInt64(~(step - 1)));
    llvm::Value *end = b.CreateNSWAdd(begin, whole);
    state = emitLoop(
        b, at, end, step, state,
        [&](llvm::Value *iv, llvm::ArrayRef<llvm::Value *> carried) {
          llvm::SmallVector<StripPart> parts;
          for (unsigned copy = 0; copy < copies; ++copy)
            parts.push_back(
                {b.CreateNSWAdd(iv, b.getInt64(copy * width)), lanes(width)});
          return body(parts, carried);
        });
    at = end;
  };
  if (shape.copies > 1)
    upTo(group, shape.copies);
  upTo(width, 1);
  if (width == 1)
    return state;
  llvm::Value *rest = b.CreateAnd(count, b.getInt64(width - 1));
  return emitIf(b, b.CreateICmpNE(rest, b.getInt64(0)), state, [&] {
    StripPart part = {at, lanes(width)};
    llvm::Type *number = b.getInt32Ty();
    part.lanes.mask = b.CreateICmpULT(
        laneNumbers(number, shape.width),
        b.CreateVectorSplat(shape.width, b.CreateTrunc(rest, number)));
    return body(part, state);
  });
}

} // namespace mmcc::cpu
