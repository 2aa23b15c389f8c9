//===- State.h - Keys and values kept from call to call ---------*- C++ -*-===//
//
// The states of one entry, of one conversation (or a batch that shares its
// length). Tokens lie in blocks; block i of all states is one piece of memory,
// which is set aside when the length first reaches it and never moves:
//
//   group 0   state 0 block 0 | state 1 block 0 | ...     tokens 0 to 63
//   group 1   state 0 block 1 | state 1 block 1 | ...     tokens 64 to 127
//
// A kernel is given a state's table: the addresses of its blocks. On a GPU both
// lie there.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_EXECUTOR_STATE_H
#define MMCC_RUNTIME_EXECUTOR_STATE_H

#include "runtime/core/Span.h"
#include "runtime/device/cpu/Slab.h"
#include "runtime/device/cuda/Queue.h"
#include "runtime/include/mmcc/runtime.h"
#include "runtime/loader/Artifact.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace mmcc::runtime {

class State {
public:
  /// For `entry` of the artifact, in the memory of `device`; null: the host's.
  /// A batch of 0 is the entry's own, or 1; limits of 0 are none.
  static Status create(std::shared_ptr<const Artifact> artifact,
                       const schema::Entry &entry,
                       std::shared_ptr<cuda::Device> device, uint64_t batch,
                       uint64_t capacity, uint64_t max_bytes,
                       std::unique_ptr<State> &state);

  /// Whether the entry's states are these: by name, type, size and place.
  Status checkFits(const Artifact &artifact, const schema::Entry &entry,
                   const cuda::Device *device) const;

  int64_t length() const { return length_; }
  int64_t batch() const { return batch_; }
  /// Set aside so far.
  uint64_t bytes() const { return groups_.size() * group_bytes_; }
  /// Set aside once there are so many tokens.
  uint64_t bytesFor(int64_t tokens) const;
  /// Whether `tokens` more have room.
  Status checkRoom(int64_t tokens) const;
  /// Sets memory aside for so many tokens in all.
  Status reserve(int64_t tokens);
  uint8_t *table(uint32_t index);
  void advance(int64_t tokens) { length_ += tokens; }

  Status truncate(uint64_t tokens);
  /// Replaces everything by f32 tensors [batch, heads, tokens, dim].
  Status fill(Span<const mmcc_tensor> tensors);
  /// Gives such a tensor back; its data may be null, then only the rest is
  /// filled in.
  Status read(size_t index, mmcc_tensor &tensor) const;

  /// Held by whoever runs with it or changes it.
  std::mutex mutex;

private:
  struct Part {
    std::string name;
    schema::DType dtype;
    int64_t heads, width;
    bool scaled;
    int64_t head_bytes; // of a block
    uint64_t offset;    // of its block in a group
    std::vector<uint8_t *> table;
  };
  /// Where a token of one head is.
  struct Row {
    uint8_t *elements;
    float *scale;
  };

  /// A group of blocks: memory of the host or of the device.
  struct Group {
    Slab host;
    cuda::Memory device;

    uint8_t *data() const { return host.data() ? host.data() : device.data(); }
  };

  Status addGroup();
  Status uploadTables();
  /// In a group whose bytes are at `group`.
  Row row(uint8_t *group, const Part &part, int64_t batch, int64_t head,
          int64_t token) const;
  /// Calls `visit` with each group of the first `tokens` tokens, as bytes of
  /// the host, and its range of tokens. A device's groups are brought here, and
  /// with `writes` back.
  template <typename Visit>
  Status forEachGroup(int64_t tokens, bool writes, Visit visit) const;

  std::shared_ptr<const Artifact> artifact_;
  std::vector<Part> parts_;
  std::vector<Group> groups_;
  std::shared_ptr<cuda::Device> device_;
  std::unique_ptr<cuda::Queue> queue_; // of the device
  cuda::Memory tables_;                // there, one behind the other
  uint64_t table_entries_ = 0;         // that each has room for
  int64_t block_tokens_ = 0;
  uint64_t group_bytes_ = 0;
  int64_t batch_ = 1;
  int64_t length_ = 0;
  uint64_t capacity_ = 0;
  uint64_t max_bytes_ = 0;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_STATE_H
