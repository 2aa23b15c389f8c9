// What an entry keeps from call to call.

#include "runtime/core/Expression.h"
#include "runtime/loader/ProgramVerifier.h"

#include <cstring>
#include <string_view>
#include <unordered_set>

namespace mmcc::runtime {

using namespace schema;

/// Bounds under which a head's block is far from overflowing.
constexpr int64_t kMostHeads = 1 << 20, kMostWidth = 1 << 20;
constexpr uint32_t kMostBlockTokens = 1 << 16, kMostStates = 1 << 16;

static bool isConstantUpTo(const Entry &entry, uint32_t expression,
                           int64_t most) {
  Span<const int64_t> code = expressionOf(entry, expression);
  return code.size() == 2 && code[0] == int64_t(ExprOp::constant) &&
         code[1] >= 1 && code[1] <= most;
}

Status verifyStates(const Entry &entry) {
  std::unordered_set<std::string_view> names;
  uint32_t expressions = lengthOf(entry.expr_end());
  auto invalid = [](uint32_t i, const char *what) -> Status {
    return {Code::invalid_file, "state " + std::to_string(i) + " " + what};
  };
  if (lengthOf(entry.states()) > kMostStates)
    return invalid(kMostStates, "is one too many");
  for (uint32_t i = 0; i < lengthOf(entry.states()); ++i) {
    const State &state = *entry.states()->Get(i);
    const auto *name = state.name();
    if (name->size() == 0 || std::memchr(name->data(), 0, name->size()))
      return invalid(i, "has an impossible name");
    if (!names.insert({name->data(), name->size()}).second)
      return invalid(i, "repeats another one's name");
    bool narrow =
        state.dtype() == DType::i8 || state.dtype() == DType::f8e4m3fn;
    if (!narrow && state.dtype() != DType::f32 && state.dtype() != DType::f16)
      return invalid(i, "is of a type that is not kept");
    if (state.scaled() != narrow)
      return invalid(i, "has scales where there are none, or none");
    if (lengthOf(state.dims()) != 3)
      return invalid(i, "has an impossible type");
    for (uint32_t d = 0; d < 3; ++d)
      if (state.dims()->Get(d) >= expressions)
        return invalid(i, "refers to an expression that does not exist");
    if (!isConstantUpTo(entry, state.dims()->Get(1), kMostHeads) ||
        !isConstantUpTo(entry, state.dims()->Get(2), kMostWidth))
      return invalid(i, "has heads or elements that are no fixed number");
    if (state.appended() >= expressions)
      return invalid(i, "refers to an expression that does not exist");
    uint32_t tokens = state.block_tokens();
    if (tokens < 16 || tokens > kMostBlockTokens ||
        (tokens & (tokens - 1)) != 0 ||
        tokens != entry.states()->Get(0)->block_tokens())
      return invalid(i, "has blocks of an impossible size");
  }
  return {};
}

} // namespace mmcc::runtime
