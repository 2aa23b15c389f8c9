//===- Status.h - Outcome of a runtime operation ----------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_CORE_STATUS_H
#define MMCC_RUNTIME_CORE_STATUS_H

#include <string>
#include <utility>

namespace mmcc::runtime {

/// The values are those of mmcc_code in mmcc/runtime.h.
enum class Code : int {
  ok = 0,
  invalid_argument = 1,
  invalid_file = 2,
  unsupported = 3,
  no_device = 4,
  out_of_memory = 5,
  io_error = 6,
  not_found = 7,
};

/// Success, or a code and a message for people.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Code code, std::string message)
      : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  const std::string &message() const { return message_; }

private:
  Code code_ = Code::ok;
  std::string message_;
};

} // namespace mmcc::runtime

/// Returns from the enclosing function when `expr` is a failed Status.
#define MMCC_RETURN_IF_ERROR(expr)                                             \
  do {                                                                         \
    if (::mmcc::runtime::Status status_ = (expr); !status_.ok())               \
      return status_;                                                          \
  } while (false)

#endif // MMCC_RUNTIME_CORE_STATUS_H
