//===- DimGroups.h - Which dimensions a reshape turns into which *- C++ -*-===//
//
// The smallest groups of neighbouring dimensions with equal products:
//
//     [4, 49,   48     ]  ->  [1, 4, 49,   3, 2, 8]
//     groups:  {} {0} {1} {2}     {0} {1} {2} {3, 4, 5}
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_SIMPLIFY_DIMGROUPS_H
#define MMCC_PASSES_SIMPLIFY_DIMGROUPS_H

#include "dialects/mm/MM.h"

namespace mmcc {

/// Dimensions [fromBegin, fromEnd) of one shape hold the same elements as
/// [toBegin, toEnd) of the other. One side may be empty: then the other is a 1.
struct DimGroup {
  size_t fromBegin, fromEnd, toBegin, toEnd;
  size_t fromCount() const { return fromEnd - fromBegin; }
  size_t toCount() const { return toEnd - toBegin; }
  /// Whether the reshape leaves this dimension alone.
  bool isOneToOne() const { return fromCount() == 1 && toCount() == 1; }
};

class DimGroups {
public:
  /// Groups of a reshape; nothing if a dimension has no elements or the
  /// products cannot be compared.
  static std::optional<DimGroups> get(llvm::ArrayRef<mm::Dim> from,
                                      llvm::ArrayRef<mm::Dim> to);

  llvm::ArrayRef<DimGroup> all() const { return groups; }
  /// The group that holds dimension `index` of the result.
  const DimGroup &ofResult(size_t index) const;

  /// `shape` broadcasts to the reshape's result. The shape of as many elements
  /// that broadcasts to the source in the same way; nothing if there is none.
  std::optional<mm::Shape> pullBack(llvm::ArrayRef<mm::Dim> shape) const;

private:
  mm::Shape from, to;
  llvm::SmallVector<DimGroup> groups;
};

} // namespace mmcc

#endif // MMCC_PASSES_SIMPLIFY_DIMGROUPS_H
