//===- Dim.cpp - Symbolic dimensions --------------------------------------===//

#include "dialects/mm/Dim.h"
#include "dialects/mm/MM.h"
#include "mlir/IR/AffineExprVisitor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mmcc::mm {

Dim Dim::constant(MLIRContext *context, int64_t value) {
  Dim dim;
  dim.expr = getAffineConstantExpr(value, context);
  return dim;
}

Dim Dim::symbol(MLIRContext *context, StringRef name) {
  Dim dim;
  dim.expr = getAffineSymbolExpr(0, context);
  dim.names.push_back(StringAttr::get(context, name));
  return dim;
}

namespace {

/// A sum of products: each term a coefficient and a sorted list of factors
/// (symbols, or divisions that did not simplify). AffineExpr alone does not
/// see that a*b equals b*a, nor that (a + 1)*b equals a*b + b.
using Factors = SmallVector<AffineExpr, 3>;
struct Polynomial {
  SmallVector<std::pair<Factors, int64_t>> terms;

  void add(const Factors &factors, int64_t coefficient) {
    for (auto &term : terms)
      if (term.first == factors) {
        term.second += coefficient;
        return;
      }
    terms.push_back({factors, coefficient});
  }
};

/// A total order of expressions that depends on their structure only, never on
/// where the context stores them.
int compareExprs(AffineExpr a, AffineExpr b) {
  if (a == b)
    return 0;
  if (a.getKind() != b.getKind())
    return a.getKind() < b.getKind() ? -1 : 1;
  if (auto x = dyn_cast<AffineConstantExpr>(a)) {
    int64_t y = cast<AffineConstantExpr>(b).getValue();
    return x.getValue() < y ? -1 : 1;
  }
  if (auto x = dyn_cast<AffineSymbolExpr>(a))
    return x.getPosition() < cast<AffineSymbolExpr>(b).getPosition() ? -1 : 1;
  if (auto x = dyn_cast<AffineDimExpr>(a))
    return x.getPosition() < cast<AffineDimExpr>(b).getPosition() ? -1 : 1;
  auto x = cast<AffineBinaryOpExpr>(a), y = cast<AffineBinaryOpExpr>(b);
  if (int order = compareExprs(x.getLHS(), y.getLHS()))
    return order;
  return compareExprs(x.getRHS(), y.getRHS());
}

bool factorsBefore(const Factors &a, const Factors &b) {
  if (a.size() != b.size())
    return a.size() > b.size();
  for (auto [x, y] : llvm::zip(a, b))
    if (int order = compareExprs(x, y))
      return order < 0;
  return false;
}

Polynomial toPolynomial(AffineExpr expr);
AffineExpr fromPolynomial(Polynomial polynomial, MLIRContext *context);

/// (x*d + r) floordiv d splits when the divisor d is a constant or one symbol
/// and divides some of the terms exactly.
AffineExpr divide(AffineExpr lhs, AffineExpr rhs, AffineExprKind kind) {
  MLIRContext *context = lhs.getContext();
  Polynomial dividend = toPolynomial(lhs), divisor = toPolynomial(rhs);
  Polynomial exact, rest;
  if (divisor.terms.size() == 1 && divisor.terms[0].second > 0) {
    auto [factors, coefficient] = divisor.terms[0];
    for (auto &[termFactors, termCoefficient] : dividend.terms) {
      Factors left = termFactors;
      bool divides = termCoefficient % coefficient == 0;
      for (AffineExpr factor : factors) {
        auto *it = llvm::find(left, factor);
        divides = divides && it != left.end();
        if (!divides)
          break;
        left.erase(it);
      }
      if (divides)
        exact.add(left, termCoefficient / coefficient);
      else
        rest.add(termFactors, termCoefficient);
    }
  } else {
    rest = dividend;
  }
  AffineExpr quotient = fromPolynomial(exact, context);
  AffineExpr remainder = fromPolynomial(rest, context);
  if (kind == AffineExprKind::Mod)
    return remainder == getAffineConstantExpr(0, context) ? remainder
                                                          : remainder % rhs;
  if (remainder == getAffineConstantExpr(0, context))
    return quotient;
  // (x floordiv c + rest) floordiv d is (x + c*rest) floordiv (c*d): sizes
  // that one path halves step by step and another divides at once are equal.
  if (auto outer = dyn_cast<AffineConstantExpr>(rhs);
      outer && kind == AffineExprKind::FloorDiv)
    for (auto &[factors, coefficient] : rest.terms) {
      if (factors.size() != 1 || coefficient != 1 ||
          factors[0].getKind() != AffineExprKind::FloorDiv)
        continue;
      auto inner = cast<AffineBinaryOpExpr>(factors[0]);
      auto step = dyn_cast<AffineConstantExpr>(inner.getRHS());
      int64_t combined;
      if (!step ||
          llvm::MulOverflow(step.getValue(), outer.getValue(), combined))
        continue;
      AffineExpr others = remainder - factors[0];
      return quotient + divide(inner.getLHS() + others * step,
                               getAffineConstantExpr(combined, context), kind);
    }
  AffineExpr inexact = kind == AffineExprKind::FloorDiv
                           ? remainder.floorDiv(rhs)
                           : remainder.ceilDiv(rhs);
  return quotient + inexact;
}

Polynomial toPolynomial(AffineExpr expr) {
  Polynomial result;
  switch (expr.getKind()) {
  case AffineExprKind::Constant:
    if (int64_t value = cast<AffineConstantExpr>(expr).getValue())
      result.add({}, value);
    return result;
  case AffineExprKind::Add: {
    auto binary = cast<AffineBinaryOpExpr>(expr);
    result = toPolynomial(binary.getLHS());
    for (auto &[factors, coefficient] : toPolynomial(binary.getRHS()).terms)
      result.add(factors, coefficient);
    return result;
  }
  case AffineExprKind::Mul: {
    auto binary = cast<AffineBinaryOpExpr>(expr);
    Polynomial lhs = toPolynomial(binary.getLHS());
    Polynomial rhs = toPolynomial(binary.getRHS());
    for (auto &[f, a] : lhs.terms)
      for (auto &[g, b] : rhs.terms) {
        Factors product = f;
        llvm::append_range(product, g);
        llvm::sort(product, [](AffineExpr x, AffineExpr y) {
          return compareExprs(x, y) < 0;
        });
        result.add(product, a * b);
      }
    return result;
  }
  case AffineExprKind::FloorDiv:
  case AffineExprKind::CeilDiv:
  case AffineExprKind::Mod: {
    auto binary = cast<AffineBinaryOpExpr>(expr);
    AffineExpr divided =
        divide(fromPolynomial(toPolynomial(binary.getLHS()), expr.getContext()),
               fromPolynomial(toPolynomial(binary.getRHS()), expr.getContext()),
               expr.getKind());
    // A division that stays is an opaque factor.
    if (divided.getKind() == expr.getKind())
      result.add({divided}, 1);
    else
      return toPolynomial(divided);
    return result;
  }
  default:
    result.add({expr}, 1);
    return result;
  }
}

AffineExpr fromPolynomial(Polynomial polynomial, MLIRContext *context) {
  llvm::erase_if(polynomial.terms, [](auto &term) { return !term.second; });
  llvm::sort(polynomial.terms,
             [](auto &a, auto &b) { return factorsBefore(a.first, b.first); });
  AffineExpr sum = getAffineConstantExpr(0, context);
  for (auto &[factors, coefficient] : polynomial.terms) {
    AffineExpr term = getAffineConstantExpr(1, context);
    for (AffineExpr factor : factors)
      term = term * factor;
    sum = sum + term * coefficient;
  }
  return sum;
}

/// Both dimensions' names, and expressions over them.
struct Unified {
  SmallVector<StringAttr> names;
  AffineExpr lhs, rhs;
  Unified(const Dim &a, const Dim &b) {
    names.assign(a.symbols().begin(), a.symbols().end());
    for (StringAttr name : b.symbols())
      if (!llvm::is_contained(names, name))
        names.push_back(name);
    lhs = a.getExprIn(names);
    rhs = b.getExprIn(names);
  }
};

} // namespace

Dim Dim::get(AffineExpr expr, ArrayRef<StringAttr> names) {
  MLIRContext *context = expr.getContext();
  // Number symbols in the order of their names, so that equal dimensions get
  // equal expressions.
  SmallVector<StringAttr> sorted(names);
  llvm::sort(sorted, [](StringAttr a, StringAttr b) {
    return a.getValue() < b.getValue();
  });
  auto renumber = [&](AffineExpr e, ArrayRef<StringAttr> from,
                      ArrayRef<StringAttr> to) {
    SmallVector<AffineExpr> replacement;
    for (StringAttr name : from) {
      const auto *it = llvm::find(to, name);
      replacement.push_back(
          it == to.end() ? getAffineConstantExpr(0, context)
                         : getAffineSymbolExpr(it - to.begin(), context));
    }
    return e.replaceSymbols(replacement);
  };
  expr = renumber(expr, names, sorted);
  expr = fromPolynomial(toPolynomial(expr), context);
  SmallVector<StringAttr> used;
  for (auto [index, name] : llvm::enumerate(sorted))
    if (expr.isFunctionOfSymbol(index))
      used.push_back(name);
  Dim dim;
  dim.expr = renumber(expr, sorted, used);
  dim.names.assign(used.begin(), used.end());
  return dim;
}

std::optional<int64_t> Dim::getConstant() const {
  if (auto value = dyn_cast_or_null<AffineConstantExpr>(expr))
    return value.getValue();
  return std::nullopt;
}

AffineExpr Dim::getExprIn(ArrayRef<StringAttr> order) const {
  SmallVector<AffineExpr> replacement;
  for (StringAttr name : names) {
    const auto *it = llvm::find(order, name);
    assert(it != order.end() && "symbol missing from the order");
    replacement.push_back(
        getAffineSymbolExpr(it - order.begin(), expr.getContext()));
  }
  return expr.replaceSymbols(replacement);
}

Dim Dim::substitute(const DenseMap<StringAttr, Dim> &values) const {
  SmallVector<StringAttr> order;
  auto append = [&](ArrayRef<StringAttr> more) {
    for (StringAttr name : more)
      if (!llvm::is_contained(order, name))
        order.push_back(name);
  };
  for (StringAttr name : names) {
    auto it = values.find(name);
    append(it == values.end() ? ArrayRef<StringAttr>(name)
                              : it->second.symbols());
  }
  SmallVector<AffineExpr> replacement;
  for (StringAttr name : names) {
    auto it = values.find(name);
    Dim value = it == values.end() ? symbol(name.getContext(), name.getValue())
                                   : it->second;
    replacement.push_back(value.getExprIn(order));
  }
  return get(expr.replaceSymbols(replacement), order);
}

bool Dim::operator==(const Dim &other) const {
  return expr == other.expr && names == other.names;
}
Dim Dim::operator+(const Dim &other) const {
  Unified u(*this, other);
  return get(u.lhs + u.rhs, u.names);
}
Dim Dim::operator-(const Dim &other) const {
  Unified u(*this, other);
  return get(u.lhs - u.rhs, u.names);
}
Dim Dim::operator*(const Dim &other) const {
  Unified u(*this, other);
  return get(u.lhs * u.rhs, u.names);
}
Dim Dim::floorDiv(const Dim &other) const {
  Unified u(*this, other);
  return get(divide(u.lhs, u.rhs, AffineExprKind::FloorDiv), u.names);
}
Dim Dim::ceilDiv(const Dim &other) const {
  Unified u(*this, other);
  return get(divide(u.lhs, u.rhs, AffineExprKind::CeilDiv), u.names);
}
Dim Dim::mod(const Dim &other) const {
  Unified u(*this, other);
  return get(divide(u.lhs, u.rhs, AffineExprKind::Mod), u.names);
}
Dim Dim::operator+(int64_t other) const { return get(expr + other, names); }
Dim Dim::operator-(int64_t other) const { return get(expr - other, names); }
Dim Dim::operator*(int64_t other) const { return get(expr * other, names); }
Dim Dim::floorDiv(int64_t other) const {
  return floorDiv(constant(getContext(), other));
}
Dim Dim::ceilDiv(int64_t other) const {
  return ceilDiv(constant(getContext(), other));
}

std::optional<Dim> Dim::exactDiv(const Dim &other) const {
  if (other.isConstant(0))
    return std::nullopt;
  Dim quotient = floorDiv(other);
  if (quotient * other == *this)
    return quotient;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

RankedTensorType makeTensorType(ArrayRef<Dim> shape, Type elementType) {
  SmallVector<int64_t> sizes;
  bool dynamic = false;
  for (const Dim &dim : shape) {
    std::optional<int64_t> size = dim.getConstant();
    sizes.push_back(size.value_or(ShapedType::kDynamic));
    dynamic |= !size;
  }
  Attribute encoding;
  if (dynamic)
    encoding = DimsAttr::get(elementType.getContext(), shape);
  return RankedTensorType::get(sizes, elementType, encoding);
}

Shape getShape(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  if (auto dims = dyn_cast_or_null<DimsAttr>(tensor.getEncoding()))
    return dims.getDims();
  return makeShape(type.getContext(), tensor.getShape());
}

Shape makeShape(MLIRContext *context, ArrayRef<int64_t> sizes) {
  Shape shape;
  for (int64_t size : sizes)
    shape.push_back(Dim::constant(context, size));
  return shape;
}

Dim product(MLIRContext *context, ArrayRef<Dim> dims) {
  Dim result = Dim::constant(context, 1);
  for (const Dim &dim : dims)
    result = result * dim;
  return result;
}

std::optional<Shape> broadcastShapes(ArrayRef<Dim> a, ArrayRef<Dim> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  Shape result(a.begin(), a.end());
  size_t offset = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    Dim &dim = result[offset + i];
    if (dim == b[i] || b[i].isConstant(1))
      continue;
    if (!dim.isConstant(1))
      return std::nullopt;
    dim = b[i];
  }
  return result;
}

} // namespace mmcc::mm
