//===- GraphImporter.h - Graphs, subgraphs and functions --------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_GRAPHIMPORTER_H
#define MMCC_COMPILER_IMPORT_GRAPHIMPORTER_H

#include "compiler/import/EntryFunction.h"
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

/// A value that stands for an input of a graph, from a graph before it.
struct GivenInput {
  mlir::Value value;
  /// Where the two were connected, for messages: file, and field with names.
  std::string file, field;
  /// This dimension is 0, whatever the graph declares; -1: none.
  int64_t emptyAxis = -1;
};

/// One attempt to import a model. If it ends with DimFacts wanting a restart,
/// result and errors are to be thrown away.
class GraphImporter {
public:
  GraphImporter(TensorReader &reader, DimFacts &facts,
                const ImportOptions &options, mlir::MLIRContext &context,
                std::vector<ImportError> &errors);
  /// The graph as a function.
  mlir::OwningOpRef<mlir::ModuleOp> run();
  /// Adds to `block` an argument for each input that `connected` does not hold.
  /// The graph is imported later, by another importer with the same facts, and
  /// is given them.
  std::vector<NamedValue> addArguments(mlir::Block &block,
                                       const llvm::StringSet<> &connected);
  /// Adds the graph to the end of `block`. Inputs that are not `given` become
  /// arguments of it. Null after an error, or if a restart is wanted.
  std::optional<GraphPart> importInto(mlir::Block &block,
                                      const llvm::StringMap<GivenInput> &given);

private:
  void fail(const llvm::Twine &reason);
  void failAt(const onnx::NodeProto &node, const Scope &scope,
              const llvm::Twine &reason);

  // Model.cpp
  bool checkModel();
  void collectPlainDims();
  bool declareInputs(Scope &scope, mlir::Block &block,
                     const llvm::StringMap<GivenInput> &given,
                     std::vector<std::string> &arguments);
  void checkGiven(llvm::StringRef input, mlir::RankedTensorType declared,
                  const GivenInput &given);
  mlir::RankedTensorType inputType(const onnx::ValueInfoProto &input);
  mm::Dim inputDim(const onnx::TensorShapeProto::Dimension &dim,
                   llvm::StringRef input, int index);

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

/// Tells `facts` what the user said of dimensions; `prefix` as in setPrefix().
void declareDims(DimFacts &facts, llvm::ArrayRef<DimBinding> dims,
                 llvm::StringRef prefix, mlir::MLIRContext &context);

/// Starts `attempt` again until `facts` wants no restart.
mlir::OwningOpRef<mlir::ModuleOp>
settle(DimFacts &facts, const std::string &file,
       std::vector<ImportError> &errors,
       llvm::function_ref<
           mlir::OwningOpRef<mlir::ModuleOp>(std::vector<ImportError> &)>
           attempt);

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
