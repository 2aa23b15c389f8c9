//===- ProgramFacts.cpp - Commands, buffers and what waits for what -------===//

#include "compiler/report/ProgramFacts.h"
#include "codegen/artifact/Printer.h"
#include "runtime/core/Expression.h"
#include <map>
#include <set>

using namespace mmcc;
using namespace mmcc::schema;
using runtime::lengthOf;
namespace json = llvm::json;

namespace {

json::Value textOf(const flatbuffers::String *text) {
  return json::fixUTF8(text ? text->str() : std::string());
}

class EntryFacts {
public:
  EntryFacts(const Variant &variant, const Entry &entry,
             const std::vector<int64_t> &symbols)
      : variant(variant), entry(entry), symbols(symbols) {}

  json::Object run() {
    json::Array commands, buffers;
    if (lengthOf(entry.blocks()) > 0)
      for (uint32_t i = 0; i < lengthOf(entry.blocks()->Get(0)->commands());
           ++i)
        commands.push_back(
            describe(i, *entry.blocks()->Get(0)->commands()->Get(i)));
    int64_t bytes = 0;
    for (uint32_t i = 0; i < lengthOf(entry.buffers()); ++i)
      describe(*entry.buffers()->Get(i), buffers, bytes);
    artifact::ArenaNeed need = artifact::arenaNeed(entry);
    return json::Object{
        {"commands", std::move(commands)},
        {"buffers", std::move(buffers)},
        {"arena", json::Object{{"bytes", bytes}, {"live", need.live_bytes}}}};
  }

private:
  int64_t value(uint32_t expression) const {
    int64_t result = 0;
    runtime::evaluate(runtime::expressionOf(entry, expression), symbols.data(),
                      result);
    return result;
  }
  int64_t valueOr(int64_t expression, int64_t otherwise) const {
    return expression < 0 ? otherwise : value(uint32_t(expression));
  }

  /// Bytes of an operand, and what it makes of the order.
  int64_t visit(uint32_t command, const Operand &operand,
                std::set<uint32_t> &after) {
    if (operand.access() & uint32_t(Access::read))
      if (auto writer = writers.find(operand.buffer()); writer != writers.end())
        after.insert(writer->second);
    if (operand.access() & uint32_t(Access::write))
      written.push_back(operand.buffer());
    int64_t offset = valueOr(operand.offset(), 0);
    return valueOr(operand.bytes(),
                   value(entry.buffers()->Get(operand.buffer())->size()) -
                       offset);
  }

  json::Object describe(uint32_t index, const Command &command) {
    std::set<uint32_t> after;
    int64_t bytes = 0;
    std::string kernel = EnumNameCommandBody(command.body_type());
    written.clear();
    if (const Dispatch *dispatch = command.body_as_Dispatch()) {
      kernel = variant.kernels()->Get(dispatch->kernel())->name()->str();
      for (uint32_t i = 0; i < lengthOf(dispatch->operands()); ++i)
        bytes += visit(index, *dispatch->operands()->Get(i), after);
    } else if (const Copy *copy = command.body_as_Copy()) {
      bytes += visit(index, *copy->source(), after);
      bytes += visit(index, *copy->target(), after);
    } else if (const Fill *fill = command.body_as_Fill()) {
      bytes += visit(index, *fill->target(), after);
    }
    for (uint32_t buffer : written)
      writers[buffer] = index;
    json::Array before;
    for (uint32_t other : after)
      before.push_back(int64_t(other));
    // "gemm_f32_12" is the 13th kernel, of the row gemm_f32.
    llvm::StringRef row = llvm::StringRef(kernel).rtrim("0123456789");
    row.consume_back("_");
    return json::Object{
        {"stream", int64_t(command.stream())},
        {"kernel", json::fixUTF8(kernel)},
        {"row", json::fixUTF8(row)},
        {"nodes", command.node() < 0
                      ? json::Value("")
                      : textOf(entry.node_names()->Get(command.node()))},
        {"bytes", bytes},
        {"after", std::move(before)}};
  }

  void describe(const Buffer &buffer, json::Array &buffers,
                int64_t &end) const {
    if (buffer.kind() != BufferKind::arena || buffer.offset() < 0)
      return;
    int64_t offset = value(uint32_t(buffer.offset()));
    int64_t bytes = value(buffer.size());
    end = std::max(end, offset + bytes);
    buffers.push_back(json::Object{{"offset", offset},
                                   {"bytes", bytes},
                                   {"first", int64_t(buffer.first_command())},
                                   {"last", int64_t(buffer.last_command())}});
  }

  const Variant &variant;
  const Entry &entry;
  const std::vector<int64_t> &symbols;
  std::map<uint32_t, uint32_t> writers; // buffer: the last command
  std::vector<uint32_t> written;
};

} // namespace

json::Object mmcc::describeEntry(const Variant &variant, const Entry &entry,
                                 const std::vector<int64_t> &symbols) {
  return EntryFacts(variant, entry, symbols).run();
}

json::Object mmcc::describeProgram(const Program &program,
                                   const std::string &file,
                                   uint64_t fileBytes) {
  json::Array variants, sources;
  json::Object notes;
  for (uint32_t i = 0; i < lengthOf(program.variants()); ++i) {
    const Variant &variant = *program.variants()->Get(i);
    variants.push_back(
        json::Object{{"target", textOf(variant.target())},
                     {"code_bytes", int64_t(variant.image_bytes())},
                     {"kernels", int64_t(lengthOf(variant.kernels()))}});
  }
  for (uint32_t i = 0; i < lengthOf(program.sources()); ++i)
    sources.push_back(
        json::Object{{"name", textOf(program.sources()->Get(i)->name())},
                     {"bytes", int64_t(program.sources()->Get(i)->bytes())}});
  for (uint32_t i = 0; i < lengthOf(program.notes()); ++i)
    notes[json::fixUTF8(program.notes()->Get(i)->key()->str())] =
        textOf(program.notes()->Get(i)->value());
  int64_t weights = 0;
  for (uint32_t i = 0; i < lengthOf(program.segments()); ++i)
    if (!program.segments()->Get(i)->executable())
      weights += program.segments()->Get(i)->bytes();
  return json::Object{{"file", json::fixUTF8(file)},
                      {"file_bytes", int64_t(fileBytes)},
                      {"weights_bytes", weights},
                      {"producer", textOf(program.producer())},
                      {"options", textOf(program.options())},
                      {"variants", std::move(variants)},
                      {"sources", std::move(sources)},
                      {"notes", std::move(notes)}};
}
