//===- HalfWeights.h - Layers and tables in 16 bits -------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_HALFWEIGHTS_H
#define MMCC_PASSES_QUANTIZE_HALFWEIGHTS_H

#include "dialects/mm/MM.h"
#include "passes/quantize/methods/HalfFloats.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"
#include <map>

namespace mmcc::quantize {

/// Stores constants that layers and tables read in 16 bits. Whoever asks knows
/// that they are f32 and fit (fitsHalf()).
class HalfWeights {
public:
  /// The layer stays, with another weight; with `rounds` its input becomes of
  /// that type, too, once for all layers that read a value.
  void narrow(mm::LinearOp layer, HalfFloat type, bool rounds);
  /// Rows are widened after they are gathered. The gather is erased.
  void narrow(mm::GatherOp table, HalfFloat type);
  /// Erases what moved the wide constants, where nothing else reads it.
  void finish();

private:
  mlir::Value moved(mlir::Value value, HalfFloat type);
  mlir::Value rounded(mlir::Value value, HalfFloat type);

  std::map<std::pair<const void *, HalfFloat>, mlir::ElementsAttr> constants;
  std::map<std::pair<const void *, HalfFloat>, mlir::Value> values;
  std::map<std::pair<const void *, HalfFloat>, mm::CastOp> inputs;
  llvm::SetVector<mlir::Operation *> replaced;
};

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_HALFWEIGHTS_H
