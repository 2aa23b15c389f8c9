//===- Gptq.cpp - Rounding that later inputs make up for ------------------===//

#include "passes/quantize/methods/Gptq.h"
#include "passes/quantize/methods/Columns.h"
#include "passes/quantize/methods/RoundToNearest.h"

#include <Eigen/Dense>
#include <numeric>

namespace mmcc::quantize {

namespace {

constexpr double kDamping = 0.01;
/// Inputs after which all later ones are brought up to date at once.
constexpr int64_t kBlock = 128;
/// Columns of the weight that are worked on at a time.
constexpr int64_t kPiece = 4 * kColumns;

using Matrix =
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Blocks hold whole groups, or groups whole blocks: a group's scale is found
/// from weights that are up to date.
int64_t blockFor(int64_t group) {
  return kBlock % group == 0 || group % kBlock == 0 ? kBlock : group;
}

} // namespace

Gptq::Gptq(const InputStatistics &statistics, bool actOrder)
    : width(statistics.width()), actOrder(actOrder), order(width), dead(width) {
  Eigen::Map<const Matrix> gram(statistics.gram.data(), width, width);
  Eigen::VectorXd diagonal = 2.0 * gram.diagonal();
  for (int64_t i = 0; i < width; ++i)
    if (diagonal[i] == 0) {
      dead[i] = true;
      diagonal[i] = 1;
    }
  std::iota(order.begin(), order.end(), 0);
  if (actOrder)
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return diagonal[a] != diagonal[b] ? diagonal[a] > diagonal[b] : a < b;
    });
  double damping = kDamping * diagonal.mean();
  // From H = R R^T with R upper follows U = R^-1. R is the Cholesky factor of H
  // from the last row and column to the first.
  Eigen::MatrixXd h(width, width);
  for (int64_t i = 0; i < width; ++i)
    for (int64_t j = 0; j < width; ++j) {
      int64_t a = order[width - 1 - i], b = order[width - 1 - j];
      h(i, j) = a == b ? diagonal[a] + damping : 2.0 * gram(a, b);
    }
  Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> cholesky(h);
  if (cholesky.info() != Eigen::Success)
    return;
  Eigen::MatrixXd inverse = Eigen::MatrixXd::Identity(width, width);
  cholesky.matrixL().solveInPlace(inverse);
  factor.resize(size_t(width * width));
  Eigen::Map<Matrix>(factor.data(), width, width) = inverse.reverse();
}

NarrowWeight Gptq::round(const WeightMatrix &weight,
                         const WeightFormat &format) const {
  NarrowWeight narrow(format, weight.in, weight.out);
  forColumns(
      weight.out,
      [&](int64_t first, int64_t last) {
        roundColumns(weight, narrow, first, last);
      },
      kPiece);
  if (format.limited)
    limitPairs(narrow, weight);
  return narrow;
}

void Gptq::roundColumns(const WeightMatrix &weight, NarrowWeight &narrow,
                        int64_t first, int64_t last) const {
  const WeightFormat &format = narrow.format;
  const int64_t group = format.group, columns = last - first;
  const int64_t block = blockFor(group);
  Eigen::Map<const Matrix> u(factor.data(), width, width);
  Matrix w(width, columns);
  for (int64_t i = 0; i < width; ++i)
    for (int64_t n = 0; n < columns; ++n)
      w(i, n) = dead[order[i]] ? 0 : weight.column(first + n)[order[i]];
  // Groups are neighbours in the original order, whatever order inputs take.
  std::vector<float> numbers(size_t(group), 0.0f);
  GroupScale ofAll;
  if (format.wholeTensor)
    ofAll = coverTensor(weight, format);
  auto findScales = [&](int64_t input) {
    for (int64_t n = 0; n < columns; ++n) {
      const float *original = weight.column(first + n);
      for (int64_t i = 0; i < group; ++i)
        numbers[i] = actOrder ? (dead[input + i] ? 0.0f : original[input + i])
                              : float(w(input + i, n));
      narrow.scale(input / group, first + n) =
          format.wholeTensor ? ofAll
                             : coverRange(numbers.data(), group, format);
    }
  };
  if (actOrder)
    for (int64_t input = 0; input < width; input += group)
      findScales(input);

  Matrix errors(std::min(block, width), columns);
  for (int64_t begin = 0; begin < width; begin += block) {
    const int64_t end = std::min(begin + block, width);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t input = order[i];
      if (!actOrder && input % group == 0)
        findScales(input);
      auto error = errors.row(i - begin);
      for (int64_t n = 0; n < columns; ++n) {
        const GroupScale &scale = narrow.scale(input / group, first + n);
        const int number = scale.numberOf(w(i, n), format);
        narrow.number(input, first + n) = int8_t(number);
        error[n] = (w(i, n) - scale.valueOf<double>(number, format)) / u(i, i);
      }
      for (int64_t j = i + 1; j < end; ++j)
        w.row(j) -= u(i, j) * error;
    }
    if (end < width)
      w.bottomRows(width - end).noalias() -=
          u.block(begin, end, end - begin, width - end).transpose() *
          errors.topRows(end - begin);
  }
}

} // namespace mmcc::quantize
