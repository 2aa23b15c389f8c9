//===- InputStatistics.cpp - What layers are given on samples -------------===//

#include "passes/quantize/methods/InputStatistics.h"
#include "passes/quantize/methods/NpzNumbers.h"

#include <cmath>
#include <limits>

namespace mmcc::quantize {

std::string InputStatistics::write(const std::string &path) const {
  int64_t n = width();
  std::vector<npz::Array> arrays = {
      arrayOf<int64_t>("rows", {rows, calls}, {2}), arrayOf("mean", mean, {n}),
      arrayOf("most", most, {n}), arrayOf("sample", sample, {sampleRows(), n})};
  const Histogram::Stored stored = histogram.stored();
  const auto bins = int64_t(stored.bins.size());
  arrays.push_back(arrayOf("bins", stored.bins, {bins}));
  arrays.push_back(arrayOf("counts", stored.counts, {bins}));
  arrays.push_back(arrayOf("range", stored.range, {2}));
  if (!gram.empty())
    arrays.push_back(arrayOf("gram", gram, {n, n}));
  return npz::writeNpz(path, arrays);
}

/// Fills `numbers` from the array of that name, of `count` numbers (-1: of rows
/// of `width`), which must be finite.
template <typename T>
static std::string take(std::vector<npz::Array> &arrays, const char *name,
                        int64_t count, int64_t width, std::vector<T> &numbers) {
  for (npz::Array &array : arrays) {
    if (array.name != name)
      continue;
    int64_t elements = array.elements();
    if ((count < 0 ? elements % width != 0 || elements == 0
                   : elements != count) ||
        !numbersOf(array, numbers))
      return std::string("'") + name + "' has an unexpected type or shape";
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
  std::string message = take(arrays, "rows", 2, width, count);
  if (message.empty())
    message = take(arrays, "mean", width, width, mean);
  if (message.empty())
    message = take(arrays, "most", width, width, most);
  if (message.empty())
    message = take(arrays, "sample", -1, width, sample);
  Histogram::Stored stored;
  if (message.empty())
    message = take(arrays, "bins", -1, 1, stored.bins);
  if (message.empty())
    message = take(arrays, "counts", -1, 1, stored.counts);
  if (message.empty())
    message = take(arrays, "range", 2, width, stored.range);
  if (message.empty() && withGram)
    message = take(arrays, "gram", width * width, width, gram);
  if (!message.empty())
    return path + ": " + message;
  rows = count[0];
  calls = count[1];
  if (rows < 1 || calls < 1 ||
      rows > std::numeric_limits<int64_t>::max() / width)
    return path + ": 'rows' is impossible";
  message = histogram.restore(stored, rows * width);
  return message.empty() ? "" : path + ": " + message;
}

std::string statisticsPath(const std::string &folder, size_t index) {
  return folder + "/input." + std::to_string(index) + ".npz";
}

} // namespace mmcc::quantize
