//===- LossOperators.cpp - Losses -----------------------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"

using namespace mlir;
using mmcc::mm::Shape;

namespace mmcc::import {

/// Negative log likelihood of logProbabilities [batch, classes, ...] at the
/// labels [batch, ...], weighted by class, reduced as the node says.
static Tensor likelihoodLoss(Node &n, const Tensor &logProbabilities,
                             const Tensor &labels, const Tensor &weights) {
  std::string reduction = n.text("reduction", "mean");
  bool ignoring = n.hasAttribute("ignore_index");
  int64_t ignored = n.integer("ignore_index", 0);
  if (!logProbabilities || !labels)
    return {};
  if (logProbabilities.rank() < 2 ||
      labels.rank() != logProbabilities.rank() - 1)
    return n.fail("the labels do not fit the input");
  Tensor index = n.castTo(labels, IntegerType::get(n.context(), 64));
  Type type = logProbabilities.elementType();
  Tensor zero = n.scalar(0, type), isIgnored;
  if (ignoring) {
    isIgnored = n.compare(mm::Predicate::EQ, index,
                          n.whole(ignored, index.elementType()));
    index = n.select(isIgnored, n.scalar(0, index.elementType()), index);
  }
  Tensor column = n.unsqueeze(index, 1);
  if (!column)
    return {};
  Tensor picked = n.squeeze(n.emit<mm::GatherElementsOp>(
                                {logProbabilities, column}, n.named("axis", 1)),
                            1);
  Tensor loss = n.unary<mm::NegOp>(picked);
  Tensor weight;
  if (weights)
    weight = n.gather(weights, index, 0);
  else if (ignoring && loss)
    weight = n.broadcast(n.scalar(1, type), loss.shape());
  if (ignoring)
    weight = n.select(isIgnored, zero, weight);
  if (weight)
    loss = n.mul(loss, weight);
  if (!loss || reduction == "none")
    return loss;
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, loss.rank()));
  if (reduction == "sum")
    return n.reduce(mm::ReduceKind::Sum, loss, axes, false);
  if (reduction != "mean")
    return n.fail("reduction '" + reduction + "' is not supported");
  if (!weight)
    return n.reduce(mm::ReduceKind::Mean, loss, axes, false);
  return n.div(n.reduce(mm::ReduceKind::Sum, loss, axes, false),
               n.reduce(mm::ReduceKind::Sum, weight, axes, false));
}

static void importLikelihoodLoss(Node &n) {
  Tensor x = n.required(0), labels = n.required(1), weights = n.input(2);
  n.set(0, likelihoodLoss(n, x, labels, weights));
}

static void importCrossEntropy(Node &n) {
  Tensor x = n.required(0), labels = n.required(1), weights = n.input(2);
  if (x && x.rank() < 2)
    n.fail("the scores have no classes");
  if (n.hasFailed())
    return;
  Tensor logProbabilities = n.softmax(x, 1, /*log=*/true);
  n.set(0, likelihoodLoss(n, logProbabilities, labels, weights));
  n.set(1, logProbabilities);
}

ArrayRef<OperatorRow> lossOperators() {
  static const OperatorRow rows[] = {
      {"NegativeLogLikelihoodLoss", importLikelihoodLoss},
      {"SoftmaxCrossEntropyLoss", importCrossEntropy},
  };
  return rows;
}

} // namespace mmcc::import
