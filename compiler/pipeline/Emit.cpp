//===- Emit.cpp - Code of each variant, then the artifact -----------------===//

#include "codegen/artifact/FromPlan.h"
#include "codegen/cpu/CodeGen.h"
#include "codegen/cpu/kernels/Levels.h"
#include "codegen/cuda/CodeGen.h"
#include "compiler/pipeline/Stages.h"
#include "dialects/plan/Plan.h"
#include "mlir/IR/OperationSupport.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mmcc;
using namespace mlir;

/// Folder of one variant's code: "DIR/cpu-x86-64-v4".
static std::string dumpFolder(const CompileOptions &options, StringRef target) {
  if (options.dumpCode.empty())
    return "";
  SmallString<128> path(options.dumpCode);
  std::string name = target.str();
  std::replace(name.begin(), name.end(), ':', '-');
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// What the artifact was made of, as import wrote it on the module.
static void recordSources(ModuleOp module, schema::ProgramT &program) {
  auto sources = module->getAttrOfType<ArrayAttr>("mm.sources");
  for (Attribute attribute :
       sources ? sources.getValue() : ArrayRef<Attribute>()) {
    auto described = dyn_cast<DictionaryAttr>(attribute);
    auto name = described ? described.getAs<StringAttr>("name") : nullptr;
    auto bytes = described ? described.getAs<IntegerAttr>("bytes") : nullptr;
    auto hash = described ? described.getAs<StringAttr>("hash") : nullptr;
    if (!name || !bytes || !hash)
      continue; // Printed IR may have been edited.
    auto source = std::make_unique<schema::SourceFileT>();
    source->name = name.str();
    source->bytes = bytes.getInt();
    source->hash = hash.str();
    program.sources.push_back(std::move(source));
  }
}

namespace {
/// Code of a variant, and of the ones behind it whose kernels are the same and
/// whose levels have one base.
class VariantCode {
public:
  FailureOr<cpu::CodeImage> emit(plan::VariantOp variant,
                                 const cpu::CpuOptions &code) {
    if (!code.dumpDir.empty()) // Each level's folder has its files.
      return cpu::emitImage(variant, code);
    if (!last || !serves(variant)) {
      FailureOr<cpu::GeneratedCode> made = cpu::generateCode(variant, code);
      if (failed(made))
        return failure();
      generated = std::move(*made);
      last = variant;
    }
    return cpu::linkCode(variant, generated, code);
  }

private:
  bool serves(plan::VariantOp variant) {
    const cpu::Level *level = cpu::findTarget(variant.getTarget());
    return level && level->base == generated.base &&
           OperationEquivalence::isRegionEquivalentTo(
               &variant.getBody(), &last.getBody(),
               OperationEquivalence::IgnoreLocations);
  }

  plan::VariantOp last;
  cpu::GeneratedCode generated;
};
} // namespace

/// Code of a variant for a GPU.
static StageResult emitCuda(plan::VariantOp variant, const std::string &dumpDir,
                            artifact::KernelOffsets &offsets,
                            std::vector<artifact::ByteSource> &images) {
  cuda::CudaOptions code;
  code.dumpDir = dumpDir;
  cuda::Failure blame;
  FailureOr<cuda::CodeImage> image = cuda::emitImage(variant, code, blame);
  // A model may ask for what has no form on a GPU yet.
  if (failed(image))
    return blame == cuda::Failure::environment ? StageResult::environment
                                               : StageResult::rejected;
  for (const cuda::KernelCode &kernel : image->kernels)
    offsets.push_back({kernel.name, kernel.offset, kernel.bytes, kernel.threads,
                       kernel.sharedBytes, kernel.maps});
  images.push_back(artifact::ByteSource::fromVector(std::move(image->bytes)));
  return StageResult::done;
}

StageResult mmcc::runEmit(ModuleOp module, const CompileOptions &options) {
  std::vector<artifact::KernelOffsets> offsets;
  std::vector<artifact::ByteSource> images, constants;
  VariantCode variants;
  for (auto variant : module.getOps<plan::VariantOp>()) {
    cpu::CpuOptions code;
    code.dumpDir = dumpFolder(options, variant.getTarget());
    if (!code.dumpDir.empty())
      if (std::error_code failure =
              llvm::sys::fs::create_directories(code.dumpDir)) {
        variant.emitError("cannot make the folder ")
            << code.dumpDir << ": " << failure.message();
        return StageResult::environment;
      }
    offsets.emplace_back();
    if (variant.getTarget().starts_with("cuda:")) {
      StageResult result =
          emitCuda(variant, code.dumpDir, offsets.back(), images);
      if (result != StageResult::done)
        return result;
      continue;
    }
    // What lowering made must have code; only IR that was read can be at fault.
    FailureOr<cpu::CodeImage> image = variants.emit(variant, code);
    if (failed(image))
      return options.from ? StageResult::rejected : StageResult::invalid;
    for (const auto *symbols : {&image->kernels, &image->functions})
      for (const cpu::CodeSymbol &symbol : *symbols)
        offsets.back().push_back({symbol.name, symbol.offset});
    images.push_back(artifact::ByteSource::fromVector(std::move(image->bytes)));
  }
  if (images.empty()) {
    module.emitError("holds no variant to emit");
    return StageResult::rejected;
  }
  schema::ProgramT program;
  program.producer = "mmcc " MMCC_VERSION;
  program.options = options.recorded;
  recordSources(module, program);
  for (const auto &[key, value] : options.notes) {
    program.notes.push_back(std::make_unique<schema::KeyValueT>());
    program.notes.back()->key = key;
    program.notes.back()->value = value;
  }
  if (failed(artifact::fromPlan(module, offsets, program, constants)))
    return options.from ? StageResult::rejected : StageResult::invalid;
  std::optional<artifact::WriteError> error =
      artifact::writeArtifact(options.output, program, constants, images);
  if (!error)
    return StageResult::done;
  emitError(UnknownLoc::get(module.getContext())) << error->message;
  return error->environment ? StageResult::environment : StageResult::invalid;
}
