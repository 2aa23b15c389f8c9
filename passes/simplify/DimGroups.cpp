//===- DimGroups.cpp - Which dimensions a reshape turns into which --------===//

#include "passes/simplify/DimGroups.h"
#include "passes/simplify/ViewPatterns.h"

using namespace mlir;

namespace mmcc {

std::optional<DimGroups> DimGroups::get(ArrayRef<mm::Dim> from,
                                        ArrayRef<mm::Dim> to) {
  DimGroups result;
  result.from.assign(from.begin(), from.end());
  result.to.assign(to.begin(), to.end());
  auto isZero = [](const mm::Dim &dim) { return dim.isConstant(0); };
  if (llvm::any_of(from, isZero) || llvm::any_of(to, isZero))
    return std::nullopt;
  size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    DimGroup group{i, i, j, j};
    bool oneLeft = i < from.size() && from[i].isConstant(1);
    bool oneRight = j < to.size() && to[j].isConstant(1);
    if (oneLeft != oneRight || i == from.size() || j == to.size()) {
      // A 1 that the other side lacks; anything else would not match in count.
      if (oneLeft && !(oneRight && j < to.size()))
        ++i;
      else if (oneRight)
        ++j;
      else
        return std::nullopt;
    } else {
      mm::Dim left = from[i++], right = to[j++];
      while (left != right) {
        std::optional<int64_t> a = left.getConstant(), b = right.getConstant();
        bool growLeft = a && b ? *a < *b : right.exactDiv(left).has_value();
        bool growRight = a && b ? *a > *b : left.exactDiv(right).has_value();
        if (growLeft && i < from.size())
          left = left * from[i++];
        else if (growRight && j < to.size())
          right = right * to[j++];
        else
          return std::nullopt;
      }
    }
    group.fromEnd = i;
    group.toEnd = j;
    result.groups.push_back(group);
  }
  return result;
}

const DimGroup &DimGroups::ofResult(size_t index) const {
  for (const DimGroup &group : groups)
    if (index >= group.toBegin && index < group.toEnd)
      return group;
  llvm_unreachable("every dimension of the result is in a group");
}

std::optional<mm::Shape> DimGroups::pullBack(ArrayRef<mm::Dim> shape) const {
  if (shape.size() > to.size())
    return std::nullopt;
  if (from.empty() && to.empty())
    return mm::Shape();
  MLIRContext *context = (from.empty() ? to : from).front().getContext();
  mm::Shape aligned = extendRank(context, shape, to.size());
  mm::Shape pulled;
  for (const DimGroup &group : groups) {
    bool ones = true, full = true;
    for (size_t j = group.toBegin; j < group.toEnd; ++j) {
      ones &= aligned[j].isConstant(1);
      full &= aligned[j] == to[j];
    }
    if (!ones && !full)
      return std::nullopt;
    for (size_t i = group.fromBegin; i < group.fromEnd; ++i)
      pulled.push_back(full ? from[i] : mm::Dim::constant(context, 1));
  }
  return pulled;
}

} // namespace mmcc
