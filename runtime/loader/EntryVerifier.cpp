#include "runtime/core/DType.h"
#include "runtime/core/Expression.h"
#include "runtime/loader/PanelColumns.h"
#include "runtime/loader/ProgramVerifier.h"

#include <cstring>
#include <string_view>
#include <unordered_set>

namespace mmcc::runtime {

using namespace schema;

static Status invalid(std::string what) {
  return {Code::invalid_file, std::move(what)};
}

static std::string numbered(const char *what, size_t index) {
  return std::string(what) + " " + std::to_string(index);
}

/// The C interface hands names out as terminated strings.
static bool isName(const flatbuffers::String &text) {
  return text.size() > 0 && std::memchr(text.data(), 0, text.size()) == nullptr;
}

static Status verifyExpressions(const Entry &entry) {
  constexpr uint32_t max_words = 1024;
  uint32_t begin = 0, words = lengthOf(entry.expr_code());
  if (!elementsAligned(entry.expr_code()))
    return invalid("the expression table is not aligned");
  for (uint32_t i = 0; i < lengthOf(entry.expr_end()); ++i) {
    uint32_t end = entry.expr_end()->Get(i);
    if (end < begin || end > words || end - begin > max_words)
      return invalid(numbered("expression", i) + " has an impossible length");
    if (end == begin)
      return invalid(numbered("expression", i) + " is empty");
    if (const char *problem =
            checkExpression({entry.expr_code()->data() + begin, end - begin},
                            lengthOf(entry.symbols())))
      return invalid(numbered("expression", i) + " " + problem);
    begin = end;
  }
  if (begin != words)
    return invalid("the expression table has words that belong to none");
  return {};
}

static Status
verifyValues(const Entry &entry,
             const flatbuffers::Vector<flatbuffers::Offset<Value>> *values,
             const char *what) {
  std::unordered_set<std::string_view> names;
  for (uint32_t i = 0; i < lengthOf(values); ++i) {
    const Value &value = *values->Get(i);
    if (value.dtype() > DType::MAX || value.dtype() == DType::undefined)
      return invalid(numbered(what, i) + " has an unknown element type");
    if (value.kind() > ValueKind::MAX)
      return invalid(numbered(what, i) + " is of an unknown kind");
    if (lengthOf(value.dims()) > kMaxRank)
      return invalid(numbered(what, i) + " has more than 16 dimensions");
    for (uint32_t d = 0; d < lengthOf(value.dims()); ++d)
      if (value.dims()->Get(d) >= lengthOf(entry.expr_end()))
        return invalid(numbered(what, i) + ": " + numbered("dimension", d) +
                       " is an expression that does not exist");
    if (!isName(*value.name()))
      return invalid(numbered(what, i) + " has an impossible name");
    if (!names.insert({value.name()->data(), value.name()->size()}).second)
      return invalid(numbered(what, i) + " repeats another one's name");
  }
  return {};
}

static Status verifySymbols(const Entry &entry) {
  for (uint32_t i = 0; i < lengthOf(entry.symbols()); ++i) {
    const Symbol &symbol = *entry.symbols()->Get(i);
    std::string where = numbered("symbol", i);
    if (symbol.lo() < 0 || (symbol.hi() != -1 && symbol.hi() < symbol.lo()) ||
        symbol.step() < 1)
      return invalid(where + " has an impossible range");
    if (symbol.origin() > SymbolOrigin::MAX)
      return invalid(where + " is defined in an unknown way");
    if (symbol.origin() == SymbolOrigin::input_dim) {
      if (symbol.input() < 0 ||
          uint32_t(symbol.input()) >= lengthOf(entry.inputs()))
        return invalid(where + " comes from an input that does not exist");
      const Value &input = *entry.inputs()->Get(uint32_t(symbol.input()));
      if (symbol.dim() < 0 || uint32_t(symbol.dim()) >= lengthOf(input.dims()))
        return invalid(where + " comes from a dimension that does not exist");
      if (symbol.scale() < 1)
        return invalid(where + " has a scale that is not positive");
    }
    if (symbol.origin() == SymbolOrigin::state_length &&
        (symbol.input() < 0 ||
         uint32_t(symbol.input()) >= lengthOf(entry.states())))
      return invalid(where + " comes from a state that does not exist");
  }
  return {};
}

static Status verifyBuffer(const Program &program, const Entry &entry,
                           const Buffer &buffer, const std::string &where) {
  uint32_t expressions = lengthOf(entry.expr_end());
  if (buffer.space() > MemorySpace::MAX)
    return invalid(where + " lies in an unknown memory");
  if (buffer.size() >= expressions || buffer.offset() < -1 ||
      (buffer.offset() >= 0 && uint32_t(buffer.offset()) >= expressions))
    return invalid(where + " refers to an expression that does not exist");
  if (buffer.offset() >= 0 && buffer.kind() != BufferKind::arena)
    return invalid(where + " has an offset but is not in the arena");
  if (buffer.align() == 0 || (buffer.align() & (buffer.align() - 1)) != 0 ||
      buffer.align() > 4096)
    return invalid(where + " has an impossible alignment");
  uint32_t limit = 0;
  const bool is_turned =
      buffer.columns() || buffer.rounded() != DType::undefined;
  switch (buffer.kind()) {
  case BufferKind::arena: {
    if (is_turned)
      return invalid(where + " has no panels that could be columns");
    uint32_t commands = 0;
    if (lengthOf(entry.blocks()) > 0)
      commands = lengthOf(entry.blocks()->Get(0)->commands());
    if (buffer.first_command() > buffer.last_command() ||
        buffer.last_command() >= commands)
      return invalid(where + " has an impossible lifetime");
    return {};
  }
  case BufferKind::input:
    limit = lengthOf(entry.inputs());
    break;
  case BufferKind::output:
    limit = lengthOf(entry.outputs());
    break;
  case BufferKind::constant:
    limit = lengthOf(program.constants());
    break;
  case BufferKind::state:
    limit = lengthOf(entry.states());
    break;
  default:
    return invalid(where + " is of an unknown kind");
  }
  if (buffer.index() >= limit)
    return invalid(where + " refers to something that does not exist");
  PanelColumns columns;
  if (is_turned &&
      (!buffer.columns() || buffer.kind() != BufferKind::constant ||
       !PanelColumns::of(*program.constants()->Get(buffer.index()),
                         buffer.rounded(), columns)))
    return invalid(where + " has no panels that could be columns");
  return {};
}

Status verifyEntry(const Program &program, const Entry &entry) {
  if (!isName(*entry.name()))
    return invalid("its name is empty or contains a zero");
  MMCC_RETURN_IF_ERROR(verifyExpressions(entry));
  MMCC_RETURN_IF_ERROR(verifyValues(entry, entry.inputs(), "input"));
  MMCC_RETURN_IF_ERROR(verifyValues(entry, entry.outputs(), "output"));
  MMCC_RETURN_IF_ERROR(verifySymbols(entry));
  uint32_t expressions = lengthOf(entry.expr_end());
  for (uint32_t i = 0; i < lengthOf(entry.constraints()); ++i) {
    const Constraint &constraint = *entry.constraints()->Get(i);
    if (constraint.kind() > ConstraintKind::MAX ||
        constraint.lhs() >= expressions || constraint.rhs() >= expressions)
      return invalid(numbered("constraint", i) +
                     " refers to something that does not exist");
  }
  MMCC_RETURN_IF_ERROR(verifyStates(entry));
  if (entry.plain() && !isName(*entry.plain()))
    return invalid("its plain form has an impossible name");
  for (uint32_t i = 0; i < lengthOf(entry.buffers()); ++i)
    MMCC_RETURN_IF_ERROR(verifyBuffer(program, entry, *entry.buffers()->Get(i),
                                      numbered("buffer", i)));
  return {};
}

} // namespace mmcc::runtime
