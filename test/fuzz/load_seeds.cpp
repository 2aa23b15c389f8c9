// Writes the first inputs of load_fuzzer into a directory: programs with every
// kind of command and symbol, and a whole file.

#include "codegen/artifact/ExpressionTable.h"
#include "codegen/artifact/Writer.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

namespace {

using namespace mmcc;
using namespace mmcc::schema;

std::unique_ptr<Operand> operand(uint32_t buffer, uint32_t access,
                                 int32_t offset = -1) {
  return std::make_unique<Operand>(buffer, access, offset, -1);
}

std::unique_ptr<ValueT> value(const char *name, DType dtype,
                              std::vector<uint32_t> dims) {
  auto value = std::make_unique<ValueT>();
  value->name = name;
  value->dtype = dtype;
  value->dims = std::move(dims);
  return value;
}

std::unique_ptr<SymbolT> symbol(const char *name, SymbolOrigin origin,
                                int32_t input, int64_t lo, int64_t hi) {
  auto symbol = std::make_unique<SymbolT>();
  symbol->name = name;
  symbol->origin = origin;
  symbol->input = input;
  symbol->dim = input < 0 ? -1 : 0;
  symbol->lo = lo;
  symbol->hi = hi;
  return symbol;
}

uint32_t buffer(EntryT &entry, BufferKind kind, uint32_t index, uint32_t size,
                uint32_t first = 0, uint32_t last = 0, int32_t offset = -1) {
  auto buffer = std::make_unique<BufferT>();
  buffer->kind = kind;
  buffer->index = index;
  buffer->size = size;
  buffer->first_command = first;
  buffer->last_command = last;
  buffer->offset = offset;
  entry.buffers.push_back(std::move(buffer));
  return uint32_t(entry.buffers.size() - 1);
}

template <typename Body> void add(EntryT &entry, uint32_t block, Body body) {
  while (entry.blocks.size() <= block)
    entry.blocks.push_back(std::make_unique<BlockT>());
  auto command = std::make_unique<CommandT>();
  command->body.Set(std::move(body));
  command->node = 0;
  entry.blocks[block]->commands.push_back(std::move(command));
}

/// Fill, dispatch, define, copy, branch and loop over dynamic shapes.
std::unique_ptr<EntryT> fullEntry() {
  artifact::ExpressionTable e;
  auto entry = std::make_unique<EntryT>();
  entry->name = "main";
  entry->node_names = {"node"};
  entry->symbols.push_back(symbol("n", SymbolOrigin::input_dim, 0, 0, 512));
  entry->symbols.push_back(symbol("k", SymbolOrigin::command, -1, 0, -1));
  entry->symbols.push_back(symbol("i", SymbolOrigin::loop_index, -1, 0, -1));
  uint32_t n = e.symbol(0), k = e.symbol(1), i = e.symbol(2);
  uint32_t one = e.constant(1), eight = e.constant(8);
  entry->inputs.push_back(value("x", DType::f32, {n}));
  entry->inputs.push_back(value("y", DType::i64, {e.add(n, one)}));
  entry->outputs.push_back(value("out", DType::f32, {n}));
  entry->outputs.push_back(value("dynamic", DType::u8, {k}));
  auto constraint = std::make_unique<ConstraintT>();
  constraint->kind = ConstraintKind::less_equal;
  constraint->lhs = e.mod(n, eight);
  constraint->rhs = eight;
  entry->constraints.push_back(std::move(constraint));
  uint32_t bytes = e.mul(n, e.constant(4));
  uint32_t x = buffer(*entry, BufferKind::input, 0, bytes);
  uint32_t y = buffer(*entry, BufferKind::input, 1, bytes);
  uint32_t out = buffer(*entry, BufferKind::output, 0, bytes);
  uint32_t dynamic = buffer(*entry, BufferKind::output, 1, k);
  uint32_t weights = buffer(*entry, BufferKind::constant, 0, e.constant(64));
  uint32_t fixed = buffer(*entry, BufferKind::arena, 0, bytes, 0, 6,
                          int32_t(e.constant(128)));
  uint32_t placed = buffer(*entry, BufferKind::arena, 0,
                           e.max(e.mul(bytes, e.constant(2)), eight), 0, 6);
  uint32_t late = buffer(*entry, BufferKind::arena, 0, k, 3, 6);

  FillT fill;
  fill.target = operand(placed, 2);
  fill.bytes = eight;
  fill.pattern = 3;
  fill.pattern_bytes = 8;
  add(*entry, 0, std::move(fill));
  DispatchT dispatch;
  dispatch.grid_x = e.ceilDiv(n, eight);
  dispatch.grid_y = dispatch.grid_z = one;
  dispatch.operands = {*operand(x, 1), *operand(y, 1), *operand(weights, 1),
                       *operand(fixed, 2), *operand(out, 2)};
  dispatch.sizes = {n, e.floorDiv(n, eight), e.sub(n, one)};
  dispatch.scratch = int32_t(e.min(bytes, e.constant(4096)));
  add(*entry, 0, dispatch);
  DefineSymbolT define;
  define.symbol = 1;
  define.source = operand(placed, 1);
  add(*entry, 0, std::move(define));
  CopyT copy;
  copy.source = operand(weights, 1, int32_t(eight));
  copy.target = operand(late, 2);
  copy.bytes = k;
  add(*entry, 0, std::move(copy));
  BranchT branch;
  branch.condition = operand(placed, 1);
  branch.then_block = 1;
  branch.else_block = 2;
  add(*entry, 0, std::move(branch));
  LoopT loop;
  loop.trips = int32_t(e.constant(3));
  loop.condition = operand(placed, 1);
  loop.body = 3;
  loop.index_symbol = 2;
  add(*entry, 0, std::move(loop));
  FillT last;
  last.target = operand(dynamic, 2);
  last.bytes = k;
  add(*entry, 0, std::move(last));
  add(*entry, 1, dispatch);
  dispatch.grid_x = one;
  add(*entry, 2, dispatch);
  dispatch.sizes = {i, e.mul(i, k)};
  add(*entry, 3, dispatch);
  e.store(*entry);
  return entry;
}

std::unique_ptr<EntryT> smallEntry() {
  artifact::ExpressionTable e;
  auto entry = std::make_unique<EntryT>();
  entry->name = "small";
  uint32_t n = e.constant(16);
  entry->outputs.push_back(value("out", DType::i4, {n, n}));
  uint32_t out = buffer(*entry, BufferKind::output, 0, n);
  FillT fill;
  fill.target = operand(out, 2);
  fill.bytes = n;
  entry->node_names = {"node"};
  add(*entry, 0, std::move(fill));
  e.store(*entry);
  return entry;
}

/// Keeps its input.
std::unique_ptr<EntryT> stateEntry() {
  artifact::ExpressionTable e;
  auto entry = std::make_unique<EntryT>();
  entry->name = "main.state";
  entry->plain = "main";
  entry->symbols.push_back(symbol("n", SymbolOrigin::input_dim, 0, 1, 64));
  entry->symbols.push_back(
      symbol("past", SymbolOrigin::state_length, 0, 0, 500));
  uint32_t n = e.symbol(0), one = e.constant(1);
  entry->inputs.push_back(value("x", DType::f32, {n}));
  auto state = std::make_unique<StateT>();
  state->name = "kept";
  state->dtype = DType::i8;
  state->dims = {one, e.constant(2), e.constant(8)};
  state->block_tokens = 64;
  state->scaled = true;
  state->appended = n;
  entry->states.push_back(std::move(state));
  uint32_t x = buffer(*entry, BufferKind::input, 0, e.mul(n, e.constant(4)));
  uint32_t kept = buffer(*entry, BufferKind::state, 0, one);
  DispatchT dispatch;
  dispatch.grid_x = dispatch.grid_y = dispatch.grid_z = one;
  dispatch.operands = {*operand(x, 1), *operand(kept, 3)};
  dispatch.sizes = {e.symbol(1), n};
  entry->node_names = {"node"};
  add(*entry, 0, std::move(dispatch));
  e.store(*entry);
  return entry;
}

/// Segments as load_fuzzer lays them out.
ProgramT programWith(std::vector<std::unique_ptr<EntryT>> entries) {
  ProgramT program;
  program.producer = "seed";
  for (int i = 0; i < 2; ++i) {
    auto segment = std::make_unique<SegmentT>();
    segment->offset = i == 0 ? 4096 : 16384;
    segment->bytes = i == 0 ? 12288 : 4096;
    segment->executable = i == 1;
    program.segments.push_back(std::move(segment));
  }
  auto constant = std::make_unique<ConstantT>();
  constant->name = "weights";
  constant->bytes = 64;
  constant->dtype = DType::f32;
  constant->dims = {4, 4};
  program.constants.push_back(std::move(constant));
  auto variant = std::make_unique<VariantT>();
  variant->target = "cpu:x86-64-v3";
  variant->image_segment = 1;
  variant->image_bytes = 4096;
  auto kernel = std::make_unique<KernelT>();
  kernel->name = "kernel";
  kernel->scratch_bytes = 64;
  variant->kernels.push_back(std::move(kernel));
  for (uint32_t i = 0; i < entries.size(); ++i)
    variant->entries.push_back(i);
  program.variants.push_back(std::move(variant));
  program.entries = std::move(entries);
  return program;
}

bool write(const std::string &path, char kind, const void *data, size_t bytes) {
  std::ofstream file(path, std::ios::binary);
  file.put(kind);
  file.write(static_cast<const char *>(data), std::streamsize(bytes));
  return file.good();
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: load_seeds DIRECTORY\n");
    return 2;
  }
  std::string directory = argv[1];
  for (int which = 0; which < 4; ++which) {
    std::vector<std::unique_ptr<EntryT>> entries;
    if (which == 3)
      entries.push_back(stateEntry());
    if (which != 1)
      entries.push_back(fullEntry());
    if (which != 0)
      entries.push_back(smallEntry());
    ProgramT program = programWith(std::move(entries));
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(Program::Pack(builder, &program), ProgramIdentifier());
    if (!write(directory + "/program" + std::to_string(which), 1,
               builder.GetBufferPointer(), builder.GetSize()))
      return 4;
    if (which != 2)
      continue;
    std::vector<uint8_t> bytes(64, 1), code(4096, 0xc3);
    std::string path = directory + "/whole.mmcc";
    if (artifact::writeArtifact(path, program,
                                {artifact::ByteSource::fromVector(bytes)},
                                {artifact::ByteSource::fromVector(code)}))
      return 4;
    std::ifstream whole(path, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(whole)), {});
    if (!write(directory + "/whole", 2, text.data(), text.size()))
      return 4;
    std::remove(path.c_str());
  }
  return 0;
}
