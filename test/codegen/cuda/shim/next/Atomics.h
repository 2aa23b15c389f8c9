//===- Atomics.h - Memory, at once ------------------------------*- C++ -*-===//
//
// The machine's thread runs one CUDA thread at a time, so nothing comes between
// a load and a store. Types are those that CUDA has.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_ATOMICS_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_ATOMICS_H

#include <type_traits>

namespace mmcc::shim {

template <typename T, typename... Types>
constexpr bool isOneOf = (std::is_same_v<T, Types> || ...);
template <typename T>
constexpr bool isAtomicInteger =
    isOneOf<T, int, unsigned, long long, unsigned long long>;

/// Not deduced: the address says the type.
template <typename T> struct GivenType {
  using Type = T;
};
template <typename T> using Given = typename GivenType<T>::Type;

/// Stores `to`, gives what was there.
template <typename T> T replace(T *address, T to) {
  const T from = *address;
  *address = to;
  return from;
}

} // namespace mmcc::shim

template <typename T> T atomicAdd(T *address, mmcc::shim::Given<T> value) {
  // Not of long long.
  static_assert(
      mmcc::shim::isOneOf<T, int, unsigned, unsigned long long, float, double>);
  if constexpr (std::is_same_v<T, int>)
    return mmcc::shim::replace(address,
                               int(unsigned(*address) + unsigned(value)));
  else
    return mmcc::shim::replace(address, T(*address + value));
}
template <typename T> T atomicSub(T *address, mmcc::shim::Given<T> value) {
  static_assert(mmcc::shim::isOneOf<T, int, unsigned>);
  return mmcc::shim::replace(address, T(unsigned(*address) - unsigned(value)));
}
template <typename T> T atomicMax(T *address, mmcc::shim::Given<T> value) {
  static_assert(mmcc::shim::isAtomicInteger<T>);
  return mmcc::shim::replace(address, *address < value ? value : *address);
}
template <typename T> T atomicMin(T *address, mmcc::shim::Given<T> value) {
  static_assert(mmcc::shim::isAtomicInteger<T>);
  return mmcc::shim::replace(address, value < *address ? value : *address);
}
template <typename T> T atomicAnd(T *address, mmcc::shim::Given<T> value) {
  static_assert(mmcc::shim::isAtomicInteger<T>);
  return mmcc::shim::replace(address, *address & value);
}
template <typename T> T atomicOr(T *address, mmcc::shim::Given<T> value) {
  static_assert(mmcc::shim::isAtomicInteger<T>);
  return mmcc::shim::replace(address, *address | value);
}
template <typename T> T atomicXor(T *address, mmcc::shim::Given<T> value) {
  static_assert(mmcc::shim::isAtomicInteger<T>);
  return mmcc::shim::replace(address, *address ^ value);
}
template <typename T> T atomicExch(T *address, mmcc::shim::Given<T> value) {
  static_assert(
      mmcc::shim::isOneOf<T, int, unsigned, unsigned long long, float>);
  return mmcc::shim::replace(address, value);
}
template <typename T>
T atomicCAS(T *address, mmcc::shim::Given<T> expected,
            mmcc::shim::Given<T> value) {
  static_assert(mmcc::shim::isOneOf<T, int, unsigned, unsigned short,
                                    unsigned long long>);
  return mmcc::shim::replace(address, *address == expected ? value : *address);
}

// Loads and stores that only say what a cache should do.
template <typename T> T __ldg(const T *address) { return *address; }
template <typename T> T __ldca(const T *address) { return *address; }
template <typename T> T __ldcg(const T *address) { return *address; }
template <typename T> T __ldcs(const T *address) { return *address; }
template <typename T> T __ldlu(const T *address) { return *address; }
template <typename T> T __ldcv(const T *address) { return *address; }
template <typename T> void __stwb(T *address, mmcc::shim::Given<T> value) {
  *address = value;
}
template <typename T> void __stcg(T *address, mmcc::shim::Given<T> value) {
  *address = value;
}
template <typename T> void __stcs(T *address, mmcc::shim::Given<T> value) {
  *address = value;
}
template <typename T> void __stwt(T *address, mmcc::shim::Given<T> value) {
  *address = value;
}

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_ATOMICS_H
