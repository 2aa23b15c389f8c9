#include "runtime/core/Expression.h"
#include "runtime/core/MatmulForm.h"
#include "runtime/loader/ProgramVerifier.h"

namespace mmcc::runtime {

using namespace schema;

std::vector<uint32_t> symbolStages(const Entry &entry) {
  std::vector<uint32_t> stages(lengthOf(entry.symbols()), 0);
  if (lengthOf(entry.blocks()) == 0)
    return stages;
  uint32_t stage = 0;
  const auto *commands = entry.blocks()->Get(0)->commands();
  for (uint32_t i = 0; i < lengthOf(commands); ++i)
    if (const DefineSymbol *define = commands->Get(i)->body_as_DefineSymbol())
      if (define->symbol() < stages.size())
        stages[define->symbol()] = ++stage;
  return stages;
}

namespace {

/// Checks the commands of one entry. `stage` counts the DefineSymbol commands
/// passed; what is used at a stage may only mention symbols known by then.
class CommandVerifier {
public:
  CommandVerifier(const Entry &entry, uint64_t kernel_count)
      : entry(entry), kernel_count(kernel_count) {}

  Status run();

private:
  Status block(uint32_t index);
  Status command(const Command &command, uint32_t block_index);
  Status dispatch(const Dispatch &dispatch);
  Status library(const LibraryCall &call);
  Status define(const DefineSymbol &define, uint32_t block_index);
  Status loop(const Loop &loop, uint32_t block_index);
  Status record(uint32_t event, uint32_t block_index);
  Status operand(const Operand &operand, const char *what);
  Status target(const Operand &operand);
  Status operands(const flatbuffers::Vector<const Operand *> *list);
  Status expression(uint64_t id, const char *what);
  Status optionalExpression(int32_t id, const char *what);
  Status sizes(const flatbuffers::Vector<uint32_t> *ids);
  Status nested(int64_t target, uint32_t block_index);
  Status prepareSymbols();
  Status prepareBuffers();
  Status error(const std::string &what) const {
    return {Code::invalid_file, where + what};
  }

  const Entry &entry;
  uint64_t kernel_count;
  std::vector<uint32_t> symbol_stage;
  std::vector<uint64_t> symbol_loop; // one bit per loop index, else 0
  std::vector<uint32_t> expression_stage;
  std::vector<uint64_t> expression_loops;
  std::vector<uint32_t> buffer_stage;
  std::vector<uint8_t> symbol_defined;
  std::vector<uint8_t> block_used;
  std::vector<uint8_t> event_recorded;
  uint64_t running_loops = 0;
  uint32_t stage = 0;
  bool in_dispatch = false;
  uint32_t depth = 0;
  uint32_t top_command = 0; // of block 0
  std::string where;
};

Status CommandVerifier::expression(uint64_t id, const char *what) {
  if (id >= expression_stage.size())
    return error(std::string(what) + " is an expression that does not exist");
  if (expression_stage[id] > stage)
    return error(std::string(what) + " uses a symbol before its definition");
  if (expression_loops[id] & ~running_loops)
    return error(std::string(what) +
                 " uses a loop's index outside of the loop");
  return {};
}

Status CommandVerifier::optionalExpression(int32_t id, const char *what) {
  if (id < -1)
    return error(std::string(what) + " is an expression that does not exist");
  return id == -1 ? Status() : expression(uint32_t(id), what);
}

Status CommandVerifier::sizes(const flatbuffers::Vector<uint32_t> *ids) {
  for (uint32_t i = 0; i < lengthOf(ids); ++i)
    MMCC_RETURN_IF_ERROR(expression(ids->Get(i), "a size"));
  return {};
}

Status CommandVerifier::operand(const Operand &operand, const char *what) {
  if (operand.buffer() >= buffer_stage.size())
    return error(std::string(what) + " is a buffer that does not exist");
  if (buffer_stage[operand.buffer()] > stage)
    return error(std::string(what) +
                 " is a buffer whose size is not known yet");
  const Buffer &buffer = *entry.buffers()->Get(operand.buffer());
  // Its memory is a table of addresses, which kernels alone may see.
  if (buffer.kind() == BufferKind::state &&
      (!in_dispatch || operand.offset() != -1 || operand.bytes() != -1))
    return error(std::string(what) + " is a part of a state");
  bool writes = operand.access() & uint32_t(Access::write);
  if (writes && (buffer.kind() == BufferKind::input ||
                 buffer.kind() == BufferKind::constant))
    return error(std::string(what) + " writes to an input or a constant");
  if (buffer.kind() == BufferKind::arena && buffer.offset() == -1 &&
      (top_command < buffer.first_command() ||
       top_command > buffer.last_command()))
    return error(std::string(what) + " is a buffer outside of its lifetime");
  MMCC_RETURN_IF_ERROR(optionalExpression(operand.offset(), "an offset"));
  return optionalExpression(operand.bytes(), "a length");
}

/// What the runtime itself writes to, whatever the access bits say.
Status CommandVerifier::target(const Operand &operand) {
  return this->operand(Operand(operand.buffer(),
                               operand.access() | uint32_t(Access::write),
                               operand.offset(), operand.bytes()),
                       "its target");
}

Status
CommandVerifier::operands(const flatbuffers::Vector<const Operand *> *list) {
  in_dispatch = true;
  for (uint32_t i = 0; i < lengthOf(list); ++i)
    MMCC_RETURN_IF_ERROR(operand(*list->Get(i), "an operand"));
  in_dispatch = false;
  return {};
}

Status CommandVerifier::nested(int64_t target, uint32_t block_index) {
  // Ids that only grow, each used once: the blocks form a tree.
  if (target <= int64_t(block_index) || target >= int64_t(block_used.size()) ||
      block_used[size_t(target)])
    return error("it has an impossible block");
  block_used[size_t(target)] = 1;
  return {};
}

Status CommandVerifier::dispatch(const Dispatch &dispatch) {
  if (dispatch.kernel() >= kernel_count)
    return error("its kernel does not exist");
  MMCC_RETURN_IF_ERROR(expression(dispatch.grid_x(), "the grid"));
  MMCC_RETURN_IF_ERROR(expression(dispatch.grid_y(), "the grid"));
  MMCC_RETURN_IF_ERROR(expression(dispatch.grid_z(), "the grid"));
  MMCC_RETURN_IF_ERROR(operands(dispatch.operands()));
  MMCC_RETURN_IF_ERROR(optionalExpression(dispatch.scratch(), "the scratch"));
  MMCC_RETURN_IF_ERROR(optionalExpression(dispatch.flops(), "the work"));
  MMCC_RETURN_IF_ERROR(optionalExpression(dispatch.bytes(), "the traffic"));
  if (dispatch.library())
    MMCC_RETURN_IF_ERROR(library(*dispatch.library()));
  for (uint32_t i = 0; i < lengthOf(dispatch.maps()); ++i) {
    const TensorMap &map = *dispatch.maps()->Get(i);
    if (map.operand() >= lengthOf(dispatch.operands()))
      return error("a map's operand does not exist");
    if (map.box_rows() == 0 || map.box_rows() > kMostBoxRows)
      return error("a map's box is impossible");
    for (uint32_t id : valuesOf(map))
      MMCC_RETURN_IF_ERROR(expression(id, "a map's extent"));
  }
  return sizes(dispatch.sizes());
}

/// What a library that is not known is to be given is checked, too.
Status CommandVerifier::library(const LibraryCall &call) {
  for (uint32_t i = 0; i < lengthOf(call.operands()); ++i)
    MMCC_RETURN_IF_ERROR(operand(*call.operands()->Get(i), "an operand"));
  MMCC_RETURN_IF_ERROR(sizes(call.sizes()));
  if (!isMatmul(call))
    return {};
  uint32_t form = 0, operands = 0;
  bool known = readMatmulForm(call, form);
  for (uint32_t i = 0; i < kMatmulOperands; ++i)
    operands += hasMatmulOperand(form, i);
  if (!known || lengthOf(call.operands()) != operands ||
      lengthOf(call.sizes()) != kMatmulSizes)
    return error("its library call makes no sense");
  return target(*call.operands()->Get(kMatmulResult));
}

Status CommandVerifier::define(const DefineSymbol &define,
                               uint32_t block_index) {
  if (define.symbol() >= symbol_stage.size())
    return error("its symbol does not exist");
  const Symbol &symbol = *entry.symbols()->Get(define.symbol());
  if (symbol.origin() != SymbolOrigin::command ||
      symbol_defined[define.symbol()])
    return error("its symbol has another definition");
  if (define.dtype() != DType::i64 && define.dtype() != DType::i32)
    return error("a symbol's value must be i32 or i64");
  if (block_index != 0)
    return {Code::unsupported,
            where + "a symbol defined inside a branch or loop"};
  MMCC_RETURN_IF_ERROR(operand(*define.source(), "its source"));
  symbol_defined[define.symbol()] = 1;
  ++stage;
  return {};
}

Status CommandVerifier::loop(const Loop &loop, uint32_t block_index) {
  MMCC_RETURN_IF_ERROR(optionalExpression(loop.trips(), "the trip count"));
  if (loop.trips() == -1 && !loop.condition())
    return error("a loop without an end");
  if (loop.condition())
    MMCC_RETURN_IF_ERROR(operand(*loop.condition(), "its condition"));
  MMCC_RETURN_IF_ERROR(nested(loop.body(), block_index));
  int32_t index = loop.index_symbol();
  if (index == -1)
    return block(loop.body());
  if (index < 0 || uint32_t(index) >= symbol_loop.size() ||
      symbol_loop[uint32_t(index)] == 0 ||
      (running_loops & symbol_loop[uint32_t(index)]))
    return error("its index symbol is not a free loop index");
  uint64_t outer_loops = running_loops;
  running_loops |= symbol_loop[uint32_t(index)];
  MMCC_RETURN_IF_ERROR(block(loop.body()));
  running_loops = outer_loops;
  return {};
}

Status CommandVerifier::record(uint32_t event, uint32_t block_index) {
  if (event >= event_recorded.size() || event_recorded[event])
    return error("its event does not exist or is recorded twice");
  if (block_index != 0)
    return {Code::unsupported,
            where + "an event recorded inside a branch or loop"};
  event_recorded[event] = 1;
  return {};
}

Status CommandVerifier::command(const Command &command, uint32_t block_index) {
  if (command.node() < -1 ||
      (command.node() >= 0 &&
       uint32_t(command.node()) >= lengthOf(entry.node_names())))
    return error("its node name does not exist");
  if (command.stream() >= entry.stream_count())
    return error("its stream does not exist");
  switch (command.body_type()) {
  case CommandBody::Dispatch:
    return dispatch(*command.body_as_Dispatch());
  case CommandBody::Copy: {
    const Copy &copy = *command.body_as_Copy();
    MMCC_RETURN_IF_ERROR(operand(*copy.source(), "its source"));
    MMCC_RETURN_IF_ERROR(target(*copy.target()));
    return expression(copy.bytes(), "its length");
  }
  case CommandBody::Fill: {
    const Fill &fill = *command.body_as_Fill();
    MMCC_RETURN_IF_ERROR(target(*fill.target()));
    uint32_t pattern = fill.pattern_bytes();
    if (pattern != 1 && pattern != 2 && pattern != 4 && pattern != 8)
      return error("its pattern has an impossible length");
    return expression(fill.bytes(), "its length");
  }
  case CommandBody::Branch: {
    const Branch &branch = *command.body_as_Branch();
    MMCC_RETURN_IF_ERROR(operand(*branch.condition(), "its condition"));
    MMCC_RETURN_IF_ERROR(nested(branch.then_block(), block_index));
    MMCC_RETURN_IF_ERROR(block(branch.then_block()));
    if (branch.else_block() == -1)
      return {};
    MMCC_RETURN_IF_ERROR(nested(branch.else_block(), block_index));
    return block(uint32_t(branch.else_block()));
  }
  case CommandBody::Loop:
    return loop(*command.body_as_Loop(), block_index);
  case CommandBody::DefineSymbol:
    return define(*command.body_as_DefineSymbol(), block_index);
  case CommandBody::EventRecord:
    return record(command.body_as_EventRecord()->event(), block_index);
  case CommandBody::EventWait:
    if (command.body_as_EventWait()->event() >= event_recorded.size() ||
        !event_recorded[command.body_as_EventWait()->event()])
      return error("its event is not recorded before it");
    return {};
  case CommandBody::LibraryCall:
  case CommandBody::StateAppend:
  case CommandBody::StateReset:
    return {Code::unsupported, where + "this runtime has no " +
                                   EnumNameCommandBody(command.body_type()) +
                                   " on the CPU"};
  default:
    return error("it is of an unknown kind");
  }
}

Status CommandVerifier::block(uint32_t index) {
  constexpr uint32_t max_nesting = 32;
  if (depth == max_nesting)
    return error("blocks are nested too deeply");
  ++depth;
  std::string outer = where;
  const auto *commands = entry.blocks()->Get(index)->commands();
  for (uint32_t i = 0; i < lengthOf(commands); ++i) {
    if (depth == 1)
      top_command = i;
    where = outer + "command " + std::to_string(i) + ": ";
    MMCC_RETURN_IF_ERROR(command(*commands->Get(i), index));
  }
  where = outer;
  --depth;
  return {};
}

Status CommandVerifier::prepareBuffers() {
  // Where a buffer's memory is set aside, no loop is running.
  uint32_t count = lengthOf(entry.buffers());
  buffer_stage.assign(count, 0);
  for (uint32_t i = 0; i < count; ++i) {
    const Buffer &buffer = *entry.buffers()->Get(i);
    if (buffer.kind() == BufferKind::constant ||
        buffer.kind() == BufferKind::input ||
        buffer.kind() == BufferKind::state)
      continue;
    buffer_stage[i] = expression_stage[buffer.size()];
    where = "buffer " + std::to_string(i) + ": ";
    stage = ~0u;
    MMCC_RETURN_IF_ERROR(expression(buffer.size(), "its size"));
    MMCC_RETURN_IF_ERROR(optionalExpression(buffer.offset(), "its offset"));
    if (buffer.offset() >= 0 &&
        expression_stage[uint32_t(buffer.offset())] > buffer_stage[i])
      return error("its offset is known later than its size");
    if (buffer.kind() != BufferKind::output)
      continue;
    const Value &output = *entry.outputs()->Get(buffer.index());
    for (uint32_t d = 0; d < lengthOf(output.dims()); ++d)
      buffer_stage[i] =
          std::max(buffer_stage[i], expression_stage[output.dims()->Get(d)]);
  }
  stage = 0;
  where.clear();
  return {};
}

Status CommandVerifier::prepareSymbols() {
  symbol_stage = symbolStages(entry);
  symbol_defined.assign(symbol_stage.size(), 0);
  symbol_loop.assign(symbol_stage.size(), 0);
  block_used.assign(entry.blocks()->size(), 0);
  uint32_t loops = 0;
  for (uint32_t i = 0; i < symbol_stage.size(); ++i) {
    SymbolOrigin origin = entry.symbols()->Get(i)->origin();
    if (origin == SymbolOrigin::loop_index) {
      if (loops == 64)
        return error("it has more than 64 loop indices");
      symbol_loop[i] = uint64_t(1) << loops++;
    }
    if (origin == SymbolOrigin::command && symbol_stage[i] == 0)
      return error("symbol " + std::to_string(i) + " is never defined");
  }
  uint32_t expressions = lengthOf(entry.expr_end());
  for (uint32_t i = 0; i < expressions; ++i) {
    Span<const int64_t> code = expressionOf(entry, i);
    expression_stage.push_back(largestOf(code, symbol_stage.data()));
    expression_loops.push_back(unionOf(code, symbol_loop.data()));
  }
  return {};
}

Status CommandVerifier::run() {
  if (lengthOf(entry.blocks()) == 0)
    return error("it has no commands");
  constexpr uint32_t max_events = 1 << 16;
  if (entry.stream_count() == 0 || entry.stream_count() > kMaxStreams ||
      entry.event_count() > max_events)
    return error("it has an impossible number of streams or events");
  event_recorded.assign(entry.event_count(), 0);
  MMCC_RETURN_IF_ERROR(prepareSymbols());
  MMCC_RETURN_IF_ERROR(prepareBuffers());
  MMCC_RETURN_IF_ERROR(block(0));

  // What the caller sees must be known when the call is over; what is checked
  // at the call must be known then.
  for (uint32_t i = 0; i < lengthOf(entry.outputs()); ++i)
    for (uint32_t d = 0; d < lengthOf(entry.outputs()->Get(i)->dims()); ++d)
      MMCC_RETURN_IF_ERROR(expression(entry.outputs()->Get(i)->dims()->Get(d),
                                      "an output's dimension"));
  stage = 0;
  for (uint32_t i = 0; i < lengthOf(entry.inputs()); ++i)
    for (uint32_t d = 0; d < lengthOf(entry.inputs()->Get(i)->dims()); ++d)
      MMCC_RETURN_IF_ERROR(expression(entry.inputs()->Get(i)->dims()->Get(d),
                                      "an input's dimension"));
  for (uint32_t i = 0; i < lengthOf(entry.states()); ++i) {
    const State &state = *entry.states()->Get(i);
    MMCC_RETURN_IF_ERROR(expression(state.dims()->Get(0), "a state's batch"));
    MMCC_RETURN_IF_ERROR(expression(state.appended(), "what a state gets"));
  }
  for (uint32_t i = 0; i < lengthOf(entry.constraints()); ++i) {
    MMCC_RETURN_IF_ERROR(
        expression(entry.constraints()->Get(i)->lhs(), "a constraint"));
    MMCC_RETURN_IF_ERROR(
        expression(entry.constraints()->Get(i)->rhs(), "a constraint"));
  }
  return {};
}

} // namespace

Status verifyCommands(const Entry &entry, uint64_t kernel_count) {
  return CommandVerifier(entry, kernel_count).run();
}

} // namespace mmcc::runtime
