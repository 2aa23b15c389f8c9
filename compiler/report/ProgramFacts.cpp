//===- ProgramFacts.cpp - Commands, buffers and what waits for what -------===//

#include "compiler/report/ProgramFacts.h"
#include "runtime/core/Expression.h"
#include "runtime/executor/ArenaPacker.h"
#include "runtime/executor/EntryProgram.h"
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
    std::vector<Place> places = placeBuffers();
    int64_t end = 0;
    for (const Place &place : places) {
      end = std::max(end, place.offset + place.bytes);
      buffers.push_back(json::Object{{"offset", place.offset},
                                     {"bytes", place.bytes},
                                     {"first", int64_t(place.first)},
                                     {"last", int64_t(place.last)}});
    }
    return json::Object{
        {"commands", std::move(commands)},
        {"buffers", std::move(buffers)},
        {"arena", json::Object{{"bytes", end}, {"live", mostAlive(places)}}}};
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

  /// An operand that a command names, whatever part of it.
  struct Use {
    int64_t bytes = 0;
    bool read = false, written = false;
  };
  using Uses = std::map<uint32_t, Use>; // by buffer

  void visit(const Operand &operand, Uses &uses) const {
    Use &use = uses[operand.buffer()];
    int64_t whole = value(entry.buffers()->Get(operand.buffer())->size());
    int64_t offset = valueOr(operand.offset(), 0);
    use.bytes =
        std::min(whole, use.bytes + valueOr(operand.bytes(), whole - offset));
    use.read |= (operand.access() & uint32_t(Access::read)) != 0;
    use.written |= (operand.access() & uint32_t(Access::write)) != 0;
  }

  json::Object describe(uint32_t index, const Command &command) {
    Uses uses;
    std::string kernel = EnumNameCommandBody(command.body_type());
    json::Object result{{"stream", int64_t(command.stream())}};
    if (const Dispatch *dispatch = command.body_as_Dispatch()) {
      kernel = variant.kernels()->Get(dispatch->kernel())->name()->str();
      for (uint32_t i = 0; i < lengthOf(dispatch->operands()); ++i)
        visit(*dispatch->operands()->Get(i), uses);
      result["grid"] =
          json::Array{value(dispatch->grid_x()), value(dispatch->grid_y()),
                      value(dispatch->grid_z())};
      result["flops"] = valueOr(dispatch->flops(), 0);
    } else if (const Copy *copy = command.body_as_Copy()) {
      visit(*copy->source(), uses);
      visit(*copy->target(), uses);
    } else if (const Fill *fill = command.body_as_Fill()) {
      visit(*fill->target(), uses);
    }
    // "gemm_f32_12" is the 13th kernel, of the row gemm_f32.
    llvm::StringRef row = llvm::StringRef(kernel).rtrim("0123456789");
    row.consume_back("_");
    result["kernel"] = json::fixUTF8(kernel);
    result["row"] = json::fixUTF8(row);
    result["nodes"] = command.node() < 0
                          ? json::Value("")
                          : textOf(entry.node_names()->Get(command.node()));
    addTraffic(uses, row == "loops", result);
    json::Array before;
    for (uint32_t other : follow(index, uses))
      before.push_back(int64_t(other));
    result["after"] = std::move(before);
    return result;
  }

  void addTraffic(const Uses &uses, bool isLoop, json::Object &result) const {
    int64_t bytes = 0, weights = 0, written = 0;
    for (const auto &[buffer, use] : uses)
      written += use.written ? use.bytes : 0;
    for (const auto &[buffer, use] : uses) {
      bool constant =
          entry.buffers()->Get(buffer)->kind() == BufferKind::constant;
      int64_t touched =
          constant && isLoop ? std::min(use.bytes, written) : use.bytes;
      bytes += touched;
      weights += constant ? touched : 0;
    }
    result["bytes"] = bytes;
    result["weights"] = weights;
  }

  /// The commands whose results this one reads; it is a writer from now on.
  std::set<uint32_t> follow(uint32_t index, const Uses &uses) {
    std::set<uint32_t> after;
    for (const auto &[buffer, use] : uses)
      if (use.read)
        after.insert(writers[buffer].begin(), writers[buffer].end());
    for (const auto &[buffer, use] : uses) {
      if (!use.written)
        continue;
      // What it has read lies behind it; other parts of the buffer stay.
      if (use.read)
        writers[buffer].clear();
      writers[buffer].insert(index);
    }
    return after;
  }

  struct Place {
    int64_t offset, bytes;
    uint32_t first, last;
  };

  /// Of the arena's buffers: first those that the compiler has placed, then the
  /// others, as the runtime does.
  std::vector<Place> placeBuffers() const {
    std::vector<Place> places;
    std::vector<runtime::ArenaBuffer> open;
    std::vector<uint32_t> streams = runtime::EntryProgram(entry).buffer_streams;
    int64_t end = 0, total = 0;
    for (uint32_t i = 0; i < lengthOf(entry.buffers()); ++i) {
      const Buffer &buffer = *entry.buffers()->Get(i);
      if (buffer.kind() != BufferKind::arena)
        continue;
      int64_t bytes = value(buffer.size());
      if (buffer.offset() < 0) {
        open.push_back({bytes, int64_t(buffer.align()), buffer.first_command(),
                        buffer.last_command(), 0, streams[i]});
        continue;
      }
      places.push_back({value(uint32_t(buffer.offset())), bytes,
                        buffer.first_command(), buffer.last_command()});
      end = std::max(end, places.back().offset + bytes);
    }
    end = (end + 4095) / 4096 * 4096;
    if (runtime::ArenaPacker().pack({open.data(), open.size()}, end, total))
      for (const runtime::ArenaBuffer &buffer : open)
        places.push_back(
            {buffer.offset, buffer.bytes, buffer.first, buffer.last});
    return places;
  }

  /// The largest sum of buffers, rounded as the planner does, that hold data at
  /// one command.
  static int64_t mostAlive(const std::vector<Place> &places) {
    constexpr int64_t unit = 64;
    std::map<int64_t, int64_t> change;
    for (const Place &place : places) {
      int64_t rounded = (place.bytes + unit - 1) / unit * unit;
      change[place.first] += rounded;
      change[int64_t(place.last) + 1] -= rounded;
    }
    int64_t alive = 0, most = 0;
    for (const auto &[command, delta] : change)
      most = std::max(most, alive += delta);
    return most;
  }

  const Variant &variant;
  const Entry &entry;
  const std::vector<int64_t> &symbols;
  /// By buffer: the commands that what it holds comes from.
  std::map<uint32_t, std::set<uint32_t>> writers;
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
