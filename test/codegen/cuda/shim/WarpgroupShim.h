//===- WarpgroupShim.h - A warpgroup's products, on a CPU -----------------===//
//
// Takes the place of the instructions in codegen/cuda/kernels/WarpgroupMma.cuh.
// Operands are found in shared memory by their descriptors, as the PTX ISA
// defines them. A product is computed when its thread waits for it; what may
// not happen until then shows:
//
//   * Sums are NaN while they are under way, and must not have been touched.
//   * Operands, registers of A among them, must be at the end what they were
//     at the beginning.
//   * What threads wrote of them must have been fenced before the beginning.
//   * All lanes, and all four warps, must ask for the same.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_WARPGROUPSHIM_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_WARPGROUPSHIM_H

// MmaShim.h comes first.

#include <deque>
#include <map>

namespace mmcc {

namespace shim {

/// What an operand's descriptor says (PTX ISA, "Matrix descriptor format"), and
/// where K-major words are ("Canonical layouts").
class SharedOperand {
public:
  explicit SharedOperand(uint64_t descriptor)
      : start((descriptor & 0x3fff) << 4),
        leading((descriptor >> 16 & 0x3fff) << 4),
        stride((descriptor >> 32 & 0x3fff) << 4) {
    constexpr unsigned spans[] = {0, 128, 64, 32};
    span = spans[descriptor >> 62];
    expect((descriptor & 0x3fffc000c000c000) == 0,
           "a descriptor has bits that mean nothing, or a base offset");
    expect(span == 0 || start / span % 8 == 0,
           "an operand does not begin where its swizzle does");
  }

  /// Where word `word` of line `line` is: of a row of A, or a column of B.
  const char *place(unsigned line, unsigned word) const {
    if (span == 0)
      return at(start + line / 8 * stride + word / 4 * leading + line % 8 * 16 +
                word % 4 * 4);
    return swizzled(start + line / 8 * stride + line % 8 * span + word * 4);
  }
  uint32_t word(unsigned line, unsigned word) const {
    uint32_t value;
    std::memcpy(&value, place(line, word), 4);
    return value;
  }
  /// The same of lines that are rows of B (MN-major): numbers of 16 bits of
  /// column `column`.
  const char *placeAcross(unsigned column, unsigned k) const {
    expect(span == 128, "rows of B have another swizzle than 128 bytes");
    return swizzled(start + column / 64 * leading + column % 64 * 2 +
                    k / 8 * stride + k % 8 * span);
  }
  uint32_t wordAcross(unsigned column, unsigned word) const {
    uint16_t low, high;
    std::memcpy(&low, placeAcross(column, 2 * word), 2);
    std::memcpy(&high, placeAcross(column, 2 * word + 1), 2);
    return low | uint32_t(high) << 16;
  }

private:
  const char *swizzled(uint32_t address) const {
    return at(address ^ (address >> 7 & (span / 16 - 1)) << 4);
  }
  static const char *at(uint32_t address) {
    mmcc_shim_check_shared(address + 2 - mmcc_shim_shared_begin);
    return dynamicShared() + (address - mmcc_shim_shared_begin);
  }

  uint32_t start, leading, stride, span;
};

struct WarpgroupProduct {
  uint64_t a, b;
  bool adds;
  unsigned columns;
  bool isInRegisters; // A: then `rows` has this lane's two rows
  bool isAcross;      // B's lines are its rows
  void *sums;
  /// Adds A B to sums in registers.
  void (*run)(uint32_t *sums, const WarpgroupProduct &product);
  uint32_t rows[2][8] = {};
  uint64_t operands = 0;               // as they were
  const uint32_t *registers = nullptr; // of A, likewise
  uint32_t heldRegisters[4] = {};

  bool asksTheSame(const WarpgroupProduct &other) const {
    return a == other.a && b == other.b && adds == other.adds &&
           columns == other.columns && run == other.run &&
           isAcross == other.isAcross && isInRegisters == other.isInRegisters;
  }
};

constexpr uint32_t kUnderWay = 0x7fc0dead; // NaN, as a float

/// Of one thread.
struct ThreadProducts {
  std::vector<std::vector<WarpgroupProduct>> groups{1}; // the last: no commit
  /// Registers that products are about to set: what they hold until then.
  std::map<void *, std::vector<uint32_t>> sums;
  bool mayBegin = false;
  uint64_t block = 0;
};
inline ThreadProducts &threadProducts() {
  static ThreadProducts ofThread[1024];
  ThreadProducts &mine = ofThread[threadIdx.x];
  if (mine.block != mmcc_shim_block_number()) {
    expect(mine.sums.empty(), "products were under way when a block ended");
    mine.block = mmcc_shim_block_number();
    mine.mayBegin = false;
  }
  return mine;
}

/// What the warps of a warpgroup ask for, one product after another.
inline void checkWarpgroup(const WarpgroupProduct &product) {
  struct Asked {
    std::deque<WarpgroupProduct> products; // that some warps have not asked for
    uint64_t before = 0, count[4] = {};
  };
  static Asked ofWarpgroup[8];
  Asked &asked = ofWarpgroup[threadIdx.x / 128];
  uint64_t &mine = asked.count[threadIdx.x / 32 % 4];
  if (mine - asked.before == asked.products.size())
    asked.products.push_back(product);
  expect(asked.products[mine++ - asked.before].asksTheSame(product),
         "warps of a warpgroup ask for different products");
  bool all = true;
  for (uint64_t count : asked.count)
    all &= count > asked.before;
  if (all) {
    asked.products.pop_front();
    ++asked.before;
  }
}

/// f(place of a word or of half a word) for what this warp multiplies.
template <typename F> void eachPlace(const WarpgroupProduct &product, F f) {
  const SharedOperand b(product.b);
  for (unsigned column = 0; column < product.columns; ++column)
    for (unsigned i = 0; i < (product.isAcross ? 16 : 8); ++i)
      f(product.isAcross ? b.placeAcross(column, i) : b.place(column, i));
  if (product.isInRegisters)
    return;
  const SharedOperand a(product.a);
  const unsigned first = threadIdx.x / 32 % 4 * 16;
  for (unsigned row = first; row < first + 16; ++row)
    for (unsigned word = 0; word < 8; ++word)
      f(a.place(row, word));
}
inline uint64_t operandsOf(const WarpgroupProduct &product) {
  uint64_t hash = 0xcbf29ce484222325;
  eachPlace(product, [&](const char *place) {
    uint16_t bits;
    std::memcpy(&bits, place, 2);
    hash = (hash ^ bits) * 0x100000001b3;
    if (!product.isAcross) {
      std::memcpy(&bits, place + 2, 2);
      hash = (hash ^ bits) * 0x100000001b3;
    }
  });
  return hash;
}

/// Fails where a thread wrote what tensor cores may not see.
inline void checkSeen(const WarpgroupProduct &product) {
  const auto &writers = unseenPieces().writers;
  if (writers.empty())
    return;
  eachPlace(product, [&](const char *place) {
    expect(!writers.count(reinterpret_cast<uint64_t>(place) / 16),
           "an operand was written by a thread that has not fenced it");
  });
}

/// Registers = add(registers, 8 words of A, 8 words of B).
template <typename Sum, auto add>
void multiplyLanes(uint32_t *registers, const WarpgroupProduct &product) {
  const SharedOperand b(product.b);
  const unsigned lane = threadIdx.x % 32;
  uint32_t left[2][8], right[8];
  std::memcpy(left, product.rows, sizeof(left));
  if (!product.isInRegisters) {
    const SharedOperand a(product.a);
    for (unsigned i = 0; i < 16; ++i)
      left[i / 8][i % 8] =
          a.word(threadIdx.x / 32 % 4 * 16 + lane / 4 + i / 8 * 8, i % 8);
  }
  for (unsigned i = 0; i < product.columns / 4; ++i) {
    const unsigned column = i / 2 * 8 + lane % 4 * 2 + i % 2;
    for (unsigned word = 0; word < 8; ++word)
      right[word] =
          product.isAcross ? b.wordAcross(column, word) : b.word(column, word);
    for (unsigned half = 0; half < 2; ++half) {
      uint32_t &place = registers[i / 2 * 4 + half * 2 + i % 2];
      Sum sum = 0;
      if (product.adds)
        std::memcpy(&sum, &place, 4);
      sum = add(sum, left[half], right);
      std::memcpy(&place, &sum, 4);
    }
  }
}

inline void meetWarp() { mmcc_shim_exchange(0xffffffffu, 0, 0); }

inline void beginProduct(WarpgroupProduct product) {
  ThreadProducts &mine = threadProducts();
  expect(mine.mayBegin, "products begin without beginProducts");
  const unsigned count = product.columns / 2;
  auto [held, isNew] = mine.sums.try_emplace(product.sums, count);
  auto *registers = static_cast<uint32_t *>(product.sums);
  if (isNew)
    std::memcpy(held->second.data(), registers, count * 4);
  for (unsigned i = 0; i < count; ++i) {
    expect(isNew || registers[i] == kUnderWay,
           "sums are touched while they are under way");
    registers[i] = kUnderWay;
  }
  const uint64_t asked[] = {product.a, product.b, product.adds};
  uint64_t all[32][3];
  mmcc_shim_gather(asked, sizeof(asked), all);
  for (const auto &other : all)
    expect(std::memcmp(other, asked, sizeof(asked)) == 0,
           "lanes ask for different products");
  if (threadIdx.x % 32 == 0) {
    checkWarpgroup(product);
    checkSeen(product);
    product.operands = operandsOf(product);
  }
  mine.groups.back().push_back(product);
}

template <typename T>
float addHalves(float sum, const uint32_t (&a)[8], const uint32_t (&b)[8]) {
  auto half = [](uint32_t word, int which) {
    return float(bitcast<T>(uint16_t(word >> 16 * which)));
  };
  for (unsigned i = 0; i < 8; ++i)
    sum += half(a[i], 0) * half(b[i], 0) + half(a[i], 1) * half(b[i], 1);
  return sum;
}
inline int32_t addBytes(int32_t sum, const uint32_t (&a)[8],
                        const uint32_t (&b)[8]) {
  for (unsigned i = 0; i < 8; ++i)
    sum = __dp4a(int(a[i]), int(b[i]), sum);
  return sum;
}

} // namespace shim

inline void fenceOperands() {
  auto &[writers, ofThread] = shim::unseenPieces();
  for (uint64_t piece : ofThread[threadIdx.x])
    if (auto writer = writers.find(piece);
        writer != writers.end() && writer->second == threadIdx.x)
      writers.erase(writer);
  ofThread[threadIdx.x].clear();
}
inline void storePiece(void *shared, const uint32_t (&words)[4]) {
  shim::expect(reinterpret_cast<uint64_t>(shared) % 16 == 0,
               "a piece of 16 bytes is not aligned");
  shim::writePiece(shared, words, 16);
}
inline void beginProducts() {
  shim::meetWarp();
  shim::threadProducts().mayBegin = true;
}
inline void commitProducts() {
  shim::meetWarp();
  shim::threadProducts().groups.emplace_back();
}
template <int Pending> void waitForProducts() {
  shim::meetWarp();
  shim::ThreadProducts &mine = shim::threadProducts();
  while (mine.groups.size() > Pending + 1) {
    for (const shim::WarpgroupProduct &product : mine.groups.front()) {
      if (threadIdx.x % 32 == 0)
        shim::expect(shim::operandsOf(product) == product.operands,
                     "operands change while they are multiplied");
      shim::expect(!product.registers ||
                       std::memcmp(product.registers, product.heldRegisters,
                                   sizeof(product.heldRegisters)) == 0,
                   "registers of A change while they are multiplied");
      product.run(mine.sums.at(product.sums).data(), product);
    }
    mine.groups.erase(mine.groups.begin());
  }
  // Sums that no other product is about to set.
  for (auto at = mine.sums.begin(); at != mine.sums.end();) {
    bool isUnderWay = false;
    for (const auto &group : mine.groups)
      for (const shim::WarpgroupProduct &product : group)
        isUnderWay |= product.sums == at->first;
    if (isUnderWay) {
      ++at;
      continue;
    }
    std::memcpy(at->first, at->second.data(), at->second.size() * 4);
    at = mine.sums.erase(at);
    mine.mayBegin = false;
  }
}
template <typename T, int Sums> void takeSums(T (&)[Sums]) {}
inline void keepRows(uint32_t (&)[4]) {}
inline void waitAt(int barrier) {
  mmcc_shim_named_barrier(unsigned(barrier), 256, true);
}
inline void arriveAt(int barrier) {
  mmcc_shim_named_barrier(unsigned(barrier), 256, false);
}

template <int Sums>
void multiplyWarpgroupBf16(float (&c)[Sums], uint64_t a, uint64_t b,
                           bool adds) {
  shim::beginProduct({a, b, adds, 2 * Sums, false, false, c,
                      shim::multiplyLanes<float, shim::addHalves<bf16>>});
}
template <int Sums>
void multiplyWarpgroupF16(float (&c)[Sums], uint64_t a, uint64_t b, bool adds) {
  shim::beginProduct({a, b, adds, 2 * Sums, false, false, c,
                      shim::multiplyLanes<float, shim::addHalves<f16>>});
}
template <int Sums>
void multiplyWarpgroupFloat8(float (&c)[Sums], uint64_t a, uint64_t b,
                             bool adds) {
  shim::beginProduct({a, b, adds, 2 * Sums, false, false, c,
                      shim::multiplyLanes<float, shim::addFloat8>});
}
template <int Sums>
void multiplyWarpgroupBytes(int32_t (&c)[Sums], uint64_t a, uint64_t b,
                            bool adds) {
  shim::beginProduct({a, b, adds, 2 * Sums, false, false, c,
                      shim::multiplyLanes<int32_t, shim::addBytes>});
}

namespace shim {

template <typename T, int Sums>
void multiplyFragments(float (&c)[Sums], const uint32_t (&a)[4], uint64_t b,
                       bool adds, bool isAcross) {
  WarpgroupProduct product = {
      0,    b,        adds, 2 * Sums,
      true, isAcross, c,    multiplyLanes<float, addHalves<T>>};
  product.registers = a;
  std::memcpy(product.heldRegisters, a, sizeof(a));
  // Mma.cuh: rows lane / 4 and + 8, words lane % 4 and + 4.
  uint32_t all[32][4];
  mmcc_shim_gather(a, sizeof(a), all);
  const unsigned quad = threadIdx.x % 32 / 4 * 4;
  for (unsigned word = 0; word < 8; ++word)
    for (unsigned half = 0; half < 2; ++half)
      product.rows[half][word] = all[quad + word % 4][half + word / 4 * 2];
  beginProduct(product);
}

} // namespace shim

template <typename T, int Sums>
void multiplyRows(T, float (&c)[Sums], const uint32_t (&a)[4], uint64_t b,
                  bool adds) {
  shim::multiplyFragments<T>(c, a, b, adds, false);
}
template <typename T, int Sums>
void multiplyRowsAcross(T, float (&c)[Sums], const uint32_t (&a)[4], uint64_t b,
                        bool adds) {
  shim::multiplyFragments<T>(c, a, b, adds, true);
}

} // namespace mmcc

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_WARPGROUPSHIM_H
