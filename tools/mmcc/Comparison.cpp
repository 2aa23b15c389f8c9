//===- Comparison.cpp - Whether two tensors are equal ---------------------===//

#include "tools/mmcc/Comparison.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <cstring>

using namespace mmcc;

/// Null for what is not compared as floating point.
static const llvm::fltSemantics *floatSemantics(mmcc_dtype dtype) {
  switch (dtype) {
  case MMCC_F32:
    return &llvm::APFloat::IEEEsingle();
  case MMCC_F64:
    return &llvm::APFloat::IEEEdouble();
  case MMCC_F16:
    return &llvm::APFloat::IEEEhalf();
  case MMCC_BF16:
    return &llvm::APFloat::BFloat();
  case MMCC_F8E4M3FN:
    return &llvm::APFloat::Float8E4M3FN();
  case MMCC_F8E4M3FNUZ:
    return &llvm::APFloat::Float8E4M3FNUZ();
  case MMCC_F8E5M2:
    return &llvm::APFloat::Float8E5M2();
  case MMCC_F8E5M2FNUZ:
    return &llvm::APFloat::Float8E5M2FNUZ();
  default:
    return nullptr;
  }
}

static int64_t countElements(const Tensor &tensor) {
  int64_t count = 1;
  for (uint32_t i = 0; i < tensor.rank; ++i)
    count *= tensor.dims[i];
  return count;
}

static std::string describeShape(const Tensor &tensor) {
  std::string text = std::string(mmcc_dtype_name(tensor.dtype)) + " [";
  for (uint32_t i = 0; i < tensor.rank; ++i)
    text += (i ? ", " : "") + std::to_string(tensor.dims[i]);
  return text + "]";
}

static double readFloat(const llvm::fltSemantics &semantics,
                        const Tensor &tensor, int64_t index) {
  unsigned bits = llvm::APFloat::semanticsSizeInBits(semantics);
  uint64_t word = 0;
  std::memcpy(&word,
              static_cast<const char *>(tensor.data) + index * (bits / 8),
              bits / 8);
  llvm::APFloat value(semantics, llvm::APInt(bits, word));
  bool loses;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven,
                &loses);
  return value.convertToDouble();
}

static double difference(double actual, double expected) {
  if (std::isnan(actual) && std::isnan(expected))
    return 0;
  if (actual == expected)
    return 0;
  double off = std::fabs(actual - expected); // NaN where only one is
  return std::isnan(off) ? HUGE_VAL : off;
}

Comparison mmcc::compare(const Tensor &actual, const Tensor &expected,
                         Tolerance tolerance) {
  Comparison result;
  if (actual.dtype != expected.dtype || actual.rank != expected.rank ||
      !std::equal(actual.dims, actual.dims + actual.rank, expected.dims)) {
    result.equal = false;
    result.worst = HUGE_VAL;
    result.sqnr = -HUGE_VAL;
    result.detail =
        describeShape(actual) + " instead of " + describeShape(expected);
    return result;
  }
  const llvm::fltSemantics *semantics = floatSemantics(actual.dtype);
  if (!semantics) {
    result.equal = actual.bytes == expected.bytes &&
                   !std::memcmp(actual.data, expected.data, actual.bytes);
    result.worst = result.equal ? 0 : HUGE_VAL;
    result.sqnr = result.equal ? HUGE_VAL : -HUGE_VAL;
    result.detail = result.equal ? "" : describeShape(actual) + " differs";
    return result;
  }
  int64_t count = countElements(actual), place = 0;
  double signal = 0, noise = 0;
  for (int64_t i = 0; i < count; ++i) {
    double a = readFloat(*semantics, actual, i);
    double e = readFloat(*semantics, expected, i);
    double off = difference(a, e);
    if (off > tolerance.absolute + tolerance.relative * std::fabs(e))
      result.equal = false;
    signal += std::isfinite(e) ? e * e : 0;
    noise += off * off;
    if (off > result.worst) {
      result.worst = off;
      place = i;
    }
  }
  if (count == 0)
    return result;
  if (noise > 0)
    result.sqnr = 10 * std::log10(signal / noise);
  if (tolerance.sqnr)
    result.equal = result.sqnr >= *tolerance.sqnr;
  llvm::raw_string_ostream os(result.detail);
  os << llvm::format("element %lld is %.9g instead of %.9g", (long long)place,
                     readFloat(*semantics, actual, place),
                     readFloat(*semantics, expected, place));
  if (tolerance.sqnr)
    os << llvm::format(", SQNR %.1f dB", result.sqnr);
  return result;
}
