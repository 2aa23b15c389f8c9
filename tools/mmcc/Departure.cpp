//===- Departure.cpp - Where an artifact leaves its model -----------------===//

#include "tools/mmcc/Departure.h"
#include "compiler/pipeline/Taps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <cmath>

using namespace mmcc;

namespace {

class Watch {
public:
  Watch(const Execution &reference, Tolerance tolerance)
      : reference(reference), tolerance(tolerance) {}

  static void observe(const mmcc_observation *observation, void *context) {
    static_cast<Watch *>(context)->see(*observation);
  }

  std::string found, noisiest;

private:
  void see(const mmcc_observation &observation) {
    if (!found.empty())
      return;
    llvm::SmallVector<llvm::StringRef> nodes;
    llvm::StringRef(observation.node).split(nodes, ", ");
    // What is stored is the last node's result; where the nodes of several
    // layers were merged it may be an earlier one's.
    for (llvm::StringRef node : llvm::reverse(nodes))
      for (const Tensor *tap : tapsOf(node)) {
        if (tap->bytes != observation.bytes || tap->dtype != MMCC_F32)
          continue;
        Comparison comparison = compareSorted(
            static_cast<const float *>(observation.data),
            static_cast<const float *>(tap->data), tap->bytes / 4);
        if (!comparison.equal)
          found = describe(nodes, node, comparison.detail);
        if (comparison.sqnr < leastSqnr) {
          leastSqnr = comparison.sqnr;
          noisiest = describe(nodes, node, comparison.detail);
        }
        return;
      }
  }

  llvm::SmallVector<const Tensor *> tapsOf(llvm::StringRef node) const {
    llvm::SmallVector<const Tensor *> taps;
    std::string name = kTapPrefix + node.str();
    for (int count = 0;; ++count) {
      const Tensor *tap =
          reference.find(count ? name + ":" + std::to_string(count) : name);
      if (!tap)
        return taps;
      taps.push_back(tap);
    }
  }

  /// Of the two's numbers, in whatever order.
  Comparison compareSorted(const float *actual, const float *expected,
                           size_t count) const {
    std::vector<float> a(actual, actual + count), b(expected, expected + count);
    // Numbers first; NaN has no place in an order.
    auto order = [](std::vector<float> &values) {
      auto end = std::partition(values.begin(), values.end(),
                                [](float x) { return !std::isnan(x); });
      std::sort(values.begin(), end);
    };
    order(a);
    order(b);
    Tensor left = {}, right = {};
    for (auto [tensor, values] :
         {std::pair(&left, &a), std::pair(&right, &b)}) {
      tensor->dtype = MMCC_F32;
      tensor->rank = 1;
      tensor->dims[0] = int64_t(count);
      tensor->data = values->data();
      tensor->bytes = count * 4;
    }
    return compare(left, right, tolerance);
  }

  static std::string describe(llvm::ArrayRef<llvm::StringRef> nodes,
                              llvm::StringRef node, const std::string &detail) {
    std::string text = "'" + node.str() + "'";
    std::string others;
    for (llvm::StringRef other : nodes)
      if (other != node)
        others += (others.empty() ? "'" : ", '") + other.str() + "'";
    if (!others.empty())
      text += " (computed together with " + others + ")";
    return text + ": " + detail + " (in ascending order of value)";
  }

  const Execution &reference;
  Tolerance tolerance;
  double leastSqnr = HUGE_VAL;
};

} // namespace

Departure mmcc::findDeparture(Execution &artifact,
                              const std::vector<npz::Array> &inputs,
                              const Execution &reference, Tolerance tolerance) {
  Watch watch(reference, tolerance);
  mmcc_session_set_observer(artifact.session.get(), Watch::observe, &watch);
  std::string message = artifact.run(inputs);
  mmcc_session_set_observer(artifact.session.get(), nullptr, nullptr);
  return message.empty() ? Departure{watch.found, watch.noisiest} : Departure();
}
