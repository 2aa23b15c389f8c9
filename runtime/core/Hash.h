//===- Hash.h - XXH3-128 over one or two ranges -----------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_CORE_HASH_H
#define MMCC_RUNTIME_CORE_HASH_H

#include "runtime/schema/ArtifactFile.h"

namespace mmcc::runtime {

artifact::Hash128 hash128(const void *data, size_t bytes);

/// Hash of `first` followed by `second`.
artifact::Hash128 hash128(const void *first, size_t first_bytes,
                          const void *second, size_t second_bytes);

inline bool equal(const artifact::Hash128 &a, const artifact::Hash128 &b) {
  return a.low == b.low && a.high == b.high;
}

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_CORE_HASH_H
