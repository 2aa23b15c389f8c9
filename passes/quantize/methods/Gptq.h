//===- Gptq.h - Rounding that later inputs make up for ----------*- C++ -*-===//
//
// E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh, 2022, arXiv 2210.17323.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_GPTQ_H
#define MMCC_PASSES_QUANTIZE_METHODS_GPTQ_H

#include "passes/quantize/methods/InputStatistics.h"
#include "passes/quantize/methods/NarrowWeight.h"

namespace mmcc::quantize {

/// Rounds the inputs of a weight one after the other, and spreads what an
/// input's rounding does to the outputs over the inputs that are still to come:
/// for weights of all layers that read one value.
///
/// With H = 2 gram, damped by 0.01 of its mean diagonal, and H^-1 = U^T U: the
/// error of input i, over U_ii, times row i of U is what later inputs lose.
/// Inputs that were always 0 count as 1 in H, and their weights as 0.
///
/// With `actOrder` inputs are taken by falling H_ii; scales are then those of
/// the weight as it was, as is that of a whole tensor. Else a group's are found
/// when its turn comes.
class Gptq {
public:
  Gptq(const InputStatistics &statistics, bool actOrder);
  /// False if the damped gram is not positive definite: nothing can be rounded.
  bool isValid() const { return !factor.empty(); }
  NarrowWeight round(const WeightMatrix &weight,
                     const WeightFormat &format) const;

private:
  void roundColumns(const WeightMatrix &weight, NarrowWeight &narrow,
                    int64_t first, int64_t last) const;

  int64_t width;
  bool actOrder;
  std::vector<int64_t> order;
  std::vector<bool> dead;
  std::vector<double> factor; // U, row by row
};

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_GPTQ_H
