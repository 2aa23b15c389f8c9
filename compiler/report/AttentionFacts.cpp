//===- AttentionFacts.cpp - Every attention and its tokens ----------------===//

#include "compiler/report/AttentionFacts.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/attention/AttentionKind.h"
#include "passes/fuse/ConstantValues.h"
#include <algorithm>

using namespace mmcc;
namespace json = llvm::json;

/// Queries that one row of a table of spans speaks of (mm.attention).
static constexpr int64_t kQueriesPerSpan = 64;
/// Elements of such a table, and operations behind one value, that are looked
/// at; and queries that pairs are counted for one by one.
static constexpr int64_t kMostElements = int64_t(1) << 24;
static constexpr size_t kMostVisited = 20000;

int64_t mmcc::countPairs(const PairPattern &pattern, int64_t queries,
                         int64_t keys) {
  int64_t offset = keys - queries, count = 0;
  for (int64_t i = 0; i < queries; ++i) {
    // The band, and the last key that the stride reaches.
    int64_t first = 0, last = keys - 1, reach = keys - 1;
    if (pattern.causal)
      last = reach = std::min(last, i + offset);
    else if (pattern.ahead >= 0)
      last = std::min(last, i + offset + pattern.ahead);
    if (pattern.window > 0)
      first = std::max<int64_t>(0, i + offset - pattern.window + 1);
    count += std::max<int64_t>(0, last - first + 1);
    if (pattern.stride <= 0)
      continue;
    auto multiples = [&](int64_t end) {
      return end < 0 ? 0 : end / pattern.stride + 1;
    };
    count += multiples(reach);
    if (last >= first) // those inside the band have been counted
      count -= multiples(std::min(last, reach)) -
               multiples(std::min(first - 1, reach));
  }
  return count;
}

/// Pairs that a table of spans keeps, if it is a constant.
static std::optional<int64_t> countSpans(mlir::Value spans,
                                         const mm::Dim &queries) {
  auto table = spans ? getElements(spans, kMostElements) : std::nullopt;
  std::optional<int64_t> rows = queries.getConstant();
  if (!table || !rows)
    return std::nullopt;
  int64_t blocks = getTensorType(spans).getDimSize(0), count = 0;
  int64_t each = blocks > 0 ? int64_t(table->size()) / blocks : 0;
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t i = 0; i + 2 < each; i += 3) {
      double keys = (*table)[block * each + i + 1] - (*table)[block * each + i];
      count += int64_t(keys) *
               std::min(kQueriesPerSpan, *rows - block * kQueriesPerSpan);
    }
  return count;
}

/// Calls `visit` on the operations that `value` is computed by, nearest first,
/// until it says not to go on behind one.
template <typename Visit> static void walkBack(mlir::Value value, Visit visit) {
  llvm::SmallVector<mlir::Value> open{value};
  llvm::DenseSet<mlir::Operation *> seen;
  for (size_t next = 0; next < open.size(); ++next) {
    mlir::Operation *op = open[next].getDefiningOp();
    if (!op || !seen.insert(op).second || seen.size() > kMostVisited)
      continue;
    if (visit(op))
      llvm::append_range(open, op->getOperands());
  }
}

static bool weighsMerged(mm::AttentionOp op) {
  bool found = false;
  if (op.getMask())
    walkBack(op.getMask(), [&](mlir::Operation *behind) {
      found |= llvm::isa<mm::MergeTokensOp>(behind);
      return !found && !llvm::isa<mm::AttentionOp>(behind);
    });
  return found;
}

std::vector<AttentionFacts> mmcc::collectAttention(
    mlir::ModuleOp module,
    llvm::function_ref<std::string(mlir::Location)> describe) {
  std::vector<AttentionFacts> all;
  for (auto func : module.getOps<mlir::func::FuncOp>()) {
    // The form with state attends as its plain one does.
    if (func->hasAttr("mm.plain"))
      continue;
    size_t begin = all.size();
    llvm::DenseMap<mlir::Operation *, int> indices;
    func.walk([&](mm::AttentionOp op) {
      AttentionKind is = getKind(op);
      mm::Shape query = mm::getShape(op.getQuery().getType());
      mm::Shape key = mm::getShape(op.getKey().getType());
      AttentionFacts facts;
      facts.entry = func.getName().str();
      facts.node = describe(op.getLoc());
      facts.kind = is.kind;
      facts.limits = llvm::StringRef(is.limits).ltrim(", ").str();
      facts.size = is.size;
      facts.rows = is.rows;
      facts.heads = is.heads;
      facts.keyHeads = is.keyHeads;
      facts.queries = query[2];
      facts.keys = key[2];
      facts.dim = query[3];
      facts.pattern = {op.getCausal(), int64_t(op.getWindow()),
                       int64_t(op.getAhead()), int64_t(op.getStride())};
      facts.spanPairs = countSpans(op.getSpans(), facts.queries);
      facts.weighsMerged = weighsMerged(op);
      walkBack(op.getQuery(), [&](mlir::Operation *behind) {
        auto found = indices.find(behind);
        if (found == indices.end())
          return true;
        facts.previous = std::max(facts.previous, found->second);
        return false;
      });
      indices[op] = int(all.size() - begin);
      all.push_back(std::move(facts));
    });
    // Tokens are matched by an attention's keys, and at its location.
    func.walk([&](mm::MatchTokensOp match) {
      for (auto [op, index] : indices)
        if (op->getLoc() == match.getLoc())
          all[begin + index].merged = int64_t(match.getMerged());
    });
  }
  return all;
}

static std::optional<int64_t>
valueOf(const mm::Dim &dim, const std::map<std::string, int64_t> &symbols) {
  llvm::SmallVector<mlir::AffineExpr> numbers;
  for (mlir::StringAttr name : dim.symbols()) {
    auto found = symbols.find(name.str());
    if (found == symbols.end())
      return std::nullopt;
    numbers.push_back(
        mlir::getAffineConstantExpr(found->second, dim.getContext()));
  }
  auto constant = llvm::dyn_cast<mlir::AffineConstantExpr>(
      dim.getExpr().replaceSymbols(numbers));
  return constant ? std::optional(constant.getValue()) : std::nullopt;
}

/// What makes it its kind, in words.
static std::string explainKind(const AttentionFacts &facts) {
  const PairPattern &pattern = facts.pattern;
  auto text = [](int64_t number) { return std::to_string(number); };
  if (facts.kind == "sparse")
    return "keys less than " + text(pattern.window) +
           " tokens away, and every " + text(pattern.stride) + "th";
  if (facts.kind == "sliding")
    return "keys from " + text(pattern.window - 1) +
           " tokens before the query " +
           (pattern.causal       ? "up to it"
            : pattern.ahead >= 0 ? "to " + text(pattern.ahead) + " behind it"
                                 : std::string("on"));
  if (facts.kind == "blocks")
    return "a constant mask hides whole blocks of keys, which are skipped";
  if (facts.kind == "causal")
    return "keys up to the query itself";
  if (facts.kind == "cached")
    return "earlier keys come in from a cache; queries stand behind them";
  if (facts.kind == "cross")
    return "queries and keys are different tokens";
  if (facts.kind == "windowed")
    return "tokens look at those of their own window only";
  return "every query looks at every key";
}

json::Object
mmcc::describeAttention(const AttentionFacts &facts,
                        const std::map<std::string, int64_t> &symbols) {
  auto number = [&](const mm::Dim &dim) -> json::Value {
    if (std::optional<int64_t> value = valueOf(dim, symbols))
      return *value;
    return json::fixUTF8(dim.str());
  };
  json::Object result{{"entry", json::fixUTF8(facts.entry)},
                      {"node", json::fixUTF8(facts.node)},
                      {"kind", facts.kind},
                      {"limits", facts.limits},
                      {"size", json::fixUTF8(facts.size)},
                      {"why", explainKind(facts)},
                      {"rows", number(facts.rows)},
                      {"heads", number(facts.heads)},
                      {"key_heads", number(facts.keyHeads)},
                      {"queries", number(facts.queries)},
                      {"keys", number(facts.keys)},
                      {"dim", number(facts.dim)},
                      {"weighs_merged", facts.weighsMerged},
                      {"merged", facts.merged},
                      {"previous", facts.previous}};
  std::optional<int64_t> queries = valueOf(facts.queries, symbols);
  std::optional<int64_t> keys = valueOf(facts.keys, symbols);
  if (queries && keys && *queries > 0 && *keys > 0 &&
      *queries <= kMostElements) {
    int64_t pairs = facts.spanPairs
                        ? *facts.spanPairs
                        : countPairs(facts.pattern, *queries, *keys);
    result["density"] = double(pairs) / double(*queries) / double(*keys);
  }
  return result;
}
