//===- Lowering.cpp - One entry from mm to plan ---------------------------===//

#include "passes/lower/Lowering.h"
#include "passes/lower/QuantizeRows.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mmcc::lower {

Lowering::Lowering(func::FuncOp func, plan::VariantOp variant, ModuleOp module,
                   StringRef level, KernelNames &kernels)
    : level(level), func(func), variant(variant), module(module),
      builder(func.getContext()), kernelBuilder(func.getContext()),
      kernels(kernels) {
  symbols.context = func.getContext();
  kernelBuilder.setInsertionPointToEnd(&variant.getBody().front());
}

//===----------------------------------------------------------------------===//
// The entry
//===----------------------------------------------------------------------===//

void Lowering::createEntry() {
  MLIRContext *context = func.getContext();
  auto types = llvm::to_vector(func.getArgumentTypes());
  size_t inputs = types.size();
  llvm::append_range(types, func.getResultTypes());
  auto collect = [&](Type type) {
    for (const Dim &dim : mm::getShape(type))
      for (StringAttr name : dim.symbols())
        if (!llvm::is_contained(symbols.names, name))
          symbols.names.push_back(name);
  };
  // Symbols of an entry with state have the numbers that they have in the plain
  // one, so that both launch the same kernels.
  auto plain = func->getAttrOfType<StringAttr>("mm.plain");
  if (auto other = plain ? module.lookupSymbol<func::FuncOp>(plain) : nullptr) {
    for (Type type : other.getArgumentTypes())
      collect(type);
    for (Type type : other.getResultTypes())
      collect(type);
  }
  for (Type type : types)
    collect(type);
  func.walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      if (isa<RankedTensorType>(type))
        collect(type);
    for (NamedAttribute attr : op->getAttrs())
      if (auto dims = dyn_cast<mm::DimsAttr>(attr.getValue()))
        for (StringAttr name : dims.getNames())
          if (!llvm::is_contained(symbols.names, name))
            symbols.names.push_back(name);
  });
  SmallVector<int64_t> ranges;
  SmallVector<StringRef> names;
  auto known = func->getAttrOfType<DictionaryAttr>("mm.symbols");
  for (StringAttr name : symbols.names) {
    names.push_back(name.getValue());
    auto range =
        known ? known.getAs<DenseI64ArrayAttr>(name) : DenseI64ArrayAttr();
    ranges.push_back(range ? range[0] : 1);
    ranges.push_back(range ? range[1] : -1);
  }
  auto nameOf = [&](DictionaryAttr attrs, size_t index, StringRef fallback) {
    if (attrs)
      if (auto name = attrs.getAs<StringAttr>("mm.name"))
        return name;
    return StringAttr::get(context, fallback + Twine(index));
  };
  SmallVector<Attribute> inputNames, outputNames, elements, shapes;
  for (size_t i = 0; i < types.size(); ++i) {
    if (i < inputs)
      inputNames.push_back(nameOf(func.getArgAttrDict(i), i, "input_"));
    else
      outputNames.push_back(
          nameOf(func.getResultAttrDict(i - inputs), i - inputs, "output_"));
    auto type = cast<RankedTensorType>(types[i]);
    elements.push_back(TypeAttr::get(type.getElementType()));
    shapes.push_back(AffineMapAttr::get(symbols.map(mm::getShape(type))));
  }
  entry = kernelBuilder.create<plan::EntryOp>(
      func.getLoc(), func.getSymName(), builder.getStrArrayAttr(names), ranges,
      builder.getArrayAttr(inputNames), builder.getArrayAttr(outputNames),
      builder.getArrayAttr(elements), builder.getArrayAttr(shapes),
      AffineMapAttr(), func->getAttrOfType<DictionaryAttr>("mm.absences"),
      plain);
  Block &body = entry.getBody().emplaceBlock();
  for (Type type : types)
    body.addArgument(
        plan::BufferType::get(context,
                              cast<RankedTensorType>(type).getElementType()),
        func.getLoc());
  builder.setInsertionPointToEnd(&body);
  // Kernels come before the entry that launches them.
  kernelBuilder.setInsertionPoint(entry);
  for (BlockArgument argument : func.getArguments()) {
    Shape shape = mm::getShape(argument.getType());
    views[argument] = {body.getArgument(argument.getArgNumber()),
                       symbols.constant(0),
                       rowMajorStrides(shape, symbols.context)};
  }
}

LogicalResult Lowering::run() {
  if (!llvm::hasSingleElement(func.getBody()))
    return func.emitError("control flow cannot be lowered yet");
  createEntry();
  for (Operation &op : func.getBody().front())
    lowerOp(&op, /*wanted=*/false);
  return failure(failed);
}

bool isConstantData(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  return isa<mm::ConstantOp>(op) ||
         ((isViewOp(op) || isa<mm::ConcatOp>(op)) &&
          llvm::all_of(op->getOperands(), isConstantData));
}

void Lowering::lowerOp(Operation *op, bool wanted) {
  if (done.contains(op))
    return;
  if (auto ret = dyn_cast<func::ReturnOp>(op)) {
    lowerReturn(ret);
    return;
  }
  if (isa<mm::ConstantOp>(op) || isViewOp(op))
    return;
  // A packed weight reads the parts of a concatenation where they are; only
  // what still needs it in one piece asks for it (see view()).
  if (auto concat = dyn_cast<mm::ConcatOp>(op);
      concat && !wanted && isConstantData(concat.getResult()))
    return;
  if (op->use_empty() && !isa<mm::StateAppendOp>(op)) {
    done.insert(op);
    return;
  }
  for (Value operand : op->getOperands())
    prepare(operand);
  // Preparing may have made this operation part of another's kernel.
  if (done.contains(op))
    return;
  llvm::TypeSwitch<Operation *>(op)
      .Case<mm::LinearOp>([&](auto op) { lowerLinear(*this, op); })
      .Case<mm::MatmulOp>([&](auto op) { lowerMatmul(*this, op); })
      .Case<mm::QuantizedLinearOp>(
          [&](auto op) { lowerQuantizedLinear(*this, op); })
      .Case<mm::QuantizeRowsOp>([&](auto op) { lowerQuantizeRows(*this, op); })
      .Case<mm::ConvOp>([&](auto op) { lowerConv(*this, op); })
      .Case<mm::ConvTransposeOp>(
          [&](auto op) { lowerConvTranspose(*this, op); })
      .Case<mm::AttentionOp>([&](auto op) { lowerAttention(*this, op); })
      .Case<mm::PoolOp>([&](auto op) { lowerPool(*this, op); })
      .Case<mm::ReduceOp>([&](auto op) { lowerReduce(*this, op); })
      .Case<mm::ArgReduceOp>([&](auto op) { lowerArgReduce(*this, op); })
      .Case<mm::SoftmaxOp>([&](auto op) { lowerSoftmax(*this, op); })
      .Case<mm::LayerNormOp, mm::RmsNormOp>(
          [&](auto op) { lowerNorm(*this, op); })
      .Case<mm::GroupNormOp>([&](auto op) { lowerGroupNorm(*this, op); })
      .Case<mm::CumulativeOp>([&](auto op) { lowerCumulative(*this, op); })
      .Case<mm::TopKOp>([&](auto op) { lowerTopK(*this, op); })
      .Case<mm::ScatterOp>([&](auto op) { lowerScatter(*this, op); })
      .Case<mm::MatchTokensOp>([&](auto op) { lowerMatchTokens(*this, op); })
      .Case<mm::MergeTokensOp>([&](auto op) { lowerMergeTokens(*this, op); })
      .Case<mm::RetrieveOp>([&](auto op) { lowerRetrieve(*this, op); })
      .Case<mm::SimilarityOp>([&](auto op) { lowerSimilarity(*this, op); })
      .Case<mm::SelectTokensOp>([&](auto op) { lowerSelectTokens(*this, op); })
      .Case<mm::StateAppendOp>([&](auto op) { lowerStateAppend(*this, op); })
      .Case<mm::ConcatOp>([&](auto op) { lowerConcat(op); })
      .Default([&](Operation *op) {
        if (!isComputable(op)) {
          op->emitOpError("cannot be lowered");
          failed = true;
          return;
        }
        Value value = op->getResult(0);
        if (isInlined(value))
          return;
        View target = destination(value);
        done.insert(op);
        if (auto rows = rowsOf(value))
          lowerRowsWithBytes(*this, value, target, rows);
        else
          emitMap(value, target);
        views[value] = target;
      });
  if (!isComputable(op))
    done.insert(op);
}

void Lowering::lowerConcat(mm::ConcatOp op) {
  View whole = destination(op.getResult());
  concatTargets[op.getResult()] = whole;
  Dim begin = symbols.constant(0);
  size_t axis = op.getAxis();
  for (Value input : op.getInputs()) {
    View part = whole;
    part.offset = part.offset + begin * part.strides[axis];
    begin = begin + mm::getShape(input.getType())[axis];
    std::optional<View> there = tryView(input);
    if (there && there->buffer == part.buffer && there->offset == part.offset &&
        there->strides == part.strides)
      continue;
    emitMap(input, part);
  }
  views[op.getResult()] = whole;
}

void Lowering::lowerReturn(func::ReturnOp op) {
  for (auto [index, value] : llvm::enumerate(op.getOperands())) {
    Value output = entry.getBody().getArgument(func.getNumArguments() + index);
    Shape shape = mm::getShape(value.getType());
    View target{output, symbols.constant(0),
                rowMajorStrides(shape, symbols.context)};
    std::optional<View> there = tryView(value);
    if (there && there->buffer == output)
      continue;
    prepare(value);
    emitMap(value, target);
  }
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value Lowering::alloc(const Dim &elements, Type elementType, Location loc) {
  auto type = plan::BufferType::get(elementType.getContext(), elementType);
  return builder.create<plan::AllocOp>(
      loc, type, AffineMapAttr::get(symbols.map(elements)), AffineMapAttr());
}

View Lowering::allocDense(ArrayRef<Dim> shape, Type elementType, Location loc) {
  Dim elements = mm::product(symbols.context, shape);
  return {alloc(elements, elementType, loc), symbols.constant(0),
          rowMajorStrides(shape, symbols.context)};
}

View Lowering::destination(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  Shape shape = mm::getShape(type);
  // An output of the entry, if it is returned.
  for (OpOperand &use : value.getUses())
    if (isa<func::ReturnOp>(use.getOwner()))
      return {entry.getBody().getArgument(func.getNumArguments() +
                                          use.getOperandNumber()),
              symbols.constant(0), rowMajorStrides(shape, symbols.context)};
  // A part of a concatenation that nothing else needs.
  if (value.hasOneUse())
    if (auto concat = dyn_cast<mm::ConcatOp>(*value.getUsers().begin())) {
      auto it = concatTargets.find(concat.getResult());
      View whole = it != concatTargets.end() ? it->second
                                             : destination(concat.getResult());
      concatTargets[concat.getResult()] = whole;
      size_t axis = concat.getAxis();
      Dim begin = symbols.constant(0);
      for (Value input : concat.getInputs()) {
        if (input == value)
          break;
        begin = begin + mm::getShape(input.getType())[axis];
      }
      whole.offset = whole.offset + begin * whole.strides[axis];
      return whole;
    }
  if (auto it = concatTargets.find(value); it != concatTargets.end())
    return it->second;
  return allocDense(shape, type.getElementType(), value.getLoc());
}

void Lowering::emitMap(Value value, const View &target) {
  Domain domain;
  domain.extents = mm::getShape(value.getType());
  domain.parallel = domain.extents.size();
  buildLoops(
      *this, value.getLoc(), domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        Element element(kernel, "map", "", domain.extents, {});
        element.store(element.at(value, index), target, index);
        element.yield();
      });
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

/// Strides after a reshape, group by group; nothing if a group does not step
/// evenly.
static std::optional<SmallVector<Dim>>
reshapeStrides(ArrayRef<Dim> strides, ArrayRef<Dim> from, ArrayRef<Dim> to) {
  MLIRContext *context = from.empty()
                             ? (to.empty() ? nullptr : to[0].getContext())
                             : from[0].getContext();
  SmallVector<Dim> result;
  for (const ReshapeGroup &group : reshapeGroups(from, to)) {
    // The innermost stride, and whether the others follow from it.
    std::optional<Dim> inner;
    Dim expected;
    for (unsigned i = group.fromEnd; i-- > group.fromBegin;) {
      if (from[i].isConstant(1))
        continue;
      if (!inner)
        inner = strides[i];
      else if (strides[i] != expected)
        return std::nullopt;
      expected = strides[i] * from[i];
    }
    if (!inner)
      inner = Dim::constant(context, 0);
    SmallVector<Dim> groupStrides(group.toEnd - group.toBegin);
    Dim stride = *inner;
    for (unsigned j = group.toEnd; j-- > group.toBegin;) {
      groupStrides[j - group.toBegin] = stride;
      stride = stride * to[j];
    }
    llvm::append_range(result, groupStrides);
  }
  return result;
}

std::optional<View> Lowering::tryView(Value value) {
  if (auto it = views.find(value); it != views.end())
    return it->second;
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (auto constant = dyn_cast<mm::ConstantOp>(op))
    return constantView(constant);
  if (!isViewOp(op))
    return std::nullopt;
  std::optional<View> source = tryView(op->getOperand(0));
  if (!source)
    return std::nullopt;
  Shape from = mm::getShape(op->getOperand(0).getType());
  Shape to = mm::getShape(value.getType());
  View result = *source;
  if (auto transpose = dyn_cast<mm::TransposeOp>(op)) {
    result.strides.clear();
    for (int64_t dim : transpose.getPermutation())
      result.strides.push_back(source->strides[dim]);
  } else if (isa<mm::ReshapeOp>(op)) {
    auto strides = reshapeStrides(source->strides, from, to);
    if (!strides)
      return std::nullopt;
    result.strides = *strides;
  } else if (auto slice = dyn_cast<mm::SliceOp>(op)) {
    for (auto [i, step] : llvm::enumerate(slice.getSteps())) {
      result.offset =
          result.offset + slice.getOffsets().getDim(i) * source->strides[i];
      result.strides[i] = source->strides[i] * step;
    }
  } else {
    Dim zero = symbols.constant(0);
    result.strides.assign(to.size(), zero);
    size_t skip = to.size() - from.size();
    for (size_t i = 0; i < from.size(); ++i)
      if (!from[i].isConstant(1) || to[skip + i].isConstant(1))
        result.strides[skip + i] = source->strides[i];
  }
  return result;
}

View Lowering::view(Value value) {
  if (std::optional<View> known = tryView(value))
    return *known;
  Operation *op = value.getDefiningOp();
  if (isViewOp(op)) {
    // Make the source available, then look again.
    prepare(op->getOperand(0));
    if (std::optional<View> known = tryView(value))
      return *known;
    auto type = cast<RankedTensorType>(value.getType());
    View target =
        allocDense(mm::getShape(type), type.getElementType(), value.getLoc());
    emitMap(value, target);
    views[value] = target;
    return target;
  }
  if (!isInlined(value) && !done.contains(op)) {
    lowerOp(op, /*wanted=*/true);
    if (auto it = views.find(value); it != views.end())
      return it->second;
  }
  View target = destination(value);
  if (isComputable(op)) {
    done.insert(op);
    emitMap(value, target);
  } else {
    op->emitOpError("has no stored result");
    failed = true;
  }
  views[value] = target;
  return target;
}

View Lowering::denseView(Value value, unsigned from) {
  View known = view(value);
  Shape shape = mm::getShape(value.getType());
  SmallVector<Dim> dense = rowMajorStrides(shape, symbols.context);
  bool isDense = true;
  for (size_t i = from; i < shape.size(); ++i)
    isDense &= shape[i].isConstant(1) || known.strides[i] == dense[i];
  if (isDense)
    return known;
  auto type = cast<RankedTensorType>(value.getType());
  View copy = allocDense(shape, type.getElementType(), value.getLoc());
  emitMap(value, copy);
  views[value] = copy;
  return copy;
}

} // namespace mmcc::lower
