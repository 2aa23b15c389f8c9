//===- PrunePlan.cpp - What pruning changes -------------------------------===//

#include "passes/tokens/PrunePlan.h"
#include "passes/attention/IndexExpr.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/tokens/TokenFlow.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mmcc {

namespace {

/// Each symbol of `func` as its smallest value and a size that is 0 or more.
DenseMap<StringAttr, mm::Dim> aboveSmallest(func::FuncOp func) {
  DenseMap<StringAttr, mm::Dim> values;
  auto ranges = func->getAttrOfType<DictionaryAttr>("mm.symbols");
  if (!ranges)
    return values;
  for (NamedAttribute range : ranges) {
    auto bounds = dyn_cast<DenseI64ArrayAttr>(range.getValue());
    if (bounds && !bounds.empty())
      values[range.getName()] =
          mm::Dim::symbol(func.getContext(), range.getName()) + bounds[0];
  }
  return values;
}

/// How one operation treats tokens. Each rule fills in the step or returns why
/// it cannot; an empty string is success.
class PruneRules {
public:
  PruneRules(const ImageTokens &image,
             const DenseMap<StringAttr, mm::Dim> &symbols,
             const DenseMap<Value, TokenRun> &runs, PruneStep &step)
      : image(image), symbols(symbols), runs(runs), step(step), op(step.op) {}

  std::string apply() {
    if (op->hasTrait<OpTrait::IsTerminator>())
      return "";
    if (op->hasTrait<mm::Elementwise>())
      return alike(op->getResult(0), llvm::to_vector(op->getOperands()));
    return llvm::TypeSwitch<Operation *, std::string>(op)
        .Case<mm::ConcatOp, mm::SliceOp, mm::ReduceOp, mm::AttentionOp>(
            [&](auto op) { return rule(op); })
        .Case<mm::RopeOp>([&](mm::RopeOp op) {
          return alike(op.getResult(), llvm::to_vector(op->getOperands()));
        })
        .Default([&](Operation *) { return general(); });
  }

private:
  static mm::Shape shapeOf(Value value) {
    return mm::getShape(value.getType());
  }

  const TokenRun *runOf(Value value) const {
    auto it = runs.find(value);
    return it == runs.end() ? nullptr : &it->second;
  }

  /// Looks operand `index`, whose dimension `axis` counts the tokens of `run`,
  /// up at the places that are left.
  void lookUp(unsigned index, int64_t axis, const TokenRun &run) {
    step.positions.push_back({index, axis, run});
  }

  /// Operands that broadcast to one shape, aligned at the right.
  std::string alike(Value result, ArrayRef<Value> operands) {
    int64_t rank = shapeOf(result).size();
    for (Value operand : operands)
      if (const TokenRun *run = runOf(operand)) {
        TokenRun here = *run;
        here.axis += rank - int64_t(shapeOf(operand).size());
        if (step.run &&
            (step.run->axis != here.axis || !step.run->sameTokens(here)))
          return "pairs tokens with tokens";
        step.run = here;
      }
    bool looksUp = false;
    for (auto [index, operand] : llvm::enumerate(operands)) {
      mm::Shape shape = shapeOf(operand);
      int64_t axis = step.run->axis - (rank - int64_t(shape.size()));
      if (runOf(operand) || axis < 0 || shape[axis].isConstant(1))
        continue;
      lookUp(index, axis, *step.run);
      looksUp = true;
    }
    if (looksUp && !hasBatch(shapeOf(result), step.run->axis))
      return "has another value for each position, but no batch";
    return "";
  }

  bool hasBatch(const mm::Shape &shape, int64_t axis) const {
    return axis > 0 && shape[0] == image.batch;
  }

  std::string rule(mm::ConcatOp op) {
    int64_t axis = op.getAxis();
    bool along = llvm::any_of(op.getInputs(), [&](Value v) {
      return runOf(v) && runOf(v)->axis == axis;
    });
    if (!along)
      return alike(op.getResult(), llvm::to_vector(op.getInputs()));
    mm::Dim count = mm::Dim::constant(op.getContext(), 0);
    for (Value input : op.getInputs()) {
      if (const TokenRun *run = runOf(input)) {
        if (step.run)
          return "joins image tokens with themselves";
        step.run = *run;
        step.run->before = count + run->before;
        count = run->after;
        continue;
      }
      count = count + shapeOf(input)[axis];
    }
    step.run->after = count;
    return "";
  }

  /// All of the image, or none of it.
  std::string rule(mm::SliceOp op) {
    const TokenRun &run = *runOf(op.getInput());
    mm::Dim offset = op.getOffsets().getDim(run.axis);
    mm::Dim size = shapeOf(op.getResult())[run.axis];
    int64_t by = op.getSteps()[run.axis];
    mm::Dim imageEnd = run.before + image.count;
    mm::Dim last = offset + (size - 1) * by;
    mm::Dim first = by > 0 ? offset : last;
    mm::Dim end = (by > 0 ? last : offset) + 1;
    if (isAtMost(end, run.before))
      return "";
    if (isAtMost(imageEnd, first)) {
      step.shifts = run.axis;
      return "";
    }
    if (by != 1 || !isAtMost(first, run.before) || !isAtMost(imageEnd, end))
      return "takes image tokens by their position";
    step.run = TokenRun{run.axis, run.before - first, end - imageEnd};
    return "";
  }

  std::string rule(mm::ReduceOp op) {
    const TokenRun &run = *runOf(op.getInput());
    if (!llvm::is_contained(op.getAxes(), run.axis))
      return general();
    // A mean is one over what is left.
    bool good = llvm::is_contained(
        {mm::ReduceKind::Mean, mm::ReduceKind::Max, mm::ReduceKind::Min},
        op.getKind());
    return good ? "" : "combines tokens with each other";
  }

  std::string rule(mm::AttentionOp op) {
    const TokenRun *query = runOf(op.getQuery()), *key = runOf(op.getKey());
    const TokenRun *value = runOf(op.getValue());
    if ((query && query->axis != 2) || (key && key->axis != 2) ||
        (value && value->axis != 2) || !value != !key ||
        (key && !value->sameTokens(*key)))
      return "attends along another dimension than tokens";
    if (op.getMask() && runOf(op.getMask()))
      return "has a mask that is computed from image tokens";
    if (op.getWindow() > 0 || int64_t(op.getAhead()) >= 0)
      return "attends to tokens by their distance";
    // Both lose the same tokens, at the same distance from the end.
    if (op.getCausal() && (!query || !key || query->after != key->after))
      return "attends to tokens by their position";
    if (op.getMask()) {
      mm::Shape mask = shapeOf(op.getMask());
      unsigned index = op.getMaskMutable().begin()->getOperandNumber();
      for (auto [run, fromRight] : {std::pair(query, 2), std::pair(key, 1)}) {
        int64_t axis = int64_t(mask.size()) - fromRight;
        if (!run || axis < 0 || mask[axis].isConstant(1))
          continue;
        if (!hasBatch(shapeOf(op.getQuery()), 2))
          return "has a mask with an entry for each position, but no batch";
        lookUp(index, axis, *run);
      }
    }
    if (query)
      step.run = *query;
    return "";
  }

  /// What token merging knows of operations that leave tokens apart.
  std::string general() {
    auto axisOf = [&](Value value) {
      const TokenRun *run = runOf(value);
      return run ? run->axis : int64_t(-1);
    };
    TokenSet tokens{image.count, 0, image.batch};
    TokenFlow flow = getTokenFlow(op, axisOf, tokens);
    if (flow.kind != TokenFlow::Carries)
      return flow.reason.empty() ? "needs every token" : flow.reason;
    for (Value operand : op->getOperands())
      if (const TokenRun *run = runOf(operand))
        step.run = TokenRun{flow.axis, run->before, run->after};
    return "";
  }

  bool isAtMost(const mm::Dim &a, const mm::Dim &b) const {
    return isNeverPositive((a - b).substitute(symbols));
  }

  const ImageTokens &image;
  const DenseMap<StringAttr, mm::Dim> &symbols;
  const DenseMap<Value, TokenRun> &runs;
  PruneStep &step;
  Operation *op;
};

} // namespace

std::optional<std::vector<PruneStep>>
planPruning(const ImageTokens &image, Operation *&where, std::string &reason) {
  DenseMap<Value, TokenRun> runs;
  mm::Dim none = mm::Dim::constant(image.batch.getContext(), 0);
  runs[image.value] = {1, none, none};
  std::vector<PruneStep> steps;
  Value tokens = image.value;
  auto symbols =
      aboveSmallest(cast<func::FuncOp>(tokens.getParentBlock()->getParentOp()));
  for (Operation &op : *tokens.getParentBlock()) {
    if (llvm::none_of(op.getOperands(),
                      [&](Value operand) { return runs.contains(operand); }))
      continue;
    PruneStep step;
    step.op = &op;
    reason = PruneRules(image, symbols, runs, step).apply();
    if (!reason.empty()) {
      where = &op;
      return std::nullopt;
    }
    if (step.run)
      runs[op.getResult(0)] = *step.run;
    steps.push_back(std::move(step));
  }
  return steps;
}

} // namespace mmcc
