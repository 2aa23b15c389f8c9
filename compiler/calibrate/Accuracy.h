//===- Accuracy.h - What a change costs, on the user's samples --*- C++ -*-===//
//
// A bound such as --max-drop=0.5 speaks of points, of
//
//   top-1 accuracy   if the samples hold `label`: rows of logits whose largest
//                    entry is the label
//   agreement        else, if an output is called logits: rows whose largest
//                    entry is the one of the unchanged model
//   cosine           else: 100 times the mean cosine between the outputs and
//                    those of the unchanged model
//
// Points lost are those of the unchanged model less those of the changed one.
// An output that is not a number is never right, and has cosine 0.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_CALIBRATE_ACCURACY_H
#define MMCC_COMPILER_CALIBRATE_ACCURACY_H

#include "compiler/calibrate/Execution.h"
#include "compiler/calibrate/Samples.h"

namespace mmcc {

class Accuracy {
public:
  /// Runs the unchanged model on all samples. Returns a message that names the
  /// file on failure, else an empty string.
  std::string learn(Execution &unchanged, const Samples &samples);
  /// Runs a changed one; `points` is what it reaches.
  std::string measure(Execution &changed, const Samples &samples,
                      double &points) const;

  /// "top-1 accuracy", "top-1 agreement" or "100 x cosine".
  const char *metric() const;
  /// What the unchanged model reaches.
  double baseline() const { return unchangedPoints; }
  /// Rows that were judged.
  size_t rows() const { return rowCount; }

private:
  enum class Kind { Label, Agreement, Cosine };
  /// What a sample's outputs are judged by: the class of each row, or all
  /// elements of all outputs.
  struct Expected {
    std::vector<int64_t> classes;
    std::vector<std::vector<float>> outputs;
  };

  std::string choose(const Execution &execution, const Samples &samples);
  std::string judge(const Execution &execution, size_t sample, double &sum,
                    size_t &rows) const;
  std::string readLabels(const Execution &execution,
                         const std::vector<npz::Array> &arrays,
                         Expected &expected) const;

  Kind kind = Kind::Cosine;
  /// The output that holds logits.
  std::string logits;
  std::vector<Expected> expected;
  double unchangedPoints = 0;
  size_t rowCount = 0;
};

} // namespace mmcc

#endif // MMCC_COMPILER_CALIBRATE_ACCURACY_H
