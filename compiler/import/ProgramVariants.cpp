//===- ProgramVariants.cpp - The connected entry and its variants ---------===//

#include "compiler/import/ProgramImporter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;

namespace mmcc::import {

//===----------------------------------------------------------------------===//
// What comes after what
//===----------------------------------------------------------------------===//

bool ProgramImporter::isFreeInput(const ValueName &name) {
  for (const Description::Entry &entry : description.entries)
    if (entry.name == name.entry)
      for (const auto &input : readers[entry.location]->model().graph().input())
        if (input.name() == name.value)
          return true;
  return false;
}

std::vector<ProgramImporter::Need>
ProgramImporter::needsOf(const Description::Missing &missing,
                         std::vector<ImportError> &found) {
  std::vector<Need> needs;
  const onnx::GraphProto &graph = readers[missing.location]->model().graph();
  llvm::StringSet<> initializers;
  for (const onnx::TensorProto &tensor : graph.initializer())
    initializers.insert(tensor.name());
  for (const onnx::ValueInfoProto &input : graph.input()) {
    if (initializers.contains(input.name()))
      continue;
    auto [entry, value] = StringRef(input.name()).split('.');
    if (value.empty() || entry == missing.entry ||
        !description.isConnected(entry)) {
      fail(Description::missingField(missing.entry),
           "input " + inQuotes(input.name()) + " of " +
               inQuotes(missing.location) +
               " is not named after an input or output, ENTRY.VALUE, of "
               "another connected entry",
           &found);
      return {};
    }
    ValueName source = {entry.str(), value.str()};
    for (const Description::Connection &connection : description.connections)
      if (connection.to == source) {
        source = connection.from;
        break;
      }
    needs.push_back({input.name(), source, isFreeInput(source)});
  }
  return needs;
}

std::vector<const Description::Entry *>
ProgramImporter::order(const Absent &absent, std::vector<ImportError> &found) {
  std::map<std::string, std::set<std::string>> needs;
  for (const Description::Connection &connection : description.connections)
    needs[connection.to.entry].insert(connection.from.entry);
  for (const auto &[entry, missing] : absent)
    if (missing->kind == Description::Missing::impute)
      for (const Need &need : needsOf(*missing, found))
        if (!need.isInput)
          needs[entry].insert(need.source.entry);
  if (!found.empty())
    return {};
  std::vector<const Description::Entry *> result;
  std::set<std::string> done;
  for (bool changed = true; changed;) {
    changed = false;
    for (const Description::Entry &entry : description.entries) {
      if (!description.isConnected(entry.name) || done.count(entry.name) ||
          !llvm::all_of(needs[entry.name], [&](const std::string &need) {
            return done.count(need) != 0;
          }))
        continue;
      result.push_back(&entry);
      done.insert(entry.name);
      changed = true;
      break; // the earliest entry that can come next
    }
  }
  for (const auto &[entry, missing] : absent)
    if (!done.count(entry)) {
      fail(Description::missingField(entry),
           inQuotes(missing->location) + " needs what itself needs " +
               inQuotes(entry),
           &found);
      return {};
    }
  return result;
}

//===----------------------------------------------------------------------===//
// Interface
//===----------------------------------------------------------------------===//

std::vector<ValueName> ProgramImporter::outputNames() {
  if (!description.outputs.empty())
    return description.outputs;
  std::vector<ValueName> names;
  for (const Description::Entry &entry : description.entries)
    if (description.isConnected(entry.name))
      for (const auto &output :
           readers[entry.location]->model().graph().output()) {
        ValueName name = {entry.name, output.name()};
        if (!llvm::any_of(description.connections,
                          [&](const auto &c) { return c.from == name; }))
          names.push_back(name);
      }
  return names;
}

/// Every symbol must be read off the shape of an input at the call.
bool ProgramImporter::checkSizesAreKnown(ModuleOp module,
                                         const Assembly &assembly) {
  auto function = *module.getOps<func::FuncOp>().begin();
  llvm::DenseSet<StringAttr> known;
  for (Type type : function.getArgumentTypes())
    for (const mm::Dim &dim : mm::getShape(type))
      known.insert(dim.symbols().begin(), dim.symbols().end());
  StringAttr unknown;
  function.walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      for (const mm::Dim &dim : mm::getShape(type))
        for (StringAttr name : dim.symbols())
          if (!known.contains(name))
            unknown = name;
  });
  if (!unknown)
    return true;
  std::string entries;
  for (const auto &[entry, missing] : assembly.absent)
    entries += (entries.empty() ? "" : ", ") + entry;
  fail(entries.empty() ? "connect" : Description::missingField(entries),
       "no input that is left tells the size " + inQuotes(unknown.getValue()) +
           "; fix it with --dim " + unknown.getValue() + "=N",
       &assembly.errors);
  return false;
}

/// One function for each set of entries that may be missing. What cannot do
/// without one entry is refused; a set of several is left out with a warning,
/// and refused at the call.
bool ProgramImporter::addVariants(ModuleOp all) {
  auto main = all.lookupSymbol<func::FuncOp>(description.name);
  NamedAttrList absences;
  std::vector<std::string> refusals;
  for (size_t set = 1; set < size_t(1) << description.missing.size(); ++set) {
    Absent absent;
    std::string name = description.name + "-without", what;
    for (auto [i, missing] : llvm::enumerate(description.missing))
      if (set >> i & 1) {
        absent[missing.entry] = &missing;
        name += "-" + missing.entry;
        what += (what.empty() ? "" : " and ") + missing.entry;
      }
    std::vector<ImportError> found;
    Module module = importConnected(absent, name, found);
    if (!module) {
      if (absent.size() == 1) {
        errors.insert(errors.end(), found.begin(), found.end());
        continue;
      }
      refusals.push_back(
          "missing: a call without " + what +
          " will be refused: " + (found.empty() ? "" : found.front().reason));
      continue;
    }
    SmallVector<Attribute> left;
    for (unsigned i = 0; i < main.getNumArguments(); ++i) {
      auto input = main.getArgAttrOfType<StringAttr>(i, "mm.name");
      if (absent.count(input.getValue().split('.').first.str()))
        left.push_back(input);
    }
    absences.append(name, ArrayAttr::get(&context, left));
    all.getBody()->getOperations().splice(all.getBody()->end(),
                                          module->getBody()->getOperations());
  }
  if (!errors.empty())
    return false;
  for (const std::string &refusal : refusals)
    emitWarning(UnknownLoc::get(&context)) << refusal;
  if (!absences.empty())
    main->setAttr("mm.absences", absences.getDictionary(&context));
  return true;
}

ArrayAttr ProgramImporter::describeSources() {
  SmallVector<Attribute> sources = {describeFile(
      &context, description.name + ".json", description.content->bytes())};
  for (const auto &[location, mapped] : folder.mapped()) {
    auto reader = readers.find(location);
    if (reader == readers.end())
      sources.push_back(describeFile(&context, location, mapped->bytes()));
    else
      llvm::append_range(
          sources, reader->getValue()->describeSources(&context, location));
  }
  return ArrayAttr::get(&context, sources);
}

ProgramImporter::Module ProgramImporter::run() {
  if (!openFiles())
    return {};
  Module all = ModuleOp::create(UnknownLoc::get(&context));
  all.get()->setAttr("mm.sources", describeSources());
  auto add = [&](Module module) {
    if (module)
      all->getBody()->getOperations().splice(
          all->getBody()->end(), module->getBody()->getOperations());
  };
  for (const Description::Entry &entry : description.entries)
    add(importAlone(entry));
  checkDims();
  if (!errors.empty())
    return {};
  if (description.connections.empty() && description.outputs.empty())
    return all;
  outputs = outputNames();
  if (!errors.empty())
    return {};
  add(importConnected({}, description.name, errors));
  if (!errors.empty())
    return {};
  for (const Description::Missing &missing : description.missing) {
    auto main = all->lookupSymbol<func::FuncOp>(description.name);
    bool hasInput = false;
    for (unsigned i = 0; i < main.getNumArguments(); ++i)
      hasInput |= main.getArgAttrOfType<StringAttr>(i, "mm.name")
                      .getValue()
                      .starts_with(missing.entry + ".");
    if (!hasInput)
      fail(Description::missingField(missing.entry),
           "all of its inputs are connected, so that none can be left out");
  }
  if (!errors.empty() || !addVariants(*all))
    return {};
  return all;
}

OwningOpRef<ModuleOp> importDescription(const ImportOptions &options,
                                        MLIRContext &context,
                                        std::vector<ImportError> &errors) {
  std::string error;
  std::optional<Description> description = readDescription(options.path, error);
  if (description)
    return ProgramImporter(*description, options, context, errors).run();
  errors.push_back({options.path, "", "", 0, error});
  return {};
}

} // namespace mmcc::import
