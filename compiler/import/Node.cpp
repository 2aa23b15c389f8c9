//===- Node.cpp - One ONNX node while it is imported ----------------------===//

#include "compiler/import/Node.h"
#include "compiler/import/onnx.pb.h"

using namespace mlir;
using onnx::AttributeProto;

namespace mmcc::import {

Node::Node(OpBuilder &builder, DimFacts &facts, Location loc,
           TensorReader &reader, StringRef type, int64_t opset,
           Attributes attributes, std::vector<Tensor> inputs,
           size_t outputCount)
    : Emitter(builder, facts, loc), reader(reader), opType(type),
      version(opset), attributes(std::move(attributes)),
      inputs(std::move(inputs)), outputs(outputCount) {}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

Tensor Node::input(size_t index) {
  readInputs.insert(index);
  return index < inputs.size() ? inputs[index] : Tensor();
}

Tensor Node::required(size_t index) {
  Tensor tensor = input(index);
  return tensor ? tensor : fail("input " + Twine(index) + " is missing");
}

std::optional<mm::Shape> Node::inputDims(size_t index, StringRef what) {
  Tensor tensor = required(index);
  if (!tensor)
    return std::nullopt;
  if (tensor.known && isa<IntegerType>(tensor.elementType()))
    if (std::optional<mm::Shape> dims = tensor.known->dims()) {
      // What is larger than any size means "to the end", or is absurd.
      for (mm::Dim &size : *dims)
        if (std::optional<int64_t> value = size.getConstant())
          size = dim(std::clamp(*value, -kLargestSize, kLargestSize));
      return dims;
    }
  fail(what + Twine(" depends on data that is not known before the run"));
  return std::nullopt;
}

mm::Shape Node::clampedDims(ArrayRef<int64_t> values) const {
  mm::Shape dims;
  for (int64_t value : values)
    dims.push_back(dim(std::clamp(value, -kLargestSize, kLargestSize)));
  return dims;
}

std::optional<SmallVector<int64_t>> Node::inputIntegers(size_t index,
                                                        StringRef what) {
  std::optional<mm::Shape> dims = inputDims(index, what);
  if (!dims)
    return std::nullopt;
  SmallVector<int64_t> values;
  for (const mm::Dim &dim : *dims) {
    std::optional<int64_t> value = dim.getConstant();
    if (!value) {
      fail(what + Twine(" depends on the size ") + dim.str());
      return std::nullopt;
    }
    values.push_back(*value);
  }
  return values;
}

std::optional<SmallVector<double>> Node::inputReals(size_t index,
                                                    StringRef what) {
  Tensor tensor = required(index);
  if (!tensor)
    return std::nullopt;
  SmallVector<double> values;
  if (tensor.known)
    for (const Scalar &scalar : tensor.known->elements)
      if (scalar.real)
        values.push_back(*scalar.real);
  if (!tensor.known || values.size() != tensor.known->elements.size()) {
    fail(what + Twine(" is not constant"));
    return std::nullopt;
  }
  return values;
}

std::optional<SmallVector<int64_t>> Node::axesFrom(size_t index, int64_t rank) {
  SmallVector<int64_t> given;
  if (hasAttribute("axes")) {
    given = integerList("axes");
  } else if (hasInput(index)) {
    std::optional<SmallVector<int64_t>> values = inputIntegers(index, "axes");
    if (!values)
      return std::nullopt;
    given = *values;
  } else {
    return std::nullopt;
  }
  return axes(given, rank);
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

bool Node::hasAttribute(StringRef name) const {
  return attributes.contains(name);
}

const AttributeProto *Node::attribute(StringRef name) {
  readAttributes.insert(name);
  return attributes.lookup(name);
}

const AttributeProto *Node::find(StringRef name, int kind) {
  const AttributeProto *found = attribute(name);
  if (found && found->type() != kind) {
    fail("attribute '" + name + "' has the wrong type");
    return nullptr;
  }
  return found;
}

int64_t Node::integer(StringRef name, int64_t otherwise) {
  const AttributeProto *found = find(name, AttributeProto::INT);
  return found ? found->i() : otherwise;
}

double Node::number(StringRef name, double otherwise) {
  const AttributeProto *found = find(name, AttributeProto::FLOAT);
  return found ? found->f() : otherwise;
}

std::string Node::text(StringRef name, StringRef otherwise) {
  const AttributeProto *found = find(name, AttributeProto::STRING);
  return found ? found->s() : otherwise.str();
}

SmallVector<int64_t> Node::integerList(StringRef name,
                                       ArrayRef<int64_t> otherwise) {
  const AttributeProto *found = find(name, AttributeProto::INTS);
  if (!found)
    return SmallVector<int64_t>(otherwise);
  return {found->ints().begin(), found->ints().end()};
}

SmallVector<double> Node::numberList(StringRef name) {
  const AttributeProto *found = find(name, AttributeProto::FLOATS);
  if (!found)
    return {};
  return {found->floats().begin(), found->floats().end()};
}

void Node::ignore(ArrayRef<StringRef> names) {
  for (StringRef name : names)
    readAttributes.insert(name);
}

void Node::checkEverythingWasRead() {
  SmallVector<StringRef> unread;
  for (const auto &entry : attributes)
    if (!readAttributes.contains(entry.getKey()))
      unread.push_back(entry.getKey());
  llvm::sort(unread);
  if (!unread.empty())
    fail("attribute '" + unread[0] + "' is not supported");
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i] && !readInputs.contains(i))
      fail("input " + Twine(i) + " is not supported");
}

//===----------------------------------------------------------------------===//
// Table
//===----------------------------------------------------------------------===//

Importer findImporter(StringRef domain, StringRef opType) {
  auto build = [](ArrayRef<ArrayRef<OperatorRow>> families) {
    llvm::StringMap<Importer> table;
    for (ArrayRef<OperatorRow> family : families)
      for (const OperatorRow &row : family)
        table[row.name] = row.importer;
    return table;
  };
  static const auto *standard = new llvm::StringMap<Importer>(
      build({activationOperators(), arithmeticOperators(), attentionOperators(),
             convolutionOperators(), creationOperators(), indexingOperators(),
             lossOperators(), movementOperators(), normalizationOperators(),
             poolingOperators(), productOperators(), quantizationOperators(),
             quantizedProductOperators(), reductionOperators(),
             shapeOperators(), spatialOperators(), spectralOperators()}));
  static const auto *microsoft =
      new llvm::StringMap<Importer>(build(microsoftOperators()));
  if (domain.empty())
    return standard->lookup(opType);
  if (domain == "com.microsoft")
    return microsoft->lookup(opType);
  return nullptr;
}

} // namespace mmcc::import
