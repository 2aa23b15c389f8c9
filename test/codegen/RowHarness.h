//===- RowHarness.h - A row of kernels.inc as a plan's kernel ---*- C++ -*-===//
//
// A kernel whose params are its symbols, so that one program serves all shapes,
// and whose post block stores what it is given to [outer][rows][columns].
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_ROWHARNESS_H
#define MMCC_TEST_CODEGEN_ROWHARNESS_H

#include "test/codegen/KernelHarness.h"

#include <limits>

namespace mmcc::test {

struct RowText {
  std::string row;
  std::vector<std::string> types; // of the tensors' elements
  unsigned params;
  /// Of a tensor that the row has on a GPU only, for its own use.
  std::string work = "";
  /// A param that is no symbol, if there is one: its place and value.
  int constant = -1;
  int64_t value = 0;
};

class Row {
public:
  Row(const std::string &level, const RowText &text);

  struct Results {
    int64_t outer, rows, columns;
    std::vector<float> values;
    float at(int64_t o, int64_t r, int64_t c) const {
      return values[(o * rows + r) * columns + c];
    }
  };
  /// What the row posts. On a GPU's stand-in threads run in both orders, and
  /// the bits must be the same; `work` is the elements of its tensor.
  Results run(const std::vector<int64_t> &params,
              const std::vector<const void *> &tensors,
              std::array<int64_t, 3> grid, int64_t outer, int64_t rows,
              int64_t columns, int64_t work = 0);

  const bool isCuda;

private:
  const bool hasWork;
  Program program;
};

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

inline int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Rows of `width` random numbers, `stride` apart; what is between is NaN.
std::vector<float> stridedRows(int64_t rows, int64_t width, int64_t stride,
                               unsigned seed);

} // namespace mmcc::test

#endif // MMCC_TEST_CODEGEN_ROWHARNESS_H
