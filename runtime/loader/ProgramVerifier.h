//===- ProgramVerifier.h - The artifact's meaning is sound ------*- C++ -*-===//
//
// FlatBuffers' own verifier shows that tables and vectors lie inside the
// buffer. This one shows the rest: every index names something, every range
// lies inside what it is a range of, every expression can be evaluated, every
// symbol is defined before it is used. The executor relies on it and repeats
// none of it; only values that depend on the call are checked there.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_LOADER_PROGRAMVERIFIER_H
#define MMCC_RUNTIME_LOADER_PROGRAMVERIFIER_H

#include "runtime/core/Span.h"
#include "runtime/core/Status.h"
#include "runtime/schema/program_generated.h"

#include <array>
#include <cstdint>
#include <vector>

namespace mmcc::runtime {

constexpr uint32_t kMaxRank = 16;
constexpr uint32_t kKnownRevision = 5;
constexpr uint32_t kMaxStreams = 64;
constexpr uint32_t kMostBoxRows = 256;

/// Segments must lie in [segments_begin, segments_end) of the file.
Status verifyProgram(const schema::Program &program, uint64_t segments_begin,
                     uint64_t segments_end);

/// Everything of an entry but its commands.
Status verifyEntry(const schema::Program &program, const schema::Entry &entry);

/// What an entry keeps from call to call.
Status verifyStates(const schema::Entry &entry);

/// The entry's commands, against one variant's kernels.
Status verifyCommands(const schema::Entry &entry, uint64_t kernel_count);

/// Calls that leave inputs out find an entry that takes the others.
Status verifyAbsences(const schema::Program &program,
                      const schema::Variant &variant);

/// For each symbol the number of the DefineSymbol command of block 0 that
/// gives its value, counted from 1; 0 for a symbol that is known at the call.
/// A command's stage is the number of DefineSymbol commands before it.
std::vector<uint32_t> symbolStages(const schema::Entry &entry);

/// A map's expressions, in the order of the schema.
constexpr size_t kMapValues = 6;
inline std::array<uint32_t, kMapValues> valuesOf(const schema::TensorMap &map) {
  return {map.offset(),  map.length(),    map.rows(),
          map.batches(), map.row_pitch(), map.batch_pitch()};
}

/// FlatBuffers' own verifier looks at the alignment of a vector's length only.
template <typename T>
bool elementsAligned(const flatbuffers::Vector<T> *vector) {
  return lengthOf(vector) == 0 ||
         reinterpret_cast<uintptr_t>(vector->data()) % alignof(T) == 0;
}

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_LOADER_PROGRAMVERIFIER_H
