//===- GraphImporter.cpp - Graphs, subgraphs and functions ----------------===//

#include "compiler/import/GraphImporter.h"

using namespace mlir;
using onnx::AttributeProto;
using onnx::NodeProto;

namespace mmcc::import {

/// Functions and branches may nest this deep, and expand to this many nodes:
/// a few calls that double each time would otherwise never end.
static constexpr int kMaxScopeDepth = 64;
static constexpr int64_t kMaxNodes = 1000000;

Entry *Scope::find(StringRef name) {
  for (Scope *scope = this; scope; scope = scope->parent) {
    auto it = scope->entries.find(name);
    if (it != scope->entries.end())
      return &it->second;
  }
  return nullptr;
}

StringRef displayName(const NodeProto &node) {
  if (!node.name().empty())
    return node.name();
  for (const std::string &output : node.output())
    if (!output.empty())
      return output;
  return node.op_type();
}

Location GraphImporter::locate(const NodeProto &node) {
  return NameLoc::get(builder.getStringAttr(displayName(node)), fileLoc);
}

void GraphImporter::failAt(const NodeProto &node, const Scope &scope,
                           const Twine &reason) {
  StringRef domain = normalDomain(node.domain());
  errors.push_back({options.path, displayName(node).str(), node.op_type(),
                    scope.opsets.lookup(domain), reason.str()});
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

void GraphImporter::define(const NodeProto &node, Scope &scope, size_t index,
                           Entry entry) {
  const std::string &name = node.output(index);
  if (name.empty())
    return;
  auto [it, isNew] = scope.entries.try_emplace(name, std::move(entry));
  if (!isNew)
    failAt(node, scope, "output '" + name + "' is already defined");
}

void GraphImporter::defineFailed(const NodeProto &node, Scope &scope) {
  for (int i = 0; i < node.output_size(); ++i) {
    Entry entry;
    entry.failed = true;
    scope.entries.try_emplace(node.output(i), std::move(entry));
  }
}

void GraphImporter::declareInitializers(const onnx::GraphProto &graph,
                                        Scope &scope) {
  for (const onnx::TensorProto &tensor : graph.initializer()) {
    Entry entry;
    entry.initializer = &tensor;
    if (!scope.entries.try_emplace(tensor.name(), entry).second)
      fail("initializer '" + tensor.name() + "' is defined twice");
  }
  for (const onnx::SparseTensorProto &tensor : graph.sparse_initializer()) {
    Entry entry;
    entry.sparseInitializer = &tensor;
    if (!scope.entries.try_emplace(tensor.values().name(), entry).second)
      fail("initializer '" + tensor.values().name() + "' is defined twice");
  }
}

Tensor GraphImporter::resolve(StringRef name, Scope &scope,
                              const NodeProto *node) {
  auto complain = [&](const Twine &reason) {
    if (node)
      failAt(*node, scope, reason);
    else
      fail(reason);
  };
  Entry *entry = scope.find(name);
  if (!entry) {
    complain((node ? "input '" : "output '") + name +
             "' is not defined by an input, an initializer or an earlier node");
    return {};
  }
  if (entry->failed) {
    if (!entry->reason.empty())
      complain(entry->reason);
    return {};
  }
  if (entry->tensor)
    return entry->tensor;
  std::string error;
  std::optional<TensorContent> content =
      entry->initializer
          ? reader.read(*entry->initializer, &context, error)
          : reader.read(*entry->sparseInitializer, &context, error);
  if (!content) {
    fail("initializer '" + name + "' " + error);
    entry->failed = true;
    return {};
  }
  Emitter emitter(builder, facts,
                  NameLoc::get(builder.getStringAttr(name), fileLoc));
  const void *proto = entry->initializer;
  entry->tensor = emitter.constant(
      *content, name,
      reader.attributeOf(proto ? proto : entry->sparseInitializer));
  return entry->tensor;
}

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

/// All names that a node reads, those inside its subgraphs included.
static void collectUses(const NodeProto &node, llvm::StringSet<> &uses) {
  for (const std::string &name : node.input())
    uses.insert(name);
  auto collectGraph = [&](const onnx::GraphProto &graph) {
    for (const NodeProto &inner : graph.node())
      collectUses(inner, uses);
    for (const onnx::ValueInfoProto &output : graph.output())
      uses.insert(output.name());
  };
  for (const AttributeProto &attribute : node.attribute()) {
    if (attribute.has_g())
      collectGraph(attribute.g());
    for (const onnx::GraphProto &graph : attribute.graphs())
      collectGraph(graph);
  }
}

static StringRef outputName(const onnx::ValueInfoProto &output) {
  return output.name();
}
static StringRef outputName(const std::string &output) { return output; }

template <typename Nodes, typename Outputs>
void GraphImporter::importNodes(const Nodes &nodes, const Outputs &outputs,
                                Scope &scope) {
  // Nodes that nothing depends on cannot block the import.
  llvm::StringSet<> uses;
  for (const auto &output : outputs)
    uses.insert(outputName(output));
  std::vector<bool> live(nodes.size());
  for (int i = nodes.size() - 1; i >= 0; --i) {
    live[i] = llvm::any_of(nodes[i].output(), [&](const std::string &name) {
      return uses.contains(name);
    });
    if (live[i])
      collectUses(nodes[i], uses);
  }
  for (int i = 0; i < nodes.size() && !stopped; ++i)
    if (live[i])
      importNode(nodes[i], scope);
}

void GraphImporter::importNodesOf(const onnx::GraphProto &graph, Scope &scope) {
  importNodes(graph.node(), graph.output(), scope);
}

std::optional<Attributes>
GraphImporter::resolveAttributes(const NodeProto &node, const Scope &scope) {
  Attributes attributes;
  for (const AttributeProto &attribute : node.attribute()) {
    const AttributeProto *value = &attribute;
    if (!attribute.ref_attr_name().empty()) {
      value = scope.attributes.lookup(attribute.ref_attr_name());
      if (!value)
        continue;
    }
    if (!attributes.try_emplace(attribute.name(), value).second) {
      failAt(node, scope,
             "attribute '" + attribute.name() + "' is given twice");
      return std::nullopt;
    }
  }
  return attributes;
}

void GraphImporter::importNode(const NodeProto &node, Scope &scope) {
  if (++nodesImported > kMaxNodes) {
    fail("the model expands to more than " + Twine(kMaxNodes) + " nodes");
    stopped = true;
    return;
  }
  StringRef domain = normalDomain(node.domain());
  const onnx::FunctionProto *function = functions.lookup(
      functionKey(node.domain(), node.op_type(), node.overload()));
  bool branch = domain.empty() && node.op_type() == "If";
  Importer importer = findImporter(domain, node.op_type());
  if (!function && !branch && !importer) {
    failAt(node, scope,
           domain.empty()
               ? "the operator is not supported"
               : "the operator is not supported (domain '" + domain + "')");
    return defineFailed(node, scope);
  }
  if (!function && !scope.opsets.contains(domain)) {
    failAt(node, scope,
           "the model imports no opset of domain '" + domain + "'");
    return defineFailed(node, scope);
  }
  std::vector<Tensor> inputs;
  bool complete = true;
  for (const std::string &name : node.input()) {
    Entry *entry = scope.find(name);
    bool absent = name.empty() || (entry && entry->absent);
    inputs.push_back(absent ? Tensor() : resolve(name, scope, &node));
    complete &= absent || inputs.back();
  }
  std::optional<Attributes> attributes = resolveAttributes(node, scope);
  if (!complete || !attributes)
    return defineFailed(node, scope);
  // Others would take the numbers for those of 8 bits.
  if (!function && node.op_type() != "DequantizeLinear" &&
      llvm::any_of(inputs, [](const Tensor &t) { return t.isHalfByte; })) {
    failAt(node, scope,
           "elements of 4 bits are supported in DequantizeLinear only");
    return defineFailed(node, scope);
  }
  if (function)
    importCall(node, *function, std::move(*attributes), inputs, scope);
  else if (branch)
    importBranch(node, *attributes, inputs.empty() ? Tensor() : inputs[0],
                 scope);
  else
    importOperator(node, importer, std::move(*attributes), std::move(inputs),
                   scope);
  stopped |= facts.wantsRestart();
}

void GraphImporter::importOperator(const NodeProto &proto, Importer importer,
                                   Attributes attributes,
                                   std::vector<Tensor> inputs, Scope &scope) {
  int64_t opset = scope.opsets.lookup(normalDomain(proto.domain()));
  Node node(builder, facts, locate(proto), reader, proto.op_type(), opset,
            std::move(attributes), std::move(inputs), proto.output_size());
  importer(node);
  bool any = false;
  for (int i = 0; i < proto.output_size(); ++i)
    any |= static_cast<bool>(node.output(i));
  if (!node.hasFailed() && any)
    node.checkEverythingWasRead();
  if (!node.hasFailed() && !any)
    node.fail("it computes none of its outputs");
  if (node.hasFailed()) {
    failAt(proto, scope, node.failure());
    return defineFailed(proto, scope);
  }
  for (int i = 0; i < proto.output_size(); ++i) {
    Entry entry;
    entry.tensor = node.output(i);
    if (!entry.tensor) {
      entry.failed = true;
      entry.reason =
          ("output " + Twine(i) + " ('" + proto.output(i) + "') of node '" +
           displayName(proto) + "' (" + proto.op_type() + ") is not supported")
              .str();
    }
    define(proto, scope, i, std::move(entry));
  }
}

//===----------------------------------------------------------------------===//
// Branches and calls
//===----------------------------------------------------------------------===//

void GraphImporter::importBranch(const NodeProto &node,
                                 const Attributes &attributes,
                                 const Tensor &condition, Scope &scope) {
  auto refuse = [&](const Twine &reason) {
    failAt(node, scope, reason);
    defineFailed(node, scope);
  };
  std::optional<int64_t> chosen;
  if (condition && condition.known && condition.known->elements.size() == 1)
    chosen = condition.known->elements[0].constant();
  if (!chosen)
    return refuse("the condition is not known before the run");
  const AttributeProto *attribute =
      attributes.lookup(*chosen ? "then_branch" : "else_branch");
  if (!attribute || !attribute->has_g())
    return refuse("a branch is missing");
  const onnx::GraphProto &graph = attribute->g();
  if (graph.output_size() != node.output_size())
    return refuse("the branch has another number of outputs");
  if (scope.depth >= kMaxScopeDepth)
    return refuse("branches and functions nest too deeply");
  Scope inner;
  inner.parent = &scope;
  inner.opsets = scope.opsets;
  inner.attributes = scope.attributes;
  inner.depth = scope.depth + 1;
  declareInitializers(graph, inner);
  importNodesOf(graph, inner);
  for (int i = 0; i < node.output_size() && !stopped; ++i) {
    Entry entry;
    entry.tensor = resolve(graph.output(i).name(), inner, &node);
    entry.failed = !entry.tensor;
    define(node, scope, i, std::move(entry));
  }
}

void GraphImporter::importCall(const NodeProto &node,
                               const onnx::FunctionProto &function,
                               Attributes attributes, ArrayRef<Tensor> inputs,
                               Scope &scope) {
  auto refuse = [&](const Twine &reason) {
    failAt(node, scope, reason);
    defineFailed(node, scope);
  };
  if (inputs.size() > size_t(function.input_size()) ||
      node.output_size() > function.output_size())
    return refuse(
        "the call gives more inputs or outputs than the function has");
  if (scope.depth >= kMaxScopeDepth)
    return refuse("functions call each other too deeply");
  Scope inner;
  inner.depth = scope.depth + 1;
  for (const auto &import : function.opset_import())
    inner.opsets[normalDomain(import.domain())] = import.version();
  for (const auto &entry : scope.opsets)
    inner.opsets.try_emplace(entry.getKey(), entry.getValue());
  for (const AttributeProto &attribute : function.attribute_proto())
    attributes.try_emplace(attribute.name(), &attribute);
  inner.attributes = std::move(attributes);
  for (int i = 0; i < function.input_size(); ++i) {
    Entry entry;
    if (size_t(i) < inputs.size())
      entry.tensor = inputs[i];
    entry.absent = !entry.tensor;
    inner.entries[function.input(i)] = std::move(entry);
  }
  importNodes(function.node(), function.output(), inner);
  for (int i = 0; i < node.output_size() && !stopped; ++i) {
    if (node.output(i).empty())
      continue;
    Entry entry;
    entry.tensor = resolve(function.output(i), inner, &node);
    entry.failed = !entry.tensor;
    define(node, scope, i, std::move(entry));
  }
}

} // namespace mmcc::import
