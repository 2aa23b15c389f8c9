//===- Expression.h - Integer expressions over symbols ----------*- C++ -*-===//
//
// An expression is a postfix program of 64-bit words (schema::ExprOp). It is
// checked once when the artifact is loaded, so that evaluation needs no checks
// but those of the arithmetic itself.
//
//     3 * s0 + 1   =   constant 3, symbol 0, mul, constant 1, add
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_CORE_EXPRESSION_H
#define MMCC_RUNTIME_CORE_EXPRESSION_H

#include "runtime/core/Span.h"
#include "runtime/schema/program_generated.h"

#include <cstdint>
#include <string>

namespace mmcc::runtime {

constexpr unsigned kMaxExpressionDepth = 64;

/// The code of expression `id` of a verified entry.
Span<const int64_t> expressionOf(const schema::Entry &entry, uint32_t id);

/// Null when `code` is a valid expression over `symbol_count` symbols that
/// needs at most kMaxExpressionDepth stack entries; else what is wrong.
const char *checkExpression(Span<const int64_t> code, uint64_t symbol_count);

/// Value of a checked expression. False on overflow or division by zero.
bool evaluate(Span<const int64_t> code, const int64_t *symbols,
              int64_t &result);

/// The largest `value_of[symbol]` of the symbols named; 0 if none.
uint32_t largestOf(Span<const int64_t> code, const uint32_t *value_of);

/// The union of `mask_of[symbol]` of the symbols named.
uint64_t unionOf(Span<const int64_t> code, const uint64_t *mask_of);

/// Bounds of a checked expression when symbol i lies in [lo[i], hi[i]], with
/// hi = -1 for unbounded. `result_hi` is -1 when there is no bound.
void boundsOf(Span<const int64_t> code, const int64_t *lo, const int64_t *hi,
              int64_t &result_lo, int64_t &result_hi);

/// Infix text with the symbols' names, "3*batch + 1".
std::string textOf(Span<const int64_t> code, const char *const *names);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_CORE_EXPRESSION_H
