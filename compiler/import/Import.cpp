//===- Import.cpp - ONNX files to mm --------------------------------------===//

#include "compiler/import/Import.h"
#include "compiler/import/GraphImporter.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace mmcc::import {

/// Each start but the last binds or narrows at least one symbol.
static constexpr int kMaxStarts = 64;

std::string ImportError::str() const {
  std::string text = file + ": ";
  if (!node.empty() || !op.empty())
    text += "node '" + node + "' (" + op + ", opset " + std::to_string(opset) +
            "): ";
  return text + reason;
}

std::optional<DimBinding> parseDimBinding(StringRef text) {
  // The name may hold anything, the numbers hold no '='.
  auto [name, range] = text.rsplit('=');
  DimBinding binding{name.str(), 0, INT64_MAX};
  if (name.empty() || range.empty())
    return std::nullopt;
  auto [low, high] = range.split("..");
  bool isRange = range.contains("..");
  if (low.getAsInteger(10, binding.lo) || binding.lo < 0)
    return std::nullopt;
  if (!isRange)
    binding.hi = binding.lo;
  else if (!high.empty() && high.getAsInteger(10, binding.hi))
    return std::nullopt;
  if (binding.hi < binding.lo)
    return std::nullopt;
  return binding;
}

void declareDims(DimFacts &facts, ArrayRef<DimBinding> dims, StringRef prefix,
                 MLIRContext &context) {
  for (const DimBinding &binding : dims) {
    auto name = StringAttr::get(&context, prefix + binding.name);
    if (binding.lo == binding.hi)
      facts.bind(name, mm::Dim::constant(&context, binding.lo));
    else
      facts.setRange(name, {binding.lo, binding.hi});
  }
}

OwningOpRef<ModuleOp> importOnnx(const ImportOptions &options,
                                 MLIRContext &context,
                                 std::vector<ImportError> &errors) {
  std::string error;
  std::unique_ptr<TensorReader> reader =
      TensorReader::open(options.path, options.allowHardLinks, error);
  if (!reader) {
    errors.push_back({options.path, "", "", 0, error});
    return {};
  }
  DimFacts facts;
  declareDims(facts, options.dims, "", context);
  OwningOpRef<ModuleOp> module =
      settle(facts, options.path, errors, [&](std::vector<ImportError> &found) {
        return GraphImporter(*reader, facts, options, context, found).run();
      });
  // Without its folder: where a model lies does not change what it is.
  if (module)
    (*module)->setAttr("mm.sources",
                       reader->describeSources(
                           &context, llvm::sys::path::filename(options.path)));
  return module;
}

OwningOpRef<ModuleOp>
settle(DimFacts &facts, const std::string &file,
       std::vector<ImportError> &errors,
       llvm::function_ref<OwningOpRef<ModuleOp>(std::vector<ImportError> &)>
           attempt) {
  for (int start = 0; start < kMaxStarts; ++start) {
    std::vector<ImportError> found;
    OwningOpRef<ModuleOp> module = attempt(found);
    // What an operator demands of the sizes may decide what an earlier one
    // could not tell.
    bool narrowed = facts.takeNarrowed();
    if (facts.takeRestart() || (narrowed && !found.empty()))
      continue;
    errors.insert(errors.end(), found.begin(), found.end());
    return module;
  }
  errors.push_back(
      {file, "", "", 0, "the demands on its input sizes do not settle"});
  return {};
}

} // namespace mmcc::import
