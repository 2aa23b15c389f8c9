//===- PruneTokens.cpp - Fewer image tokens before a decoder --------------===//

#include "passes/tokens/Passes.h"
#include "passes/tokens/PruneRequest.h"
#include "passes/tokens/TokenPruner.h"

namespace mmcc {
#define GEN_PASS_DEF_PRUNETOKENS
#include "passes/tokens/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

struct PruneTokens : mmcc::impl::PruneTokensBase<PruneTokens> {
  using PruneTokensBase::PruneTokensBase;

  void runOnOperation() override {
    std::string reason;
    std::optional<PruneRequest> request = PruneRequest::parse(amount, reason);
    if (!request) {
      getOperation().emitError("--prune=") << amount << ": " << reason;
      return signalPassFailure();
    }
    // Entries without an image stay as they are; one at least must have some.
    int pruned = 0;
    Operation *without = getOperation();
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      bool mentioned;
      std::string missing;
      auto image = findImageTokens(func, request->at, missing, mentioned);
      if (!image && !mentioned) {
        reason = missing;
        without = func;
        continue;
      }
      if (!image) {
        func.emitError("--prune: ") << missing;
        return signalPassFailure();
      }
      if (failed(prune(func, *image, request->count(image->count))))
        return signalPassFailure();
      ++pruned;
    }
    if (pruned > 0)
      return;
    without->emitError("--prune: ") << reason;
    signalPassFailure();
  }

  LogicalResult prune(func::FuncOp func, const ImageTokens &image,
                      int64_t keep) {
    if (keep > image.count)
      return emitError(image.value.getLoc(), "--prune: cannot keep ")
             << keep << " of " << image.count << " image tokens";
    if (explain)
      emitRemark(image.value.getLoc(), "image tokens: ")
          << keep << " of " << image.count << " stay";
    // All of them is what was asked for.
    if (keep == image.count && !emitMap)
      return success();
    Operation *where = nullptr;
    std::string reason;
    auto steps = planPruning(image, where, reason);
    if (!steps)
      return where->emitError("--prune: image tokens cannot go: ") << reason;
    TokenPruner pruner(image, keep);
    pruner.apply(*steps);
    ++numPruned;
    numTokens += image.count - keep;
    updateResults(func, emitMap ? pruner.getMap() : Value());
    return success();
  }

  /// Results may have fewer tokens; `map` becomes one more, `prune_map`.
  void updateResults(func::FuncOp func, Value map) {
    auto returned = cast<func::ReturnOp>(func.getBody().back().getTerminator());
    FunctionType type = func.getFunctionType();
    func.setType(
        FunctionType::get(&getContext(), type.getInputs(),
                          llvm::to_vector(returned->getOperandTypes())));
    if (!map)
      return;
    returned->insertOperands(returned->getNumOperands(), map);
    Builder builder(&getContext());
    func.insertResult(func.getNumResults(), map.getType(),
                      builder.getDictionaryAttr(builder.getNamedAttr(
                          "mm.name", builder.getStringAttr("prune_map"))));
  }
};

} // namespace
