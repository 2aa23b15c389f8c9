//===- Model.cpp - A model's declaration, inputs and outputs --------------===//

#include "compiler/import/DimParam.h"
#include "compiler/import/ElementType.h"
#include "compiler/import/GraphImporter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

/// Opsets of ai.onnx: broadcasting became what it is with 7; what a newer one
/// than the last changed is not known here.
static constexpr int64_t kOldestOpset = 7;
static constexpr int64_t kNewestOpset = 28;

GraphImporter::GraphImporter(TensorReader &reader, DimFacts &facts,
                             const ImportOptions &options, MLIRContext &context,
                             std::vector<ImportError> &errors)
    : reader(reader), model(reader.model()), facts(facts), options(options),
      context(context), builder(&context),
      // Only the file's own name: where it lies must not change the output.
      fileLoc(NameLoc::get(StringAttr::get(
          &context, StringRef(options.path).rsplit('/').second.empty()
                        ? StringRef(options.path)
                        : StringRef(options.path).rsplit('/').second))),
      errors(errors) {}

void GraphImporter::fail(const Twine &reason) {
  errors.push_back({options.path, "", "", 0, reason.str()});
}

bool GraphImporter::checkModel() {
  if (!model.has_graph()) {
    fail("not a valid ONNX file: it holds no graph");
    return false;
  }
  if (model.opset_import_size() == 0) {
    fail("not a valid ONNX file: it imports no opset");
    return false;
  }
  for (const auto &import : model.opset_import())
    if (normalDomain(import.domain()).empty() &&
        (import.version() < kOldestOpset || import.version() > kNewestOpset)) {
      fail("opset " + Twine(import.version()) + " is not supported (" +
           Twine(kOldestOpset) + " to " + Twine(kNewestOpset) + " are)");
      return false;
    }
  for (const onnx::FunctionProto &function : model.functions())
    if (!functions
             .try_emplace(functionKey(function.domain(), function.name(),
                                      function.overload()),
                          &function)
             .second) {
      fail("function '" + function.name() + "' is defined twice");
      return false;
    }
  return true;
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

Dim GraphImporter::inputDim(const onnx::TensorShapeProto::Dimension &dim,
                            StringRef input, int index) {
  if (dim.has_dim_value() && dim.dim_value() >= 0)
    return Dim::constant(&context, dim.dim_value());
  if (dim.has_dim_param() && !dim.dim_param().empty())
    return parseDimParam(dim.dim_param(), plainDims, facts, &context);
  return facts.symbol(&context, (input + "_dim_" + Twine(index)).str());
}

RankedTensorType GraphImporter::inputType(const onnx::ValueInfoProto &input) {
  auto refuse = [&](const Twine &reason) -> RankedTensorType {
    fail("input '" + input.name() + "' " + reason);
    return {};
  };
  if (!input.type().has_tensor_type())
    return refuse("is not a tensor");
  const auto &declared = input.type().tensor_type();
  Type elementType = elementTypeFor(declared.elem_type(), &context);
  if (!elementType)
    return refuse("has elements of type " + dataTypeName(declared.elem_type()) +
                  ", which is not supported");
  if (!declared.has_shape())
    return refuse("has no declared shape");
  Shape shape;
  SmallVector<int64_t> sizes;
  for (int i = 0; i < declared.shape().dim_size(); ++i) {
    shape.push_back(inputDim(declared.shape().dim(i), input.name(), i));
    sizes.push_back(shape.back().getConstant().value_or(1));
  }
  std::string error;
  if (!checkedType(sizes, elementType, error))
    return refuse(error);
  return mm::makeTensorType(shape, elementType);
}

bool GraphImporter::declareInputs(Scope &scope, Block &block,
                                  SmallVectorImpl<DictionaryAttr> &attributes) {
  const onnx::GraphProto &graph = model.graph();
  for (const onnx::ValueInfoProto &input : graph.input())
    for (const auto &dim : input.type().tensor_type().shape().dim())
      if (dim.has_dim_param() && isPlainDimName(dim.dim_param()))
        plainDims.insert(dim.dim_param());
  bool complete = true;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    Entry *known = scope.find(input.name());
    // An initializer that is also an input is its default; it is taken as a
    // constant, as every runtime does that folds constants.
    if (known && (known->initializer || known->sparseInitializer))
      continue;
    if (known || input.name().empty()) {
      fail("input '" + input.name() + "' is declared twice or has no name");
      complete = false;
      continue;
    }
    RankedTensorType type = inputType(input);
    Entry entry;
    if (type) {
      Location loc = NameLoc::get(builder.getStringAttr(input.name()), fileLoc);
      entry.tensor = {type, block.addArgument(type, loc), nullptr};
      attributes.push_back(builder.getDictionaryAttr(builder.getNamedAttr(
          "mm.name", builder.getStringAttr(input.name()))));
    } else {
      entry.failed = true;
      complete = false;
    }
    scope.entries[input.name()] = std::move(entry);
  }
  return complete;
}

DictionaryAttr GraphImporter::symbolRanges(TypeRange types) {
  NamedAttrList ranges;
  llvm::StringSet<> seen;
  for (Type type : types)
    for (const Dim &dim : mm::getShape(type))
      for (StringAttr name : dim.symbols())
        if (seen.insert(name.getValue()).second) {
          Bounds range = facts.range(name);
          ranges.append(
              name, builder.getDenseI64ArrayAttr(
                        {range.lo, range.isUnboundedAbove() ? -1 : range.hi}));
        }
  return ranges.getDictionary(&context);
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

OwningOpRef<ModuleOp> GraphImporter::run() {
  if (!checkModel())
    return {};
  OwningOpRef<ModuleOp> module = ModuleOp::create(fileLoc);
  auto block = std::make_unique<Block>();
  builder.setInsertionPointToStart(block.get());
  Scope scope;
  for (const auto &import : model.opset_import())
    scope.opsets[normalDomain(import.domain())] = import.version();
  const onnx::GraphProto &graph = model.graph();
  declareInitializers(graph, scope);
  SmallVector<DictionaryAttr> inputAttributes, outputAttributes;
  declareInputs(scope, *block, inputAttributes);
  if (!options.allowUnknownDims)
    for (const DimBinding &binding : options.dims)
      if (!facts.isMentioned(builder.getStringAttr(binding.name)))
        fail("--dim " + binding.name + ": no input has a size of this name");
  importNodesOf(graph, scope);
  if (graph.output_size() == 0)
    fail("the graph has no outputs");
  SmallVector<Value> results;
  for (const onnx::ValueInfoProto &output : graph.output()) {
    if (stopped)
      break;
    Tensor tensor = resolve(output.name(), scope, nullptr);
    if (!tensor)
      continue;
    int32_t declared = output.type().tensor_type().elem_type();
    if (output.type().has_tensor_type() && declared &&
        elementTypeFor(declared, &context) != tensor.elementType())
      fail("output '" + output.name() + "' is declared " +
           dataTypeName(declared) + " but computed as " +
           dataTypeName(dataTypeOf(tensor.elementType())));
    Emitter emitter(
        builder, facts,
        NameLoc::get(builder.getStringAttr(output.name()), fileLoc));
    results.push_back(emitter.value(tensor));
    outputAttributes.push_back(builder.getDictionaryAttr(
        builder.getNamedAttr("mm.name", builder.getStringAttr(output.name()))));
  }
  if (stopped || facts.wantsRestart() || !errors.empty()) {
    block->dropAllReferences();
    return {};
  }
  builder.create<func::ReturnOp>(fileLoc, results);
  TypeRange inputTypes = block->getArgumentTypes();
  auto function = func::FuncOp::create(
      fileLoc, options.entry,
      builder.getFunctionType(inputTypes, TypeRange(ValueRange(results))));
  function.setAllArgAttrs(inputAttributes);
  function.setAllResultAttrs(outputAttributes);
  function.getBody().push_back(block.release());
  if (DictionaryAttr ranges =
          symbolRanges(function.getFunctionType().getInputs());
      !ranges.empty())
    function->setAttr("mm.symbols", ranges);
  module->push_back(function);
  // What shape arithmetic has left behind.
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (isOpTriviallyDead(&op))
      op.erase();
  if (failed(verify(*module))) {
    fail("the imported program does not verify");
    return {};
  }
  return module;
}

} // namespace mmcc::import
