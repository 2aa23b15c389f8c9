//===- LayerRounder.h - Rounds the layers that read one value ---*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_LAYERROUNDER_H
#define MMCC_PASSES_QUANTIZE_LAYERROUNDER_H

#include "passes/quantize/CostModel.h"
#include "passes/quantize/LayerInputs.h"
#include "passes/quantize/methods/LayerError.h"
#include "llvm/ADT/DenseSet.h"

namespace mmcc::quantize {

/// The weights of some layers that read one value, each once.
struct LayerWeights {
  size_t index; // of the value (LayerInputs.h)
  int64_t width;
  llvm::SmallVector<mlir::Attribute> keys;
  std::vector<WeightMatrix> matrices;
  /// One of them is a table, too, whose rows are read one by one: only their
  /// own error counts.
  bool isTable = false;
  /// What their input is like; `gram` is read when it is asked for.
  std::optional<InputStatistics> seen;

  std::vector<const WeightMatrix *> pointers() const;
  /// Whether the scheme holds all numbers.
  bool fit(const QuantizeRequest &scheme) const;
  /// Extents at a typical call of all of them together.
  LayerExtents extents() const;
};

/// Of schemes that are not of 16 bits, and of those that are.
WeightFormat formatOf(const QuantizeRequest &scheme, int64_t depth);
Rounding roundingOf(const QuantizeRequest &scheme, int64_t depth);
HalfFloat halfOf(const QuantizeRequest &scheme);

/// What a scheme does to the outputs on the sampled rows that were seen.
/// `rounded`: by it; not read in 16 bits.
LayerError errorOf(const LayerWeights &weights, const QuantizeRequest &scheme,
                   const RoundedLayers &rounded);

/// Rounds weights as schemes say, with what is known of the inputs in the
/// folder `statistics`, where it also keeps what took long.
class LayerRounder {
public:
  explicit LayerRounder(std::string statistics)
      : statistics(std::move(statistics)) {}

  /// Returns a message if the statistics that `scheme` needs are not there.
  /// Nothing is to be done ahead in 16 bits.
  std::string round(LayerWeights &weights, const QuantizeRequest &scheme,
                    RoundedLayers &rounded) const;
  /// Whether anything is known of the module's `index`th layer input.
  bool knows(size_t index) const;
  /// Reads what is known of the input, if anything is.
  void look(LayerWeights &weights) const;

private:
  std::string statistics;
};

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_LAYERROUNDER_H
