//===- Accuracy.cpp - What a change costs, on the user's samples ----------===//

#include "compiler/calibrate/Accuracy.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace mmcc;

constexpr const char *kLabel = "label";

static int64_t countElements(const Tensor &tensor) {
  int64_t count = 1;
  for (size_t i = 0; i < tensor.rank; ++i)
    count *= tensor.dims[i];
  return count;
}

static const float *floats(const Tensor &tensor) {
  return static_cast<const float *>(tensor.data);
}

/// The largest entry of each row; -1 where one is not a number.
static std::vector<int64_t> largestByRow(const Tensor &tensor) {
  int64_t columns = tensor.dims[tensor.rank - 1];
  int64_t rows = columns > 0 ? countElements(tensor) / columns : 0;
  std::vector<int64_t> result;
  for (int64_t r = 0; r < rows; ++r) {
    const float *row = floats(tensor) + r * columns;
    int64_t best = std::max_element(row, row + columns) - row;
    bool number =
        std::none_of(row, row + columns, [](float x) { return std::isnan(x); });
    result.push_back(number ? best : -1);
  }
  return result;
}

static double cosine(const float *a, const float *b, int64_t count) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < count; ++i) {
    ab += double(a[i]) * b[i];
    aa += double(a[i]) * a[i];
    bb += double(b[i]) * b[i];
  }
  if (aa == 0 && bb == 0)
    return 1;
  double result = ab / std::sqrt(aa * bb);
  return std::isfinite(result) ? result : 0;
}

static double mean(const std::vector<double> &values) {
  double sum = 0;
  for (double value : values)
    sum += value;
  return values.empty() ? 0 : sum / double(values.size());
}

/// Whole numbers of an array of integers.
static bool readIntegers(const npz::Array &array,
                         std::vector<int64_t> &values) {
  if (array.type.kind != 'i' && array.type.kind != 'u')
    return false;
  for (int64_t i = 0; i < array.elements(); ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, &array.data[i * array.type.bytes], array.type.bytes);
    unsigned unused = 64 - 8 * array.type.bytes;
    bool isSigned = array.type.kind == 'i';
    values.push_back(isSigned ? int64_t(bits << unused) >> unused
                              : int64_t(bits));
  }
  return true;
}

const char *Accuracy::metric() const {
  switch (kind) {
  case Kind::Label:
    return "top-1 accuracy";
  case Kind::Agreement:
    return "top-1 agreement";
  case Kind::Cosine:
    break;
  }
  return "100 x cosine";
}

std::string Accuracy::choose(const Execution &execution,
                             const Samples &samples) {
  std::vector<npz::Array> arrays;
  if (std::string message = samples.read(0, arrays); !message.empty())
    return message;
  bool hasLabel = findArray(arrays, kLabel) != nullptr;
  std::vector<std::string> matrices;
  for (size_t i = 0; i < execution.names.size(); ++i) {
    const Tensor &output = execution.outputs[i];
    if (output.dtype != MMCC_F32 || output.rank < 2)
      continue;
    if (logits.empty() &&
        execution.names[i].find("logits") != std::string::npos)
      logits = execution.names[i];
    if (output.rank == 2)
      matrices.push_back(execution.names[i]);
  }
  if (hasLabel && logits.empty()) {
    if (matrices.size() != 1)
      return samples.path(0) + ": holds 'label', but which output of the model "
                               "are the logits is not clear";
    logits = matrices.front();
  }
  kind = hasLabel          ? Kind::Label
         : !logits.empty() ? Kind::Agreement
                           : Kind::Cosine;
  return "";
}

std::string Accuracy::readLabels(const Execution &execution,
                                 const std::vector<npz::Array> &arrays,
                                 Expected &expected) const {
  const npz::Array *label = findArray(arrays, kLabel);
  if (!label)
    return "holds no 'label', which other samples have";
  if (!readIntegers(*label, expected.classes))
    return "'label' must hold integers";
  size_t rows = largestByRow(*execution.find(logits)).size();
  if (expected.classes.size() != rows)
    return "'label' has " + std::to_string(expected.classes.size()) +
           " entries for " + std::to_string(rows) + " rows of '" + logits + "'";
  return "";
}

std::string Accuracy::learn(Execution &unchanged, const Samples &samples) {
  for (size_t s = 0; s < samples.size(); ++s) {
    std::vector<npz::Array> arrays;
    std::string message = samples.read(s, arrays);
    if (!message.empty())
      return message;
    message = unchanged.run(arrays);
    if (!message.empty())
      return samples.path(s) + ": " + message;
    if (s == 0) {
      message = choose(unchanged, samples);
      if (!message.empty())
        return message;
    }
    expected.emplace_back();
    if (kind == Kind::Label) {
      message = readLabels(unchanged, arrays, expected.back());
      if (!message.empty())
        return samples.path(s) + ": " + message;
    } else if (kind == Kind::Agreement) {
      expected.back().classes = largestByRow(*unchanged.find(logits));
    } else {
      for (const Tensor &output : unchanged.outputs)
        if (output.dtype == MMCC_F32)
          expected.back().outputs.emplace_back(
              floats(output), floats(output) + countElements(output));
      if (expected.back().outputs.empty())
        return "the model has no output of type f32 to judge";
    }
    message = judge(unchanged, s, unchangedScores);
    if (!message.empty())
      return samples.path(s) + ": " + message;
  }
  if (unchangedScores.empty())
    return samples.path(0) + ": there is nothing to judge";
  unchangedPoints = 100 * mean(unchangedScores);
  return "";
}

std::string Accuracy::judge(const Execution &execution, size_t sample,
                            std::vector<double> &scores) const {
  const Expected &wanted = expected[sample];
  if (kind != Kind::Cosine) {
    const Tensor *output = execution.find(logits);
    std::vector<int64_t> got = largestByRow(*output);
    if (got.size() != wanted.classes.size())
      return "output '" + logits + "' has changed its shape";
    for (size_t r = 0; r < got.size(); ++r)
      scores.push_back(got[r] >= 0 && got[r] == wanted.classes[r]);
    return "";
  }
  size_t next = 0;
  for (const Tensor &output : execution.outputs) {
    if (output.dtype != MMCC_F32 || next == wanted.outputs.size())
      continue;
    const std::vector<float> &reference = wanted.outputs[next++];
    if (countElements(output) != int64_t(reference.size()))
      return "an output has changed its shape";
    scores.push_back(
        cosine(floats(output), reference.data(), reference.size()));
  }
  return "";
}

std::string Accuracy::measure(Execution &changed, const Samples &samples,
                              Measured &measured) const {
  std::vector<double> scores;
  for (size_t s = 0; s < samples.size(); ++s) {
    std::vector<npz::Array> arrays;
    std::string message = samples.read(s, arrays);
    if (message.empty())
      message = changed.run(arrays);
    if (message.empty())
      message = judge(changed, s, scores);
    if (!message.empty())
      return samples.path(s) + ": " + message;
  }
  std::vector<double> lost;
  for (size_t r = 0; r < scores.size(); ++r)
    lost.push_back(unchangedScores[r] - scores[r]);
  double average = mean(lost), squares = 0;
  for (double x : lost)
    squares += (x - average) * (x - average);
  measured.points = 100 * mean(scores);
  measured.lost = 100 * average;
  measured.error = 100 * std::sqrt(squares) / double(lost.size());
  return "";
}
