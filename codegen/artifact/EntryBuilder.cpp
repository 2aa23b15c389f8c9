#include "codegen/artifact/EntryBuilder.h"

#include "runtime/core/MatmulForm.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mmcc::artifact {

using schema::DType;
using schema::ExprOp;

DType dtypeOf(Type type) {
  if (type.isF32())
    return DType::f32;
  if (type.isF64())
    return DType::f64;
  if (type.isF16())
    return DType::f16;
  if (type.isBF16())
    return DType::bf16;
  if (isa<Float8E4M3FNType>(type))
    return DType::f8e4m3fn;
  if (isa<Float8E4M3FNUZType>(type))
    return DType::f8e4m3fnuz;
  if (isa<Float8E5M2Type>(type))
    return DType::f8e5m2;
  if (isa<Float8E5M2FNUZType>(type))
    return DType::f8e5m2fnuz;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return DType::undefined;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return DType::boolean;
  case 2:
    return isUnsigned ? DType::u2 : DType::i2;
  case 4:
    return isUnsigned ? DType::u4 : DType::i4;
  case 8:
    return isUnsigned ? DType::u8 : DType::i8;
  case 16:
    return isUnsigned ? DType::u16 : DType::i16;
  case 32:
    return isUnsigned ? DType::u32 : DType::i32;
  case 64:
    return isUnsigned ? DType::u64 : DType::i64;
  }
  return DType::undefined;
}

/// What the runtime's verifier accepts.
static constexpr uint64_t kMaxStreams = 64;

/// Of an element in a buffer; elements narrower than a byte take one.
static int64_t elementBytes(Type type) {
  if (!type.isIntOrFloat())
    return 0;
  return std::max<int64_t>(1, (type.getIntOrFloatBitWidth() + 7) / 8);
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

EntryBuilder::Id EntryBuilder::expression(AffineExpr expr) {
  switch (expr.getKind()) {
  case AffineExprKind::Constant:
    return table.constant(cast<AffineConstantExpr>(expr).getValue());
  case AffineExprKind::SymbolId:
    return table.symbol(cast<AffineSymbolExpr>(expr).getPosition());
  default:
    break;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Id lhs = expression(binary.getLHS()), rhs = expression(binary.getRHS());
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return table.add(lhs, rhs);
  case AffineExprKind::Mul:
    return table.mul(lhs, rhs);
  case AffineExprKind::FloorDiv:
    return table.floorDiv(lhs, rhs);
  case AffineExprKind::CeilDiv:
    return table.ceilDiv(lhs, rhs);
  default:
    return table.mod(lhs, rhs);
  }
}

LogicalResult EntryBuilder::checkMap(Operation *at, AffineMap map,
                                     unsigned results) {
  if (map.getNumDims() == 0 && map.getNumResults() == results &&
      map.getNumSymbols() <= op.getSymbols().size())
    return success();
  return at->emitOpError("has a map ")
         << AffineMapAttr::get(map) << " where one of " << results
         << " results over the entry's symbols is needed";
}

//===----------------------------------------------------------------------===//
// Interface
//===----------------------------------------------------------------------===//

LogicalResult EntryBuilder::addValues() {
  size_t inputCount = op.getInputNames().size();
  for (size_t i = 0; i < op.getShapes().size(); ++i) {
    bool isInput = i < inputCount;
    auto name = cast<StringAttr>(isInput ? op.getInputNames()[i]
                                         : op.getOutputNames()[i - inputCount]);
    auto map = dyn_cast<AffineMapAttr>(op.getShapes()[i]);
    auto type = dyn_cast<TypeAttr>(op.getElementTypes()[i]);
    if (!map || !type || dtypeOf(type.getValue()) == DType::undefined)
      return op.emitOpError("argument '")
             << name.getValue() << "' has no shape or no known element type";
    if (failed(checkMap(op, map.getValue(), map.getValue().getNumResults())))
      return failure();
    auto value = std::make_unique<schema::ValueT>();
    value->name = name.str();
    value->dtype = dtypeOf(type.getValue());
    Id bytes = table.constant(elementBytes(type.getValue()));
    for (AffineExpr dim : map.getValue().getResults()) {
      value->dims.push_back(expression(dim));
      bytes = table.mul(value->dims.back(), bytes);
    }
    auto &list = isInput ? entry->inputs : entry->outputs;
    addBuffer(op.getBody().getArgument(i),
              isInput ? schema::BufferKind::input : schema::BufferKind::output,
              list.size(), bytes);
    list.push_back(std::move(value));
  }
  for (NamedAttribute each :
       op.getAbsences().value_or(DictionaryAttr::get(op.getContext()))) {
    auto absence = std::make_unique<schema::AbsenceT>();
    absence->entry = each.getName().str();
    for (auto [i, name] : llvm::enumerate(op.getInputNames()))
      if (llvm::is_contained(cast<ArrayAttr>(each.getValue()), name)) {
        absence->inputs.push_back(uint32_t(i));
        entry->inputs[i]->optional = true;
      }
    entry->absences.push_back(std::move(absence));
  }
  return success();
}

/// When `expr` is scale * symbol + bias with scale > 0: (scale, bias).
static std::optional<std::pair<int64_t, int64_t>> linearIn(AffineExpr expr,
                                                           unsigned symbol) {
  if (auto dim = dyn_cast<AffineSymbolExpr>(expr)) {
    if (dim.getPosition() == symbol)
      return std::pair<int64_t, int64_t>(1, 0);
    return std::nullopt;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  auto constant =
      binary ? dyn_cast<AffineConstantExpr>(binary.getRHS()) : nullptr;
  auto inner = constant ? linearIn(binary.getLHS(), symbol) : std::nullopt;
  if (!inner)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::Add)
    return std::pair(inner->first, inner->second + constant.getValue());
  if (expr.getKind() == AffineExprKind::Mul && constant.getValue() > 0)
    return std::pair(inner->first * constant.getValue(),
                     inner->second * constant.getValue());
  return std::nullopt;
}

LogicalResult EntryBuilder::addSymbols() {
  for (auto [number, name] : llvm::enumerate(op.getSymbols())) {
    auto symbol = std::make_unique<schema::SymbolT>();
    symbol->name = cast<StringAttr>(name).str();
    symbol->lo = op.getRanges()[2 * number];
    symbol->hi = op.getRanges()[2 * number + 1];
    symbol->origin = schema::SymbolOrigin::input_dim;
    if (auto state = lengths.find(number); state != lengths.end()) {
      symbol->origin = schema::SymbolOrigin::state_length;
      symbol->input = int32_t(state->second);
    }
    // A dimension that is the symbol alone, or else one that gives it away.
    for (bool alone : {true, false}) {
      for (size_t input = 0;
           input < op.getInputNames().size() && symbol->input < 0; ++input) {
        AffineMap map = cast<AffineMapAttr>(op.getShapes()[input]).getValue();
        for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
          auto linear = linearIn(expr, number);
          if (!linear ||
              (alone && *linear != std::pair<int64_t, int64_t>(1, 0)))
            continue;
          symbol->input = int32_t(input);
          symbol->dim = int32_t(dim);
          symbol->scale = linear->first;
          symbol->bias = linear->second;
          break;
        }
      }
    }
    if (symbol->input < 0)
      return op.emitOpError("no dimension of an input gives the symbol '")
             << symbol->name << "'";
    entry->symbols.push_back(std::move(symbol));
  }
  return success();
}

LogicalResult EntryBuilder::addStates() {
  if (op.getPlain())
    entry->plain = op.getPlain()->str();
  for (auto state : op.getBody().getOps<plan::StateOp>()) {
    for (AffineMap map : {state.getBatch(), state.getLength(), state.getRows()})
      if (failed(checkMap(state, map, 1)))
        return failure();
    Type element = cast<plan::BufferType>(state.getType()).getElementType();
    auto made = std::make_unique<schema::StateT>();
    made->name = state.getName().str();
    made->dtype = dtypeOf(element);
    made->dims = {expression(state.getBatch()),
                  table.constant(state.getHeads()),
                  table.constant(state.getWidth())};
    made->block_tokens = uint32_t(state.getBlockTokens());
    made->scaled = state.getScaled();
    made->appended = expression(state.getRows());
    auto length = cast<AffineSymbolExpr>(state.getLength().getResult(0));
    lengths.try_emplace(length.getPosition(), uint32_t(entry->states.size()));
    addBuffer(state, schema::BufferKind::state, uint32_t(entry->states.size()),
              table.constant(0));
    entry->states.push_back(std::move(made));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

uint32_t EntryBuilder::addBuffer(Value value, schema::BufferKind kind,
                                 uint32_t index, Id bytes) {
  auto buffer = std::make_unique<schema::BufferT>();
  buffer->kind = kind;
  buffer->index = index;
  buffer->size = bytes;
  uint32_t id = uint32_t(entry->buffers.size());
  buffers[value] = id;
  entry->buffers.push_back(std::move(buffer));
  return id;
}

LogicalResult EntryBuilder::addBuffers() {
  for (Operation &each : op.getBody().front()) {
    if (auto constant = dyn_cast<plan::GetConstantOp>(each)) {
      auto found = constants.find(constant.getConstant());
      if (found == constants.end())
        return constant.emitOpError("names a constant that does not exist");
      auto definition = SymbolTable::lookupNearestSymbolFrom<plan::ConstantOp>(
          constant->getParentOfType<plan::VariantOp>()->getParentOp(),
          constant.getConstantAttr());
      uint32_t id =
          addBuffer(constant, schema::BufferKind::constant, found->second,
                    table.constant(definition.getBytes()));
      entry->buffers[id]->columns = constant.getColumns();
      Type element = constant.getType().getElementType();
      if (constant.getColumns() && element != definition.getElementType())
        entry->buffers[id]->rounded = dtypeOf(element);
      continue;
    }
    auto alloc = dyn_cast<plan::AllocOp>(each);
    if (!alloc || alloc.use_empty())
      continue;
    int64_t width = elementBytes(alloc.getType().getElementType());
    if (width == 0 || failed(checkMap(alloc, alloc.getElements(), 1)))
      return failure();
    uint32_t first = UINT32_MAX, last = 0;
    for (Operation *user : alloc->getUsers()) {
      auto position = commandIndex.find(user);
      if (position == commandIndex.end())
        return user->emitOpError("uses a buffer but is not a command");
      first = std::min(first, position->second);
      last = std::max(last, position->second);
    }
    uint32_t id = addBuffer(
        alloc, schema::BufferKind::arena, 0,
        table.mul(expression(alloc.getElements()), table.constant(width)));
    entry->buffers[id]->first_command = first;
    entry->buffers[id]->last_command = last;
    if (std::optional<AffineMap> offset = alloc.getOffset()) {
      if (failed(checkMap(alloc, *offset, 1)))
        return failure();
      entry->buffers[id]->offset = int32_t(expression(*offset));
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Commands
//===----------------------------------------------------------------------===//

/// The names of the model's nodes that the location knows, each once, joined by
/// ", ". Import writes a node as loc("node"(loc("file"))).
static std::string nodesIn(Location location) {
  llvm::SetVector<StringRef> nodes;
  location->walk([&](Location inner) {
    auto named = dyn_cast<NameLoc>(inner);
    if (named && isa<NameLoc>(named.getChildLoc()))
      nodes.insert(named.getName());
    return WalkResult::advance();
  });
  return llvm::join(nodes, ", ");
}

int32_t EntryBuilder::nodeName(Location location) {
  std::string name = nodesIn(location);
  if (name.empty())
    return -1;
  auto [known, added] =
      nodes.try_emplace(name, int32_t(entry->node_names.size()));
  if (added)
    entry->node_names.push_back(name);
  return known->second;
}

LogicalResult EntryBuilder::addDispatch(plan::DispatchOp dispatch,
                                        schema::CommandT &command) {
  auto found = kernels.find(dispatch.getKernel());
  auto kernel = SymbolTable::lookupNearestSymbolFrom<plan::KernelOp>(
      op->getParentOp(), dispatch.getKernelAttr());
  if (found == kernels.end() || !kernel)
    return dispatch.emitOpError("names a kernel that does not exist");
  if (kernel.getOperandCount() != dispatch.getKernelOperands().size())
    return dispatch.emitOpError("passes ")
           << dispatch.getKernelOperands().size() << " operands, kernel '"
           << dispatch.getKernel() << "' takes " << kernel.getOperandCount();
  AffineMap sizes = dispatch.getSizes();
  if (failed(checkMap(dispatch, dispatch.getGrid(), 3)) ||
      failed(checkMap(dispatch, sizes, sizes.getNumResults())))
    return failure();
  for (AffineMap map :
       {kernel.getExtents(), kernel.getParams(), kernel.getOffsets(),
        kernel.getScratch(),
        kernel.getPieces().value_or(AffineMap::get(kernel.getContext()))})
    if (map.getNumSymbols() > sizes.getNumResults())
      return dispatch.emitOpError("gives ")
             << sizes.getNumResults() << " sizes, kernel '"
             << dispatch.getKernel() << "' has more symbols";

  schema::DispatchT body;
  body.kernel = found->second;
  body.grid_x = expression(dispatch.getGrid().getResult(0));
  body.grid_y = expression(dispatch.getGrid().getResult(1));
  body.grid_z = expression(dispatch.getGrid().getResult(2));
  for (auto [i, operand] : llvm::enumerate(dispatch.getKernelOperands())) {
    uint32_t access = 0;
    if (llvm::is_contained(kernel.getWritten(), int64_t(i)))
      access |= uint32_t(schema::Access::write);
    if (access == 0 ||
        llvm::any_of(kernel.getBody().getArgument(i).getUsers(),
                     [](Operation *user) { return isa<plan::LoadOp>(user); }))
      access |= uint32_t(schema::Access::read);
    body.operands.emplace_back(buffers.lookup(operand), access, -1, -1);
  }
  for (AffineExpr size : sizes.getResults())
    body.sizes.push_back(expression(size));
  if (auto found = maps.find(dispatch.getKernel()); found != maps.end())
    for (const plan::KernelMap &each : found->second) {
      auto value = [&](AffineExpr expr) {
        return expression(expr.replaceSymbols(sizes.getResults()));
      };
      auto map = std::make_unique<schema::TensorMapT>();
      map->operand = each.operand;
      map->offset = value(each.offset);
      map->length = value(each.length);
      map->rows = value(each.rows);
      map->batches = value(each.batches);
      map->row_pitch = value(each.rowPitch);
      map->batch_pitch = value(each.batchPitch);
      map->box_rows = each.boxRows;
      body.maps.push_back(std::move(map));
    }
  AffineMap scratch = kernel.getScratch();
  if (scratch.getNumResults() == 1 && !scratch.isSingleConstant())
    body.scratch = int32_t(
        expression(scratch.getResult(0).replaceSymbols(sizes.getResults())));
  if (std::optional<AffineMap> flops = dispatch.getFlops()) {
    if (failed(checkMap(dispatch, *flops, 1)))
      return failure();
    body.flops = int32_t(expression(flops->getResult(0)));
  }
  if (dispatch.getLibrary() && failed(addLibrary(dispatch, body)))
    return failure();
  command.body.Set(std::move(body));
  if (dispatch.getIndependent())
    command.flags |= uint32_t(schema::CommandFlag::independent);
  return success();
}

LogicalResult EntryBuilder::addLibrary(plan::DispatchOp dispatch,
                                       schema::DispatchT &body) {
  std::optional<AffineMap> sizes = dispatch.getLibrarySizes();
  // Beside the file's sizes, where activations begin.
  if (dispatch.getLibrary() != runtime::kMatmulFunction || !sizes ||
      !dispatch.getForm())
    return dispatch.emitOpError("has a library's form that is not known");
  if (failed(checkMap(dispatch, *sizes, runtime::kMatmulSizes + 1)))
    return failure();
  body.library = std::make_unique<schema::LibraryCallT>();
  body.library->function = runtime::kMatmulFunction;
  for (auto [i, operand] : llvm::enumerate(dispatch.getLibraryOperands())) {
    bool isResult = i == runtime::kMatmulResult;
    AffineExpr start = sizes->getResult(runtime::kMatmulSizes);
    int32_t offset = -1;
    if (i == runtime::kMatmulActivations && start != 0)
      offset = int32_t(expression(start * 2)); // bytes of bf16
    body.library->operands.emplace_back(
        buffers.lookup(operand),
        uint32_t(isResult ? schema::Access::write : schema::Access::read),
        offset, -1);
  }
  for (AffineExpr size : sizes->getResults().drop_back())
    body.library->sizes.push_back(expression(size));
  auto form = std::make_unique<schema::KeyValueT>();
  form->key = "form";
  form->value = dispatch.getForm()->str();
  body.library->attributes.push_back(std::move(form));
  if (auto choices = dispatch->getAttrOfType<DictionaryAttr>("library_choices"))
    for (NamedAttribute each : choices) {
      auto text = dyn_cast<StringAttr>(each.getValue());
      if (!text)
        return dispatch.emitOpError("has a choice that is no text");
      auto choice = std::make_unique<schema::KeyValueT>();
      choice->key = each.getName().str();
      choice->value = text.str();
      body.library->attributes.push_back(std::move(choice));
    }
  return success();
}

/// An event at the end of each stream that the launch waits for.
LogicalResult EntryBuilder::addWaits(plan::DispatchOp dispatch,
                                     schema::BlockT &block) {
  uint64_t stream = dispatch.getStream().value_or(0);
  if (stream >= kMaxStreams)
    return dispatch.emitOpError("is in a stream beyond ") << kMaxStreams;
  for (int64_t other : dispatch.getWaits().value_or(ArrayRef<int64_t>())) {
    if (other < 0 || other >= int64_t(kMaxStreams))
      return dispatch.emitOpError("waits for a stream beyond ") << kMaxStreams;
    auto add = [&](auto body, uint64_t stream) {
      body.event = entry->event_count;
      auto command = std::make_unique<schema::CommandT>();
      command->stream = uint32_t(stream);
      command->body.Set(std::move(body));
      block.commands.push_back(std::move(command));
    };
    add(schema::EventRecordT(), uint64_t(other));
    add(schema::EventWaitT(), stream);
    ++entry->event_count;
    entry->stream_count = std::max(entry->stream_count, uint32_t(other) + 1);
  }
  return success();
}

LogicalResult EntryBuilder::addCommands() {
  auto block = std::make_unique<schema::BlockT>();
  for (Operation &each : op.getBody().front()) {
    if (!commandIndex.count(&each))
      continue;
    auto command = std::make_unique<schema::CommandT>();
    command->node = nodeName(each.getLoc());
    if (auto dispatch = dyn_cast<plan::DispatchOp>(each)) {
      if (failed(addWaits(dispatch, *block)))
        return failure();
      command->stream = uint32_t(dispatch.getStream().value_or(0));
      entry->stream_count = std::max(entry->stream_count, command->stream + 1);
      if (failed(addDispatch(dispatch, *command)))
        return failure();
    } else {
      auto copy = cast<plan::CopyOp>(each);
      if (failed(checkMap(copy, copy.getBytes(), 1)))
        return failure();
      schema::CopyT body;
      body.source = std::make_unique<schema::Operand>(
          buffers.lookup(copy.getSource()), uint32_t(schema::Access::read), -1,
          -1);
      body.target = std::make_unique<schema::Operand>(
          buffers.lookup(copy.getTarget()), uint32_t(schema::Access::write), -1,
          -1);
      body.bytes = expression(copy.getBytes());
      command->body.Set(std::move(body));
    }
    block->commands.push_back(std::move(command));
  }
  entry->blocks.push_back(std::move(block));
  return success();
}

FailureOr<std::unique_ptr<schema::EntryT>> EntryBuilder::build() {
  entry = std::make_unique<schema::EntryT>();
  entry->name = op.getSymName().str();
  uint32_t commands = 0;
  for (Operation &each : op.getBody().front()) {
    // Two commands for each stream that it waits for, then its own.
    if (auto dispatch = dyn_cast<plan::DispatchOp>(each);
        dispatch && dispatch.getWaits())
      commands += 2 * uint32_t(dispatch.getWaits()->size());
    if (isa<plan::DispatchOp, plan::CopyOp>(each))
      commandIndex.try_emplace(&each, commands++);
    else if (!isa<plan::AllocOp, plan::GetConstantOp, plan::StateOp>(each))
      return each.emitOpError("is not a command of an entry");
  }
  if (failed(addValues()) || failed(addStates()) || failed(addSymbols()) ||
      failed(addBuffers()) || failed(addCommands()))
    return failure();
  table.store(*entry);
  return std::move(entry);
}

} // namespace mmcc::artifact
