//===- Schedule.cpp - The pass plan-schedule ------------------------------===//

#include "dialects/plan/Plan.h"
#include "passes/schedule/ArenaPlanner.h"
#include "passes/schedule/Passes.h"

using namespace mlir;

namespace mmcc {
#define GEN_PASS_DEF_PLANSCHEDULE
#include "passes/schedule/Passes.h.inc"

namespace {

std::optional<int64_t> constantOf(AffineMap map) {
  if (auto expr = dyn_cast<AffineConstantExpr>(map.getResult(0)))
    return expr.getValue();
  return std::nullopt;
}

int64_t elementBytes(Type type) {
  return std::max<int64_t>(1, (type.getIntOrFloatBitWidth() + 7) / 8);
}

struct PlanSchedule : impl::PlanScheduleBase<PlanSchedule> {
  void runOnOperation() override {
    getOperation().walk([&](plan::EntryOp entry) { schedule(entry); });
  }

  void schedule(plan::EntryOp entry) {
    DenseMap<Operation *, int64_t> position;
    for (auto [index, op] : llvm::enumerate(entry.getBody().front()))
      position[&op] = index;
    SmallVector<plan::AllocOp> allocs;
    std::vector<schedule::Lifetime> lifetimes;
    bool isStatic = true;
    for (auto alloc :
         llvm::make_early_inc_range(entry.getBody().getOps<plan::AllocOp>())) {
      if (alloc.use_empty()) {
        alloc.erase();
        continue;
      }
      int64_t first = INT64_MAX, last = 0;
      std::optional<int64_t> stream;
      for (Operation *user : alloc->getUsers()) {
        auto dispatch = dyn_cast<plan::DispatchOp>(user);
        int64_t used = dispatch ? dispatch.getStream().value_or(0) : 0;
        stream = stream.value_or(used) == used ? used : -1;
        first = std::min(first, position[user]);
        last = std::max(last, position[user]);
      }
      std::optional<int64_t> elements = constantOf(alloc.getElements());
      isStatic &= elements.has_value();
      allocs.push_back(alloc);
      lifetimes.push_back({elements.value_or(0) *
                               elementBytes(alloc.getType().getElementType()),
                           first, last, *stream});
    }
    if (!isStatic)
      return;
    schedule::ArenaPlan plan = schedule::planArena(lifetimes);
    MLIRContext *context = entry.getContext();
    unsigned symbols = entry.getSymbols().size();
    auto bytesMap = [&](int64_t bytes) {
      return AffineMap::get(0, symbols, getAffineConstantExpr(bytes, context));
    };
    for (auto [alloc, offset] : llvm::zip(allocs, plan.offsets))
      alloc.setOffsetAttr(AffineMapAttr::get(bytesMap(offset)));
    entry.setArenaBytesAttr(AffineMapAttr::get(bytesMap(plan.bytes)));
    entry->setAttr("lower_bound",
                   Builder(context).getI64IntegerAttr(plan.lowerBound));
    arenaBytes += plan.bytes;
    lowerBoundBytes += plan.lowerBound;
  }
};

} // namespace
} // namespace mmcc
