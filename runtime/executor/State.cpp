#include "runtime/executor/State.h"

#include "runtime/core/CheckedMath.h"
#include "runtime/core/Expression.h"
#include "runtime/executor/InputBinding.h"
#include "runtime/executor/StateRows.h"
#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>

namespace mmcc::runtime {

using namespace schema;

/// Beyond this no table of blocks is worth having.
constexpr uint64_t kMostTokens = uint64_t(1) << 31;

static Status invalid(std::string what) {
  return {Code::invalid_argument, std::move(what)};
}

/// The verifier has seen to it that these are constants.
static int64_t constantDim(const Entry &entry, const schema::State &state,
                           uint32_t d) {
  return expressionOf(entry, state.dims()->Get(d))[1];
}

Status State::create(std::shared_ptr<const Artifact> artifact,
                     const Entry &entry, std::shared_ptr<cuda::Device> device,
                     uint64_t batch, uint64_t capacity, uint64_t max_bytes,
                     std::unique_ptr<State> &result) {
  if (lengthOf(entry.states()) == 0)
    return invalid("entry '" + entry.name()->str() + "' keeps no state");
  if (capacity > kMostTokens || batch > kMostTokens)
    return invalid("a state has at most 2^31 tokens and rows");
  auto state = std::make_unique<State>();
  state->artifact_ = std::move(artifact);
  state->batch_ = batch ? int64_t(batch) : 1;
  state->capacity_ = capacity ? capacity : kMostTokens;
  state->max_bytes_ = max_bytes;
  if (device) {
    state->device_ = device;
    state->tables_ = cuda::Memory(device);
    state->queue_ = std::make_unique<cuda::Queue>(device, 1, 0);
    MMCC_RETURN_IF_ERROR(state->queue_->start());
  }
  int64_t total = 0;
  for (uint32_t i = 0; i < lengthOf(entry.states()); ++i) {
    const schema::State &from = *entry.states()->Get(i);
    Span<const int64_t> own = expressionOf(entry, from.dims()->Get(0));
    if (own.size() == 2 && own[0] == int64_t(ExprOp::constant)) {
      if (batch && int64_t(batch) != own[1])
        return invalid("entry '" + entry.name()->str() + "' has a batch of " +
                       std::to_string(own[1]) + ", not " +
                       std::to_string(batch));
      state->batch_ = std::max<int64_t>(own[1], 1);
    }
    Part part;
    part.name = from.name()->str();
    part.dtype = from.dtype();
    part.heads = constantDim(entry, from, 1);
    part.width = constantDim(entry, from, 2);
    part.scaled = from.scaled();
    // Bounded by the verifier, unlike what the batch makes of them.
    state->block_tokens_ = from.block_tokens();
    part.head_bytes =
        state->block_tokens_ *
        (part.width * stateElementBytes(part.dtype) + (part.scaled ? 4 : 0));
    part.offset = uint64_t(total);
    int64_t bytes = 0;
    if (!checkedMul(part.head_bytes, part.heads, bytes) ||
        !checkedMul(bytes, state->batch_, bytes) ||
        !checkedAlign(bytes, 64, bytes) || !checkedAdd(total, bytes, total) ||
        total > int64_t(1) << 46)
      return {Code::out_of_memory, "a block of the state exceeds 64 TiB"};
    state->parts_.push_back(std::move(part));
  }
  state->group_bytes_ = uint64_t(total);
  result = std::move(state);
  return {};
}

Status State::checkFits(const Artifact &artifact, const Entry &entry,
                        const cuda::Device *device) const {
  bool fits = &artifact == artifact_.get() && device == device_.get() &&
              lengthOf(entry.states()) == parts_.size();
  for (uint32_t i = 0; fits && i < parts_.size(); ++i) {
    const schema::State &other = *entry.states()->Get(i);
    const Part &part = parts_[i];
    fits = other.name()->str() == part.name && other.dtype() == part.dtype &&
           constantDim(entry, other, 1) == part.heads &&
           constantDim(entry, other, 2) == part.width &&
           other.scaled() == part.scaled &&
           int64_t(other.block_tokens()) == block_tokens_;
  }
  if (fits)
    return {};
  return invalid("the state is not one of this entry: it was made for another "
                 "model or for other keys and values");
}

uint64_t State::bytesFor(int64_t tokens) const {
  auto groups = uint64_t((tokens + block_tokens_ - 1) / block_tokens_);
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(std::max<uint64_t>(groups, groups_.size()),
                             group_bytes_, &bytes))
    return ~uint64_t(0);
  return bytes;
}

Status State::checkRoom(int64_t tokens) const {
  if (tokens >= 0 && uint64_t(tokens) <= capacity_ &&
      uint64_t(length_) <= capacity_ - uint64_t(tokens))
    return {};
  return {Code::out_of_memory, "the state holds " + std::to_string(length_) +
                                   " of at most " + std::to_string(capacity_) +
                                   " tokens and has no room for " +
                                   std::to_string(tokens) + " more"};
}

Status State::reserve(int64_t tokens) {
  uint64_t bytes = bytesFor(tokens);
  if (max_bytes_ != 0 && bytes > max_bytes_)
    return {Code::out_of_memory, "the state needs " + std::to_string(bytes) +
                                     " bytes, the limit is " +
                                     std::to_string(max_bytes_)};
  size_t before = groups_.size();
  while (groups_.size() * group_bytes_ < bytes)
    MMCC_RETURN_IF_ERROR(addGroup());
  return device_ && groups_.size() != before ? uploadTables() : Status();
}

Status State::addGroup() {
  Group group;
  if (device_) {
    group.device = cuda::Memory(device_);
    MMCC_RETURN_IF_ERROR(group.device.reserve(group_bytes_, "a state"));
    // As memory of the host is: rows behind the last may be read, and dropped.
    MMCC_RETURN_IF_ERROR(queue_->fill(0, group.data(), group_bytes_, 0, 1));
  } else if (!group.host.reserve(group_bytes_)) {
    return {Code::out_of_memory, "no memory for " +
                                     std::to_string(group_bytes_) +
                                     " bytes of state"};
  }
  for (Part &part : parts_) {
    part.table.resize(groups_.size());
    part.table.push_back(group.data() + part.offset);
  }
  groups_.push_back(std::move(group));
  return {};
}

Status State::uploadTables() {
  constexpr uint64_t entry = sizeof(uint8_t *);
  if (groups_.size() > table_entries_) {
    uint64_t entries = std::max<uint64_t>(2 * groups_.size(), 16);
    MMCC_RETURN_IF_ERROR(
        tables_.reserve(entries * entry * parts_.size(), "a state's tables"));
    table_entries_ = entries;
  }
  for (uint32_t i = 0; i < parts_.size(); ++i)
    MMCC_RETURN_IF_ERROR(queue_->copyIn(0, table(i), parts_[i].table.data(),
                                        groups_.size() * entry));
  return queue_->synchronize();
}

uint8_t *State::table(uint32_t index) {
  if (device_)
    return tables_.data() + index * table_entries_ * sizeof(uint8_t *);
  return reinterpret_cast<uint8_t *>(parts_[index].table.data());
}

Status State::truncate(uint64_t tokens) {
  if (tokens > uint64_t(length_))
    return invalid("the state holds " + std::to_string(length_) +
                   " tokens and cannot be cut to " + std::to_string(tokens));
  length_ = int64_t(tokens);
  return {};
}

State::Row State::row(uint8_t *group, const Part &part, int64_t batch,
                      int64_t head, int64_t token) const {
  int64_t in_block = token % block_tokens_;
  uint8_t *block =
      group + part.offset + (batch * part.heads + head) * part.head_bytes;
  int64_t row_bytes = part.width * stateElementBytes(part.dtype);
  float *scales = reinterpret_cast<float *>(block + block_tokens_ * row_bytes);
  return {block + in_block * row_bytes,
          part.scaled ? scales + in_block : nullptr};
}

template <typename Visit>
Status State::forEachGroup(int64_t tokens, bool writes, Visit visit) const {
  if (device_)
    MMCC_RETURN_IF_ERROR(device_->makeCurrent());
  std::vector<uint8_t> copy(device_ ? group_bytes_ : 0);
  for (int64_t begin = 0; begin < tokens; begin += block_tokens_) {
    const Group &group = groups_[size_t(begin / block_tokens_)];
    uint8_t *bytes = device_ ? copy.data() : group.data();
    if (device_) {
      MMCC_RETURN_IF_ERROR(
          queue_->copyOut(0, bytes, group.data(), group_bytes_));
      MMCC_RETURN_IF_ERROR(queue_->synchronize());
    }
    visit(bytes, begin, std::min(begin + block_tokens_, tokens));
    if (device_ && writes) {
      MMCC_RETURN_IF_ERROR(
          queue_->copyIn(0, group.data(), bytes, group_bytes_));
      MMCC_RETURN_IF_ERROR(queue_->synchronize());
    }
  }
  return {};
}

Status State::fill(Span<const mmcc_tensor> tensors) {
  if (tensors.size() != parts_.size())
    return invalid("there are " + std::to_string(parts_.size()) +
                   " states, but " + std::to_string(tensors.size()) +
                   " tensors were given");
  int64_t tokens = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part &part = parts_[i];
    const mmcc_tensor &tensor = tensors[i];
    bool fits = tensor.dtype == MMCC_F32 && tensor.rank == 4;
    if (i == 0 && fits)
      tokens = tensor.dims[2];
    fits = fits && tensor.dims[0] == batch_ && tensor.dims[1] == part.heads &&
           tensor.dims[2] == tokens && tensor.dims[3] == part.width &&
           tokens >= 0;
    int64_t bytes = 0;
    fits = fits && tensorBytes(DType::f32, tensor.dims, 4, bytes);
    if (!fits)
      return invalid("state '" + part.name + "' is filled with f32 [" +
                     std::to_string(batch_) + ", " +
                     std::to_string(part.heads) + ", " +
                     (i == 0 ? "tokens" : std::to_string(tokens)) + ", " +
                     std::to_string(part.width) + "], which this is not");
    if ((bytes > 0 && !tensor.data) || tensor.bytes < uint64_t(bytes) ||
        !isAligned(tensor.data, DType::f32))
      return invalid("state '" + part.name + "' needs " +
                     std::to_string(bytes) + " bytes of aligned data");
  }
  if (uint64_t(tokens) > capacity_)
    return {Code::out_of_memory,
            "the state has room for " + std::to_string(capacity_) +
                " tokens, but " + std::to_string(tokens) + " were given"};
  MMCC_RETURN_IF_ERROR(reserve(tokens));
  MMCC_RETURN_IF_ERROR(forEachGroup(
      tokens, /*writes=*/true, [&](uint8_t *group, int64_t begin, int64_t end) {
        for (size_t i = 0; i < parts_.size(); ++i) {
          const Part &part = parts_[i];
          auto *from = static_cast<const float *>(tensors[i].data);
          for (int64_t b = 0; b < batch_; ++b)
            for (int64_t h = 0; h < part.heads; ++h)
              for (int64_t t = begin; t < end; ++t) {
                Row to = row(group, part, b, h, t);
                int64_t at = ((b * part.heads + h) * tokens + t) * part.width;
                storeStateRow(part.dtype, to.elements, to.scale, from + at,
                              part.width);
              }
        }
      }));
  length_ = tokens;
  return {};
}

Status State::read(size_t index, mmcc_tensor &tensor) const {
  if (index >= parts_.size())
    return {Code::not_found, "there is no state " + std::to_string(index)};
  const Part &part = parts_[index];
  int64_t dims[4] = {batch_, part.heads, length_, part.width}, bytes = 0;
  if (!tensorBytes(DType::f32, dims, 4, bytes))
    return {Code::out_of_memory, "the state exceeds 64 bits"};
  if (tensor.data &&
      (tensor.bytes < uint64_t(bytes) || !isAligned(tensor.data, DType::f32)))
    return invalid("state '" + part.name + "' needs " + std::to_string(bytes) +
                   " aligned bytes");
  tensor.dtype = MMCC_F32;
  tensor.rank = 4;
  std::copy(dims, dims + 4, tensor.dims);
  if (!tensor.data) {
    tensor.bytes = uint64_t(bytes);
    return {};
  }
  auto *to = static_cast<float *>(tensor.data);
  return forEachGroup(
      length_, /*writes=*/false,
      [&](uint8_t *group, int64_t begin, int64_t end) {
        for (int64_t b = 0; b < batch_; ++b)
          for (int64_t h = 0; h < part.heads; ++h)
            for (int64_t t = begin; t < end; ++t) {
              Row from = row(group, part, b, h, t);
              int64_t at = ((b * part.heads + h) * length_ + t) * part.width;
              loadStateRow(part.dtype, to + at, from.scale, from.elements,
                           part.width);
            }
      });
}

} // namespace mmcc::runtime
