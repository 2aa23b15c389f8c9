//===- Departure.h - Where an artifact leaves its model ---------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCC_DEPARTURE_H
#define MMCC_TOOLS_MMCC_DEPARTURE_H

#include "compiler/calibrate/Execution.h"
#include "tools/mmcc/Comparison.h"

namespace mmcc {

/// Launches, as
///
///     'Gelu_4' (computed together with 'MatMul_3'): 1.5 instead of 0.5
struct Departure {
  /// The first that departs; empty if all that can be compared agrees.
  std::string first;
  /// That of the least signal to noise; empty if all are equal.
  std::string noisiest;
};

/// Runs the artifact again and compares what each of its launches stores with
/// the taps of `reference` (Taps.h), in the order of the launches. A buffer may
/// hold a tensor in another order than the model has it: both are compared by
/// value, sorted.
Departure findDeparture(Execution &artifact,
                        const std::vector<npz::Array> &inputs,
                        const Execution &reference, Tolerance tolerance);

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_DEPARTURE_H
