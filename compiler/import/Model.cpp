//===- Model.cpp - A model's declaration, inputs and outputs --------------===//

#include "compiler/import/DimParam.h"
#include "compiler/import/ElementType.h"
#include "compiler/import/GraphImporter.h"

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

/// "f32 [batch, 16, 64]"
static std::string describe(RankedTensorType type) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << type.getElementType() << " [";
  llvm::interleaveComma(mm::getShape(type), os,
                        [&](const Dim &dim) { dim.print(os); });
  return text + "]";
}

void GraphImporter::checkGiven(StringRef input, RankedTensorType declared,
                               const GivenInput &given) {
  auto type = cast<RankedTensorType>(given.value.getType());
  auto refuse = [&](const Twine &reason) {
    errors.push_back({given.file, "", "", 0,
                      (given.field + ": " + describe(type) + " does not fit " +
                       describe(declared) + reason)
                          .str()});
  };
  if (type.getElementType() != declared.getElementType())
    return refuse(": the element types differ");
  if (type.getRank() != declared.getRank())
    return refuse(": the numbers of dimensions differ");
  Shape from = mm::getShape(type), to = mm::getShape(declared);
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (i == given.emptyAxis) {
      // A size of the model that is this one is 0 wherever else it stands.
      if (to[i].symbols().size() == 1 &&
          to[i] == Dim::symbol(&context, to[i].symbols()[0].getValue()))
        facts.rebind(to[i].symbols()[0], from[i]);
    } else if (!facts.demandEqual(to[i], from[i])) {
      return refuse(" in dimension " + Twine(i));
    }
  }
}

void GraphImporter::collectPlainDims() {
  for (const onnx::ValueInfoProto &input : model.graph().input())
    for (const auto &dim : input.type().tensor_type().shape().dim())
      if (dim.has_dim_param() && isPlainDimName(dim.dim_param()))
        plainDims.insert(dim.dim_param());
}

std::vector<NamedValue>
GraphImporter::addArguments(Block &block, const llvm::StringSet<> &connected) {
  const onnx::GraphProto &graph = model.graph();
  llvm::StringSet<> initializers;
  for (const onnx::TensorProto &tensor : graph.initializer())
    initializers.insert(tensor.name());
  for (const onnx::SparseTensorProto &tensor : graph.sparse_initializer())
    initializers.insert(tensor.values().name());
  collectPlainDims();
  std::vector<NamedValue> arguments;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    if (connected.contains(input.name()) || initializers.contains(input.name()))
      continue;
    Location loc = NameLoc::get(builder.getStringAttr(input.name()), fileLoc);
    if (RankedTensorType type = inputType(input))
      arguments.push_back({input.name(), block.addArgument(type, loc)});
  }
  return arguments;
}

bool GraphImporter::declareInputs(Scope &scope, Block &block,
                                  const llvm::StringMap<GivenInput> &given,
                                  std::vector<std::string> &arguments) {
  const onnx::GraphProto &graph = model.graph();
  collectPlainDims();
  bool complete = true;
  llvm::StringSet<> taken;
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
    auto source = given.find(input.name());
    if (!type) {
      entry.failed = true;
      complete = false;
    } else if (source != given.end()) {
      checkGiven(input.name(), type, source->second);
      Value value = source->second.value;
      entry.tensor = {cast<RankedTensorType>(value.getType()), value, nullptr};
      taken.insert(input.name());
    } else {
      Location loc = NameLoc::get(builder.getStringAttr(input.name()), fileLoc);
      entry.tensor = {type, block.addArgument(type, loc), nullptr};
      arguments.push_back(input.name());
    }
    scope.entries[input.name()] = std::move(entry);
  }
  for (const auto &entry : given)
    if (complete && !taken.contains(entry.getKey()))
      errors.push_back({entry.getValue().file, "", "", 0,
                        (entry.getValue().field + ": " + options.path +
                         " has no input '" + entry.getKey() + "'")
                            .str()});
  return complete;
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

std::optional<GraphPart>
GraphImporter::importInto(Block &block,
                          const llvm::StringMap<GivenInput> &given) {
  if (!checkModel())
    return std::nullopt;
  size_t errorsBefore = errors.size();
  builder.setInsertionPointToEnd(&block);
  Scope scope;
  for (const auto &import : model.opset_import())
    scope.opsets[normalDomain(import.domain())] = import.version();
  const onnx::GraphProto &graph = model.graph();
  declareInitializers(graph, scope);
  GraphPart part;
  declareInputs(scope, block, given, part.arguments);
  if (!options.allowUnknownDims)
    for (const DimBinding &binding : options.dims)
      if (!facts.isMentioned(builder.getStringAttr(binding.name)))
        fail("--dim " + binding.name + ": no input has a size of this name");
  // A graph that is given what does not fit would only fail once more.
  if (given.empty() || errors.size() == errorsBefore)
    importNodesOf(graph, scope);
  if (graph.output_size() == 0)
    fail("the graph has no outputs");
  for (const onnx::ValueInfoProto &output : graph.output()) {
    if (stopped || (!given.empty() && errors.size() != errorsBefore))
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
    part.outputs.push_back({output.name(), emitter.value(tensor)});
  }
  if (stopped || facts.wantsRestart() || errors.size() != errorsBefore)
    return std::nullopt;
  return part;
}

OwningOpRef<ModuleOp> GraphImporter::run() {
  auto block = std::make_unique<Block>();
  std::optional<GraphPart> part = importInto(*block, {});
  if (!part) {
    block->dropAllReferences();
    return {};
  }
  OwningOpRef<ModuleOp> module =
      makeEntryFunction(options.entry, std::move(block), *part, facts, fileLoc);
  if (!module)
    fail("the imported program does not verify");
  return module;
}

} // namespace mmcc::import
