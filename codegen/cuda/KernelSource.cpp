#include "codegen/cuda/KernelSource.h"

#include "codegen/cuda/LoopsWriter.h"
#include "codegen/cuda/MicroWriter.h"
#include "codegen/cuda/Text.h"
#include "codegen/cuda/kernels/Blocking.cuh"

using namespace mlir;

namespace mmcc::cuda {

namespace {
constexpr StringLiteral kSymbol = "mmcc_kernel";
} // namespace

/// How many symbols a kernel's maps have; all have the same.
static unsigned symbolCount(plan::KernelOp kernel) {
  unsigned count = kernel.getExtents().getNumSymbols();
  for (AffineMap map : {kernel.getParams(), kernel.getOffsets()})
    count = std::max(count, map.getNumSymbols());
  kernel.walk([&](Operation *op) {
    for (NamedAttribute attribute : op->getAttrs())
      if (auto map = dyn_cast<AffineMapAttr>(attribute.getValue()))
        count = std::max(count, map.getValue().getNumSymbols());
  });
  return count;
}

/// Whether every index of the kernel is known to fit 32 bits: sizes are known,
/// nothing computes an index, and no access is far.
static bool hasShortIndices(plan::KernelOp kernel) {
  constexpr int64_t kFar = int64_t(1) << 30;
  if (symbolCount(kernel))
    return false;
  SmallVector<AffineExpr> last;
  int64_t points = 1;
  for (AffineExpr extent : kernel.getExtents().getResults()) {
    auto constant = dyn_cast<AffineConstantExpr>(extent);
    if (!constant || constant.getValue() > kFar ||
        (points *= std::max<int64_t>(constant.getValue(), 1)) > kFar)
      return false;
    last.push_back(extent - 1);
  }
  bool isShort = true;
  auto visit = [&](AffineMap map, ValueRange indices) {
    SmallVector<AffineExpr> at;
    for (Value index : indices) {
      auto argument = dyn_cast<BlockArgument>(index);
      if (!argument || argument.getArgNumber() >= last.size()) {
        isShort = false;
        return;
      }
      at.push_back(last[argument.getArgNumber()]);
    }
    // Strides are not negative, but by steps of slices that go back.
    auto end = dyn_cast<AffineConstantExpr>(map.getResult(0).replaceDims(at));
    auto begin = dyn_cast<AffineConstantExpr>(
        map.getResult(0).replaceDims(SmallVector<AffineExpr>(
            at.size(), getAffineConstantExpr(0, map.getContext()))));
    isShort &= end && begin && std::abs(end.getValue()) < kFar &&
               std::abs(begin.getValue()) < kFar;
  };
  kernel.walk([&](Operation *op) {
    if (auto load = dyn_cast<plan::LoadOp>(op))
      visit(load.getMap(), load.getIndices());
    else if (auto store = dyn_cast<plan::StoreOp>(op))
      visit(store.getMap(), store.getIndices());
    else
      for (Type type : op->getResultTypes())
        isShort &= !isa<IndexType>(type) || isa<plan::SizeOp>(op);
  });
  return isShort;
}

/// x0, x1, ...: the operands. What is only read says so.
static LogicalResult writeOperands(plan::KernelOp kernel,
                                   llvm::raw_ostream &out) {
  for (auto [i, argument] :
       llvm::enumerate(kernel.getBody().front().getArguments())) {
    Type element = cast<plan::BufferType>(argument.getType()).getElementType();
    std::string type = memoryTypeName(element);
    if (type.empty())
      return kernel.emitError("CUDA code generation: there are no elements of "
                              "type ")
             << element;
    if (!llvm::is_contained(kernel.getWritten(), int64_t(i)))
      type = "const " + type;
    out << "  " << type << " *const __restrict__ x" << i << " = args.buffer<"
        << type << ">(" << i << ");\n";
  }
  return success();
}

FailureOr<KernelSource> writeKernel(plan::KernelOp kernel) {
  bool isLoops = kernel.getRow() == "loops";
  const MicroRow *row = findMicroRow(kernel.getRow());
  if (!isLoops && !row)
    return kernel.emitError("CUDA code generation has no form of row '")
           << kernel.getRow() << "' yet";
  for (AffineMap map :
       {kernel.getExtents(), kernel.getParams(), kernel.getOffsets()})
    if (map.getNumDims() != 0)
      return kernel.emitOpError("has a map with dimensions: ")
             << AffineMapAttr::get(map);
  KernelSource source;
  source.symbol = kSymbol.str();
  source.threads = kThreads;
  llvm::raw_string_ostream out(source.text);
  unsigned symbols = symbolCount(kernel);
  unsigned operands = kernel.getBody().front().getNumArguments();
  out << "#include \"" << (isLoops ? "Team.cuh" : row->header)
      << "\"\n\nusing namespace mmcc;\n\nusing Index = "
      << (isLoops && hasShortIndices(kernel) ? "int" : "int64_t")
      << ";\n\nMMCC_KERNEL(" << kSymbol << ", " << kThreads << ", Arguments<"
      << operands << ", " << symbols << ">) {\n";
  if (failed(writeOperands(kernel, out)))
    return failure();
  for (unsigned i = 0; i < symbols; ++i)
    out << "  const Index s" << i << " = args.sizes[" << i << "];\n";
  if (failed(isLoops ? writeLoops(kernel, kThreads, out)
                     : writeMicro(kernel, *row, kThreads, out)))
    return failure();
  out << "}\n";
  return source;
}

} // namespace mmcc::cuda
