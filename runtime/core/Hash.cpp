#include "runtime/core/Hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mmcc::runtime {

artifact::Hash128 hash128(const void *data, size_t bytes) {
  XXH128_hash_t hash = XXH3_128bits(data, bytes);
  return {hash.low64, hash.high64};
}

artifact::Hash128 hash128(const void *first, size_t first_bytes,
                          const void *second, size_t second_bytes) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, first, first_bytes);
  XXH3_128bits_update(&state, second, second_bytes);
  XXH128_hash_t hash = XXH3_128bits_digest(&state);
  return {hash.low64, hash.high64};
}

} // namespace mmcc::runtime
