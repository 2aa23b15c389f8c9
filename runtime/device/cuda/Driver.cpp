#include "runtime/device/cuda/Driver.h"

#include <dlfcn.h>

namespace mmcc::runtime::cuda {

namespace {

/// The driver, or why there is none; found out once.
struct Opened {
  Driver driver = {};
  Status status;

  Opened() : status(open()) {}

  Status open() {
    constexpr const char *library = "libcuda.so.1";
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      const char *reason = dlerror();
      return {Code::no_device, std::string("there is no CUDA driver: ") +
                                   (reason ? reason : library)};
    }
    const char *lacking = nullptr;
    auto find = [&](const char *symbol) {
      void *function = dlsym(handle, symbol);
      if (!function && !lacking)
        lacking = symbol;
      return function;
    };
#define MMCC_CUDA_FIND(name, symbol, parameters)                               \
  driver.name = reinterpret_cast<decltype(driver.name)>(find(symbol));
    MMCC_CUDA_FUNCTIONS(MMCC_CUDA_FIND)
#undef MMCC_CUDA_FIND
    if (lacking)
      return {Code::no_device,
              std::string("the CUDA driver is too old: it has no ") + lacking};
    if (Result result = driver.init(0))
      return {
          Code::no_device,
          driver.failure(result, "the CUDA driver does not start").message()};
    return {};
  }
};

} // namespace

Status Driver::open(const Driver *&driver) {
  static const Opened opened;
  driver = opened.status.ok() ? &opened.driver : nullptr;
  return opened.status;
}

Status Driver::failure(Result result, const std::string &what) const {
  const char *name = nullptr, *text = nullptr;
  if (errorName(result, &name) || !name)
    name = "unknown";
  if (errorText(result, &text) || !text)
    text = "error";
  return {result == kOutOfMemory ? Code::out_of_memory : Code::no_device,
          what + ": " + text + " (" + name + ", " + std::to_string(result) +
              ")"};
}

} // namespace mmcc::runtime::cuda
