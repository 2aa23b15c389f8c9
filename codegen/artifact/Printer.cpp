#include "codegen/artifact/Printer.h"

#include "codegen/artifact/JsonText.h"
#include "runtime/core/DType.h"
#include "runtime/core/Expression.h"
#include "runtime/core/MatmulForm.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

namespace mmcc::artifact {

using namespace schema;
using runtime::expressionOf;
using runtime::lengthOf;

namespace {

std::string textOf(const flatbuffers::String *text) {
  return text ? text->str() : std::string();
}

/// "1.5 MB"
std::string sizeText(uint64_t bytes) {
  static constexpr const char *units[] = {"B", "kB", "MB", "GB", "TB"};
  double value = double(bytes);
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(units); ++unit)
    value /= 1000;
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.2f %s", value,
                units[unit]);
  return text;
}

/// What the planner rounds sizes to (ArenaPlanner.h).
constexpr int64_t kArenaUnit = 64;

std::string ratioText(const ArenaNeed &need) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f",
                double(need.fixed_bytes) / double(need.live_bytes));
  return text;
}

class EntryText {
public:
  explicit EntryText(const Entry &entry) : entry(entry) {
    for (uint32_t i = 0; i < lengthOf(entry.symbols()); ++i)
      names.push_back(entry.symbols()->Get(i)->name()->c_str());
  }
  std::string expression(uint32_t id) const {
    return runtime::textOf(expressionOf(entry, id), names.data());
  }
  std::string dims(const flatbuffers::Vector<uint32_t> *ids) const {
    std::string text = "[";
    for (uint32_t d = 0; d < lengthOf(ids); ++d)
      text += (d ? ", " : "") + expression(ids->Get(d));
    return text + "]";
  }
  std::string operand(const Operand &operand) const {
    const Buffer &buffer = *entry.buffers()->Get(operand.buffer());
    std::string text = EnumNameBufferKind(buffer.kind());
    text += " " + std::to_string(buffer.kind() == BufferKind::arena
                                     ? operand.buffer()
                                     : buffer.index());
    if (operand.offset() >= 0)
      text += " + " + expression(uint32_t(operand.offset()));
    return text;
  }

private:
  const Entry &entry;
  std::vector<const char *> names;
};

uint64_t weightsBytes(const Program &program) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < lengthOf(program.segments()); ++i)
    if (!program.segments()->Get(i)->executable())
      bytes += program.segments()->Get(i)->bytes();
  return bytes;
}

std::string originText(const Entry &entry, const Symbol &symbol) {
  if (symbol.origin() != SymbolOrigin::input_dim)
    return EnumNameSymbolOrigin(symbol.origin());
  return "input " +
         entry.inputs()->Get(uint32_t(symbol.input()))->name()->str() +
         ", dimension " + std::to_string(symbol.dim());
}

/// "cublaslt.matmul (s0 x 768 x 3072, bias)"
std::string libraryText(const EntryText &text, const LibraryCall &call) {
  std::string line = call.function()->str() + " (";
  if (!runtime::isMatmul(call))
    return line + ")";
  for (uint32_t i : {runtime::kMatmulM, runtime::kMatmulN, runtime::kMatmulK})
    line += (i ? " x " : "") + text.expression(call.sizes()->Get(i));
  for (uint32_t i = 0; i < lengthOf(call.attributes()); ++i) {
    const KeyValue &each = *call.attributes()->Get(i);
    if (each.key()->str() == "form" && lengthOf(each.value()))
      line += ", " + textOf(each.value());
  }
  return line + ")";
}

std::string commandText(const Variant &variant, const EntryText &text,
                        const Command &command) {
  std::string line = EnumNameCommandBody(command.body_type());
  if (const Dispatch *dispatch = command.body_as_Dispatch()) {
    line = variant.kernels()->Get(dispatch->kernel())->name()->str() + " (" +
           text.expression(dispatch->grid_x()) + " x " +
           text.expression(dispatch->grid_y()) + " x " +
           text.expression(dispatch->grid_z()) + ")";
    for (uint32_t i = 0; i < lengthOf(dispatch->operands()); ++i)
      line += (i ? ", " : " on ") + text.operand(*dispatch->operands()->Get(i));
    if (const LibraryCall *library = dispatch->library())
      line += ", or " + libraryText(text, *library);
  } else if (const Copy *copy = command.body_as_Copy()) {
    line += " " + text.operand(*copy->source()) + " to " +
            text.operand(*copy->target()) + ", " +
            text.expression(copy->bytes()) + " bytes";
  } else if (const Fill *fill = command.body_as_Fill()) {
    line += " " + text.operand(*fill->target()) + ", " +
            text.expression(fill->bytes()) + " bytes";
  }
  return line;
}

std::string entryText(const Variant &variant, const Entry &entry,
                      bool commands) {
  EntryText text(entry);
  std::string out = "entry " + entry.name()->str() + "\n";
  for (uint32_t i = 0; i < lengthOf(entry.symbols()); ++i) {
    const Symbol &symbol = *entry.symbols()->Get(i);
    out +=
        "  symbol   " + symbol.name()->str() + ": " +
        std::to_string(symbol.lo()) + ".." +
        (symbol.hi() < 0 ? "" : std::to_string(symbol.hi())) +
        (symbol.step() == 1 ? "" : " step " + std::to_string(symbol.step())) +
        " (" + originText(entry, symbol) + ")\n";
  }
  for (auto [values, what] : {std::pair(entry.inputs(), "  input    "),
                              std::pair(entry.outputs(), "  output   ")})
    for (uint32_t i = 0; i < lengthOf(values); ++i) {
      const Value &value = *values->Get(i);
      out += what + value.name()->str() + ": " +
             runtime::nameOf(value.dtype()) + " " + text.dims(value.dims()) +
             (value.optional() ? ", may be left out\n" : "\n");
    }
  for (uint32_t i = 0; i < lengthOf(entry.absences()); ++i) {
    const Absence &absence = *entry.absences()->Get(i);
    out += "  without ";
    for (uint32_t k = 0; k < lengthOf(absence.inputs()); ++k)
      out += (k ? ", " : "") +
             entry.inputs()->Get(absence.inputs()->Get(k))->name()->str();
    out += ": entry " + absence.entry()->str() + "\n";
  }
  for (uint32_t i = 0; i < lengthOf(entry.states()); ++i) {
    const State &state = *entry.states()->Get(i);
    out += "  state    " + state.name()->str() + ": " +
           runtime::nameOf(state.dtype()) + " " + text.dims(state.dims()) +
           " a token, in blocks of " + std::to_string(state.block_tokens()) +
           (state.scaled() ? ", a scale for each token and head\n" : "\n");
  }
  if (entry.plain())
    out +=
        "  plain    entry " + entry.plain()->str() + " takes them as tensors\n";
  ArenaNeed need = arenaNeed(entry);
  out += "  arena    " + std::to_string(need.fixed_bytes) + " bytes";
  if (need.live_bytes > 0)
    out += " (" + ratioText(need) + " x what is alive at once)";
  if (need.placed_at_run_time_bytes > 0)
    out += " and at most " + std::to_string(need.placed_at_run_time_bytes) +
           " placed at run time";
  out += need.unbounded ? ", at the smallest shapes\n" : "\n";
  size_t count = 0;
  for (uint32_t b = 0; b < lengthOf(entry.blocks()); ++b)
    count += lengthOf(entry.blocks()->Get(b)->commands());
  out += "  commands " + std::to_string(count) + "\n";
  for (uint32_t b = 0; commands && b < lengthOf(entry.blocks()); ++b) {
    const Block &block = *entry.blocks()->Get(b);
    if (b > 0)
      out += "  block " + std::to_string(b) + "\n";
    for (uint32_t i = 0; i < lengthOf(block.commands()); ++i) {
      const Command &command = *block.commands()->Get(i);
      char number[16];
      std::snprintf(number, sizeof(number), "%6u  ", i);
      out += number + commandText(variant, text, command);
      if (command.node() >= 0)
        out +=
            "  # " + textOf(entry.node_names()->Get(uint32_t(command.node())));
      out += "\n";
    }
  }
  return out;
}

void entryJson(JsonText &json, const Entry &entry) {
  EntryText text(entry);
  json.beginObject();
  json.field("name", entry.name()->str());
  json.key("symbols").beginArray();
  for (uint32_t i = 0; i < lengthOf(entry.symbols()); ++i) {
    const Symbol &symbol = *entry.symbols()->Get(i);
    json.beginObject();
    json.field("name", symbol.name()->str());
    json.field("lo", symbol.lo());
    json.key("hi");
    symbol.hi() < 0 ? json.null() : json.number(symbol.hi());
    json.field("step", symbol.step());
    json.field("origin", originText(entry, symbol));
    json.endObject();
  }
  json.endArray();
  for (auto [values, what] : {std::pair(entry.inputs(), "inputs"),
                              std::pair(entry.outputs(), "outputs")}) {
    json.key(what).beginArray();
    for (uint32_t i = 0; i < lengthOf(values); ++i) {
      const Value &value = *values->Get(i);
      json.beginObject();
      json.field("name", value.name()->str());
      json.field("dtype", runtime::nameOf(value.dtype()));
      json.key("shape").beginArray();
      for (uint32_t d = 0; d < lengthOf(value.dims()); ++d) {
        runtime::Span<const int64_t> code =
            expressionOf(entry, value.dims()->Get(d));
        if (code.size() == 2 && code[0] == int64_t(ExprOp::constant))
          json.number(code[1]);
        else
          json.string(text.expression(value.dims()->Get(d)));
      }
      json.endArray();
      json.endObject();
    }
    json.endArray();
  }
  json.key("absences").beginObject();
  for (uint32_t i = 0; i < lengthOf(entry.absences()); ++i) {
    const Absence &absence = *entry.absences()->Get(i);
    json.key(absence.entry()->c_str()).beginArray();
    for (uint32_t input : *absence.inputs())
      json.string(entry.inputs()->Get(input)->name()->str());
    json.endArray();
  }
  json.endObject();
  json.key("states").beginArray();
  for (uint32_t i = 0; i < lengthOf(entry.states()); ++i) {
    const State &state = *entry.states()->Get(i);
    json.beginObject();
    json.field("name", state.name()->str());
    json.field("dtype", runtime::nameOf(state.dtype()));
    json.field("token", text.dims(state.dims()));
    json.field("block_tokens", int64_t(state.block_tokens()));
    json.key("scaled").boolean(state.scaled());
    json.endObject();
  }
  json.endArray();
  if (entry.plain())
    json.field("plain", entry.plain()->str());
  ArenaNeed need = arenaNeed(entry);
  json.field("arena_bytes", need.fixed_bytes);
  json.field("arena_live_bytes", need.live_bytes);
  json.field("arena_run_time_bytes", need.placed_at_run_time_bytes);
  json.key("arena_unbounded").boolean(need.unbounded);
  std::map<std::string, int64_t> commands;
  for (uint32_t b = 0; b < lengthOf(entry.blocks()); ++b) {
    const auto *list = entry.blocks()->Get(b)->commands();
    for (uint32_t i = 0; i < lengthOf(list); ++i)
      ++commands[EnumNameCommandBody(list->Get(i)->body_type())];
  }
  json.key("commands").beginObject();
  for (const auto &[kind, count] : commands)
    json.field(kind.c_str(), count);
  json.endObject();
  json.endObject();
}

void variantJson(JsonText &json, const Program &program,
                 const Variant &variant) {
  json.beginObject();
  json.field("target", variant.target()->str());
  json.field("code_bytes", int64_t(variant.image_bytes()));
  json.key("kernels").beginArray();
  for (uint32_t i = 0; i < lengthOf(variant.kernels()); ++i) {
    json.beginObject();
    json.field("name", variant.kernels()->Get(i)->name()->str());
    json.field("scratch_bytes",
               int64_t(variant.kernels()->Get(i)->scratch_bytes()));
    json.endObject();
  }
  json.endArray();
  json.key("entries").beginArray();
  for (uint32_t i = 0; i < lengthOf(variant.entries()); ++i)
    json.string(
        program.entries()->Get(variant.entries()->Get(i))->name()->str());
  json.endArray();
  json.endObject();
}

} // namespace

ArenaNeed arenaNeed(const Entry &entry) {
  ArenaNeed need;
  std::map<int64_t, uint64_t> change;
  std::vector<int64_t> symbols;
  for (uint32_t i = 0; i < lengthOf(entry.symbols()); ++i) {
    const Symbol &symbol = *entry.symbols()->Get(i);
    symbols.push_back(symbol.hi() < 0 ? symbol.lo() : symbol.hi());
    need.unbounded |= symbol.hi() < 0;
  }
  for (uint32_t i = 0; i < lengthOf(entry.buffers()); ++i) {
    const Buffer &buffer = *entry.buffers()->Get(i);
    int64_t size = 0, offset = 0, end = 0;
    if (buffer.kind() != BufferKind::arena ||
        !runtime::evaluate(expressionOf(entry, buffer.size()), symbols.data(),
                           size))
      continue;
    if (buffer.offset() < 0) {
      if (!__builtin_add_overflow(need.placed_at_run_time_bytes, size, &end))
        need.placed_at_run_time_bytes = end;
    } else if (runtime::evaluate(expressionOf(entry, uint32_t(buffer.offset())),
                                 symbols.data(), offset) &&
               !__builtin_add_overflow(offset, size, &end)) {
      need.fixed_bytes = std::max(need.fixed_bytes, end);
      // The end did not overflow; rounded to the planner's unit it may.
      int64_t rounded = 0;
      if (!__builtin_add_overflow(size, kArenaUnit - 1, &rounded))
        rounded = rounded / kArenaUnit * kArenaUnit;
      change[buffer.first_command()] += uint64_t(rounded);
      change[int64_t(buffer.last_command()) + 1] -= uint64_t(rounded);
    }
  }
  uint64_t live = 0;
  for (const auto &[command, delta] : change)
    need.live_bytes = std::max(need.live_bytes, int64_t(live += delta));
  return need;
}

std::string printText(const Program &program, const std::string &file,
                      uint64_t file_bytes, bool commands) {
  std::string out = file + ": " + sizeText(file_bytes) + ", " +
                    std::to_string(lengthOf(program.constants())) +
                    " constants in " + sizeText(weightsBytes(program)) + "\n";
  out += "producer  " + textOf(program.producer()) + " (program revision " +
         std::to_string(program.revision()) + ")\n";
  out += "options   " + textOf(program.options()) + "\n";
  for (uint32_t i = 0; i < lengthOf(program.features()); ++i)
    out += "feature   " + program.features()->Get(i)->str() + "\n";
  for (uint32_t i = 0; i < lengthOf(program.sources()); ++i) {
    const SourceFile &source = *program.sources()->Get(i);
    out += "source    " + source.name()->str() + ", " +
           sizeText(source.bytes()) + ", " + textOf(source.hash()) + "\n";
  }
  for (uint32_t i = 0; i < lengthOf(program.notes()); ++i)
    out += "note      " + program.notes()->Get(i)->key()->str() + ": " +
           textOf(program.notes()->Get(i)->value()) + "\n";
  std::vector<bool> printed(lengthOf(program.entries()), false);
  for (uint32_t v = 0; v < lengthOf(program.variants()); ++v) {
    const Variant &variant = *program.variants()->Get(v);
    out += "variant   " + variant.target()->str() + ": " +
           sizeText(variant.image_bytes()) + " of code, " +
           std::to_string(lengthOf(variant.kernels())) + " kernels\n";
  }
  for (uint32_t v = 0; v < lengthOf(program.variants()); ++v) {
    const Variant &variant = *program.variants()->Get(v);
    for (uint32_t i = 0; i < lengthOf(variant.entries()); ++i) {
      uint32_t index = variant.entries()->Get(i);
      if (printed[index])
        continue;
      printed[index] = true;
      out += "\n" + variant.target()->str() + ": " +
             entryText(variant, *program.entries()->Get(index), commands);
    }
  }
  return out;
}

std::string printJson(const Program &program, const std::string &file,
                      uint64_t file_bytes) {
  JsonText json;
  json.beginObject();
  json.field("file", file);
  json.field("file_bytes", int64_t(file_bytes));
  json.field("revision", int64_t(program.revision()));
  json.field("producer", textOf(program.producer()));
  json.field("options", textOf(program.options()));
  json.key("features").beginArray();
  for (uint32_t i = 0; i < lengthOf(program.features()); ++i)
    json.string(program.features()->Get(i)->str());
  json.endArray();
  json.key("notes").beginObject();
  for (uint32_t i = 0; i < lengthOf(program.notes()); ++i)
    json.field(program.notes()->Get(i)->key()->c_str(),
               textOf(program.notes()->Get(i)->value()));
  json.endObject();
  json.key("sources").beginArray();
  for (uint32_t i = 0; i < lengthOf(program.sources()); ++i) {
    const SourceFile &source = *program.sources()->Get(i);
    json.beginObject();
    json.field("name", source.name()->str());
    json.field("bytes", int64_t(source.bytes()));
    json.field("hash", textOf(source.hash()));
    json.endObject();
  }
  json.endArray();
  json.field("weights_bytes", int64_t(weightsBytes(program)));
  json.key("constants").beginArray();
  for (uint32_t i = 0; i < lengthOf(program.constants()); ++i) {
    const Constant &constant = *program.constants()->Get(i);
    json.beginObject();
    json.field("name", constant.name()->str());
    json.field("dtype", runtime::nameOf(constant.dtype()));
    json.key("shape").beginArray();
    for (uint32_t d = 0; d < lengthOf(constant.dims()); ++d)
      json.number(int64_t(constant.dims()->Get(d)));
    json.endArray();
    json.field("bytes", int64_t(constant.bytes()));
    json.field("layout", textOf(constant.layout()));
    json.endObject();
  }
  json.endArray();
  json.key("variants").beginArray();
  for (uint32_t v = 0; v < lengthOf(program.variants()); ++v)
    variantJson(json, program, *program.variants()->Get(v));
  json.endArray();
  json.key("entries").beginArray();
  for (uint32_t i = 0; i < lengthOf(program.entries()); ++i)
    entryJson(json, *program.entries()->Get(i));
  json.endArray();
  json.endObject();
  return json.take();
}

} // namespace mmcc::artifact
