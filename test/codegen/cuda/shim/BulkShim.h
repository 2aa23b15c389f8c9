//===- BulkShim.h - Hopper's copier, on a CPU -----------------------------===//
//
// Takes the place of the instructions in codegen/cuda/kernels/BulkCopy.cuh. A
// box is brought when somebody waits for its barrier; until then its place
// holds NaN.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_BULKSHIM_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_BULKSHIM_H

// FakeTensorMap.h and WarpgroupShim.h come first.

namespace mmcc {

namespace shim {

struct Box {
  char *shared;
  const FakeTensorMap *map;
  int64_t at[3];
};
/// What a barrier counts. Its address in shared memory stands for it.
struct Counted {
  uint64_t block = 0;  // that it belongs to
  uint64_t rounds = 0; // that are over
  bool hasArrived = false;
  int64_t bytes = 0; // that are still to come
  std::vector<Box> boxes;
};
inline Counted &anyCountedBy(const CopyBarrier &barrier) {
  static std::map<const void *, Counted> all;
  return all[&barrier];
}
inline Counted &countedBy(const CopyBarrier &barrier) {
  Counted &counted = anyCountedBy(barrier);
  expect(counted.block == mmcc_shim_block_number(),
         "a barrier of copies has not begun");
  return counted;
}

/// Zeros beyond the tensor. Pieces of 16 bytes trade places by the lines of 128
/// bytes that they are in (CUDA programming guide, "The swizzle modes").
inline int64_t bring(const Box &box) {
  const FakeTensorMap &map = *box.map;
  int64_t done = 0;
  for (int64_t z = 0; z < map.box[2]; ++z)
    for (int64_t y = 0; y < map.box[1]; ++y)
      for (int64_t x = 0; x < map.box[0]; ++x, ++done) {
        const int64_t at[3] = {box.at[0] + x, box.at[1] + y, box.at[2] + z};
        char byte = 0;
        bool isIn = true;
        for (int d = 0; d < 3; ++d)
          isIn &= at[d] >= 0 && uint64_t(at[d]) < map.dims[d];
        if (isIn)
          byte = *reinterpret_cast<const char *>(
              map.address + uint64_t(at[0]) + uint64_t(at[1]) * map.strides[0] +
              uint64_t(at[2]) * map.strides[1]);
        uint64_t to = uint64_t(box.shared - dynamicShared()) +
                      mmcc_shim_shared_begin + uint64_t(done);
        if (map.swizzle)
          to ^= (to / 128 % (map.swizzle / 16)) << 4;
        dynamicShared()[to - mmcc_shim_shared_begin] = byte;
      }
  return done;
}

/// Ends the round if it has all that it waits for.
inline void settle(CopyBarrier &barrier) {
  Counted &counted = countedBy(barrier);
  if (!counted.hasArrived || counted.bytes)
    return;
  ++counted.rounds;
  counted.hasArrived = false;
  ++barrier.state;
}

} // namespace shim

template <int Count> void beginBarriers(CopyBarrier (&barriers)[Count]) {
  for (CopyBarrier &barrier : barriers) {
    shim::Counted &counted = shim::anyCountedBy(barrier);
    shim::expect(counted.boxes.empty() && !counted.hasArrived,
                 "copies were under way when a block ended");
    counted = {mmcc_shim_block_number()};
    barrier.state = 0;
  }
}
inline void expectBytes(CopyBarrier &barrier, uint32_t bytes) {
  shim::Counted &counted = shim::countedBy(barrier);
  shim::expect(!counted.hasArrived, "a round of copies begins twice");
  counted.hasArrived = true;
  counted.bytes += bytes;
  shim::settle(barrier);
}
inline void copyBox(void *shared, const TensorMap *map, CopyBarrier &barrier,
                    int byte, int row, int batch) {
  const auto *fake = reinterpret_cast<const shim::FakeTensorMap *>(map);
  shim::expect(fake->magic == shim::FakeTensorMap::kMagic,
               "a map is none of the fake driver's");
  shim::expect(
      (sharedAddress(shared) & 127) == 0 &&
          (!fake->swizzle || sharedAddress(shared) % (8 * fake->swizzle) == 0),
      "a box is not aligned in shared memory");
  const size_t bytes = size_t(fake->box[0]) * fake->box[1] * fake->box[2];
  mmcc_shim_check_shared(sharedAddress(shared) + bytes -
                         mmcc_shim_shared_begin);
  std::memset(shared, 0xff, bytes);
  shim::countedBy(barrier).boxes.push_back(
      {static_cast<char *>(shared), fake, {byte, row, batch}});
}
inline void waitForBytes(CopyBarrier &barrier, int round) {
  shim::Counted &counted = shim::countedBy(barrier);
  for (const shim::Box &box : counted.boxes)
    counted.bytes -= shim::bring(box);
  if (!counted.boxes.empty()) {
    counted.boxes.clear();
    shim::settle(barrier);
  }
  // The round of this parity is over when the one that goes on has the other.
  while (counted.rounds % 2 == unsigned(round) % 2)
    mmcc_shim_wait_change(&barrier.state);
}

} // namespace mmcc

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_BULKSHIM_H
