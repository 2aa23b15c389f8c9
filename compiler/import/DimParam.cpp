//===- DimParam.cpp - dim_param texts as dimensions -----------------------===//
//
//   sum     ::= product ((`+` | `-`) product)*
//   product ::= atom ((`*` | `//`) atom)*
//   atom    ::= integer | name | `(` sum `)`
//
//===----------------------------------------------------------------------===//

#include "compiler/import/DimParam.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using mmcc::mm::Dim;

namespace mmcc::import {

static bool isNameChar(char c) {
  return isAlnum(c) || c == '_' || c == '.' || c == '$' || c == ':';
}

bool isPlainDimName(StringRef text) {
  return !text.empty() && !isDigit(text[0]) && all_of(text, isNameChar);
}

namespace {
struct Parser {
  StringRef rest;
  const StringSet<> &plainDims;
  DimFacts &facts;
  mlir::MLIRContext *context;
  /// Long texts are names, whatever they look like.
  int budget = 64;

  bool accept(StringRef token) {
    rest = rest.ltrim();
    return rest.consume_front(token);
  }

  std::optional<Dim> atom() {
    rest = rest.ltrim();
    if (--budget < 0 || rest.empty())
      return std::nullopt;
    if (accept("(")) {
      std::optional<Dim> inner = sum();
      if (!inner || !accept(")"))
        return std::nullopt;
      return inner;
    }
    if (isDigit(rest[0])) {
      int32_t value;
      StringRef digits = rest.take_while([](char c) { return isDigit(c); });
      if (digits.getAsInteger(10, value))
        return std::nullopt;
      rest = rest.drop_front(digits.size());
      return Dim::constant(context, value);
    }
    StringRef name = rest.take_while(isNameChar);
    if (!plainDims.contains(name))
      return std::nullopt;
    rest = rest.drop_front(name.size());
    return facts.symbol(context, name);
  }

  std::optional<Dim> product() {
    std::optional<Dim> result = atom();
    while (result) {
      bool divide = accept("//");
      if (!divide && !accept("*"))
        return result;
      std::optional<Dim> factor = atom();
      if (!factor || (divide && facts.bounds(*factor).lo <= 0))
        return std::nullopt;
      result = divide ? result->floorDiv(*factor) : *result * *factor;
    }
    return result;
  }

  std::optional<Dim> sum() {
    std::optional<Dim> result = product();
    while (result) {
      bool minus = accept("-");
      if (!minus && !accept("+"))
        return result;
      std::optional<Dim> term = product();
      if (!term)
        return std::nullopt;
      result = minus ? *result - *term : *result + *term;
    }
    return result;
  }
};
} // namespace

Dim parseDimParam(StringRef text, const StringSet<> &plainDims, DimFacts &facts,
                  mlir::MLIRContext *context) {
  if (!isPlainDimName(text)) {
    Parser parser{text, plainDims, facts, context};
    std::optional<Dim> dim = parser.sum();
    if (dim && parser.rest.trim().empty())
      return *dim;
  }
  return facts.symbol(context, text);
}

} // namespace mmcc::import
