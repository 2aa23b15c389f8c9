//===- Einsum.cpp - Einstein summation in pieces --------------------------===//
//
// Each operand carries one label a dimension. A label repeated within an
// operand takes the diagonal; one that nobody else wants is summed away. Two
// operands then share labels that are kept (batch) and labels that are not
// (contracted), and the rest belongs to one side:
//
//     bqhd,bkhd->bhqk    batch b h    left q    right k    contracted d
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Einsum.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

namespace {

/// Letters; the dimensions of an ellipsis count down from -1 on the right.
using Labels = SmallVector<int, 8>;

struct Labelled {
  Tensor tensor;
  Labels labels;
};

class Einsum {
public:
  explicit Einsum(Emitter &e) : e(e) {}

  Tensor run(StringRef equation, ArrayRef<Tensor> operands);

private:
  std::optional<Labels> parse(StringRef term, int64_t ellipsisRank);
  Labelled takeDiagonals(Labelled x);
  Labelled sumAllBut(Labelled x, ArrayRef<int> kept);
  Labelled dropOnes(Labelled x, const Labelled &other);
  Labelled multiply(Labelled a, Labelled b, ArrayRef<int> kept);
  Tensor arrange(const Labelled &x, ArrayRef<int> order);

  Emitter &e;
};

std::optional<Labels> Einsum::parse(StringRef term, int64_t ellipsisRank) {
  Labels labels;
  bool ellipsis = false;
  while (!(term = term.ltrim()).empty()) {
    if (term.consume_front("...")) {
      if (ellipsis)
        return std::nullopt;
      ellipsis = true;
      for (int64_t i = ellipsisRank; i > 0; --i)
        labels.push_back(-i);
    } else if (llvm::isAlpha(term.front())) {
      labels.push_back(term.front());
      term = term.drop_front();
    } else {
      return std::nullopt;
    }
  }
  return labels;
}

static int64_t indexOf(ArrayRef<int> labels, int label) {
  const int *it = llvm::find(labels, label);
  return it == labels.end() ? -1 : it - labels.begin();
}

Labelled Einsum::takeDiagonals(Labelled x) {
  for (size_t i = 0; x.tensor && i < x.labels.size(); ++i)
    for (size_t j = x.labels.size() - 1; x.tensor && j > i; --j) {
      if (x.labels[i] != x.labels[j])
        continue;
      if (!e.demandEqual(x.tensor.dim(i), x.tensor.dim(j),
                         "sizes of one label differ"))
        return {};
      auto positions = [&](size_t axis) {
        Shape shape(x.tensor.rank(), e.dim(1));
        shape[axis] = x.tensor.dim(axis);
        return e.reshape(e.iota(e.dim(0), 1, shape[axis]), shape);
      };
      // Everything but the diagonal becomes zero and is summed away.
      Tensor on = e.compare(mm::Predicate::EQ, positions(i), positions(j));
      Tensor only = e.select(on, x.tensor, e.scalar(0, x.tensor.elementType()));
      x.tensor = e.reduce(mm::ReduceKind::Sum, only, int64_t(j), false);
      x.labels.erase(x.labels.begin() + j);
    }
  return x;
}

Labelled Einsum::sumAllBut(Labelled x, ArrayRef<int> kept) {
  SmallVector<int64_t> axes;
  Labels labels;
  for (auto [index, label] : llvm::enumerate(x.labels)) {
    if (llvm::is_contained(kept, label))
      labels.push_back(label);
    else
      axes.push_back(index);
  }
  if (!axes.empty())
    x.tensor = e.reduce(mm::ReduceKind::Sum, x.tensor, axes, false);
  x.labels = labels;
  return x;
}

/// A size of 1 that broadcasts against the other operand's is left out.
Labelled Einsum::dropOnes(Labelled x, const Labelled &other) {
  SmallVector<int64_t> axes;
  Labels labels;
  for (auto [index, label] : llvm::enumerate(x.labels)) {
    int64_t there = indexOf(other.labels, label);
    if (there >= 0 && x.tensor.dim(index).isConstant(1) &&
        !other.tensor.dim(there).isConstant(1))
      axes.push_back(index);
    else
      labels.push_back(label);
  }
  if (!axes.empty())
    x.tensor = e.squeeze(x.tensor, axes);
  x.labels = labels;
  return x;
}

Tensor Einsum::arrange(const Labelled &x, ArrayRef<int> order) {
  SmallVector<int64_t> permutation;
  for (int label : order)
    permutation.push_back(indexOf(x.labels, label));
  return e.transpose(x.tensor, permutation);
}

Labelled Einsum::multiply(Labelled a, Labelled b, ArrayRef<int> kept) {
  Labelled first = a;
  a = dropOnes(a, b);
  b = dropOnes(b, first);
  auto wanted = [&](const Labelled &mine, const Labelled &theirs) {
    Labels labels(kept.begin(), kept.end());
    llvm::append_range(labels, theirs.labels);
    return sumAllBut(mine, labels);
  };
  Labelled left = wanted(a, b), right = wanted(b, a);
  if (!left.tensor || !right.tensor)
    return {};
  Labels batch, onlyLeft, onlyRight, contracted;
  for (int label : left.labels) {
    bool shared = llvm::is_contained(right.labels, label);
    if (shared && !e.demandEqual(left.tensor.dim(indexOf(left.labels, label)),
                                 right.tensor.dim(indexOf(right.labels, label)),
                                 "sizes of one label differ"))
      return {};
    if (!shared)
      onlyLeft.push_back(label);
    else if (llvm::is_contained(kept, label))
      batch.push_back(label);
    else
      contracted.push_back(label);
  }
  for (int label : right.labels)
    if (!llvm::is_contained(left.labels, label))
      onlyRight.push_back(label);
  auto join = [](std::initializer_list<ArrayRef<int>> parts) {
    Labels labels;
    for (ArrayRef<int> part : parts)
      llvm::append_range(labels, part);
    return labels;
  };
  Tensor x = arrange(left, join({batch, onlyLeft, contracted}));
  Tensor y = arrange(right, join({batch, contracted, onlyRight}));
  if (!x || !y)
    return {};
  Shape xs = x.shape(), ys = y.shape();
  size_t nb = batch.size(), nl = onlyLeft.size(), nc = contracted.size();
  ArrayRef<Dim> batchDims = ArrayRef(xs).take_front(nb);
  ArrayRef<Dim> leftDims = ArrayRef(xs).slice(nb, nl);
  ArrayRef<Dim> rightDims = ArrayRef(ys).drop_front(nb + nc);
  Labelled result;
  result.labels = join({batch, onlyLeft, onlyRight});
  if (contracted.empty()) {
    Shape wide = xs;
    wide.append(onlyRight.size(), e.dim(1));
    Shape aligned(batchDims.begin(), batchDims.end());
    aligned.append(nl, e.dim(1));
    llvm::append_range(aligned, rightDims);
    result.tensor = e.mul(e.reshape(x, wide), e.reshape(y, aligned));
    return result;
  }
  auto merge = [&](ArrayRef<Dim> dims) {
    return mm::product(e.context(), dims);
  };
  Dim inner = merge(ArrayRef(xs).drop_front(nb + nl));
  Shape xm(batchDims.begin(), batchDims.end()), ym = xm, full = xm;
  xm.append({merge(leftDims), inner});
  ym.append({inner, merge(rightDims)});
  llvm::append_range(full, leftDims);
  llvm::append_range(full, rightDims);
  result.tensor = e.reshape(e.matmul(e.reshape(x, xm), e.reshape(y, ym)), full);
  return result;
}

Tensor Einsum::run(StringRef equation, ArrayRef<Tensor> operands) {
  auto malformed = [&] {
    return e.fail("the equation '" + equation + "' is not well-formed");
  };
  auto [inputs, output] = equation.split("->");
  bool explicitOutput = equation.contains("->");
  SmallVector<StringRef> terms;
  inputs.split(terms, ',');
  if (terms.size() != operands.size() || operands.empty())
    return malformed();
  int64_t ellipsisRank = 0;
  std::vector<Labelled> values;
  for (auto [term, tensor] : llvm::zip(terms, operands)) {
    int64_t letters = llvm::count_if(term, llvm::isAlpha);
    int64_t rest = tensor.rank() - letters;
    bool ellipsis = term.contains("...");
    std::optional<Labels> labels = parse(term, std::max<int64_t>(rest, 0));
    if (!labels || (ellipsis ? rest < 0 : rest != 0))
      return malformed();
    if (ellipsis)
      ellipsisRank = std::max(ellipsisRank, rest);
    values.push_back({tensor, *labels});
  }
  Labels wanted;
  if (explicitOutput) {
    std::optional<Labels> labels = parse(output, ellipsisRank);
    if (!labels)
      return malformed();
    wanted = *labels;
  } else {
    // The ellipsis, then the letters that occur once, in alphabetic order.
    for (int64_t i = ellipsisRank; i > 0; --i)
      wanted.push_back(-i);
    for (int letter = 'A'; letter <= 'z'; ++letter)
      if (llvm::isAlpha(letter) && inputs.count(char(letter)) == 1)
        wanted.push_back(letter);
  }
  for (auto [index, label] : llvm::enumerate(wanted))
    if (indexOf(wanted, label) != int64_t(index))
      return malformed();
  for (Labelled &value : values)
    value = takeDiagonals(value);
  Labelled result = values[0];
  for (size_t i = 1; i < values.size() && result.tensor; ++i) {
    Labels kept = wanted;
    for (size_t later = i + 1; later < values.size(); ++later)
      llvm::append_range(kept, values[later].labels);
    if (!values[i].tensor)
      return {};
    result = multiply(result, values[i], kept);
  }
  if (!result.tensor)
    return {};
  result = sumAllBut(result, wanted);
  for (int label : wanted)
    if (!llvm::is_contained(result.labels, label))
      return malformed();
  return arrange(result, wanted);
}

} // namespace

Tensor einsum(Emitter &emitter, StringRef equation, ArrayRef<Tensor> operands) {
  return Einsum(emitter).run(equation, operands);
}

} // namespace mmcc::import
