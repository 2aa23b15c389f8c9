//===- TuningRecord.h - What was timed, in a file ---------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_TUNINGRECORD_H
#define MMCC_COMPILER_PIPELINE_TUNINGRECORD_H

#include "passes/quantize/CostModel.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <map>
#include <string>

namespace mmcc {

/// Microseconds of linear layers by scheme, on one kind of machine: a JSON file
///
///     {"version": 1, "machines": {"AMD EPYC 7763, x86-64-v3, 2 threads":
///       {"128 x 768 x 3072": {"f32": 6131.2, "w8a8-dynamic": 3402.8}}}}
///
/// A file may hold several machines' figures; only this one's are looked at.
/// Rows are rounded to the nearest power of two, since a program's differ from
/// call to call.
///
/// Beside them stand products that a GPU's library may do, by GPU and library,
/// with what was chosen: the library's own choice, "kernel", or an algorithm:
///
///     "products": {"NVIDIA H200, cuBLASLt 13.1.1":
///       {"256 x 3072 x 768, bias": {"choice": "library",
///       "microseconds": 9.1}}}
class TuningRecord {
public:
  /// Reads the file, if there is one. Returns a message if it is none of these,
  /// else an empty string.
  std::string open(const std::string &path);

  /// Zero if it was not timed.
  double find(const quantize::LayerExtents &layer,
              const std::string &scheme) const;
  void add(const quantize::LayerExtents &layer, const std::string &scheme,
           double microseconds);
  /// What was chosen for a product on a GPU with a library; empty if nobody has
  /// looked.
  std::string findProduct(const std::string &machine,
                          const std::string &product) const;
  void addProduct(const std::string &machine, const std::string &product,
                  const std::string &choice, double microseconds);
  /// Calls `visit(machine, choice)` for all of one product.
  void forEachChoice(
      const std::string &product,
      llvm::function_ref<void(const std::string &, const std::string &)> visit)
      const;
  /// m x n x k, rows of activations so many elements apart.
  static std::string productName(int64_t m, int64_t n, int64_t k, int64_t row,
                                 const std::string &form);

  /// Writes the file anew if anything was added; it appears complete or not at
  /// all. Returns a message on failure.
  std::string save() const;

  /// The processor, the level and the threads that figures are of.
  static std::string thisMachine();
  /// The same layer with the rows that it is timed with.
  static quantize::LayerExtents rounded(quantize::LayerExtents layer);

private:
  using Times = std::map<std::string, double>;
  using Layers = std::map<std::string, Times>;

  struct Choice {
    std::string choice;
    double microseconds;
  };

  std::string path;
  std::map<std::string, std::map<std::string, Choice>> products; // by machine
  std::map<std::string, Layers> machines;
  bool isChanged = false;
};

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_TUNINGRECORD_H
