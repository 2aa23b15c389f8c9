//===- ProgramImporter.cpp - Connected models as one function -------------===//

#include "compiler/import/ProgramImporter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/ScopeExit.h"

using namespace mlir;

namespace mmcc::import {

ProgramImporter::ProgramImporter(const Description &description,
                                 const ImportOptions &options,
                                 MLIRContext &context,
                                 std::vector<ImportError> &errors)
    : description(description), options(options), context(context),
      errors(errors), folder(description.folder, options.allowHardLinks),
      dimsFound(options.dims.size()) {}

void ProgramImporter::fail(const Twine &field, const Twine &reason,
                           std::vector<ImportError> *into) {
  (into ? *into : errors)
      .push_back({description.file, "", "", 0, (field + ": " + reason).str()});
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

/// The path to show and to find external data by.
static std::string pathOf(const Description &description,
                          const std::string &location) {
  return description.folder == "./" ? location : description.folder + location;
}

void ProgramImporter::open(const std::string &location,
                           const std::string &field) {
  std::unique_ptr<TensorReader> &reader = readers[location];
  if (reader)
    return;
  std::string error;
  std::shared_ptr<const MappedFile> file = folder.map(location, error);
  if (file)
    reader = TensorReader::parse(file, pathOf(description, location),
                                 options.allowHardLinks, error);
  if (!reader)
    fail(field, inQuotes(location) + " " + error);
}

bool ProgramImporter::openFiles() {
  for (const Description::Entry &entry : description.entries)
    open(entry.location, "entries." + inQuotes(entry.name));
  for (const Description::Missing &missing : description.missing) {
    std::string field = Description::missingField(missing.entry);
    if (missing.kind == Description::Missing::impute)
      open(missing.location, field);
    if (missing.kind != Description::Missing::learned)
      continue;
    std::string error;
    if (auto file = folder.map(missing.location, error)) {
      error = learned.read(missing.location, *file);
      if (!error.empty())
        fail(field, error);
    } else {
      fail(field, inQuotes(missing.location) + " " + error);
    }
  }
  return errors.empty();
}

ImportOptions ProgramImporter::optionsFor(const std::string &location) const {
  ImportOptions result = options;
  result.path = pathOf(description, location);
  result.allowUnknownDims = true;
  return result;
}

//===----------------------------------------------------------------------===//
// Entries alone
//===----------------------------------------------------------------------===//

/// `binding` as the model of `entry` itself names the size; null if it is
/// another entry's.
static std::optional<DimBinding> ofEntry(const DimBinding &binding,
                                         StringRef entry) {
  StringRef name = binding.name;
  if (!name.consume_front(entry) || !name.consume_front("."))
    return std::nullopt;
  return DimBinding{name.str(), binding.lo, binding.hi};
}

/// Those of all models first: what is said of one model overrules them.
static std::vector<DimBinding> dimsOf(ArrayRef<DimBinding> dims,
                                      StringRef entry) {
  std::vector<DimBinding> result(dims);
  for (const DimBinding &binding : dims)
    if (std::optional<DimBinding> own = ofEntry(binding, entry))
      result.push_back(*own);
  return result;
}

ProgramImporter::Module
ProgramImporter::importAlone(const Description::Entry &entry) {
  ImportOptions importing = optionsFor(entry.location);
  importing.entry = entry.name;
  TensorReader &reader = *readers[entry.location];
  DimFacts facts;
  declareDims(facts, dimsOf(options.dims, entry.name), "", context);
  Module module = settle(
      facts, importing.path, errors, [&](std::vector<ImportError> &found) {
        return GraphImporter(reader, facts, importing, context, found).run();
      });
  for (auto [i, binding] : llvm::enumerate(options.dims)) {
    std::optional<DimBinding> own = ofEntry(binding, entry.name);
    dimsFound[i] =
        dimsFound[i] ||
        facts.isMentioned(StringAttr::get(&context, binding.name)) ||
        (own && facts.isMentioned(StringAttr::get(&context, own->name)));
  }
  return module;
}

void ProgramImporter::checkDims() {
  for (auto [binding, found] : llvm::zip(options.dims, dimsFound))
    if (!found)
      errors.push_back(
          {description.file, "", "", 0,
           "--dim " + binding.name + ": no input has a size of this name"});
}

//===----------------------------------------------------------------------===//
// The connected entry
//===----------------------------------------------------------------------===//

ProgramImporter::Module
ProgramImporter::importConnected(const Absent &absent, const std::string &name,
                                 std::vector<ImportError> &found) {
  DimFacts facts;
  for (const Description::Entry &entry : description.entries)
    declareDims(facts, dimsOf(options.dims, entry.name), entry.name + ".",
                context);
  return settle(facts, description.file, found,
                [&](std::vector<ImportError> &errors) -> Module {
                  Assembly assembly{facts, absent, errors, {}, {}, {}, {}, {}};
                  assembly.block = std::make_unique<Block>();
                  Module module = assemble(assembly, name);
                  if (assembly.block)
                    assembly.block->dropAllReferences();
                  return module;
                });
}

ProgramImporter::Module ProgramImporter::assemble(Assembly &assembly,
                                                  const std::string &name) {
  for (const Description::Entry &entry : description.entries)
    if (description.isConnected(entry.name) &&
        !assembly.absent.count(entry.name))
      addArguments(entry, assembly);
  for (const Description::Entry *entry :
       order(assembly.absent, assembly.errors)) {
    auto missing = assembly.absent.find(entry->name);
    if (missing == assembly.absent.end()
            ? !addPresent(*entry, assembly)
            : !addAbsent(*entry, *missing->second, assembly))
      return {};
  }
  if (!assembly.errors.empty())
    return {};
  for (auto [i, output] : llvm::enumerate(outputs)) {
    Value value = assembly.outputs.lookup(output.str());
    if (!value) {
      fail(Description::outputField(i),
           inQuotes(output.entry) + " has no output " + inQuotes(output.value),
           &assembly.errors);
      return {};
    }
    assembly.part.outputs.push_back({output.str(), value});
  }
  Location loc = NameLoc::get(StringAttr::get(
      &context, StringRef(description.file).rsplit('/').second.empty()
                    ? StringRef(description.file)
                    : StringRef(description.file).rsplit('/').second));
  std::string node;
  if (failed(checkTokensAreNotNeeded(assembly.skipped, node))) {
    fail("missing",
         "\"skip\" leaves out tokens that the node " + inQuotes(node) +
             " needs",
         &assembly.errors);
    return {};
  }
  Module module = makeEntryFunction(name, std::move(assembly.block),
                                    assembly.part, assembly.facts, loc);
  if (!module)
    fail("connect", "the connected program does not verify", &assembly.errors);
  else if (!checkSizesAreKnown(*module, assembly))
    return {};
  return module;
}

std::optional<llvm::StringMap<GivenInput>>
ProgramImporter::inputsOf(const Description::Entry &entry, Assembly &assembly) {
  llvm::StringMap<GivenInput> given;
  for (auto [i, connection] : llvm::enumerate(description.connections)) {
    if (connection.to.entry != entry.name)
      continue;
    std::string field = Description::connectField(i) + ": " +
                        inQuotes(connection.from.str()) + " to " +
                        inQuotes(connection.to.str());
    Value value = assembly.outputs.lookup(connection.from.str());
    if (!value) {
      fail(Description::connectField(i),
           inQuotes(connection.from.entry) + " has no output " +
               inQuotes(connection.from.value),
           &assembly.errors);
      return std::nullopt;
    }
    bool skipped = llvm::is_contained(assembly.skipped, value);
    given[connection.to.value] = {value, description.file, field,
                                  skipped ? kTokenAxis : -1};
  }
  return given;
}

void ProgramImporter::addArguments(const Description::Entry &entry,
                                   Assembly &assembly) {
  llvm::StringSet<> connected;
  for (const Description::Connection &connection : description.connections)
    if (connection.to.entry == entry.name)
      connected.insert(connection.to.value);
  ImportOptions importing = optionsFor(entry.location);
  assembly.facts.setPrefix(entry.name + ".");
  GraphImporter importer(*readers[entry.location], assembly.facts, importing,
                         context, assembly.errors);
  for (const NamedValue &argument :
       importer.addArguments(*assembly.block, connected)) {
    std::string name = entry.name + "." + argument.name;
    assembly.part.arguments.push_back(name);
    assembly.inputs[name] = argument.value;
  }
}

bool ProgramImporter::addPresent(const Description::Entry &entry,
                                 Assembly &assembly) {
  std::optional<llvm::StringMap<GivenInput>> given = inputsOf(entry, assembly);
  if (!given)
    return false;
  for (const auto &input : assembly.inputs) {
    auto [owner, name] = input.getKey().split('.');
    if (owner == entry.name)
      given->try_emplace(name, GivenInput{input.getValue(), "", ""});
  }
  ImportOptions importing = optionsFor(entry.location);
  assembly.facts.setPrefix(entry.name + ".");
  GraphImporter importer(*readers[entry.location], assembly.facts, importing,
                         context, assembly.errors);
  std::optional<GraphPart> part = importer.importInto(*assembly.block, *given);
  if (!part)
    return false;
  for (const NamedValue &output : part->outputs)
    assembly.outputs[entry.name + "." + output.name] = output.value;
  return true;
}

bool ProgramImporter::isUsed(const ValueName &output) const {
  return llvm::is_contained(outputs, output) ||
         llvm::any_of(description.connections,
                      [&](const auto &c) { return c.from == output; });
}

bool ProgramImporter::addAbsent(const Description::Entry &entry,
                                const Description::Missing &missing,
                                Assembly &assembly) {
  // The graph itself is imported to the side: its outputs' shapes are wanted.
  std::optional<llvm::StringMap<GivenInput>> given = inputsOf(entry, assembly);
  if (!given)
    return false;
  ImportOptions importing = optionsFor(entry.location);
  assembly.facts.setPrefix(entry.name + ".");
  Block aside;
  GraphImporter importer(*readers[entry.location], assembly.facts, importing,
                         context, assembly.errors);
  std::optional<GraphPart> part = importer.importInto(aside, *given);
  auto clear = llvm::make_scope_exit([&] { aside.clear(); });
  if (!part)
    return false;
  llvm::erase_if(part->outputs, [&](const NamedValue &output) {
    return !isUsed({entry.name, output.name});
  });
  if (missing.kind == Description::Missing::impute)
    return addImputed(missing, part->outputs, assembly);

  std::string field = Description::missingField(entry.name);
  OpBuilder builder(&context);
  builder.setInsertionPointToEnd(assembly.block.get());
  for (const NamedValue &output : part->outputs) {
    auto type = cast<RankedTensorType>(output.value.getType());
    mm::Shape shape = mm::getShape(type);
    Emitter emitter(builder, assembly.facts,
                    NameLoc::get(builder.getStringAttr(output.name)));
    Tensor tensor;
    std::string error;
    if (missing.kind == Description::Missing::learned) {
      tensor = learned.find(missing.location, output.name,
                            type.getElementType(), emitter, error);
      if (tensor)
        tensor = emitter.broadcast(tensor, shape);
    } else if (missing.kind == Description::Missing::zero) {
      tensor = zeros(emitter, type.getElementType(), shape);
    } else if (type.getRank() <= kTokenAxis + 1) {
      error = "is not of the form [batch, tokens, ...], so that no token can "
              "be left out";
    } else {
      shape[kTokenAxis] = emitter.dim(0);
      tensor = zeros(emitter, type.getElementType(), shape);
    }
    if (!tensor) {
      fail(field,
           "output " + inQuotes(output.name) + " " +
               (error.empty() ? emitter.failure() : StringRef(error)),
           &assembly.errors);
      return false;
    }
    Value value = emitter.value(tensor);
    if (missing.kind == Description::Missing::skip)
      assembly.skipped.push_back(value);
    assembly.outputs[entry.name + "." + output.name] = value;
  }
  return true;
}

bool ProgramImporter::addImputed(const Description::Missing &missing,
                                 ArrayRef<NamedValue> wanted,
                                 Assembly &assembly) {
  std::string field = Description::missingField(missing.entry);
  llvm::StringMap<GivenInput> given;
  for (const Need &need : needsOf(missing, assembly.errors)) {
    Value value = (need.isInput ? assembly.inputs : assembly.outputs)
                      .lookup(need.source.str());
    if (!value) {
      fail(field,
           inQuotes(missing.location) + " needs " + inQuotes(need.input) +
               ", which is no input or output of a model that is there",
           &assembly.errors);
      return false;
    }
    given[need.input] = {value, description.file,
                         field + ": " + inQuotes(need.input) + " to " +
                             inQuotes(missing.location)};
  }
  ImportOptions importing = optionsFor(missing.location);
  assembly.facts.setPrefix(missing.entry + "-imputed.");
  GraphImporter importer(*readers[missing.location], assembly.facts, importing,
                         context, assembly.errors);
  std::optional<GraphPart> part = importer.importInto(*assembly.block, given);
  if (!part)
    return false;
  for (const NamedValue &output : wanted) {
    auto made = llvm::find_if(part->outputs, [&](const NamedValue &each) {
      return each.name == output.name;
    });
    auto type = cast<RankedTensorType>(output.value.getType());
    auto madeType = made == part->outputs.end()
                        ? RankedTensorType()
                        : cast<RankedTensorType>(made->value.getType());
    bool fits = madeType && madeType.getRank() == type.getRank() &&
                madeType.getElementType() == type.getElementType();
    for (auto [has, wants] :
         llvm::zip(mm::getShape(fits ? madeType : type), mm::getShape(type)))
      fits = fits && assembly.facts.demandEqual(wants, has);
    if (!fits) {
      fail(field,
           inQuotes(missing.location) + " gives no output " +
               inQuotes(output.name) + " of the type and shape that " +
               inQuotes(missing.entry) + " gives it",
           &assembly.errors);
      return false;
    }
    assembly.outputs[missing.entry + "." + output.name] = made->value;
  }
  return true;
}

} // namespace mmcc::import
