//===- ApiHandles.h - What the C interface's handles are --------*- C++ -*-===//

#ifndef MMCC_RUNTIME_EXECUTOR_APIHANDLES_H
#define MMCC_RUNTIME_EXECUTOR_APIHANDLES_H

#include "runtime/executor/Session.h"
#include "runtime/executor/State.h"

#include <algorithm>
#include <cstring>
#include <new>

struct mmcc_model {
  std::shared_ptr<mmcc::runtime::Artifact> artifact;
  std::shared_ptr<const mmcc::runtime::GpuProgram> gpu; // null on a CPU
};

struct mmcc_session {
  mmcc::runtime::Session session;
};

struct mmcc_state {
  std::unique_ptr<mmcc::runtime::State> state;
};

namespace mmcc::runtime {

/// Text from a file may hold anything; a message is one printable line.
inline mmcc_code report(mmcc_code code, const char *text, size_t length,
                        mmcc_error *error) {
  if (!error)
    return code;
  error->code = code;
  size_t count = std::min(length, sizeof(error->message) - 1);
  for (size_t i = 0; i < count; ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    error->message[i] = c < 0x20 || c == 0x7f ? '?' : char(c);
  }
  error->message[count] = '\0';
  return code;
}

template <typename Function>
mmcc_code guarded(mmcc_error *error, Function function) {
  try {
    Status status = function();
    if (status.ok())
      return MMCC_OK;
    return report(mmcc_code(status.code()), status.message().data(),
                  status.message().size(), error);
  } catch (const std::exception &) {
    // Of what the library uses only memory can run out.
    static constexpr char text[] = "out of memory";
    return report(MMCC_OUT_OF_MEMORY, text, sizeof(text) - 1, error);
  }
}

inline Status missing(const char *what) {
  return {Code::invalid_argument, std::string(what) + " is null"};
}

/// Copies the options a caller of any version gave over the defaults.
template <typename Options> Options optionsOf(const Options *given) {
  Options options = {};
  if (given)
    std::memcpy(&options, given,
                std::min<size_t>(given->struct_bytes, sizeof(options)));
  return options;
}

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_APIHANDLES_H
