//===- Kernel.cpp - Building one plan.kernel ------------------------------===//

#include "passes/lower/Kernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace mmcc::lower {

/// What an exponential, an error function or the like counts for.
static constexpr int64_t kMathFlops = 12;

Kernel::Kernel(Lowering &lowering, StringRef row, Location loc)
    : lowering(lowering), loc(loc) {
  OpBuilder &b = lowering.kernelBuilder;
  AffineMap none = AffineMap::get(b.getContext());
  op = b.create<plan::KernelOp>(loc, row, row, none, /*parallel=*/0, none, none,
                                none, ArrayRef<int64_t>{}, AffineMapAttr(),
                                IntegerAttr());
  op.getBody().emplaceBlock();
}

Value Kernel::operand(Value buffer) {
  for (auto [index, known] : llvm::enumerate(buffers))
    if (known == buffer)
      return op.getBody().getArgument(index);
  if (local && buffer == local)
    return op.getBody().getArguments().back();
  buffers.push_back(buffer);
  return addArgument(buffer.getType());
}

/// What is the cell's own stays the last.
Value Kernel::addArgument(Type type) {
  return op.getBody().insertArgument(op.getOperandCount(), type, loc);
}

void Kernel::tensor(Value buffer) {
  buffers.push_back(buffer);
  addArgument(buffer.getType());
}

void Kernel::keepLocal(Value buffer, int64_t offset) {
  local = buffer;
  op.getBody().addArgument(buffer.getType(), loc);
  op.setLocal(offset);
}

void Kernel::markWritten(Value buffer) {
  operand(buffer);
  for (auto [index, known] : llvm::enumerate(buffers))
    if (known == buffer && !llvm::is_contained(written, int64_t(index)))
      written.push_back(index);
}

void Kernel::discard() { op.erase(); }

void Kernel::finish(ArrayRef<Dim> extents, int64_t parallel,
                    ArrayRef<Dim> params, ArrayRef<Dim> offsets,
                    const Dim &scratchBytes, const Dim &flops,
                    ArrayRef<Dim> grid) {
  const Symbols &symbols = lowering.symbols;
  op.setExtents(symbols.map(extents));
  op.setParallel(parallel);
  op.setParams(symbols.map(params));
  op.setOffsets(symbols.map(offsets));
  // A GPU's kernels bring their own (codegen/cuda).
  op.setScratch(
      symbols.map(lowering.isCuda() ? symbols.constant(0) : scratchBytes));
  llvm::sort(written);
  op.setWritten(written);
  // Blocks run at every point; a finish block only at the parallel ones, which
  // does not matter for an estimate.
  int64_t perPoint = 0;
  op.walk([&](Operation *each) {
    if (isa<math::MathDialect>(each->getDialect()))
      perPoint += kMathFlops;
    else if (isa<arith::ArithDialect>(each->getDialect()) &&
             !isa<arith::ConstantOp>(each))
      ++perPoint;
    else if (isa<plan::LoadOp, plan::StoreOp>(each))
      ++perPoint;
  });
  Dim total = flops + mm::product(symbols.context, extents) * perPoint;
  lowering.dispatch(op, buffers, grid, total, loc);
}

FlatSymbolRefAttr Lowering::intern(plan::KernelOp kernel) {
  // Equal text, equal kernel: names of SSA values are positions.
  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  kernel.print(os, flags.useLocalScope());
  auto [it, isNew] = kernels.try_emplace(text);
  if (isNew) {
    it->second = (kernel.getRow() + "_" + Twine(kernels.size() - 1)).str();
    kernel.setSymName(it->second);
  } else {
    kernel.erase();
  }
  return FlatSymbolRefAttr::get(builder.getContext(), it->second);
}

/// Whether some map of the kernel or in it is a function of symbol `position`.
static bool readsSymbol(plan::KernelOp kernel, unsigned position) {
  bool reads = false;
  kernel->walk([&](Operation *op) {
    for (NamedAttribute attribute : op->getAttrs())
      if (auto map = dyn_cast<AffineMapAttr>(attribute.getValue()))
        for (AffineExpr expr : map.getValue().getResults())
          reads |= expr.isFunctionOfSymbol(position);
  });
  return reads;
}

void Lowering::dispatch(plan::KernelOp kernel, ArrayRef<Value> operands,
                        ArrayRef<Dim> grid, const Dim &flops, Location loc) {
  SmallVector<Dim> three(grid);
  three.resize(3, symbols.constant(1));
  // A launch in a GPU's graph whose arguments are as they were is not touched:
  // of a longer past only those hear that read its length.
  SmallVector<AffineExpr> all;
  for (unsigned i = 0; i < symbols.names.size(); ++i)
    all.push_back(!isCuda() || readsSymbol(kernel, i)
                      ? getAffineSymbolExpr(i, loc.getContext())
                      : getAffineConstantExpr(0, loc.getContext()));
  AffineMap sizes = AffineMap::get(0, all.size(), all, loc.getContext());
  FlatSymbolRefAttr name = intern(kernel);
  builder.create<plan::DispatchOp>(
      loc, name, AffineMapAttr::get(symbols.map(three)),
      AffineMapAttr::get(sizes), operands,
      AffineMapAttr::get(symbols.map(flops)), UnitAttr(), IntegerAttr(),
      DenseI64ArrayAttr(), StringAttr(), StringAttr(), AffineMapAttr(),
      ValueRange());
}

} // namespace mmcc::lower
