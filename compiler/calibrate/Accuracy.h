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
// Points lost are those of the unchanged model less those of the changed one,
// row by row; their standard error says how far other samples may differ. An
// output that is not a number is never right, and has cosine 0.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_CALIBRATE_ACCURACY_H
#define MMCC_COMPILER_CALIBRATE_ACCURACY_H

#include "compiler/calibrate/Execution.h"
#include "compiler/calibrate/Samples.h"

namespace mmcc {

/// What a changed model reaches.
struct Measured {
  double points = 0;
  /// Points lost, and the standard error of that.
  double lost = 0, error = 0;
};

class Accuracy {
public:
  /// Runs the unchanged model on all samples. Returns a message that names the
  /// file on failure, else an empty string.
  std::string learn(Execution &unchanged, const Samples &samples);
  /// Runs a changed one.
  std::string measure(Execution &changed, const Samples &samples,
                      Measured &measured) const;

  /// "top-1 accuracy", "top-1 agreement" or "100 x cosine".
  const char *metric() const;
  /// What the unchanged model reaches.
  double baseline() const { return unchangedPoints; }
  /// Rows that were judged.
  size_t rows() const { return unchangedScores.size(); }

private:
  enum class Kind { Label, Agreement, Cosine };
  /// What a sample's outputs are judged by: the class of each row, or all
  /// elements of all outputs.
  struct Expected {
    std::vector<int64_t> classes;
    std::vector<std::vector<float>> outputs;
  };

  std::string choose(const Execution &execution, const Samples &samples);
  /// Appends the score of each row: 1 if it is right, or its cosine.
  std::string judge(const Execution &execution, size_t sample,
                    std::vector<double> &scores) const;
  std::string readLabels(const Execution &execution,
                         const std::vector<npz::Array> &arrays,
                         Expected &expected) const;

  Kind kind = Kind::Cosine;
  /// The output that holds logits.
  std::string logits;
  std::vector<Expected> expected;
  double unchangedPoints = 0;
  std::vector<double> unchangedScores;
};

} // namespace mmcc

#endif // MMCC_COMPILER_CALIBRATE_ACCURACY_H
