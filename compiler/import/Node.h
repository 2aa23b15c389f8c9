//===- Node.h - One ONNX node while it is imported --------------*- C++ -*-===//
//
// What a family of operators sees. A function of a family reads attributes and
// inputs, builds with the Emitter that a Node is, and sets outputs:
//
//     static void importGemm(Node &n) {
//       Tensor a = n.input(0), b = n.input(1);
//       if (n.integer("transA", 0))
//         a = n.transposeLast(a);
//       ...
//       n.set(0, n.matmul(a, b));
//     }
//
// An attribute or input that nobody has read when the function returns makes
// the node unsupported: nothing is ignored silently.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_IMPORT_NODE_H
#define MMCC_COMPILER_IMPORT_NODE_H

#include "compiler/import/Emitter.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <cmath>

namespace onnx {
class AttributeProto;
class GraphProto;
class TensorProto;
} // namespace onnx

namespace mmcc::import {

/// Whether a double is an integer that int64_t and double both hold exactly.
inline bool isWholeNumber(double value) {
  return std::fabs(value) <= 9007199254740992.0 && std::trunc(value) == value;
}

using Attributes = llvm::StringMap<const onnx::AttributeProto *>;

class Node : public Emitter {
public:
  Node(mlir::OpBuilder &builder, DimFacts &facts, mlir::Location loc,
       TensorReader &reader, llvm::StringRef type, int64_t opset,
       Attributes attributes, std::vector<Tensor> inputs, size_t outputCount);

  llvm::StringRef type() const { return opType; }
  /// The version of the operator's domain that the model was written for.
  int64_t opset() const { return version; }
  TensorReader &tensors() const { return reader; }

  size_t inputCount() const { return inputs.size(); }
  bool hasInput(size_t index) const {
    return index < inputs.size() && inputs[index];
  }
  /// Null if the input is absent.
  Tensor input(size_t index);
  /// Fails if the input is absent.
  Tensor required(size_t index);
  void ignoreInput(size_t index) { readInputs.insert(index); }
  /// The elements of an input as sizes; fails if they depend on data.
  std::optional<mm::Shape> inputDims(size_t index, llvm::StringRef what);
  /// Constants as sizes, what is absurdly large made merely too large.
  mm::Shape clampedDims(llvm::ArrayRef<int64_t> values) const;
  /// The elements of an input; fails unless they are constants.
  std::optional<llvm::SmallVector<int64_t>> inputIntegers(size_t index,
                                                          llvm::StringRef what);
  std::optional<llvm::SmallVector<double>> inputReals(size_t index,
                                                      llvm::StringRef what);
  /// Axes from attribute or from input `index`, as the opset has it, negative
  /// ones resolved; nothing with no failure recorded if they are absent.
  std::optional<llvm::SmallVector<int64_t>> axesFrom(size_t index,
                                                     int64_t rank);

  // Attributes; a default for those that may be absent.
  bool hasAttribute(llvm::StringRef name) const;
  int64_t integer(llvm::StringRef name, int64_t otherwise);
  double number(llvm::StringRef name, double otherwise);
  std::string text(llvm::StringRef name, llvm::StringRef otherwise);
  llvm::SmallVector<int64_t>
  integerList(llvm::StringRef name, llvm::ArrayRef<int64_t> otherwise = {});
  llvm::SmallVector<double> numberList(llvm::StringRef name);
  const onnx::AttributeProto *attribute(llvm::StringRef name);
  void ignore(llvm::ArrayRef<llvm::StringRef> names);

  size_t outputCount() const { return outputs.size(); }
  void set(size_t index, const Tensor &tensor) {
    if (index < outputs.size())
      outputs[index] = tensor;
  }
  const Tensor &output(size_t index) const { return outputs[index]; }
  /// Fails if an attribute or input has not been read.
  void checkEverythingWasRead();

private:
  const onnx::AttributeProto *find(llvm::StringRef name, int kind);

  TensorReader &reader;
  llvm::StringRef opType;
  int64_t version;
  Attributes attributes;
  llvm::StringSet<> readAttributes;
  std::vector<Tensor> inputs;
  llvm::DenseSet<size_t> readInputs;
  std::vector<Tensor> outputs;
};

/// Imports one node: sets its outputs or fails.
using Importer = void (*)(Node &node);

/// The function for an operator, or null; `domain` is "" for ai.onnx.
Importer findImporter(llvm::StringRef domain, llvm::StringRef opType);

/// A family's table of operators. `domain` may be "com.microsoft".
struct OperatorRow {
  const char *name;
  Importer importer;
};
llvm::ArrayRef<OperatorRow> activationOperators();
llvm::ArrayRef<OperatorRow> arithmeticOperators();
llvm::ArrayRef<OperatorRow> attentionOperators();
llvm::ArrayRef<OperatorRow> convolutionOperators();
llvm::ArrayRef<OperatorRow> creationOperators();
llvm::ArrayRef<OperatorRow> indexingOperators();
llvm::ArrayRef<OperatorRow> lossOperators();
llvm::ArrayRef<OperatorRow> movementOperators();
llvm::ArrayRef<OperatorRow> normalizationOperators();
llvm::ArrayRef<OperatorRow> poolingOperators();
llvm::ArrayRef<OperatorRow> productOperators();
llvm::ArrayRef<OperatorRow> quantizationOperators();
llvm::ArrayRef<OperatorRow> quantizedProductOperators();
llvm::ArrayRef<OperatorRow> reductionOperators();
llvm::ArrayRef<OperatorRow> shapeOperators();
llvm::ArrayRef<OperatorRow> spatialOperators();
llvm::ArrayRef<OperatorRow> spectralOperators();
llvm::ArrayRef<OperatorRow> microsoftOperators();

// com.microsoft's attention, in MicrosoftAttention.cpp.
void importMicrosoftAttention(Node &node);
void importMultiHeadAttention(Node &node);
void importGroupQueryAttention(Node &node);
// Its weights in blocks of few bits, in MatMulNBits.cpp.
void importMatMulNBits(Node &node);
// Its products of integers, in QuantizedProducts.cpp.
void importQGemm(Node &node);
void importMatMulIntegerToFloat(Node &node);
void importDynamicQuantizeMatMul(Node &node);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_NODE_H
