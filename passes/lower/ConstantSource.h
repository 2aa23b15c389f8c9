//===- ConstantSource.h - Where a constant's elements are read --*- C++ -*-===//
//
// A weight reaches its product through transposes, slices, reshapes and
// concatenations of constants. None of that is carried out: whoever reads it
// follows them back to the constants and reads those with strides.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_LOWER_CONSTANTSOURCE_H
#define MMCC_PASSES_LOWER_CONSTANTSOURCE_H

#include "dialects/mm/MM.h"
#include <vector>

namespace mmcc::lower {

/// A strided look at the elements of one constant.
struct ConstantSource {
  mlir::ElementsAttr value;
  int64_t offset;
  llvm::SmallVector<int64_t> strides;
};

/// The bytes of a constant, at any alignment.
struct ConstantBytes {
  llvm::ArrayRef<char> data;
  int64_t width; // of an element
  bool splat;    // they are of one element, which all are

  const char *at(int64_t index) const {
    return data.data() + (splat ? 0 : index * width);
  }
};
/// Nothing for booleans, and if the data is not at hand.
std::optional<ConstantBytes> bytesOf(mlir::ElementsAttr value);

/// Row-major strides.
llvm::SmallVector<int64_t> denseStrides(llvm::ArrayRef<int64_t> shape);

/// Follows data movement back to one constant; nothing if there is none.
std::optional<ConstantSource> sourceOf(mlir::Value value);

/// Columns of a matrix that come from one constant.
struct MatrixPart {
  ConstantSource source; // of rank 2
  int64_t rows, columns;
};

/// The parts of a matrix [k, n] one after the other along n; nothing if some
/// element does not come from a constant by data movement alone.
std::optional<llvm::SmallVector<MatrixPart>> matrixParts(mlir::Value matrix);

/// The numbers of a matrix [k, n] of f32 or i8 that comes from constants by
/// data movement, column by column; nothing if it does not, or if its data is
/// not at hand. T is float or int8_t.
template <typename T>
std::optional<std::vector<T>> readColumns(mlir::Value matrix);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_CONSTANTSOURCE_H
