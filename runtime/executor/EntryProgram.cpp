#include "runtime/executor/EntryProgram.h"

#include "runtime/core/Expression.h"
#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>

namespace mmcc::runtime {

using namespace schema;

static bool isStraight(CommandBody type) {
  return type == CommandBody::Dispatch || type == CommandBody::Copy ||
         type == CommandBody::Fill || type == CommandBody::EventRecord ||
         type == CommandBody::EventWait;
}

/// Calls `visit` with the expression ids that a straight command uses.
template <typename Visit>
static void forEachExpression(const Command &command, Visit visit) {
  auto operand = [&](const Operand &operand) {
    if (operand.offset() >= 0)
      visit(uint32_t(operand.offset()));
    if (operand.bytes() >= 0)
      visit(uint32_t(operand.bytes()));
  };
  if (const Dispatch *dispatch = command.body_as_Dispatch()) {
    visit(dispatch->grid_x());
    visit(dispatch->grid_y());
    visit(dispatch->grid_z());
    for (uint32_t i = 0; i < lengthOf(dispatch->operands()); ++i)
      operand(*dispatch->operands()->Get(i));
    for (uint32_t i = 0; i < lengthOf(dispatch->sizes()); ++i)
      visit(dispatch->sizes()->Get(i));
    for (int32_t id :
         {dispatch->scratch(), dispatch->flops(), dispatch->bytes()})
      if (id >= 0)
        visit(uint32_t(id));
    for (uint32_t i = 0; i < lengthOf(dispatch->maps()); ++i)
      for (uint32_t id : valuesOf(*dispatch->maps()->Get(i)))
        visit(id);
    if (const LibraryCall *library = dispatch->library()) {
      for (uint32_t i = 0; i < lengthOf(library->operands()); ++i)
        operand(*library->operands()->Get(i));
      for (uint32_t i = 0; i < lengthOf(library->sizes()); ++i)
        visit(library->sizes()->Get(i));
    }
  } else if (const Copy *copy = command.body_as_Copy()) {
    operand(*copy->source());
    operand(*copy->target());
    visit(copy->bytes());
  } else if (const Fill *fill = command.body_as_Fill()) {
    operand(*fill->target());
    visit(fill->bytes());
  }
}

/// Streams of the commands that use each buffer.
static std::vector<uint32_t> bufferStreams(const Entry &entry) {
  constexpr uint32_t unused = kSeveralStreams - 1;
  std::vector<uint32_t> streams(lengthOf(entry.buffers()), unused);
  for (uint32_t b = 0; b < entry.blocks()->size(); ++b) {
    const auto *commands = entry.blocks()->Get(b)->commands();
    for (uint32_t i = 0; i < lengthOf(commands); ++i) {
      const Command &command = *commands->Get(i);
      auto use = [&](const Operand &operand) {
        uint32_t &stream = streams[operand.buffer()];
        stream = stream == unused || stream == command.stream()
                     ? command.stream()
                     : kSeveralStreams;
      };
      if (const Dispatch *dispatch = command.body_as_Dispatch()) {
        for (uint32_t k = 0; k < lengthOf(dispatch->operands()); ++k)
          use(*dispatch->operands()->Get(k));
        if (const LibraryCall *library = dispatch->library())
          for (uint32_t k = 0; k < lengthOf(library->operands()); ++k)
            use(*library->operands()->Get(k));
      } else if (const Copy *copy = command.body_as_Copy()) {
        use(*copy->source());
        use(*copy->target());
      } else if (const Fill *fill = command.body_as_Fill()) {
        use(*fill->target());
      }
    }
  }
  return streams;
}

EntryProgram::EntryProgram(const Entry &entry) : entry(entry) {
  buffer_streams = entry.stream_count() > 1
                       ? bufferStreams(entry)
                       : std::vector<uint32_t>(lengthOf(entry.buffers()), 0);
  symbol_stages = symbolStages(entry);
  std::vector<uint64_t> loop_symbols(symbol_stages.size(), 0);
  for (uint32_t i = 0; i < loop_symbols.size(); ++i)
    loop_symbols[i] =
        entry.symbols()->Get(i)->origin() == SymbolOrigin::loop_index;
  std::vector<uint8_t> varying;
  for (uint32_t i = 0; i < lengthOf(entry.expr_end()); ++i) {
    Span<const int64_t> code = expressionOf(entry, i);
    expression_stages.push_back(largestOf(code, symbol_stages.data()));
    varying.push_back(unionOf(code, loop_symbols.data()) != 0);
  }
  for (uint32_t i = 0; i < lengthOf(entry.outputs()); ++i) {
    uint32_t stage = 0;
    const Value &output = *entry.outputs()->Get(i);
    for (uint32_t d = 0; d < lengthOf(output.dims()); ++d)
      stage = std::max(stage, expression_stages[output.dims()->Get(d)]);
    output_stages.push_back(stage);
  }
  for (uint32_t i = 0; i < lengthOf(entry.buffers()); ++i) {
    const Buffer &buffer = *entry.buffers()->Get(i);
    uint32_t stage = 0;
    if (buffer.kind() == BufferKind::arena)
      stage = expression_stages[buffer.size()];
    if (buffer.kind() == BufferKind::output)
      stage = output_stages[buffer.index()];
    buffer_stages.push_back(stage);
  }
  blocks.resize(entry.blocks()->size());
  runs_in_stage.assign(1, 0);
  uint32_t stage = 0;
  arrange(0, stage, varying);
  stage_count = stage + 1;
}

void EntryProgram::arrange(uint32_t block, uint32_t &stage,
                           const std::vector<uint8_t> &varying_expressions) {
  const auto *commands = entry.blocks()->Get(block)->commands();
  uint32_t count = lengthOf(commands);
  for (uint32_t i = 0; i < count;) {
    const Command &command = *commands->Get(i);
    if (isStraight(command.body_type())) {
      Run run = {block, i, 0, stage, false, 0};
      for (; i < count && isStraight(commands->Get(i)->body_type()); ++i)
        forEachExpression(*commands->Get(i), [&](uint32_t id) {
          run.varies |= varying_expressions[id] != 0;
        });
      run.count = i - run.first;
      if (!run.varies)
        run.slot = runs_in_stage[stage]++;
      blocks[block].push_back({Step::run, uint32_t(runs.size())});
      runs.push_back(run);
      continue;
    }
    if (command.body_type() == CommandBody::DefineSymbol) {
      blocks[block].push_back({Step::define, i});
      ++stage;
      runs_in_stage.push_back(0);
    } else if (const Branch *branch = command.body_as_Branch()) {
      blocks[block].push_back({Step::branch, i});
      arrange(branch->then_block(), stage, varying_expressions);
      if (branch->else_block() >= 0)
        arrange(uint32_t(branch->else_block()), stage, varying_expressions);
    } else if (const Loop *loop = command.body_as_Loop()) {
      blocks[block].push_back({Step::loop, i});
      arrange(loop->body(), stage, varying_expressions);
    }
    ++i;
  }
}

std::string EntryProgram::nameOf(const Command &command, uint32_t index) const {
  std::string name = "command " + std::to_string(index);
  if (command.node() >= 0)
    name +=
        " ('" + entry.node_names()->Get(uint32_t(command.node()))->str() + "')";
  return name;
}

ExpressionValues::ExpressionValues(const Entry &entry, const int64_t *symbols)
    : entry_(entry), symbols_(symbols), values_(lengthOf(entry.expr_end()), 0),
      known_(values_.size(), 0) {}

bool ExpressionValues::get(uint32_t id, int64_t &value) {
  if (known_[id] != epoch_) {
    if (!evaluate(expressionOf(entry_, id), symbols_, values_[id]))
      return false;
    known_[id] = epoch_;
  }
  value = values_[id];
  return true;
}

} // namespace mmcc::runtime
