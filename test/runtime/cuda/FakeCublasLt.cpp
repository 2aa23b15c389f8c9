//===- FakeCublasLt.cpp - A libcublasLt.so.13 for the fake GPU ------------===//
//
// The runtime opens it as it opens NVIDIA's. It multiplies what lies in the
// fake driver's memory (FakeDriver.cpp), in f64, when the stream comes to it.
//
//   * Matrices that leave the GPU's memory, types and epilogues that do not go
//     together (D's type is C's and the bias's), and choices made for another
//     product are refused.
//   * What a choice says that it needs of a workspace is written to.
//   * More than 100 rows take two kernels, fewer one, so that graphs differ.
//   * What has not run yet would load code, which is refused while a stream is
//     recorded.
//   * What is still there when the process ends is an error.
//
// FAKE_CUBLASLT_VERSION (130101) says which one it is, FAKE_CUBLASLT_REFUSE=1
// that it can do nothing, FAKE_CUBLASLT_FAIL=SYMBOL:N fails the Nth call of a
// function, FAKE_CUBLASLT_FASTEST=I makes the Ith choice of a product's the one
// that does not dawdle, and FAKE_CUBLASLT_LOG=FILE gets a line a product.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using Status = int;
using Work = std::function<int()>;

constexpr Status kSuccess = 0, kAllocFailed = 3, kInvalidValue = 7,
                 kExecutionFailed = 13, kNotSupported = 15;
constexpr int kF32 = 0, kF16 = 2, kBf16 = 14;
bool isHalf(int type) { return type == kF16 || type == kBf16; }

struct Operation {
  int compute, scale;
  int transpose_a = 0, transpose_b = 0;
  uint32_t epilogue = 1;
  uint64_t bias = 0;
};
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t stride;

  uint64_t bytesOfElement() const { return type == kF32 ? 4 : 2; }
  uint64_t bytes() const {
    return ((columns - 1) * uint64_t(stride) + rows) * bytesOfElement();
  }
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t alignments[4] = {256, 256, 256, 256};
};
struct Algorithm {
  uint64_t data[8]; // magic, choice, the product's sizes, type and epilogue
};
struct Choice {
  Algorithm algorithm;
  size_t workspace;
  Status state;
  float waves;
  int reserved[4];
};

constexpr uint64_t kMagic = 0x6d6d63632d6c74;
constexpr int kChoices = 5;

std::string setting(const char *name, const char *otherwise) {
  const char *value = std::getenv(name);
  return value ? value : otherwise;
}

/// What there is of the library's own, and what the driver gives it.
struct Library {
  long handles = 0, operations = 0, layouts = 0, preferences = 0;
  int (*enqueue)(void *, const Work *);
  int (*has)(unsigned long long, size_t);
  int (*isRecorded)(void *);
  std::set<std::vector<uint64_t>> loaded; // algorithms that have run

  Library() {
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    auto find = [&](auto &function, const char *name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(
          driver ? dlsym(driver, name) : nullptr);
      if (!function)
        std::fprintf(stderr, "fake cuBLASLt: no %s\n", name);
    };
    find(enqueue, "mmcc_fake_enqueue");
    find(has, "mmcc_fake_has");
    find(isRecorded, "mmcc_fake_is_recorded");
  }
  ~Library() {
    if (!handles && !operations && !layouts && !preferences)
      return;
    std::fprintf(stderr,
                 "fake cuBLASLt: %ld handles, %ld operations, %ld layouts, %ld "
                 "preferences left\n",
                 handles, operations, layouts, preferences);
    _exit(86);
  }
};

Library &library() {
  static Library library;
  return library;
}

/// Whether this call of `symbol` is the one that is to fail.
bool isToFail(const char *symbol) {
  static const std::string wanted = setting("FAKE_CUBLASLT_FAIL", "");
  static int calls = 0;
  size_t colon = wanted.find(':');
  return colon != std::string::npos && wanted.substr(0, colon) == symbol &&
         ++calls == std::stoi(wanted.substr(colon + 1));
}

float widened(const char *at, int type) {
  if (type == kF16) {
    _Float16 half;
    std::memcpy(&half, at, 2);
    return float(half);
  }
  uint32_t bits = 0;
  std::memcpy(type == kF32 ? reinterpret_cast<char *>(&bits)
                           : reinterpret_cast<char *>(&bits) + 2,
              at, type == kF32 ? 4 : 2);
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

void store(double value, char *at, int type) {
  float narrow = float(value);
  uint32_t bits;
  std::memcpy(&bits, &narrow, 4);
  if (type == kF16) {
    const auto half = _Float16(narrow);
    std::memcpy(at, &half, 2);
  } else if (type == kBf16) {
    bits += 0x7fff + (bits >> 16 & 1);
    std::memcpy(at, reinterpret_cast<char *>(&bits) + 2, 2);
  } else {
    std::memcpy(at, &bits, 4);
  }
}

double activated(double x, uint32_t epilogue) {
  if (epilogue & 2)
    return std::max(x, 0.0);
  if (epilogue & 32)
    return 0.5 * x *
           (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  return x;
}

/// One product, column-major: D = activation(A^T B + beta C + bias).
struct Product {
  const char *a, *b, *c, *bias;
  char *d;
  Layout a_layout, b_layout, d_layout;
  float beta;
  uint32_t epilogue;

  /// Columns begin to end of an operand.
  static std::vector<double> columns(const char *from, const Layout &layout,
                                     uint64_t begin, uint64_t end) {
    std::vector<double> numbers;
    for (uint64_t i = begin; i < end; ++i)
      for (uint64_t k = 0; k < layout.rows; ++k)
        numbers.push_back(double(widened(
            from + 2 * (i * uint64_t(layout.stride) + k), layout.type)));
    return numbers;
  }
  /// Columns begin to end of D.
  void compute(uint64_t begin, uint64_t end) const {
    uint64_t width = d_layout.bytesOfElement(), depth = a_layout.rows;
    const std::vector<double> left = columns(a, a_layout, 0, d_layout.rows),
                              right = columns(b, b_layout, begin, end);
    for (uint64_t j = begin; j < end; ++j)
      for (uint64_t i = 0; i < d_layout.rows; ++i) {
        double sum = 0;
        for (uint64_t k = 0; k < depth; ++k)
          sum += left[i * depth + k] * right[(j - begin) * depth + k];
        uint64_t at = (j * uint64_t(d_layout.stride) + i) * width;
        if (beta != 0)
          sum += double(beta) * double(widened(c + at, d_layout.type));
        if (epilogue & 4)
          sum += double(widened(bias + i * width, d_layout.type));
        store(activated(sum, epilogue), d + at, d_layout.type);
      }
  }
};

/// Whether the library can do it at all.
bool isSupported(const Operation &operation, const Layout &a, const Layout &b,
                 const Layout &c, const Layout &d) {
  constexpr int compute_f32 = 68;
  static const bool refuses = setting("FAKE_CUBLASLT_REFUSE", "") == "1";
  bool is_epilogue = false;
  for (uint32_t known : {1, 2, 4, 6, 32, 36})
    is_epilogue |= operation.epilogue == known;
  return !refuses && is_epilogue && operation.compute == compute_f32 &&
         operation.scale == kF32 && operation.transpose_a == 1 &&
         operation.transpose_b == 0 && isHalf(a.type) && b.type == a.type &&
         (d.type == kF32 || d.type == a.type) && c.type == d.type &&
         c.rows == d.rows && c.columns == d.columns && a.rows == b.rows &&
         a.columns == d.rows && b.columns == d.columns &&
         a.stride >= int64_t(a.rows) && b.stride >= int64_t(b.rows) &&
         d.stride >= int64_t(d.rows) && a.stride % 8 == 0 &&
         b.stride % 8 == 0 && d.stride % 8 == 0;
}

Algorithm algorithmOf(uint64_t choice, const Operation &operation,
                      const Layout &a, const Layout &d) {
  return {{kMagic, choice, a.rows, d.rows, d.columns, uint64_t(d.type),
           operation.epilogue, 0}};
}

/// One of the choices takes no workspace.
size_t workspaceOf(uint64_t choice) {
  return choice == 3 ? 0 : size_t(choice + 1) << 16;
}

} // namespace

#define FAKE extern "C" __attribute__((visibility("default"))) Status
#define ENTER                                                                  \
  if (isToFail(__func__))                                                      \
  return kAllocFailed

extern "C" __attribute__((visibility("default"))) size_t cublasLtGetVersion() {
  return std::stoul(setting("FAKE_CUBLASLT_VERSION", "130101"));
}
extern "C" __attribute__((visibility("default"))) const char *
cublasLtGetStatusName(Status status) {
  return status == kAllocFailed    ? "CUBLAS_STATUS_ALLOC_FAILED"
         : status == kInvalidValue ? "CUBLAS_STATUS_INVALID_VALUE"
                                   : "CUBLAS_STATUS_OF_THE_FAKE";
}

FAKE cublasLtCreate(long **handle) {
  ENTER;
  *handle = &library().handles;
  ++library().handles;
  return kSuccess;
}
FAKE cublasLtDestroy(long *handle) {
  --*handle;
  return kSuccess;
}

FAKE cublasLtMatmulDescCreate(Operation **operation, int compute, int scale) {
  ENTER;
  *operation = new Operation{compute, scale};
  ++library().operations;
  return kSuccess;
}
FAKE cublasLtMatmulDescDestroy(Operation *operation) {
  delete operation;
  --library().operations;
  return kSuccess;
}
FAKE cublasLtMatmulDescSetAttribute(Operation *operation, int attribute,
                                    const void *value, size_t bytes) {
  ENTER;
  void *target = attribute == 3   ? &operation->transpose_a
                 : attribute == 4 ? &operation->transpose_b
                 : attribute == 7 ? static_cast<void *>(&operation->epilogue)
                 : attribute == 8 ? &operation->bias
                                  : nullptr;
  if (!target || bytes != (attribute == 8 ? 8 : 4))
    return kInvalidValue;
  std::memcpy(target, value, bytes);
  return kSuccess;
}

FAKE cublasLtMatrixLayoutCreate(Layout **layout, int type, uint64_t rows,
                                uint64_t columns, int64_t stride) {
  ENTER;
  if (!rows || !columns || stride < int64_t(rows))
    return kInvalidValue;
  *layout = new Layout{type, rows, columns, stride};
  ++library().layouts;
  return kSuccess;
}
FAKE cublasLtMatrixLayoutDestroy(Layout *layout) {
  delete layout;
  --library().layouts;
  return kSuccess;
}

FAKE cublasLtMatmulPreferenceCreate(Preference **preference) {
  ENTER;
  *preference = new Preference;
  ++library().preferences;
  return kSuccess;
}
FAKE cublasLtMatmulPreferenceDestroy(Preference *preference) {
  delete preference;
  --library().preferences;
  return kSuccess;
}
FAKE cublasLtMatmulPreferenceSetAttribute(Preference *preference, int attribute,
                                          const void *value, size_t bytes) {
  ENTER;
  if (attribute == 1 && bytes == 8)
    std::memcpy(&preference->workspace, value, 8);
  else if (attribute >= 5 && attribute <= 8 && bytes == 4)
    std::memcpy(&preference->alignments[attribute - 5], value, 4);
  else
    return kInvalidValue;
  return kSuccess;
}

FAKE cublasLtMatmulAlgoGetHeuristic(long *, Operation *operation, Layout *a,
                                    Layout *b, Layout *c, Layout *d,
                                    Preference *preference, int asked,
                                    Choice *choices, int *given) {
  ENTER;
  *given = 0;
  if (!isSupported(*operation, *a, *b, *c, *d) || asked < 1)
    return kNotSupported;
  for (uint32_t alignment : preference->alignments)
    if (alignment < 16)
      return kNotSupported;
  for (uint64_t i = 0; i < kChoices && *given < asked; ++i)
    if (workspaceOf(i) <= preference->workspace)
      choices[(*given)++] = {
          algorithmOf(i, *operation, *a, *d), workspaceOf(i), kSuccess, 1, {}};
  return kSuccess;
}

FAKE cublasLtMatmulAlgoCheck(long *, Operation *operation, Layout *a, Layout *b,
                             Layout *c, Layout *d, const Algorithm *algorithm,
                             Choice *choice) {
  ENTER;
  if (!isSupported(*operation, *a, *b, *c, *d))
    return kNotSupported;
  uint64_t which = algorithm->data[1];
  Algorithm known = algorithmOf(which, *operation, *a, *d);
  if (which >= kChoices || std::memcmp(&known, algorithm, sizeof(known)))
    return kInvalidValue;
  *choice = {{}, workspaceOf(which), kSuccess, 1, {}};
  return kSuccess;
}

FAKE cublasLtMatmul(long *, Operation *operation, const float *alpha,
                    const void *a, Layout *a_layout, const void *b,
                    Layout *b_layout, const float *beta, const void *c,
                    Layout *c_layout, void *d, Layout *d_layout,
                    const Algorithm *algorithm, void *workspace,
                    size_t workspace_bytes, void *stream) {
  ENTER;
  if (!isSupported(*operation, *a_layout, *b_layout, *c_layout, *d_layout) ||
      *alpha != 1 || (*beta != 0 && *beta != 1))
    return kNotSupported;
  uint64_t which = algorithm->data[1];
  Algorithm known = algorithmOf(which, *operation, *a_layout, *d_layout);
  auto has = [](const void *address, size_t bytes) {
    auto at = reinterpret_cast<unsigned long long>(address);
    return at % 16 == 0 && library().has(at, bytes);
  };
  const void *bias = reinterpret_cast<const void *>(operation->bias);
  bool adds_bias = operation->epilogue & 4;
  if (which >= kChoices || std::memcmp(&known, algorithm, sizeof(known)) ||
      !has(a, a_layout->bytes()) || !has(b, b_layout->bytes()) ||
      !has(d, d_layout->bytes()) ||
      (*beta != 0 && !has(c, c_layout->bytes())) ||
      (adds_bias && !has(bias, d_layout->rows * d_layout->bytesOfElement())) ||
      workspace_bytes < workspaceOf(which) ||
      (workspace_bytes && !has(workspace, workspace_bytes)))
    return kInvalidValue;
  std::vector<uint64_t> code(algorithm->data, algorithm->data + 8);
  if (library().isRecorded(stream) && !library().loaded.count(code))
    return kExecutionFailed;
  library().loaded.insert(code);
  if (std::string log = setting("FAKE_CUBLASLT_LOG", ""); !log.empty())
    if (std::FILE *file = std::fopen(log.c_str(), "a")) {
      std::fprintf(file,
                   "%llu x %llu x %llu epilogue %u beta %g type %d %llu\n",
                   (unsigned long long)d_layout->columns,
                   (unsigned long long)d_layout->rows,
                   (unsigned long long)a_layout->rows, operation->epilogue,
                   double(*beta), d_layout->type, (unsigned long long)which);
      std::fclose(file);
    }
  Product product = {static_cast<const char *>(a),
                     static_cast<const char *>(b),
                     static_cast<const char *>(c),
                     static_cast<const char *>(bias),
                     static_cast<char *>(d),
                     *a_layout,
                     *b_layout,
                     *d_layout,
                     *beta,
                     operation->epilogue};
  static const uint64_t fastest =
      std::stoul(setting("FAKE_CUBLASLT_FASTEST", "1000"));
  constexpr uint64_t most_of_one = 100;
  uint64_t columns = d_layout->columns,
           middle = columns > most_of_one ? columns / 2 : columns;
  const Work first = [=] {
    std::memset(workspace, 0xff, workspace_bytes);
    if (fastest < kChoices && which != fastest)
      usleep(20000);
    product.compute(0, middle);
    return 0;
  };
  const Work second = [=] {
    product.compute(middle, columns);
    return 0;
  };
  if (library().enqueue(stream, &first) ||
      (middle < columns && library().enqueue(stream, &second)))
    return kExecutionFailed;
  return kSuccess;
}
