//===- MergeTokens.cpp - Token merging on an unmodified encoder -----------===//

#include "passes/tokens/MergePlan.h"
#include "passes/tokens/MergeSchedule.h"
#include "passes/tokens/Passes.h"
#include "passes/tokens/TokenMerger.h"
#include "llvm/ADT/StringExtras.h"

namespace mmcc {
#define GEN_PASS_DEF_MERGETOKENS
#include "passes/tokens/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// Why an encoder's tokens stay apart.
struct Refusal {
  Operation *where;
  std::string reason;
};

struct MergeTokens : mmcc::impl::MergeTokensBase<MergeTokens> {
  using MergeTokensBase::MergeTokensBase;

  void runOnOperation() override {
    std::string error;
    std::optional<MergeSchedule> parsed = MergeSchedule::parse(schedule, error);
    if (!parsed) {
      getOperation().emitError("--tome=") << schedule << ": " << error;
      return signalPassFailure();
    }
    bool attends = false;
    for (auto func : getOperation().getOps<func::FuncOp>())
      for (EncoderStream &stream : findStreams(func)) {
        attends = true;
        mergeStream(func, stream, *parsed);
      }
    if (!attends)
      getOperation().emitError("--tome: there is no self-attention after which "
                               "tokens could merge");
    // What one encoder of several refuses is worth a warning; if none merges,
    // the request has failed.
    bool any = served > 0;
    for (const Refusal &refusal : refusals) {
      std::string text = "--tome: its tokens cannot merge: " + refusal.reason;
      if (any)
        refusal.where->emitWarning(text);
      else
        refusal.where->emitError(text);
    }
    if (!any)
      signalPassFailure();
  }

  void mergeStream(func::FuncOp func, EncoderStream &stream,
                   const MergeSchedule &schedule) {
    if (!stream.reason.empty()) {
      refusals.push_back({stream.where, stream.reason});
      return;
    }
    TokenSet &tokens = stream.tokens;
    tokens.protect =
        std::min(schedule.protect.value_or(tokens.protect), tokens.count);
    SmallVector<int64_t> merged =
        schedule.plan(stream.layers.size(), tokens.count, tokens.protect);
    if (llvm::all_of(merged, [](int64_t r) { return r == 0; })) {
      // Nothing to merge is what was asked for.
      ++served;
      return;
    }
    Operation *where = nullptr;
    auto steps = planMerging(stream, merged, where);
    if (!steps) {
      refusals.push_back({where, stream.reason});
      return;
    }
    TokenMerger merger(stream, schedule.neighbours);
    merger.apply(*steps);
    ++served;
    ++numEncoders;
    for (int64_t r : merged) {
      numLayers += r > 0;
      numTokens += r;
    }
    if (emitMap)
      returnMap(func, merger.getSourceMap());
    std::string counts;
    llvm::raw_string_ostream os(counts);
    llvm::interleave(merger.getCounts(), os, " -> ");
    if (explain)
      stream.layers.front().attention.emitRemark("tokens by layer: ") << counts;
  }

  /// Adds `map` to what the function returns, as `tome_map`, `tome_map.1`, ...
  void returnMap(func::FuncOp func, Value map) {
    auto returned = cast<func::ReturnOp>(func.getBody().back().getTerminator());
    std::string name = "tome_map";
    if (maps[func]++ > 0)
      name += "." + std::to_string(maps[func] - 1);
    returned->insertOperands(returned->getNumOperands(), map);
    Builder builder(&getContext());
    auto attributes = builder.getDictionaryAttr(
        builder.getNamedAttr("mm.name", builder.getStringAttr(name)));
    func.insertResult(func.getNumResults(), map.getType(), attributes);
  }

  SmallVector<Refusal> refusals;
  int served = 0;
  DenseMap<func::FuncOp, int> maps;
};

} // namespace
