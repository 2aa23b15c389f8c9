//===- GraphImporter.h - Graphs, subgraphs and functions --------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_GRAPHIMPORTER_H
#define MMCC_COMPILER_IMPORT_GRAPHIMPORTER_H

#include "compiler/import/Import.h"
#include "compiler/import/Node.h"
#include "compiler/import/onnx.pb.h"

namespace mmcc::import {

/// What a name stands for. Initializers are read at their first use.
struct Entry {
  Tensor tensor;
  const onnx::TensorProto *initializer = nullptr;
  const onnx::SparseTensorProto *sparseInitializer = nullptr;
  /// No value: an error has been reported, or `reason` is to be at a use.
  bool failed = false;
  std::string reason;
  /// An optional input that the caller of the function left out.
  bool absent = false;
};

/// Names of one graph or function body. Branches see the names around them.
struct Scope {
  Scope *parent = nullptr;
  llvm::StringMap<Entry> entries;
  llvm::StringMap<int64_t> opsets;
  /// The attributes of the call, in the body of a function.
  Attributes attributes;
  int depth = 0;

  Entry *find(llvm::StringRef name);
};

/// One attempt to import a model. If it ends with DimFacts wanting a restart,
/// result and errors are to be thrown away.
class GraphImporter {
public:
  GraphImporter(TensorReader &reader, DimFacts &facts,
                const ImportOptions &options, mlir::MLIRContext &context,
                std::vector<ImportError> &errors);
  mlir::OwningOpRef<mlir::ModuleOp> run();

private:
  void fail(const llvm::Twine &reason);
  void failAt(const onnx::NodeProto &node, const Scope &scope,
              const llvm::Twine &reason);

  // Model.cpp
  bool checkModel();
  bool declareInputs(Scope &scope, mlir::Block &block,
                     llvm::SmallVectorImpl<mlir::DictionaryAttr> &attributes);
  mlir::RankedTensorType inputType(const onnx::ValueInfoProto &input);
  mm::Dim inputDim(const onnx::TensorShapeProto::Dimension &dim,
                   llvm::StringRef input, int index);
  mlir::DictionaryAttr symbolRanges(mlir::TypeRange types);

  // GraphImporter.cpp
  void importNodesOf(const onnx::GraphProto &graph, Scope &scope);
  void declareInitializers(const onnx::GraphProto &graph, Scope &scope);
  template <typename Nodes, typename Outputs>
  void importNodes(const Nodes &nodes, const Outputs &outputs, Scope &scope);
  void importNode(const onnx::NodeProto &node, Scope &scope);
  std::optional<Attributes> resolveAttributes(const onnx::NodeProto &node,
                                              const Scope &scope);
  /// The tensor behind a name, for a use at `node`; null after a failure.
  Tensor resolve(llvm::StringRef name, Scope &scope,
                 const onnx::NodeProto *node);
  void importOperator(const onnx::NodeProto &node, Importer importer,
                      Attributes attributes, std::vector<Tensor> inputs,
                      Scope &scope);
  void importBranch(const onnx::NodeProto &node, const Attributes &attributes,
                    const Tensor &condition, Scope &scope);
  void importCall(const onnx::NodeProto &node,
                  const onnx::FunctionProto &function, Attributes attributes,
                  llvm::ArrayRef<Tensor> inputs, Scope &scope);
  void define(const onnx::NodeProto &node, Scope &scope, size_t index,
              Entry entry);
  void defineFailed(const onnx::NodeProto &node, Scope &scope);
  mlir::Location locate(const onnx::NodeProto &node);

  TensorReader &reader;
  const onnx::ModelProto &model;
  DimFacts &facts;
  const ImportOptions &options;
  mlir::MLIRContext &context;
  mlir::OpBuilder builder;
  mlir::Location fileLoc;
  std::vector<ImportError> &errors;
  llvm::StringMap<const onnx::FunctionProto *> functions;
  /// Dimension names that stand alone in the declaration of an input.
  llvm::StringSet<> plainDims;
  int64_t nodesImported = 0;
  bool stopped = false;
};

/// "ai.onnx" is the long form of "".
inline llvm::StringRef normalDomain(llvm::StringRef domain) {
  return domain == "ai.onnx" ? llvm::StringRef() : domain;
}
/// How a call names a local function.
inline std::string functionKey(llvm::StringRef domain, llvm::StringRef name,
                               llvm::StringRef overload) {
  return (normalDomain(domain) + "\n" + name + "\n" + overload).str();
}
/// The node's name, or else the name of its first output.
llvm::StringRef displayName(const onnx::NodeProto &node);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_GRAPHIMPORTER_H
