//===- Team.cuh - Threads that work on one point --------------------------===//
//
// A kernel with a reduction has independent points, and at each a row of
// numbers. Who goes over the row is a team: a thread, a warp or the whole
// block. All teams have the same interface, so that what they do is written
// once:
//
//     float sum = team.reduce<Sum>(768, [&](Index i) { return x[i]; });
//     team.each(768, [&](Index i) { y[i] = x[i] - sum; });
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TEAM_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TEAM_CUH

#include "Scalar.cuh"

namespace mmcc {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

//===----------------------------------------------------------------------===//
// What a reduction accumulates
//===----------------------------------------------------------------------===//

template <typename T> struct Limits;
template <> struct Limits<float> {
  static __device__ float low() { return -INFINITY; }
  static __device__ float high() { return INFINITY; }
};
template <> struct Limits<double> {
  static __device__ double low() { return -INFINITY; }
  static __device__ double high() { return INFINITY; }
};
// Booleans are ordered false < true here.
template <> struct Limits<bool> {
  static __device__ bool low() { return false; }
  static __device__ bool high() { return true; }
};
template <typename T> struct Limits {
  static __device__ T low() { return T(Unsigned<T>(1) << (sizeof(T) * 8 - 1)); }
  static __device__ T high() { return T(~low()); }
};

template <typename T> constexpr bool isFloating = false;
template <> constexpr bool isFloating<float> = true;
template <> constexpr bool isFloating<double> = true;

template <typename T> struct Sum {
  using Value = T;
  static __device__ T identity() { return T(0); }
  static __device__ T join(T a, T b) {
    if constexpr (isFloating<T>)
      return a + b;
    else
      return add(a, b);
  }
};
template <> struct Sum<bool> {
  using Value = bool;
  static __device__ bool identity() { return false; }
  static __device__ bool join(bool a, bool b) { return a || b; }
};
template <typename T> struct Product {
  using Value = T;
  static __device__ T identity() { return T(1); }
  static __device__ T join(T a, T b) {
    if constexpr (isFloating<T>)
      return a * b;
    else
      return mul(a, b);
  }
};
template <typename T> struct Largest {
  using Value = T;
  static __device__ T identity() { return Limits<T>::low(); }
  static __device__ T join(T a, T b) {
    if constexpr (isFloating<T>)
      return maximum(a, b);
    else
      return a < b ? b : a;
  }
};
template <typename T> struct Least {
  using Value = T;
  static __device__ T identity() { return Limits<T>::high(); }
  static __device__ T join(T a, T b) {
    if constexpr (isFloating<T>)
      return minimum(a, b);
    else
      return b < a ? b : a;
  }
};

/// A number and where it is; of equal ones the first wins.
template <typename T> struct Place {
  T value;
  int64_t index;
};
template <typename T, bool IsLargest> struct ArgBest {
  using Value = Place<T>;
  static __device__ Value identity() {
    return {IsLargest ? Limits<T>::low() : Limits<T>::high(), INT64_MAX};
  }
  static __device__ Value join(Value a, Value b) {
    bool better = IsLargest ? b.value > a.value : b.value < a.value;
    return better || (b.value == a.value && b.index < a.index) ? b : a;
  }
};
template <typename T> using ArgLargest = ArgBest<T, true>;
template <typename T> using ArgLeast = ArgBest<T, false>;

/// Where nothing won, as among NaN alone, the place is the first.
template <typename T> __device__ Place<T> settled(Place<T> place) {
  return {place.value, place.index == INT64_MAX ? 0 : place.index};
}
template <typename T> __device__ T settled(T value) { return value; }

/// The value of another lane.
template <typename T> __device__ T fromLane(T value, int mask) {
  if constexpr (sizeof(T) >= 4)
    return __shfl_xor_sync(kAllLanes, value, mask);
  else
    return T(__shfl_xor_sync(kAllLanes, int(value), mask));
}
template <typename T> __device__ Place<T> fromLane(Place<T> place, int mask) {
  return {fromLane(place.value, mask),
          int64_t(__shfl_xor_sync(kAllLanes, (long long)place.index, mask))};
}

//===----------------------------------------------------------------------===//
// Teams
//===----------------------------------------------------------------------===//

template <typename Rule>
__device__ typename Rule::Value acrossWarp(typename Rule::Value value) {
  for (int mask = kWarp / 2; mask; mask /= 2)
    value = Rule::join(value, fromLane(value, mask));
  return value;
}

/// One thread.
struct Alone {
  static __device__ int rank() { return 0; }
  static __device__ constexpr int size() { return 1; }
  __device__ void sync() const {}
  template <typename Rule>
  __device__ typename Rule::Value across(typename Rule::Value value) const {
    return value;
  }
};

/// 32 lanes.
struct Warp {
  static __device__ int rank() { return threadIdx.x % kWarp; }
  static __device__ constexpr int size() { return kWarp; }
  __device__ void sync() const { __syncwarp(); }
  template <typename Rule>
  __device__ typename Rule::Value across(typename Rule::Value value) const {
    return acrossWarp<Rule>(value);
  }
};

/// All threads of a block.
template <int Threads> struct Block {
  static_assert(Threads % kWarp == 0 && Threads / kWarp <= kWarp);
  static __device__ int rank() { return threadIdx.x; }
  static __device__ constexpr int size() { return Threads; }
  __device__ void sync() const { __syncthreads(); }
  template <typename Rule>
  __device__ typename Rule::Value across(typename Rule::Value value) const {
    using Value = typename Rule::Value;
    static_assert(alignof(Value) <= 8);
    __shared__ uint64_t words[(Threads / kWarp * sizeof(Value) + 7) / 8];
    auto *partial = reinterpret_cast<Value *>(words);
    value = acrossWarp<Rule>(value);
    __syncthreads(); // the reduction before may still be read
    if (threadIdx.x % kWarp == 0)
      partial[threadIdx.x / kWarp] = value;
    __syncthreads(); // all warps' sums are there
    value = threadIdx.x % kWarp < Threads / kWarp ? partial[threadIdx.x % kWarp]
                                                  : Rule::identity();
    return acrossWarp<Rule>(value);
  }
};

/// What all teams do alike. `Index` is int or int64_t.
template <typename Members, typename Index> struct Team : Members {
  using Members::rank, Members::size;

  /// f(i) for every i in [0, count), joined; every thread has the result.
  template <template <typename> class Rule, typename F>
  __device__ auto reduce(Index count, F f) const {
    using R = Rule<decltype(f(Index(0)))>;
    auto value = R::identity();
    for (Index i = rank(); i < count; i += size())
      value = R::join(value, f(i));
    return settled(this->template across<R>(value));
  }
  /// As reduce, of f(i) = a Place.
  template <template <typename> class Rule, typename T, typename F>
  __device__ Place<T> find(Index count, F f) const {
    auto value = Rule<T>::identity();
    for (Index i = rank(); i < count; i += size())
      value = Rule<T>::join(value, f(i));
    return settled(this->template across<Rule<T>>(value));
  }
  template <typename F> __device__ void each(Index count, F f) const {
    for (Index i = rank(); i < count; i += size())
      f(i);
  }
  template <typename F> __device__ void once(F f) const {
    if (rank() == 0)
      f();
  }
};

//===----------------------------------------------------------------------===//
// Points of a cell
//===----------------------------------------------------------------------===//

/// Cell `x` of `rowCount` rows times `columnCount` columns that are cut into
/// pieces of `rows` times `columns`: column pieces run fastest. Calls
/// f(team, row, column) for each of its points.
template <typename Members, typename Index, int Threads, typename F>
__device__ void forEachPoint(Index rowCount, Index columnCount, Index rows,
                             Index columns, F f) {
  const Index pieces = (columnCount + columns - 1) / columns;
  const Index cell = blockIdx.x;
  const Index firstRow = cell / pieces * rows;
  const Index firstColumn = cell % pieces * columns;
  const Index height = least<Index>(rows, rowCount - firstRow);
  const Index width = least<Index>(columns, columnCount - firstColumn);
  Team<Members, Index> team;
  for (Index i = threadIdx.x / team.size(); i < height * width;
       i += Threads / team.size()) {
    // Dividing takes longer than a number from memory: what is known is used.
    if (rows == 1)
      f(team, firstRow, firstColumn + i);
    else if (columns >= columnCount)
      f(team, firstRow + i / columnCount, i % columnCount);
    else
      f(team, firstRow + i / width, firstColumn + i % width);
  }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TEAM_CUH
