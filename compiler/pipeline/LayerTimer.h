//===- LayerTimer.h - Times linear layers on this machine -------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_LAYERTIMER_H
#define MMCC_COMPILER_PIPELINE_LAYERTIMER_H

#include "compiler/pipeline/TuningRecord.h"
#include "llvm/Support/raw_ostream.h"

namespace mmcc {

/// Compiles and runs layers of one shape in one scheme each, and remembers it.
class LayerTimer {
public:
  LayerTimer(TuningRecord &record, llvm::raw_ostream &messages)
      : record(record), messages(messages) {}

  /// Microseconds of a layer, from the record or timed now and added to it. The
  /// median of runs that go over weights which no cache holds, as those of a
  /// model do. Zero, with a message, on failure.
  double time(const quantize::LayerExtents &layer,
              const std::optional<QuantizeRequest> &scheme);

private:
  double measure(const quantize::LayerExtents &layer,
                 const std::optional<QuantizeRequest> &scheme);

  TuningRecord &record;
  llvm::raw_ostream &messages;
};

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_LAYERTIMER_H
