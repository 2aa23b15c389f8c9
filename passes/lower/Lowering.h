//===- Lowering.h - From mm to plan: shared state ---------------*- C++ -*-===//
//
// One entry is lowered at a time. Its tensors fall into three kinds:
//
//   * stored: some kernel writes it, a View says where its elements are;
//   * seen: a transpose, reshape, slice or broadcast of a stored tensor. It
//     costs nothing: its View is computed from the operand's;
//   * inlined: an elementwise value that its users compute on the fly.
//
// An *anchor* (product, convolution, attention, reduction, norm) becomes one
// kernel together with the elementwise operations that follow it, its *chain*,
// and with the inlined operations that feed it. The element at the end of the
// chain is what the kernel stores.
//
//     %0 = mm.linear %x, %w bias %b      ┐
//     %1 = mm.gelu erf %0                │ one kernel; stores %2
//     %2 = mm.add %1, %residual          ┘
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_LOWER_LOWERING_H
#define MMCC_PASSES_LOWER_LOWERING_H

#include "dialects/mm/MM.h"
#include "dialects/plan/Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/lower/Index.h"
#include "llvm/ADT/StringMap.h"

namespace mmcc::lower {

/// Where the elements of a tensor are: element (i, j, ...) at
/// offset + i * strides[0] + j * strides[1] + ..., in elements.
struct View {
  mlir::Value buffer;
  Dim offset;
  llvm::SmallVector<Dim> strides;
};

/// How a tensor is computed at one index of a block: used for what an anchor
/// produces inside its own kernel.
using ElementFn =
    std::function<mlir::Value(llvm::ArrayRef<mlir::AffineExpr> index)>;

/// The value at the end of an anchor's chain, and where the kernel puts it.
struct Chain {
  mlir::Value last;
  View destination;
  /// Where the members come from, in order.
  llvm::SmallVector<mlir::Location> locations;
  /// Stored beside it: the value in another type, which products read.
  llvm::SmallVector<std::pair<mlir::Value, View>, 1> copies = {};
};

/// A value that is `source` turned round along one axis: element i of the
/// source is element (i + shift) mod size.
struct Rotation {
  mlir::Value source;
  unsigned axis;
  int64_t shift, size;
};

/// Two members of a chain that are the same element: before and after a move.
struct Moved {
  mlir::Value from;
  llvm::ArrayRef<mlir::AffineExpr> fromIndex;
  mlir::Value to;
  llvm::ArrayRef<mlir::AffineExpr> toIndex;
};

/// Names of a variant's kernels by their text; all its entries share them.
using KernelNames = llvm::StringMap<std::string>;

class Lowering {
public:
  Lowering(mlir::func::FuncOp func, plan::VariantOp variant,
           mlir::ModuleOp module, llvm::StringRef level, KernelNames &kernels);
  mlir::LogicalResult run();

  //===-- Values ----------------------------------------------------------===//

  /// The view of a stored or seen value, without emitting anything; nothing if
  /// the value is inlined or its view has no strided form.
  std::optional<View> tryView(mlir::Value value);
  /// A view of any value; emits what computes or copies it when needed.
  View view(mlir::Value value);
  /// A view that is row-major over the value's shape from dimension `from` on.
  View denseView(mlir::Value value, unsigned from = 0);
  /// Whether some kernel has stored exactly this value.
  bool isStored(mlir::Value value) const { return views.count(value); }
  /// Whether users compute the value themselves.
  bool isInlined(mlir::Value value);
  /// Makes everything that the value's elements are computed from available.
  void prepare(mlir::Value value);

  //===-- Chains ----------------------------------------------------------===//

  /// The chain that starts at an anchor's result, with its destination. Emits
  /// what the chain's other operands need.
  Chain chain(mlir::Value anchorResult);
  /// Records that `chain.last` is stored.
  void stored(const Chain &chain);
  /// Index of the chain's last value at the anchor's `index`. From the first
  /// rotation on `rotated` hears of every move: the way back from an index
  /// that was wrapped is known to it, and long to compute.
  llvm::SmallVector<mlir::AffineExpr>
  chainIndex(mlir::Value anchorResult, const Chain &chain,
             llvm::ArrayRef<mlir::AffineExpr> index,
             llvm::ArrayRef<Dim> extents,
             llvm::function_ref<void(const Moved &)> rotated);

  //===-- Emission --------------------------------------------------------===//

  mlir::Value alloc(const Dim &elements, mlir::Type elementType,
                    mlir::Location loc);
  View allocDense(llvm::ArrayRef<Dim> shape, mlir::Type elementType,
                  mlir::Location loc);
  /// Where `value` is to be stored: an output, a part of a concatenation, or
  /// a new buffer.
  View destination(mlir::Value value);
  /// Emits a loops kernel that stores `value` to `target`.
  void emitMap(mlir::Value value, const View &target);
  /// Casts of a value, which others read, too, that want memory of their own:
  /// whoever stores the value stores them.
  llvm::SmallVector<std::pair<mlir::Value, View>, 1>
  copiesOf(mlir::Value value);
  /// Adds a kernel unless an equal one exists; returns its symbol.
  mlir::FlatSymbolRefAttr intern(plan::KernelOp kernel);
  void dispatch(plan::KernelOp kernel, llvm::ArrayRef<mlir::Value> operands,
                llvm::ArrayRef<Dim> grid, const Dim &flops, mlir::Location loc);
  /// The view of a constant that kernels read as it is.
  View constantView(mm::ConstantOp op);
  /// A weight matrix `[k, n]` of f32 reached from constants by data movement,
  /// packed into 16-wide panels; null if it is not of that form.
  mlir::Value packedWeight(mlir::Value matrix);
  /// Likewise of f32, f16, bf16, f8E4M3FN or f8E5M2; with `columns` as
  /// plan.get_constant says.
  mlir::Value packedPanels(mlir::Value matrix, bool columns = false);
  /// A matrix `[k, n]` of f32 that the model does not have, packed likewise.
  mlir::Value packedConstant(mlir::ElementsAttr matrix);
  /// A matrix `[k, n]` of 4-bit or 8-bit integers reached from constants by
  /// data movement, k a multiple of 8, packed into lines of panels
  /// (NarrowPanel.h); null if it is not of that form.
  mlir::Value packedLines(mlir::Value matrix, bool columns = false);
  /// Whether a product on tensor cores wants the weight `matrix` in columns:
  /// one of bf16, or of bytes or floats of 8 bits by the same.
  bool wantsColumns(mlir::Value matrix) const;
  /// The panels of the transpose of an embedding table `[rows, k]` that a
  /// product reads as its weight, too (tied input and output embeddings): one
  /// copy serves both. Null if there is no such product.
  mlir::Value tiedTable(mlir::Value table);
  /// Convolution weights `[n, c, kernel...]` as panels, taps before channels;
  /// or in columns (plan.get_constant), perhaps `rounded`.
  mlir::Value packedFilter(mlir::Value filter, int64_t groups,
                           bool columns = false, mlir::Type rounded = {});
  /// Depthwise weights `[c, 1, kernel...]` as `[taps, c]`.
  mlir::Value depthwiseFilter(mlir::Value filter);

  //===-- State -----------------------------------------------------------===//

  /// Whether products of f32 may be carried out in tf32.
  bool takesTf32 = false;
  Symbols symbols;
  llvm::StringRef level;
  mlir::func::FuncOp func;
  plan::VariantOp variant;
  mlir::ModuleOp module;
  plan::EntryOp entry;
  /// Inserts commands at the end of the entry.
  mlir::OpBuilder builder;
  /// Inserts kernels at the end of the variant.
  mlir::OpBuilder kernelBuilder;
  /// Members of chains that nothing stores on their own account.
  llvm::DenseMap<mlir::Value, Rotation> rotations;
  /// Tables of blocks, by the value that a state holds after an append.
  llvm::DenseMap<mlir::Value, mlir::Value> stateTables;
  /// On a GPU what the append leaves zero, by the same value.
  llvm::DenseMap<mlir::Value, mlir::Value> stateCounters;
  bool failed = false;

  bool dependsOn(mlir::Value value, mlir::Operation *anchor);
  /// Whether cells are blocks of threads on a GPU.
  bool isCuda() const { return level.starts_with("cuda:"); }
  /// Operations that are part of a kernel already.
  bool isDone(mlir::Operation *op) const { return done.contains(op); }
  void markDone(mlir::Operation *op) { done.insert(op); }

private:
  void createEntry();
  void lowerOp(mlir::Operation *op, bool wanted);
  void lowerReturn(mlir::func::ReturnOp op);
  void lowerConcat(mm::ConcatOp op);
  /// The symbol of a plan.constant with these attributes, shared by all
  /// variants.
  mlir::Value internConstant(mlir::Type elementType, llvm::StringRef layout,
                             int64_t bytes, int64_t groups,
                             llvm::ArrayRef<mlir::Attribute> sources,
                             llvm::ArrayRef<mlir::Attribute> pieces,
                             bool columns = false, mlir::Type rounded = {});

  llvm::DenseMap<mlir::Value, View> views;
  /// Anchors and chain members that are already part of a kernel.
  llvm::DenseSet<mlir::Operation *> done;
  llvm::DenseMap<mlir::Value, bool> inlined;
  KernelNames &kernels;
  llvm::DenseMap<mlir::Value, View> concatTargets;
  llvm::DenseMap<mlir::Attribute, mlir::Value> constantBuffers;
};

// One function a family of anchors; each emits one or more kernels.
void lowerLinear(Lowering &lowering, mlir::Operation *op);
void lowerQuantizedLinear(Lowering &lowering, mm::QuantizedLinearOp op);
void lowerQuantizeRows(Lowering &lowering, mm::QuantizeRowsOp op);
void lowerMatmul(Lowering &lowering, mm::MatmulOp op);
void lowerConv(Lowering &lowering, mm::ConvOp op);
void lowerConvTranspose(Lowering &lowering, mm::ConvTransposeOp op);
void lowerAttention(Lowering &lowering, mm::AttentionOp op);
/// Attention over keys and values that a state holds.
void lowerStateAttention(Lowering &lowering, mm::AttentionOp op);
void lowerStateAppend(Lowering &lowering, mm::StateAppendOp op);
void lowerPool(Lowering &lowering, mm::PoolOp op);
void lowerReduce(Lowering &lowering, mm::ReduceOp op);
void lowerArgReduce(Lowering &lowering, mm::ArgReduceOp op);
void lowerSoftmax(Lowering &lowering, mm::SoftmaxOp op);
void lowerNorm(Lowering &lowering, mlir::Operation *op);
void lowerGroupNorm(Lowering &lowering, mm::GroupNormOp op);
void lowerCumulative(Lowering &lowering, mm::CumulativeOp op);
void lowerTopK(Lowering &lowering, mm::TopKOp op);
void lowerScatter(Lowering &lowering, mm::ScatterOp op);
void lowerMatchTokens(Lowering &lowering, mm::MatchTokensOp op);
void lowerMergeTokens(Lowering &lowering, mm::MergeTokensOp op);
void lowerSelectTokens(Lowering &lowering, mm::SelectTokensOp op);
/// Whether there is a kernel for it: f32, the last dimension, sizes known.
bool selectsInKernel(mm::TopKOp op);
void lowerTopKInKernel(Lowering &lowering, mm::TopKOp op);
void lowerRetrieve(Lowering &lowering, mm::RetrieveOp op);
void lowerSimilarity(Lowering &lowering, mm::SimilarityOp op);

/// Transposes, reshapes, slices, broadcasts.
bool isViewOp(mlir::Operation *op);
/// Values that come from constants by data movement alone.
bool isConstantData(mlir::Value value);
/// Operations that become kernels of their own.
bool isAnchor(mlir::Operation *op);
/// Operations whose elements a user can compute on the fly.
bool isComputable(mlir::Operation *op);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_LOWERING_H
