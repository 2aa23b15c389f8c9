//===- EntryBuilder.h - One plan.entry to one schema entry ------*- C++ -*-===//

#ifndef MMCC_CODEGEN_ARTIFACT_ENTRYBUILDER_H
#define MMCC_CODEGEN_ARTIFACT_ENTRYBUILDER_H

#include "codegen/artifact/ExpressionTable.h"
#include "dialects/plan/KernelMaps.h"
#include "dialects/plan/Plan.h"

#include "llvm/ADT/StringMap.h"

namespace mmcc::artifact {

/// ONNX's number for an element type; undefined for other types.
schema::DType dtypeOf(mlir::Type type);

class EntryBuilder {
public:
  /// Indices of constants and of the variant's kernels, by symbol.
  using Indices = llvm::StringMap<uint32_t>;

  /// What kernels have a GPU's copier bring, by symbol.
  using Maps = llvm::StringMap<plan::KernelMaps>;

  EntryBuilder(plan::EntryOp op, const Indices &constants,
               const Indices &kernels, const Maps &maps)
      : op(op), constants(constants), kernels(kernels), maps(maps) {}

  mlir::FailureOr<std::unique_ptr<schema::EntryT>> build();

private:
  using Id = ExpressionTable::Id;

  Id expression(mlir::AffineExpr expr);
  Id expression(mlir::AffineMap map) { return expression(map.getResult(0)); }
  mlir::LogicalResult checkMap(mlir::Operation *at, mlir::AffineMap map,
                               unsigned results);

  mlir::LogicalResult addValues();
  mlir::LogicalResult addSymbols();
  mlir::LogicalResult addStates();
  mlir::LogicalResult addBuffers();
  mlir::LogicalResult addCommands();
  mlir::LogicalResult addDispatch(plan::DispatchOp dispatch,
                                  schema::CommandT &command);
  mlir::LogicalResult addLibrary(plan::DispatchOp dispatch,
                                 schema::DispatchT &body);
  mlir::LogicalResult addWaits(plan::DispatchOp dispatch,
                               schema::BlockT &block);
  uint32_t addBuffer(mlir::Value value, schema::BufferKind kind, uint32_t index,
                     Id bytes);
  int32_t nodeName(mlir::Location location);

  plan::EntryOp op;
  const Indices &constants;
  const Indices &kernels;
  const Maps &maps;
  ExpressionTable table;
  std::unique_ptr<schema::EntryT> entry;
  llvm::DenseMap<mlir::Value, uint32_t> buffers;
  /// By symbol, the first state whose length it is.
  llvm::DenseMap<unsigned, uint32_t> lengths;
  llvm::DenseMap<mlir::Operation *, uint32_t> commandIndex;
  llvm::StringMap<int32_t> nodes;
};

} // namespace mmcc::artifact

#endif // MMCC_CODEGEN_ARTIFACT_ENTRYBUILDER_H
