//===- NpzNumbers.h - Vectors of numbers in an .npz -------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_NPZNUMBERS_H
#define MMCC_PASSES_QUANTIZE_METHODS_NPZNUMBERS_H

#include "tools/npz/Npz.h"

#include <cstring>
#include <type_traits>

namespace mmcc::quantize {

template <typename T> npz::ElementType elementTypeOf() {
  return {std::is_integral_v<T> ? 'i' : 'f', sizeof(T)};
}

/// An array of signed integers or floats.
template <typename T>
npz::Array arrayOf(std::string name, const std::vector<T> &numbers,
                   std::vector<int64_t> dims) {
  npz::Array array;
  array.name = std::move(name);
  array.type = elementTypeOf<T>();
  array.dims = std::move(dims);
  array.data.resize(numbers.size() * sizeof(T));
  if (!numbers.empty())
    std::memcpy(array.data.data(), numbers.data(), array.data.size());
  return array;
}

/// All numbers of an array, whatever its shape; false if they are of another
/// type.
template <typename T>
bool numbersOf(const npz::Array &array, std::vector<T> &numbers) {
  if (!(array.type == elementTypeOf<T>()))
    return false;
  numbers.resize(size_t(array.elements()));
  if (!numbers.empty())
    std::memcpy(numbers.data(), array.data.data(), array.data.size());
  return true;
}

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_NPZNUMBERS_H
