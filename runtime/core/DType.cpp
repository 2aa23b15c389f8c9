#include "runtime/core/DType.h"

#include "runtime/core/CheckedMath.h"

namespace mmcc::runtime {

namespace {

struct TypeRow {
  const char *name;
  unsigned bits;
};

// Indexed by schema::DType.
constexpr TypeRow kTypes[] = {
    {"undefined", 0},  {"f32", 32},     {"u8", 8},         {"i8", 8},
    {"u16", 16},       {"i16", 16},     {"i32", 32},       {"i64", 64},
    {"string", 0},     {"bool", 8},     {"f16", 16},       {"f64", 64},
    {"u32", 32},       {"u64", 64},     {"complex64", 64}, {"complex128", 128},
    {"bf16", 16},      {"f8e4m3fn", 8}, {"f8e4m3fnuz", 8}, {"f8e5m2", 8},
    {"f8e5m2fnuz", 8}, {"u4", 4},       {"i4", 4},         {"f4e2m1", 4},
    {"f8e8m0", 8},     {"u2", 2},       {"i2", 2},
};
static_assert(sizeof(kTypes) / sizeof(kTypes[0]) ==
                  size_t(schema::DType::MAX) + 1,
              "a row per type");

const TypeRow *rowOf(schema::DType type) {
  return type <= schema::DType::MAX ? &kTypes[size_t(type)] : nullptr;
}

} // namespace

unsigned bitsOf(schema::DType type) {
  const TypeRow *row = rowOf(type);
  return row ? row->bits : 0;
}

const char *nameOf(schema::DType type) {
  const TypeRow *row = rowOf(type);
  return row ? row->name : "unknown";
}

bool bytesOf(schema::DType type, int64_t elements, int64_t &bytes) {
  unsigned bits = bitsOf(type);
  int64_t total = 0;
  if (bits == 0 || elements < 0 || !checkedMul(elements, bits, total) ||
      !checkedAdd(total, 7, total))
    return false;
  bytes = total / 8;
  return true;
}

} // namespace mmcc::runtime
