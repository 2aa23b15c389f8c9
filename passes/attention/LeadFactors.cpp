//===- LeadFactors.cpp - Leading dimensions in one factorisation ----------===//

#include "passes/attention/LeadFactors.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

mm::Shape getLead(Value value) {
  mm::Shape shape = mm::getShape(value.getType());
  shape.resize(shape.size() > 2 ? shape.size() - 2 : 0);
  return shape;
}

static SmallVector<mm::Dim> withoutUnits(ArrayRef<mm::Dim> dims) {
  SmallVector<mm::Dim> result;
  for (const mm::Dim &dim : dims)
    if (!dim.isConstant(1))
      result.push_back(dim);
  return result;
}

bool LeadFactors::refine(ArrayRef<mm::Dim> lead) {
  SmallVector<mm::Dim> other = withoutUnits(lead);
  for (const mm::Dim &dim : other)
    if (dim.isConstant(0))
      return false;
  if (!known) {
    factors = other;
    known = true;
    return true;
  }
  SmallVector<mm::Dim> mine(factors), split;
  size_t i = 0, j = 0;
  while (i < mine.size() && j < other.size()) {
    mm::Dim a = mine[i], b = other[j];
    if (a == b) {
      split.push_back(a);
      ++i, ++j;
    } else if (std::optional<mm::Dim> rest = a.exactDiv(b)) {
      split.push_back(b);
      mine[i] = *rest;
      ++j;
    } else if (std::optional<mm::Dim> rest = b.exactDiv(a)) {
      split.push_back(a);
      other[j] = *rest;
      ++i;
    } else {
      return false;
    }
  }
  if (i != mine.size() || j != other.size())
    return false;
  factors = split;
  return true;
}

mm::Dim LeadFactors::product(size_t begin, size_t end) const {
  return mm::product(context, ArrayRef(factors).slice(begin, end - begin));
}

bool LeadFactors::refinePresent(ArrayRef<bool> present,
                                ArrayRef<mm::Dim> lead) {
  LeadFactors some(context);
  some.known = true;
  for (size_t i = 0; i < factors.size(); ++i)
    if (present[i])
      some.factors.push_back(factors[i]);
  if (!some.refine(lead))
    return false;
  SmallVector<mm::Dim> split;
  size_t next = 0;
  for (size_t i = 0; i < factors.size(); ++i) {
    if (!present[i]) {
      split.push_back(factors[i]);
      continue;
    }
    mm::Dim covered = mm::Dim::constant(context, 1);
    while (covered != factors[i] && next < some.factors.size()) {
      covered = covered * some.factors[next];
      split.push_back(some.factors[next++]);
    }
  }
  factors = split;
  return true;
}

SmallVector<bool> LeadFactors::presence(ArrayRef<mm::Dim> own,
                                        ArrayRef<mm::Dim> lead) const {
  SmallVector<bool> result;
  for (size_t i = 0; i < lead.size(); ++i) {
    if (lead[i].isConstant(1))
      continue;
    size_t missing = lead.size() - own.size();
    bool present = i >= missing && !own[i - missing].isConstant(1);
    mm::Dim covered = mm::Dim::constant(context, 1);
    do {
      covered = covered * factors[result.size()];
      result.push_back(present);
    } while (covered != lead[i] && result.size() < factors.size());
  }
  result.resize(factors.size(), false);
  return result;
}

Value LeadFactors::spread(OpBuilder &builder, Location location, Value value,
                          ArrayRef<mm::Dim> lead) const {
  mm::Shape shape = mm::getShape(value.getType());
  mm::Dim one = mm::Dim::constant(context, 1);
  while (shape.size() < 2)
    shape.insert(shape.begin(), one);
  mm::Dim rows = shape[shape.size() - 2], columns = shape.back();
  shape.resize(shape.size() - 2);
  mm::Shape result;
  for (auto [index, present] : llvm::enumerate(presence(shape, lead)))
    result.push_back(present ? factors[index] : one);
  result.push_back(rows);
  result.push_back(columns);
  return reshapeTo(builder, location, value, result);
}

Value LeadFactors::gather(OpBuilder &builder, Location location, Value spread,
                          size_t split, bool whole,
                          size_t missingSuffix) const {
  mm::Shape shape = mm::getShape(spread.getType());
  size_t count = factors.size();
  bool changed = false;
  auto complete = [&](size_t begin, size_t end) {
    bool some = whole;
    for (size_t i = begin; i < end; ++i)
      some |= shape[i] == factors[i];
    for (size_t i = begin; some && i < end; ++i)
      if (shape[i] != factors[i]) {
        shape[i] = factors[i];
        changed = true;
      }
  };
  complete(0, split);
  complete(split, count - missingSuffix);
  if (changed)
    spread = builder.create<mm::BroadcastOp>(
        location, mm::makeTensorType(shape, getElementTypeOrSelf(spread)),
        spread);
  mm::Dim sizes[] = {
      mm::product(context, ArrayRef(shape).take_front(split)),
      mm::product(context, ArrayRef(shape).slice(split, count - split)),
      shape[count], shape[count + 1]};
  return reshapeTo(builder, location, spread, sizes);
}

} // namespace mmcc
