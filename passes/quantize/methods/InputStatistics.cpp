//===- InputStatistics.cpp - What layers are given on samples -------------===//

#include "passes/quantize/methods/InputStatistics.h"
#include "tools/npz/Npz.h"

#include <cmath>
#include <cstring>

namespace mmcc::quantize {

template <typename T>
static npz::Array arrayOf(const char *name, const std::vector<T> &numbers,
                          std::vector<int64_t> dims) {
  npz::Array array;
  array.name = name;
  array.type = {std::is_integral_v<T> ? 'i' : 'f', sizeof(T)};
  array.dims = std::move(dims);
  array.data.resize(numbers.size() * sizeof(T));
  if (!numbers.empty())
    std::memcpy(array.data.data(), numbers.data(), array.data.size());
  return array;
}

std::string InputStatistics::write(const std::string &path) const {
  int64_t n = width();
  std::vector<npz::Array> arrays = {
      arrayOf<int64_t>("rows", {rows}, {1}), arrayOf("mean", mean, {n}),
      arrayOf("most", most, {n}), arrayOf("sample", sample, {sampleRows(), n})};
  if (!gram.empty())
    arrays.push_back(arrayOf("gram", gram, {n, n}));
  return npz::writeNpz(path, arrays);
}

/// Fills `numbers` from the array of that name, of `count` numbers (-1: of rows
/// of `width`), which must be finite.
template <typename T>
static std::string take(std::vector<npz::Array> &arrays, const char *name,
                        int64_t count, int64_t width, std::vector<T> &numbers) {
  char kind = std::is_integral_v<T> ? 'i' : 'f';
  for (npz::Array &array : arrays) {
    if (array.name != name)
      continue;
    int64_t elements = array.elements();
    if (!(array.type == npz::ElementType{kind, sizeof(T)}) ||
        (count < 0 ? elements % width != 0 || elements == 0
                   : elements != count))
      return std::string("'") + name + "' has an unexpected type or shape";
    numbers.resize(size_t(elements));
    std::memcpy(numbers.data(), array.data.data(), array.data.size());
    for (T number : numbers)
      if (!std::isfinite(double(number)))
        return std::string("'") + name + "' holds infinity or NaN";
    array.data = {};
    return "";
  }
  return std::string("there is no array '") + name + "'";
}

std::string InputStatistics::read(const std::string &path, int64_t width,
                                  bool withGram) {
  std::vector<npz::Array> arrays;
  if (std::string message = npz::readNpz(path, arrays); !message.empty())
    return message;
  std::vector<int64_t> count;
  std::string message = take(arrays, "rows", 1, width, count);
  if (message.empty())
    message = take(arrays, "mean", width, width, mean);
  if (message.empty())
    message = take(arrays, "most", width, width, most);
  if (message.empty())
    message = take(arrays, "sample", -1, width, sample);
  if (message.empty() && withGram)
    message = take(arrays, "gram", width * width, width, gram);
  if (!message.empty())
    return path + ": " + message;
  rows = count.front();
  return "";
}

std::string statisticsPath(const std::string &folder, size_t index) {
  return folder + "/input." + std::to_string(index) + ".npz";
}

} // namespace mmcc::quantize
