#include "runtime/executor/InputBinding.h"

#include "runtime/core/CheckedMath.h"
#include "runtime/core/DType.h"
#include "runtime/core/Expression.h"
#include "runtime/loader/ProgramVerifier.h"

namespace mmcc::runtime {

using namespace schema;

static Status invalid(std::string what) {
  return {Code::invalid_argument, std::move(what)};
}

static std::string nameOfInput(const Value &input) {
  return "input '" + input.name()->str() + "'";
}

bool tensorBytes(DType dtype, const int64_t *dims, uint32_t rank,
                 int64_t &bytes) {
  int64_t elements = 1;
  bool empty = false;
  for (uint32_t d = 0; d < rank; ++d) {
    if (dims[d] < 0)
      return false;
    empty |= dims[d] == 0;
    if (!empty && !checkedMul(elements, dims[d], elements))
      return false;
  }
  return bytesOf(dtype, empty ? 0 : elements, bytes);
}

bool isAligned(const void *data, DType dtype) {
  unsigned bytes = bitsOf(dtype) / 8;
  if (dtype == DType::complex64 || dtype == DType::complex128)
    bytes /= 2;
  return bytes == 0 || reinterpret_cast<uintptr_t>(data) % bytes == 0;
}

std::string dimensionText(const Entry &entry, uint32_t expression) {
  std::vector<const char *> names;
  for (uint32_t i = 0; i < lengthOf(entry.symbols()); ++i)
    names.push_back(entry.symbols()->Get(i)->name()->c_str());
  return textOf(expressionOf(entry, expression), names.data());
}

static Status checkTensor(const Value &input, const mmcc_tensor &tensor,
                          bool check_data) {
  if (input.kind() != ValueKind::tensor || bitsOf(input.dtype()) == 0)
    return {Code::unsupported,
            nameOfInput(input) + " is of a kind that this runtime cannot take"};
  DType given = DType(tensor.dtype);
  if (given == DType::undefined)
    return invalid(nameOfInput(input) + " is missing");
  if (given != input.dtype())
    return invalid(nameOfInput(input) + " is " + nameOf(input.dtype()) +
                   ", but " + nameOf(given) + " was given");
  uint32_t rank = lengthOf(input.dims());
  if (tensor.rank != rank)
    return invalid(nameOfInput(input) + " has " + std::to_string(rank) +
                   " dimensions, but " + std::to_string(tensor.rank) +
                   " were given");
  int64_t bytes = 0;
  if (!tensorBytes(input.dtype(), tensor.dims, rank, bytes))
    return invalid(nameOfInput(input) + " has an impossible shape");
  if (!check_data)
    return {};
  if (bytes > 0 && !tensor.data)
    return invalid(nameOfInput(input) + " is missing");
  if (tensor.bytes < uint64_t(bytes))
    return invalid(nameOfInput(input) + " needs " + std::to_string(bytes) +
                   " bytes, but " + std::to_string(tensor.bytes) +
                   " were given");
  if (!isAligned(tensor.data, input.dtype()))
    return invalid(nameOfInput(input) + " is not aligned to its elements");
  return {};
}

static bool isInRange(const Symbol &symbol, int64_t value) {
  return value >= symbol.lo() && (symbol.hi() < 0 || value <= symbol.hi()) &&
         (value - symbol.lo()) % symbol.step() == 0;
}

Status checkSymbol(const Symbol &symbol, int64_t value,
                   const std::string &what) {
  if (value < symbol.lo() || (symbol.hi() >= 0 && value > symbol.hi())) {
    std::string upper =
        symbol.hi() >= 0 ? " to " + std::to_string(symbol.hi()) : " or more";
    return invalid(what + " gives '" + symbol.name()->str() +
                   "' = " + std::to_string(value) + ", which must be " +
                   std::to_string(symbol.lo()) + upper);
  }
  if ((value - symbol.lo()) % symbol.step() != 0)
    return invalid(what + " gives '" + symbol.name()->str() +
                   "' = " + std::to_string(value) + ", which must be " +
                   std::to_string(symbol.lo()) + " plus a multiple of " +
                   std::to_string(symbol.step()));
  return {};
}

static Status bindSymbol(const Entry &entry, const Symbol &symbol,
                         Span<const mmcc_tensor> inputs, int64_t &value) {
  const Value &input = *entry.inputs()->Get(uint32_t(symbol.input()));
  int64_t extent = inputs[size_t(symbol.input())].dims[symbol.dim()];
  auto where = [&] {
    return nameOfInput(input) + ": dimension " + std::to_string(symbol.dim()) +
           " (" + std::to_string(extent) + ")";
  };
  int64_t scaled = 0;
  if (!checkedSub(extent, symbol.bias(), scaled) || scaled < 0 ||
      scaled % symbol.scale() != 0)
    return invalid(where() + " is not of the form " +
                   std::to_string(symbol.scale()) + "*" + symbol.name()->str() +
                   " + " + std::to_string(symbol.bias()));
  value = scaled / symbol.scale();
  // The message is put together only when it is needed: a call allocates
  // nothing.
  if (isInRange(symbol, value))
    return {};
  return checkSymbol(symbol, value, where());
}

static Status checkConstraint(const Entry &entry, const Constraint &constraint,
                              ExpressionValues &values) {
  int64_t lhs = 0, rhs = 0;
  bool known =
      values.get(constraint.lhs(), lhs) && values.get(constraint.rhs(), rhs);
  bool equality = constraint.kind() == ConstraintKind::equal;
  if (known && (equality ? lhs == rhs : lhs <= rhs))
    return {};
  std::string text = dimensionText(entry, constraint.lhs()) +
                     (equality ? " == " : " <= ") +
                     dimensionText(entry, constraint.rhs());
  if (!known)
    return invalid("the shapes of the inputs are impossible: " + text +
                   " overflows or divides by zero");
  if (constraint.message() && constraint.message()->size() > 0)
    text += " (" + constraint.message()->str() + ")";
  return invalid("the shapes of the inputs do not fit each other: " + text +
                 " does not hold for " + std::to_string(lhs) + " and " +
                 std::to_string(rhs));
}

Status bindInputs(const Entry &entry, Span<const mmcc_tensor> inputs,
                  bool check_data, int64_t state_length, Span<int64_t> symbols,
                  ExpressionValues &values) {
  uint32_t count = lengthOf(entry.inputs());
  if (inputs.size() != count)
    return invalid("the entry has " + std::to_string(count) + " inputs, but " +
                   std::to_string(inputs.size()) + " were given");
  for (uint32_t i = 0; i < count; ++i)
    MMCC_RETURN_IF_ERROR(
        checkTensor(*entry.inputs()->Get(i), inputs[i], check_data));
  for (uint32_t s = 0; s < symbols.size(); ++s) {
    const Symbol &symbol = *entry.symbols()->Get(s);
    symbols[s] = 0;
    if (symbol.origin() == SymbolOrigin::input_dim)
      MMCC_RETURN_IF_ERROR(bindSymbol(entry, symbol, inputs, symbols[s]));
    if (symbol.origin() == SymbolOrigin::state_length) {
      symbols[s] = state_length;
      if (!isInRange(symbol, state_length))
        return checkSymbol(symbol, state_length, "the state's length");
    }
  }
  values.forget();
  for (uint32_t i = 0; i < count; ++i) {
    const Value &input = *entry.inputs()->Get(i);
    for (uint32_t d = 0; d < lengthOf(input.dims()); ++d) {
      int64_t wanted = 0;
      if (values.get(input.dims()->Get(d), wanted) &&
          wanted == inputs[i].dims[d])
        continue;
      return invalid(nameOfInput(input) + ": dimension " + std::to_string(d) +
                     " is " + std::to_string(inputs[i].dims[d]) +
                     ", but must be " +
                     dimensionText(entry, input.dims()->Get(d)) + " = " +
                     std::to_string(wanted));
    }
  }
  for (uint32_t i = 0; i < lengthOf(entry.constraints()); ++i)
    MMCC_RETURN_IF_ERROR(
        checkConstraint(entry, *entry.constraints()->Get(i), values));
  return {};
}

} // namespace mmcc::runtime
