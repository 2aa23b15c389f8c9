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

/// Numbers of this size and more are too far for 32 bits.
static constexpr int64_t kFar = int64_t(1) << 30;

/// The largest magnitude of an expression and of its parts, at most kFar.
/// `most` are those of its dimensions.
static int64_t reachOf(AffineExpr expr, ArrayRef<int64_t> most) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return std::min(std::abs(constant.getValue()), kFar);
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return most[dim.getPosition()];
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return kFar;
  int64_t lhs = reachOf(binary.getLHS(), most);
  int64_t rhs = reachOf(binary.getRHS(), most);
  if (lhs >= kFar || rhs >= kFar)
    return kFar;
  if (expr.getKind() == AffineExprKind::Add)
    return std::min(lhs + rhs, kFar);
  // A quotient or a rest is no farther than what is divided.
  return expr.getKind() == AffineExprKind::Mul ? std::min(lhs * rhs, kFar)
                                               : std::max(lhs, rhs);
}

/// Whether every index of the kernel is known to fit 32 bits: sizes are known,
/// nothing computes an index, and no access is far.
static bool hasShortIndices(plan::KernelOp kernel) {
  if (symbolCount(kernel))
    return false;
  SmallVector<int64_t> last;
  int64_t points = 1;
  for (AffineExpr extent : kernel.getExtents().getResults()) {
    auto constant = dyn_cast<AffineConstantExpr>(extent);
    if (!constant || constant.getValue() > kFar ||
        (points *= std::max<int64_t>(constant.getValue(), 1)) > kFar)
      return false;
    last.push_back(std::max<int64_t>(constant.getValue() - 1, 0));
  }
  bool isShort = true;
  auto visit = [&](AffineMap map, ValueRange indices) {
    SmallVector<int64_t> most;
    for (Value index : indices) {
      auto argument = dyn_cast<BlockArgument>(index);
      isShort &= argument && argument.getArgNumber() < last.size();
      most.push_back(isShort ? last[argument.getArgNumber()] : kFar);
    }
    isShort &= reachOf(map.getResult(0), most) < kFar;
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
  if (kernel.getPieces())
    return kernel.emitError("CUDA code generation has no pieces of rows: cells "
                            "are blocks of threads");
  for (AffineMap map :
       {kernel.getExtents(), kernel.getParams(), kernel.getOffsets()})
    if (map.getNumDims() != 0)
      return kernel.emitOpError("has a map with dimensions: ")
             << AffineMapAttr::get(map);
  KernelSource source;
  source.symbol = kSymbol.str();
  source.threads = kThreads;
  if (row) {
    source.sharedBytes = sharedBytesOf(kernel, *row);
    source.maps = mapsOf(kernel, *row);
  }
  llvm::raw_string_ostream out(source.text);
  unsigned symbols = symbolCount(kernel);
  unsigned operands = kernel.getBody().front().getNumArguments();
  out << "#include \"" << (isLoops ? "Team.cuh" : row->header)
      << "\"\n\nusing namespace mmcc;\n\nusing Index = "
      << (isLoops && hasShortIndices(kernel) ? "int" : "int64_t")
      << ";\n\nMMCC_KERNEL(" << kSymbol << ", ";
  unsigned blocks = row ? blocksTogether(kernel, *row) : 1;
  if (blocks > 1)
    out << "MMCC_BLOCKS(" << kThreads << ", " << blocks << ")";
  else
    out << kThreads;
  out << ", " << (source.maps.empty() ? "" : "Mapped") << "Arguments<"
      << operands << ", " << symbols;
  if (!source.maps.empty())
    out << ", " << source.maps.size();
  out << ">) {\n";
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
