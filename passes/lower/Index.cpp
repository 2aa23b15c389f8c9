//===- Index.cpp - Index expressions through reshapes ---------------------===//

#include "passes/lower/Index.h"

using namespace mlir;

namespace mmcc::lower {

AffineMap Symbols::map(ArrayRef<Dim> results) const {
  SmallVector<AffineExpr> exprs;
  for (const Dim &dim : results)
    exprs.push_back(expr(dim));
  return AffineMap::get(0, names.size(), exprs, context);
}

SmallVector<Dim> rowMajorStrides(ArrayRef<Dim> shape, MLIRContext *context) {
  SmallVector<Dim> strides(shape.size());
  Dim stride = Dim::constant(context, 1);
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride = stride * shape[i];
  }
  return strides;
}

//===----------------------------------------------------------------------===//
// Linear form
//===----------------------------------------------------------------------===//

static bool hasDims(AffineExpr expr) {
  bool found = false;
  expr.walk([&](AffineExpr e) { found |= isa<AffineDimExpr>(e); });
  return found;
}

static bool addTerms(AffineExpr expr, AffineExpr factor, const Symbols &symbols,
                     LinearForm &form) {
  if (!hasDims(expr)) {
    form.rest = form.rest + symbols.dim(expr * factor);
    return true;
  }
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    Dim coefficient = symbols.dim(factor);
    for (Term &term : form.terms)
      if (term.position == dim.getPosition()) {
        term.coefficient = term.coefficient + coefficient;
        return true;
      }
    form.terms.push_back({dim.getPosition(), coefficient});
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (expr.getKind() == AffineExprKind::Add)
    return addTerms(binary.getLHS(), factor, symbols, form) &&
           addTerms(binary.getRHS(), factor, symbols, form);
  if (expr.getKind() == AffineExprKind::Mul) {
    if (!hasDims(binary.getRHS()))
      return addTerms(binary.getLHS(), factor * binary.getRHS(), symbols, form);
    if (!hasDims(binary.getLHS()))
      return addTerms(binary.getRHS(), factor * binary.getLHS(), symbols, form);
  }
  return false;
}

std::optional<LinearForm> linearForm(AffineExpr expr, const Symbols &symbols) {
  LinearForm form;
  form.rest = symbols.constant(0);
  if (!addTerms(expr, getAffineConstantExpr(1, symbols.context), symbols, form))
    return std::nullopt;
  llvm::erase_if(form.terms,
                 [](Term &term) { return term.coefficient.isConstant(0); });
  return form;
}

//===----------------------------------------------------------------------===//
// Reshape
//===----------------------------------------------------------------------===//

SmallVector<ReshapeGroup> reshapeGroups(ArrayRef<Dim> from, ArrayRef<Dim> to) {
  SmallVector<ReshapeGroup> groups;
  unsigned i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    ReshapeGroup best{i, (unsigned)from.size(), j, (unsigned)to.size()};
    bool found = false;
    // The smallest group first: by total number of dimensions.
    unsigned most = from.size() - i + to.size() - j;
    for (unsigned total = 1; total <= most && !found; ++total)
      for (unsigned a = 0; a <= total && !found; ++a) {
        unsigned b = total - a;
        if (i + a > from.size() || j + b > to.size())
          continue;
        MLIRContext *context =
            from.empty() ? to[0].getContext() : from[0].getContext();
        if (mm::product(context, from.slice(i, a)) !=
            mm::product(context, to.slice(j, b)))
          continue;
        best = {i, i + a, j, j + b};
        found = true;
      }
    groups.push_back(best);
    i = best.fromEnd;
    j = best.toEnd;
  }
  return groups;
}

/// Takes a row-major position apart into digits of the mixed radix `sizes`
/// without divisions: each term d * c goes to the digit whose stride divides
/// c, provided the digit cannot overflow.
static std::optional<SmallVector<AffineExpr>>
digitsFromTerms(AffineExpr linear, ArrayRef<Dim> sizes, ArrayRef<Dim> extents,
                const Symbols &symbols) {
  std::optional<LinearForm> form = linearForm(linear, symbols);
  if (!form)
    return std::nullopt;
  SmallVector<Dim> strides = rowMajorStrides(sizes, symbols.context);
  struct Part {
    Dim factor;
    Dim extent;
  };
  SmallVector<SmallVector<Part>> parts(sizes.size());
  SmallVector<AffineExpr> digits(sizes.size(),
                                 getAffineConstantExpr(0, symbols.context));
  auto place = [&](const Dim &coefficient, const Dim &extent,
                   AffineExpr value) {
    for (size_t j = 0; j < sizes.size(); ++j) {
      if (sizes[j].isConstant(1))
        continue;
      std::optional<Dim> factor = coefficient.exactDiv(strides[j]);
      if (!factor)
        continue;
      std::optional<int64_t> f = factor->getConstant(),
                             e = extent.getConstant(),
                             n = sizes[j].getConstant();
      bool fits = f && e && n ? *f >= 0 && *f * (*e - 1) < *n
                              : sizes[j].exactDiv(*factor * extent).has_value();
      if (!fits)
        continue;
      parts[j].push_back({*factor, extent});
      digits[j] = digits[j] + value * symbols.expr(*factor);
      return true;
    }
    return false;
  };
  for (const Term &term : form->terms)
    if (term.position >= extents.size() ||
        !place(term.coefficient, extents[term.position],
               getAffineDimExpr(term.position, symbols.context)))
      return std::nullopt;
  int64_t restDigits = 0;
  if (std::optional<int64_t> rest = form->rest.getConstant()) {
    restDigits = *rest;
    if (restDigits < 0)
      return std::nullopt;
  } else {
    return std::nullopt;
  }
  // No digit may overflow. Several parts in one digit must nest, or their
  // largest sum must stay below the size.
  for (size_t j = 0; j < sizes.size(); ++j) {
    int64_t constantPart = 0;
    if (restDigits) {
      std::optional<int64_t> stride = strides[j].getConstant();
      if (!stride)
        return std::nullopt;
      constantPart = restDigits / *stride;
      restDigits %= *stride;
      digits[j] = digits[j] + constantPart;
    }
    if (parts[j].size() + (constantPart != 0) < 2)
      continue;
    std::optional<int64_t> size = sizes[j].getConstant();
    int64_t largest = constantPart;
    bool known = size.has_value();
    for (Part &part : parts[j]) {
      std::optional<int64_t> f = part.factor.getConstant(),
                             e = part.extent.getConstant();
      known = known && f && e;
      if (known)
        largest += *f * (*e - 1);
    }
    if (known) {
      if (largest >= *size)
        return std::nullopt;
      continue;
    }
    // Nested: sorted by factor, factor_i * extent_i divides factor_{i+1}.
    if (constantPart)
      return std::nullopt;
    SmallVector<Part> rest(parts[j]);
    Dim unit = symbols.constant(1);
    while (!rest.empty()) {
      auto *next = llvm::find_if(rest, [&](Part &part) {
        return part.factor.exactDiv(unit) &&
               llvm::all_of(rest, [&](Part &other) {
                 return &other == &part ||
                        other.factor.exactDiv(part.factor * part.extent);
               });
      });
      if (next == rest.end())
        return std::nullopt;
      unit = next->factor * next->extent;
      rest.erase(next);
    }
  }
  return digits;
}

SmallVector<AffineExpr> reshapeIndex(ArrayRef<AffineExpr> index,
                                     ArrayRef<Dim> from, ArrayRef<Dim> to,
                                     ArrayRef<Dim> extents,
                                     const Symbols &symbols) {
  MLIRContext *context = symbols.context;
  SmallVector<AffineExpr> result;
  AffineExpr zero = getAffineConstantExpr(0, context);
  for (const ReshapeGroup &group : reshapeGroups(from, to)) {
    ArrayRef<Dim> fromSizes =
        from.slice(group.fromBegin, group.fromEnd - group.fromBegin);
    ArrayRef<Dim> toSizes =
        to.slice(group.toBegin, group.toEnd - group.toBegin);
    if (toSizes.empty())
      continue;
    SmallVector<Dim> strides = rowMajorStrides(fromSizes, context);
    AffineExpr linear = zero;
    for (size_t i = 0; i < fromSizes.size(); ++i)
      if (!fromSizes[i].isConstant(1))
        linear = linear + index[group.fromBegin + i] * symbols.expr(strides[i]);
    if (toSizes.size() == 1) {
      result.push_back(linear);
      continue;
    }
    if (auto digits = digitsFromTerms(linear, toSizes, extents, symbols)) {
      llvm::append_range(result, *digits);
      continue;
    }
    SmallVector<Dim> toStrides = rowMajorStrides(toSizes, context);
    bool first = true;
    for (size_t j = 0; j < toSizes.size(); ++j) {
      if (toSizes[j].isConstant(1)) {
        result.push_back(zero);
        continue;
      }
      AffineExpr digit = linear.floorDiv(symbols.expr(toStrides[j]));
      if (!first)
        digit = digit % symbols.expr(toSizes[j]);
      first = false;
      result.push_back(digit);
    }
  }
  return result;
}

} // namespace mmcc::lower
