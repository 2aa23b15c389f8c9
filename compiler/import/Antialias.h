//===- Antialias.h - Making images smaller through a filter -----*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_ANTIALIAS_H
#define MMCC_COMPILER_IMPORT_ANTIALIAS_H

#include "compiler/import/Node.h"

namespace mmcc::import {

/// How Resize finds the elements that one of the result comes from.
struct Interpolation {
  std::string mode, coordinates;
  double cubicA;
  bool excludeOutside;
};

/// x with dimension `axis` made `size` long, a factor `scale` below 1, by the
/// filter of a linear or cubic interpolation, as wide as the factor asks for.
/// The element type is a float. Null after a failure.
Tensor shrink(Node &node, const Tensor &x, int64_t axis, double scale,
              const mm::Dim &size, const Interpolation &how);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_ANTIALIAS_H
