//===- Loops.cpp - Index spaces of loops kernels --------------------------===//

#include "codegen/cuda/kernels/Blocking.cuh"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Kernel.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mmcc::lower {

namespace {

/// Work for one grid cell, in elements: large enough to hide the call, small
/// enough to deal out.
constexpr int64_t kElementsPerCell = 16384;
constexpr int64_t kMostCells = 64;
/// A piece that no extent exceeds.
constexpr int64_t kWhole = int64_t(1) << 40;

/// A dimension of the block that some access divides by `divisor`.
struct Split {
  unsigned dim;
  int64_t divisor;
};

void visitMaps(
    plan::KernelOp kernel,
    function_ref<void(Operation *, OperandRange, AffineMapAttr)> fn) {
  kernel.walk([&](Operation *op) {
    if (auto load = dyn_cast<plan::LoadOp>(op))
      fn(op, load.getIndices(), load.getMapAttr());
    else if (auto store = dyn_cast<plan::StoreOp>(op))
      fn(op, store.getIndices(), store.getMapAttr());
  });
}

std::optional<Split> findSplit(plan::KernelOp kernel, const Domain &domain) {
  std::optional<Split> split;
  visitMaps(kernel, [&](Operation *, OperandRange indices, AffineMapAttr map) {
    map.getValue().getResult(0).walk([&](AffineExpr e) {
      if (split || (e.getKind() != AffineExprKind::FloorDiv &&
                    e.getKind() != AffineExprKind::Mod))
        return;
      auto binary = cast<AffineBinaryOpExpr>(e);
      auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
      auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
      if (!dim || !divisor || divisor.getValue() <= 1)
        return;
      auto argument = dyn_cast<BlockArgument>(indices[dim.getPosition()]);
      if (!argument || argument.getArgNumber() >= domain.extents.size())
        return;
      unsigned position = argument.getArgNumber();
      const Dim &extent = domain.extents[position];
      if (extent.isConstant(divisor.getValue()) ||
          !extent.exactDiv(extent - extent + divisor.getValue()))
        return;
      split = Split{position, divisor.getValue()};
    });
  });
  return split;
}

/// Two neighbouring dimensions run as one when every access steps evenly from
/// the end of the inner to the next of the outer.
bool mergeable(plan::KernelOp kernel, const Domain &domain, unsigned outer,
               const Symbols &symbols) {
  bool ok = true;
  kernel.walk([&](plan::BlockOp block) {
    Block &body = block.getBody().front();
    if (body.getNumArguments() <= outer)
      return;
    for (unsigned i : {outer, outer + 1}) {
      if (i >= body.getNumArguments() ||
          !isa<IndexType>(body.getArgument(i).getType())) {
        ok &= i != outer + 1 ||
              outer + 1 == domain.parallel; // no such pair in this block
        continue;
      }
      for (Operation *user : body.getArgument(i).getUsers())
        ok &= isa<plan::LoadOp, plan::StoreOp>(user);
    }
  });
  if (!ok)
    return false;
  visitMaps(
      kernel, [&](Operation *op, OperandRange indices, AffineMapAttr map) {
        std::optional<LinearForm> form =
            linearForm(map.getValue().getResult(0), symbols);
        if (!form) {
          ok = false;
          return;
        }
        Dim strides[2] = {symbols.constant(0), symbols.constant(0)};
        for (const Term &term : form->terms)
          if (auto argument = dyn_cast<BlockArgument>(indices[term.position]))
            for (unsigned i : {0u, 1u})
              if (argument.getArgNumber() == outer + i)
                strides[i] = strides[i] + term.coefficient;
        ok &= domain.extents[outer].isConstant(1) ||
              strides[0] == strides[1] * domain.extents[outer + 1];
      });
  return ok;
}

void merge(plan::KernelOp kernel, Domain &domain, unsigned outer) {
  MLIRContext *context = kernel.getContext();
  visitMaps(kernel, [&](Operation *op, OperandRange indices,
                        AffineMapAttr map) {
    for (unsigned i = indices.size(); i-- > 0;) {
      auto argument = dyn_cast<BlockArgument>(indices[i]);
      if (!argument || argument.getArgNumber() != outer)
        continue;
      AffineMap old = map.getValue();
      SmallVector<AffineExpr> dims;
      for (unsigned d = 0; d < old.getNumDims(); ++d)
        dims.push_back(d == i ? getAffineConstantExpr(0, context)
                              : getAffineDimExpr(d < i ? d : d - 1, context));
      map = AffineMapAttr::get(
          AffineMap::get(old.getNumDims() - 1, old.getNumSymbols(),
                         old.getResult(0).replaceDims(dims)));
      if (auto load = dyn_cast<plan::LoadOp>(op)) {
        load.getIndicesMutable().erase(i);
        load.setMapAttr(map);
      } else {
        auto store = cast<plan::StoreOp>(op);
        store.getIndicesMutable().erase(i);
        store.setMapAttr(map);
      }
      // The operand range has changed; one dimension occurs once in a map.
      break;
    }
  });
  kernel.walk([&](plan::BlockOp block) {
    Block &body = block.getBody().front();
    if (outer < body.getNumArguments() &&
        isa<IndexType>(body.getArgument(outer).getType()))
      body.eraseArgument(outer);
  });
  domain.extents[outer + 1] = domain.extents[outer] * domain.extents[outer + 1];
  domain.extents.erase(domain.extents.begin() + outer);
  if (outer < domain.parallel)
    --domain.parallel;
}

/// Dimensions of extent 1 and evenly stepping neighbours disappear.
void simplifyDomain(plan::KernelOp kernel, Domain &domain,
                    const Symbols &symbols) {
  for (unsigned i = domain.extents.size(); i-- > 1;) {
    unsigned outer = i - 1;
    bool sameKind = (outer < domain.parallel) == (i < domain.parallel);
    if (sameKind && mergeable(kernel, domain, outer, symbols))
      merge(kernel, domain, outer);
  }
}

/// Whether vectors of a reduction may run along the last parallel dimension:
/// some access steps by one there.
bool stepsAlongColumns(plan::KernelOp kernel, const Domain &domain,
                       const Symbols &symbols) {
  bool steps = false;
  visitMaps(
      kernel, [&](Operation *op, OperandRange indices, AffineMapAttr map) {
        if (cast<plan::BlockOp>(op->getParentOp()).getRole() == "finish")
          return;
        std::optional<LinearForm> form =
            linearForm(map.getValue().getResult(0), symbols);
        steps |= !form || llvm::any_of(form->terms, [&](const Term &term) {
          auto argument = dyn_cast<BlockArgument>(indices[term.position]);
          return term.coefficient.isConstant(1) &&
                 (!argument || argument.getArgNumber() + 1 == domain.parallel);
        });
      });
  return steps;
}

/// [rows, columns] of a cell on a GPU, which has many: as much as keeps a block
/// of threads busy.
std::pair<int64_t, int64_t>
cudaCell(int64_t perPoint, std::optional<int64_t> columns, bool hasRows) {
  int64_t points = perPoint == 1
                       ? cuda::kPointsPerCell
                       : std::clamp(cuda::kNumbersPerCell / perPoint,
                                    cuda::kRowsPerCell, cuda::kPointsPerCell);
  if (!columns || *columns >= points || !hasRows)
    return {1, points};
  return {points / *columns, *columns};
}

/// [rows a cell, columns a cell] and the number of cells.
std::pair<SmallVector<Dim>, Dim> cellsOf(plan::KernelOp kernel,
                                         const Domain &domain,
                                         const Symbols &symbols, bool isCuda) {
  Dim rows = symbols.constant(1), reduced = symbols.constant(1);
  for (unsigned i = 0; i + 1 < domain.parallel; ++i)
    rows = rows * domain.extents[i];
  for (unsigned i = domain.parallel; i < domain.extents.size(); ++i)
    reduced = reduced * domain.extents[i];
  Dim columns = domain.extents[domain.parallel - 1];
  int64_t perColumn = reduced.getConstant().value_or(64);
  int64_t columnCount = columns.getConstant().value_or(1024);
  int64_t rowCount = rows.getConstant().value_or(1 << 20);
  auto cells = [&](int64_t rowPiece, int64_t columnPiece) {
    return std::pair(SmallVector<Dim>{symbols.constant(rowPiece),
                                      symbols.constant(columnPiece)},
                     rows.ceilDiv(rowPiece) * columns.ceilDiv(columnPiece));
  };
  if (isCuda) {
    auto [rowPiece, columnPiece] =
        cudaCell(domain.extents.size() == domain.parallel
                     ? 1
                     : std::max<int64_t>(perColumn, 2),
                 columns.getConstant(), !rows.isConstant(1));
    return cells(rowPiece, columnPiece);
  }
  // Equal pieces whose number divides among two or four threads.
  int64_t cellCount = std::clamp<int64_t>(
      rowCount * columnCount * perColumn / kElementsPerCell, 1, kMostCells);
  if (cellCount > 1)
    cellCount = (cellCount + 3) / 4 * 4;
  auto pieceOf = [&](int64_t extent) { return (extent - 1) / cellCount + 1; };
  int64_t columnPiece = columnCount, rowPiece = 1;
  if (rows.getConstant() == 1) {
    // Whole cache lines a piece, unless a column is a row's result.
    bool areRows = domain.extents.size() > domain.parallel &&
                   !stepsAlongColumns(kernel, domain, symbols);
    int64_t unit = areRows ? 1 : 64;
    if (columns.getConstant())
      columnPiece = std::min(int64_t(llvm::alignTo(pieceOf(columnCount), unit)),
                             columnCount);
    else
      columnPiece = std::max<int64_t>(unit, kElementsPerCell / perColumn);
  } else if (rows.getConstant()) {
    rowPiece = pieceOf(rowCount);
    columnPiece = columns.getConstant() ? columnCount : kWhole;
  } else {
    rowPiece =
        std::max<int64_t>(1, kElementsPerCell / (columnCount * perColumn));
    columnPiece = columns.getConstant() ? columnCount : kWhole;
  }
  rowPiece = std::max<int64_t>(rowPiece, 1);
  columnPiece = std::max<int64_t>(columnPiece, 1);
  return cells(rowPiece, columnPiece);
}

} // namespace

void buildLoops(
    Lowering &lowering, Location loc, const Domain &original,
    function_ref<void(Kernel &, const Domain &, ArrayRef<AffineExpr>)> build) {
  MLIRContext *context = loc.getContext();
  Domain domain = original;
  SmallVector<AffineExpr> index;
  if (!domain.parallel) {
    domain.extents.insert(domain.extents.begin(), Dim::constant(context, 1));
    domain.parallel = 1;
  }
  unsigned dummy = domain.extents.size() - original.extents.size();
  for (unsigned i = 0; i < original.extents.size(); ++i)
    index.push_back(getAffineDimExpr(i + dummy, context));
  for (;;) {
    Kernel kernel(lowering, "loops", loc);
    build(kernel, domain, index);
    std::optional<Split> split = findSplit(kernel.op, domain);
    // Splitting refines finitely often; the bound only guards against bugs.
    if (!split || domain.extents.size() > 24) {
      simplifyDomain(kernel.op, domain, lowering.symbols);
      auto [params, cells] =
          cellsOf(kernel.op, domain, lowering.symbols, lowering.isCuda());
      Dim zero = lowering.symbols.constant(0);
      kernel.finish(domain.extents, domain.parallel, params, {}, zero, zero,
                    {cells});
      return;
    }
    kernel.discard();
    Dim inner = Dim::constant(context, split->divisor);
    Dim outer = *domain.extents[split->dim].exactDiv(inner);
    domain.extents[split->dim] = outer;
    domain.extents.insert(domain.extents.begin() + split->dim + 1, inner);
    if (split->dim < domain.parallel)
      ++domain.parallel;
    SmallVector<AffineExpr> dims;
    for (unsigned i = 0; i + 1 < domain.extents.size(); ++i) {
      AffineExpr shifted =
          getAffineDimExpr(i > split->dim ? i + 1 : i, context);
      if (i == split->dim)
        shifted = shifted * split->divisor +
                  getAffineDimExpr(split->dim + 1, context);
      dims.push_back(shifted);
    }
    for (AffineExpr &expr : index)
      expr = expr.replaceDims(dims);
  }
}

} // namespace mmcc::lower
