#include "codegen/cuda/LoopsWriter.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace mmcc::cuda {

//===----------------------------------------------------------------------===//
// Teams
//===----------------------------------------------------------------------===//

/// How far an access moves from one index `position` to the next.
static std::optional<int64_t> strideAlong(AffineMap map, ValueRange indices,
                                          unsigned position) {
  MLIRContext *context = map.getContext();
  SmallVector<AffineExpr> here, next;
  for (auto [i, index] : llvm::enumerate(indices)) {
    AffineExpr dim = getAffineDimExpr(i, context);
    auto argument = dyn_cast<BlockArgument>(index);
    bool moves = argument && argument.getArgNumber() == position;
    // What was computed may vary in any way.
    if (!argument && map.getResult(0).isFunctionOfDim(i))
      return std::nullopt;
    here.push_back(dim);
    next.push_back(moves ? dim + 1 : dim);
  }
  AffineExpr expr = map.getResult(0);
  AffineExpr step = simplifyAffineExpr(expr.replaceDims(next) - expr,
                                       map.getNumDims(), map.getNumSymbols());
  auto constant = dyn_cast<AffineConstantExpr>(step);
  return constant ? std::optional(constant.getValue()) : std::nullopt;
}

static std::optional<int64_t> constantOf(AffineExpr expr) {
  auto constant = dyn_cast<AffineConstantExpr>(expr);
  return constant ? std::optional(constant.getValue()) : std::nullopt;
}

/// Rows of fewer numbers keep no warp busy, rows of more take a block.
constexpr int64_t kShortRow = 8, kLongRow = 4096;

TeamKind chooseTeam(plan::KernelOp kernel) {
  ArrayRef<AffineExpr> extents = kernel.getExtents().getResults();
  unsigned parallel = kernel.getParallel(), rank = extents.size();
  if (rank == parallel)
    return TeamKind::thread;
  unsigned alongPoints = 0, alongRows = 0;
  for (auto block : kernel.getBody().getOps<plan::BlockOp>()) {
    if (block.getRole() == "finish")
      continue;
    block.walk([&](Operation *op) {
      auto count = [&](AffineMap map, ValueRange indices) {
        alongPoints += strideAlong(map, indices, parallel - 1) == 1;
        alongRows += strideAlong(map, indices, rank - 1) == 1;
      };
      if (auto load = dyn_cast<plan::LoadOp>(op))
        count(load.getMap(), load.getIndices());
      else if (auto store = dyn_cast<plan::StoreOp>(op))
        count(store.getMap(), store.getIndices());
    });
  }
  AffineExpr numbers = getAffineConstantExpr(1, kernel.getContext());
  for (AffineExpr extent : extents.drop_front(parallel))
    numbers = numbers * extent;
  std::optional<int64_t> size = constantOf(numbers);
  if (alongPoints > alongRows || (size && *size < kShortRow))
    return TeamKind::thread;
  return size && *size >= kLongRow ? TeamKind::block : TeamKind::warp;
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

namespace {

class LoopsWriter {
public:
  LoopsWriter(plan::KernelOp kernel, unsigned threads, llvm::raw_ostream &out)
      : kernel(kernel), threads(threads), out(out),
        parallel(kernel.getParallel()),
        rank(kernel.getExtents().getNumResults()) {
    for (AffineExpr extent : kernel.getExtents().getResults())
      extents.push_back(affineText(extent, {}));
    for (unsigned i = 0; i < rank; ++i)
      indices.push_back("d" + std::to_string(i));
  }

  LogicalResult write() {
    for (auto block : kernel.getBody().getOps<plan::BlockOp>())
      if (block.getRole() == "sequential")
        return writeSequential();
    if (kernel.getParams().getNumResults() != 2)
      return kernel.emitOpError("needs rows and columns of a cell as params");
    std::string team = "Alone";
    switch (chooseTeam(kernel)) {
    case TeamKind::thread:
      break;
    case TeamKind::warp:
      team = "Warp";
      break;
    case TeamKind::block:
      team = "Block<" + std::to_string(threads) + ">";
    }
    // Without parallel dimensions there is one point.
    unsigned outer = parallel ? parallel - 1 : 0;
    out << "  forEachPoint<" << team << ", Index, " << threads << ">(\n"
        << "      " << product(0, outer) << ", " << product(outer, parallel)
        << ", " << affineText(kernel.getParams().getResult(0), {}) << ", "
        << affineText(kernel.getParams().getResult(1), {})
        << ",\n      [&](auto team, Index row, Index "
        << (parallel ? indices[outer] : "") << ") {\n";
    writeIndices("row", 0, outer, 4);
    for (auto block : kernel.getBody().getOps<plan::BlockOp>())
      if (failed(writeBlock(block)))
        return failure();
    out << "  });\n";
    return success();
  }

private:
  /// extents[begin] * ... * extents[end - 1].
  std::string product(unsigned begin, unsigned end) const {
    if (begin == end)
      return "Index(1)";
    SmallVector<std::string> factors;
    for (unsigned i = begin; i < end; ++i)
      factors.push_back("Index(" + extents[i] + ")");
    return llvm::join(factors, " * ");
  }

  /// Indices [begin, end) from their row-major number.
  void writeIndices(const std::string &flat, unsigned begin, unsigned end,
                    unsigned indent) {
    for (unsigned i = begin; i < end; ++i) {
      out.indent(indent) << "const Index " << indices[i] << " = " << flat;
      if (i + 1 < end)
        out << " / (" << product(i + 1, end) << ")";
      if (i > begin)
        out << " % (" << extents[i] << ")";
      out << ";\n";
    }
  }

  /// Whether an earlier block stores what this one loads.
  bool readsStores(plan::BlockOp block) {
    bool reads = false;
    block.walk([&](plan::LoadOp load) {
      for (Operation *user : load.getBuffer().getUsers())
        if (isa<plan::StoreOp>(user))
          reads |= user->getParentOp() != block &&
                   user->getParentOp()->isBeforeInBlock(block);
    });
    return reads;
  }

  LogicalResult writeBlock(plan::BlockOp block) {
    if (readsStores(block))
      out << "    team.sync();\n";
    StringRef role = block.getRole();
    if (role == "finish")
      return writeFinish(block);
    if (role == "map")
      return rank == parallel ? writePoint(block) : writeMap(block);
    if (role == "reduce")
      return writeReduce(block);
    return block.emitOpError("has a role of microkernels in a loops kernel");
  }

  FailureOr<SmallVector<std::string>>
  writeStatements(plan::BlockOp block, unsigned indexCount, unsigned indent) {
    SmallVector<std::string> arguments(
        ArrayRef(indices).take_front(indexCount));
    llvm::append_range(arguments, results);
    return BlockWriter(out, indent).write(block, arguments);
  }

  LogicalResult writePoint(plan::BlockOp block) {
    out << "    {\n";
    LogicalResult result = writeStatements(block, rank, 6);
    out << "    }\n";
    return result;
  }

  LogicalResult writeFinish(plan::BlockOp block) {
    out << "    team.once([&] {\n";
    LogicalResult result = writeStatements(block, parallel, 6);
    out << "    });\n";
    return result;
  }

  void openReduced() {
    out << product(parallel, rank) << ", [&](Index i) {\n";
    writeIndices("i", parallel, rank, 6);
  }

  LogicalResult writeMap(plan::BlockOp block) {
    out << "    team.each(";
    openReduced();
    LogicalResult result = writeStatements(block, rank, 6);
    out << "    });\n";
    return result;
  }

  LogicalResult writeReduce(plan::BlockOp block) {
    auto yield = cast<plan::YieldOp>(block.getBody().front().back());
    StringRef combine = block.getCombine().value_or("");
    StringRef rule = llvm::StringSwitch<StringRef>(combine)
                         .Case("sum", "Sum")
                         .Case("prod", "Product")
                         .Case("max", "Largest")
                         .Case("min", "Least")
                         .Case("argmax", "ArgLargest")
                         .Case("argmin", "ArgLeast")
                         .Default("");
    if (rule.empty() || yield.getNumOperands() < 1)
      return block.emitOpError("combines by unknown '") << combine << "'";
    bool hasPlace = rule.starts_with("Arg");
    Type type = yield.getOperand(0).getType();
    std::string name = "r" + std::to_string(results.size());
    std::string value = valueTypeName(type);
    out << "    const auto " << name << " = team.template "
        << (hasPlace ? "find" : "reduce") << "<" << rule
        << (hasPlace ? ", " + value : "") << ">(";
    openReduced();
    auto yields = writeStatements(block, rank, 6);
    if (failed(yields))
      return failure();
    if (hasPlace)
      out << "      return Place<" << value << ">{" << (*yields)[0]
          << ", int64_t(" << (yields->size() > 1 ? (*yields)[1] : "i")
          << ")};\n";
    else
      out << "      return " << (*yields)[0] << ";\n";
    out << "    });\n";
    if (hasPlace) {
      results.push_back(name + ".value");
      results.push_back(name + ".index");
    } else if (isNarrowFloat(type)) {
      results.push_back("float(" + memoryTypeName(type) + "(" + name + "))");
    } else {
      results.push_back(name);
    }
    return success();
  }

  /// What has an order: one thread.
  LogicalResult writeSequential() {
    out << "  if (blockIdx.x || threadIdx.x)\n    return;\n";
    for (auto block : kernel.getBody().getOps<plan::BlockOp>()) {
      for (unsigned i = 0; i < rank; ++i)
        out.indent(2 + 2 * i)
            << "for (Index " << indices[i] << " = 0; " << indices[i] << " < "
            << extents[i] << "; ++" << indices[i] << ") {\n";
      if (failed(writeStatements(block, rank, 2 + 2 * rank)))
        return failure();
      for (unsigned i = rank; i-- > 0;)
        out.indent(2 + 2 * i) << "}\n";
    }
    return success();
  }

  plan::KernelOp kernel;
  unsigned threads;
  llvm::raw_ostream &out;
  unsigned parallel, rank;
  SmallVector<std::string> extents, indices, results;
};

} // namespace

LogicalResult writeLoops(plan::KernelOp kernel, unsigned threads,
                         llvm::raw_ostream &out) {
  return LoopsWriter(kernel, threads, out).write();
}

} // namespace mmcc::cuda
