//===- ExpressionTable.h - Builds an entry's expressions --------*- C++ -*-===//
//
// Hands out the expression ids that the schema's fields hold. Equal expressions
// get equal ids, and constants are folded, so ids depend on the order of the
// calls alone.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_ARTIFACT_EXPRESSIONTABLE_H
#define MMCC_CODEGEN_ARTIFACT_EXPRESSIONTABLE_H

#include "runtime/schema/program_generated.h"

#include <cstdint>
#include <map>
#include <vector>

namespace mmcc::artifact {

class ExpressionTable {
public:
  using Id = uint32_t;

  Id constant(int64_t value);
  Id symbol(uint32_t symbol);
  /// `op` is one of the binary operators.
  Id binary(schema::ExprOp op, Id lhs, Id rhs);

  Id add(Id a, Id b) { return binary(schema::ExprOp::add, a, b); }
  Id sub(Id a, Id b) { return binary(schema::ExprOp::sub, a, b); }
  Id mul(Id a, Id b) { return binary(schema::ExprOp::mul, a, b); }
  Id floorDiv(Id a, Id b) { return binary(schema::ExprOp::floordiv, a, b); }
  Id ceilDiv(Id a, Id b) { return binary(schema::ExprOp::ceildiv, a, b); }
  Id mod(Id a, Id b) { return binary(schema::ExprOp::mod, a, b); }
  Id min(Id a, Id b) { return binary(schema::ExprOp::min, a, b); }
  Id max(Id a, Id b) { return binary(schema::ExprOp::max, a, b); }

  /// An expression given as postfix words (see ExprOp).
  Id words(std::vector<int64_t> code);

  /// Copies the table into `entry`.
  void store(schema::EntryT &entry) const;

private:
  std::vector<std::vector<int64_t>> expressions;
  std::map<std::vector<int64_t>, Id> ids;
};

} // namespace mmcc::artifact

#endif // MMCC_CODEGEN_ARTIFACT_EXPRESSIONTABLE_H
