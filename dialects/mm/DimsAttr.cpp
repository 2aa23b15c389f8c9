//===- DimsAttr.cpp - #mm.dims<[batch, past + 1]> -------------------------===//
//
//   dims  ::= `<` `[` (sum (`,` sum)*)? `]` `>`
//   sum   ::= term (`+` term | negative-integer)*
//   term  ::= atom ((`*` | `floordiv` | `ceildiv` | `mod`) atom)*
//   atom  ::= integer | name | "any name" | `(` sum `)`
//
//===----------------------------------------------------------------------===//

#include "dialects/mm/MM.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mmcc::mm {

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

static bool isKeyword(StringRef name) {
  return name == "floordiv" || name == "ceildiv" || name == "mod";
}

static void printName(StringRef name, raw_ostream &os) {
  bool bare = !name.empty() && !isKeyword(name) &&
              (llvm::isAlpha(name[0]) || name[0] == '_') &&
              llvm::all_of(name, [](char c) {
                return llvm::isAlnum(c) || c == '_' || c == '$' || c == '.';
              });
  if (bare) {
    os << name;
    return;
  }
  os << '"';
  llvm::printEscapedString(name, os);
  os << '"';
}

/// `binding` is the precedence around: 0 sum, 1 term, 2 operand of a term.
static void printExpr(AffineExpr expr, ArrayRef<StringAttr> names,
                      raw_ostream &os, int binding) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    os << constant.getValue();
    return;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    printName(names[symbol.getPosition()], os);
    return;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  bool sum = expr.getKind() == AffineExprKind::Add;
  bool parens = binding > (sum ? 0 : 1);
  if (parens)
    os << '(';
  if (sum) {
    printExpr(binary.getLHS(), names, os, 0);
    auto right = binary.getRHS();
    if (auto c = dyn_cast<AffineConstantExpr>(right);
        c && c.getValue() < 0 && c.getValue() != INT64_MIN) {
      os << " - " << -c.getValue();
    } else {
      os << " + ";
      printExpr(right, names, os, 1);
    }
  } else {
    printExpr(binary.getLHS(), names, os, 1);
    switch (expr.getKind()) {
    case AffineExprKind::Mul:
      os << " * ";
      break;
    case AffineExprKind::FloorDiv:
      os << " floordiv ";
      break;
    case AffineExprKind::CeilDiv:
      os << " ceildiv ";
      break;
    default:
      os << " mod ";
    }
    printExpr(binary.getRHS(), names, os, 2);
  }
  if (parens)
    os << ')';
}

void Dim::print(raw_ostream &os) const { printExpr(expr, names, os, 0); }

std::string Dim::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  print(os);
  return text;
}

void DimsAttr::print(AsmPrinter &printer) const {
  printer << "<[";
  llvm::interleaveComma(getExprs(), printer.getStream(), [&](AffineExpr expr) {
    printExpr(expr, getNames(), printer.getStream(), 0);
  });
  printer << "]>";
}

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

namespace {
struct DimParser {
  AsmParser &parser;
  /// Parentheses and signs may nest; a hostile text may not exhaust the stack.
  static constexpr int kMaxDepth = 64;

  MLIRContext *context() { return parser.getContext(); }

  FailureOr<Dim> parseAtom(int depth) {
    if (depth > kMaxDepth)
      return parser.emitError(parser.getCurrentLocation(),
                              "expression is nested too deeply");
    if (succeeded(parser.parseOptionalLParen())) {
      FailureOr<Dim> inner = parseSum(depth + 1);
      if (failed(inner) || parser.parseRParen())
        return failure();
      return inner;
    }
    int64_t value;
    OptionalParseResult integer = parser.parseOptionalInteger(value);
    if (integer.has_value()) {
      if (failed(*integer))
        return failure();
      return Dim::constant(context(), value);
    }
    std::string quoted;
    if (succeeded(parser.parseOptionalString(&quoted)))
      return Dim::symbol(context(), quoted);
    StringRef name;
    if (parser.parseKeyword(&name))
      return failure();
    return Dim::symbol(context(), name);
  }

  FailureOr<Dim> parseTerm(int depth) {
    FailureOr<Dim> lhs = parseAtom(depth);
    while (succeeded(lhs)) {
      enum { Mul, FloorDiv, CeilDiv, Mod } kind;
      if (succeeded(parser.parseOptionalStar()))
        kind = Mul;
      else if (succeeded(parser.parseOptionalKeyword("floordiv")))
        kind = FloorDiv;
      else if (succeeded(parser.parseOptionalKeyword("ceildiv")))
        kind = CeilDiv;
      else if (succeeded(parser.parseOptionalKeyword("mod")))
        kind = Mod;
      else
        return lhs;
      SMLoc at = parser.getCurrentLocation();
      FailureOr<Dim> rhs = parseAtom(depth);
      if (failed(rhs))
        return failure();
      if (kind != Mul)
        if (std::optional<int64_t> divisor = rhs->getConstant())
          if (*divisor <= 0)
            return parser.emitError(at, "divisor must be positive");
      lhs = kind == Mul        ? *lhs * *rhs
            : kind == FloorDiv ? lhs->floorDiv(*rhs)
            : kind == CeilDiv  ? lhs->ceilDiv(*rhs)
                               : lhs->mod(*rhs);
    }
    return failure();
  }

  FailureOr<Dim> parseSum(int depth) {
    FailureOr<Dim> lhs = parseTerm(depth);
    while (succeeded(lhs)) {
      if (succeeded(parser.parseOptionalPlus())) {
        FailureOr<Dim> rhs = parseTerm(depth);
        if (failed(rhs))
          return failure();
        lhs = *lhs + *rhs;
        continue;
      }
      // The parser has no token for a lone minus: `- 2` is a negative integer.
      int64_t value;
      SMLoc at = parser.getCurrentLocation();
      OptionalParseResult integer = parser.parseOptionalInteger(value);
      if (!integer.has_value())
        return lhs;
      if (failed(*integer))
        return failure();
      if (value >= 0)
        return parser.emitError(at, "expected an operator");
      lhs = *lhs + value;
    }
    return failure();
  }
};
} // namespace

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<Dim> dims;
  DimParser dimParser{parser};
  if (parser.parseLess() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                     [&]() -> ParseResult {
                                       FailureOr<Dim> dim =
                                           dimParser.parseSum(0);
                                       if (failed(dim))
                                         return failure();
                                       dims.push_back(*dim);
                                       return success();
                                     }) ||
      parser.parseGreater())
    return {};
  return get(parser.getContext(), dims);
}

//===----------------------------------------------------------------------===//
// Content
//===----------------------------------------------------------------------===//

DimsAttr DimsAttr::get(MLIRContext *context, ArrayRef<Dim> dims) {
  SmallVector<StringAttr> names;
  for (const Dim &dim : dims)
    for (StringAttr name : dim.symbols())
      if (!llvm::is_contained(names, name))
        names.push_back(name);
  llvm::sort(names, [](StringAttr a, StringAttr b) {
    return a.getValue() < b.getValue();
  });
  SmallVector<AffineExpr> exprs;
  for (const Dim &dim : dims)
    exprs.push_back(dim.getExprIn(names));
  return get(context, names, exprs);
}

Dim DimsAttr::getDim(size_t index) const {
  return Dim::get(getExprs()[index], getNames());
}

Shape DimsAttr::getDims() const {
  Shape dims;
  for (size_t i = 0; i < size(); ++i)
    dims.push_back(getDim(i));
  return dims;
}

LogicalResult
DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                         function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != size())
    return emitError() << "expected one dimension expression for each of the "
                       << shape.size() << " dimensions, got " << size();
  for (auto [index, expected] : llvm::enumerate(shape)) {
    std::optional<int64_t> constant = getDim(index).getConstant();
    if (constant.value_or(ShapedType::kDynamic) != expected)
      return emitError() << "dimension " << index
                         << " of the type contradicts its expression";
  }
  return success();
}

} // namespace mmcc::mm
