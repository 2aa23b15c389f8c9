//===- Stages.cpp - The seven stages, in order ----------------------------===//

#include "compiler/pipeline/Stages.h"
#include "codegen/artifact/FromPlan.h"
#include "codegen/artifact/Writer.h"
#include "codegen/cpu/CodeGen.h"
#include "compiler/evaluate/Passes.h"
#include "compiler/pipeline/LibraryChoices.h"
#include "compiler/pipeline/Taps.h"
#include "compiler/pipeline/Target.h"
#include "compiler/pipeline/UnfusedAttention.h"
#include "dialects/mm/MM.h"
#include "dialects/plan/Plan.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/attention/Passes.h"
#include "passes/fuse/Passes.h"
#include "passes/lower/Passes.h"
#include "passes/quantize/Passes.h"
#include "passes/schedule/Passes.h"
#include "passes/simplify/Passes.h"
#include "passes/state/Passes.h"
#include "passes/tokens/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

using namespace mmcc;
using namespace mlir;

using PassNames = llvm::SmallVector<std::string>;

//===----------------------------------------------------------------------===//
// import: ONNX to mm
//===----------------------------------------------------------------------===//

OwningOpRef<ModuleOp> mmcc::runImport(MLIRContext *context,
                                      const CompileOptions &options,
                                      raw_ostream &messages) {
  OwningOpRef<ModuleOp> all = ModuleOp::create(UnknownLoc::get(context));
  bool good = true;
  SmallVector<Attribute> sources;
  for (const std::string &path : options.inputs) {
    import::ImportOptions importing;
    importing.path = path;
    importing.dims = options.dims;
    importing.allowUnknownDims = options.inputs.size() > 1;
    importing.entry = llvm::sys::path::stem(path).str();
    std::vector<import::ImportError> errors;
    OwningOpRef<ModuleOp> module =
        llvm::StringRef(path).ends_with(".json")
            ? import::importDescription(importing, *context, errors)
            : import::importOnnx(importing, *context, errors);
    for (const import::ImportError &error : errors)
      messages << "mmcc: " << error.str() << "\n";
    good &= static_cast<bool>(module);
    if (!module)
      continue;
    llvm::append_range(sources,
                       (*module)->getAttrOfType<ArrayAttr>("mm.sources"));
    all->getBody()->getOperations().splice(all->getBody()->end(),
                                           module->getBody()->getOperations());
  }
  (*all)->setAttr("mm.sources", ArrayAttr::get(context, sources));
  if (!good)
    return nullptr;
  if (options.taps)
    addTaps(*all);
  return all;
}

//===----------------------------------------------------------------------===//
// simplify: one form for one meaning
//===----------------------------------------------------------------------===//

static PassNames simplifyPasses(const CompileOptions &options) {
  if (!options.optimize)
    return {};
  // Folding would widen the weights that mm-float-products keeps.
  return {"mm-float-products",
          "canonicalize",
          "cse",
          "mm-canonicalize-views",
          "mm-algebra",
          "mm-evaluate-constants{keep-narrow=true}",
          "mm-canonicalize-views",
          "canonicalize",
          "cse"};
}

//===----------------------------------------------------------------------===//
// optimize: operations as people talk about them
//===----------------------------------------------------------------------===//

static PassNames optimizePasses(const CompileOptions &options) {
  if (!options.optimize)
    return {};
  std::string formAttention = "mm-form-attention";
  if (options.explain)
    formAttention += "{explain=true}";
  // Attention leaves equal masks for CSE to merge; a norm over channels meets
  // its scale only once convolutions are channels last.
  PassNames names = {"mm-form-gelu",     "mm-form-silu", "mm-form-layer-norm",
                     "mm-form-rms-norm", "mm-form-rope", "mm-slice-positions",
                     "mm-form-softmax",  formAttention};
  std::string explain = options.explain ? " explain=true" : "";
  if (options.explain || !options.attention.empty())
    names.push_back("mm-place-attention{patterns=" +
                    llvm::join(options.attention, ";") + explain + "}");
  names.push_back("mm-form-linear");
  if (!options.tome.empty()) {
    std::string map = options.tomeMap ? " map=true" : "";
    names.push_back("mm-merge-tokens{schedule=" + options.tome + map + explain +
                    "}");
  }
  if (!options.prune.empty()) {
    std::string map = options.pruneMap ? " map=true" : "";
    // Quoted: a node's name may hold anything.
    names.push_back("mm-prune-tokens{amount=\"" + options.prune + "\"" + map +
                    explain + "}");
  }
  names.append({"mm-fold-batch-norm", "mm-fold-scale", "mm-merge-linears",
                "mm-channels-last", "canonicalize", "cse",
                "mm-canonicalize-views", "mm-form-layer-norm", "mm-form-linear",
                "mm-form-similarity", "mm-sink-row-factors",
                "mm-form-retrieval", "mm-form-quantized-linear",
                "mm-evaluate-constants", "canonicalize",
                options.explain ? "mm-block-attention{explain=true}"
                                : "mm-block-attention",
                "cse", "mm-canonical-order"});
  return names;
}

//===----------------------------------------------------------------------===//
// quantize: narrower weights and activations, and what is kept between calls
//===----------------------------------------------------------------------===//

/// What attention may round its operands to.
static std::string attentionOperands(const CompileOptions &options) {
  if (options.quantize)
    return options.quantize->attentionOperands();
  return options.precision == "bf16" || options.precision == "f16"
             ? options.precision
             : "f32";
}

static PassNames quantizePasses(const CompileOptions &options) {
  PassNames names;
  if (options.quantize)
    names.append({options.quantize->pass(options.explain,
                                         getLeastLevel(options.targets)),
                  "cse"});
  // Bounds of numbers are found on weights of f32.
  if (std::string operands = attentionOperands(options); operands != "f32")
    names.push_back("mm-round-operands{attention=" + operands + "}");
  if (options.precision != "f32" && options.precision != "tf32")
    names.append({"mm-narrow-floats{to=" + options.precision +
                      (options.explain ? " explain=true}" : "}"),
                  "cse"});
  if (options.optimize && options.kv != "off")
    names.push_back("mm-form-state{kv=" + options.kv + "}");
  return names;
}

//===----------------------------------------------------------------------===//
// lower: mm to plan, a variant a target
//===----------------------------------------------------------------------===//

static PassNames lowerPasses(const CompileOptions &options) {
  // tf32 keeps as many bits as f16: what that could not hold loses no more.
  bool tf32 = options.precision == "tf32" || options.precision == "f16";
  return {"mm-lower-to-plan{target=" + llvm::join(options.targets, ",") +
          (tf32 ? " tf32=true}" : "}")};
}

//===----------------------------------------------------------------------===//
// schedule: order and memory
//===----------------------------------------------------------------------===//

static PassNames schedulePasses(const CompileOptions &options) {
  if (!options.optimize)
    return {"plan-schedule"};
  return {"plan-in-place", "plan-streams", "plan-schedule",
          "plan-library-calls"};
}

//===----------------------------------------------------------------------===//
// emit: code, then the artifact (Emit.cpp)
//===----------------------------------------------------------------------===//

//===----------------------------------------------------------------------===//
// Running them
//===----------------------------------------------------------------------===//

/// Adds a pass by its command line name, `name{options}`. Unlike a textual
/// pipeline this nests a pass on functions by itself.
static LogicalResult addPass(StringRef text, PassManager &manager) {
  auto [name, options] = text.split('{');
  options.consume_back("}");
  const PassInfo *info = PassInfo::lookup(name);
  auto report = [&](const Twine &reason) {
    return emitError(UnknownLoc::get(manager.getContext()), "pass ")
           << text << ": " << reason;
  };
  if (!info)
    return report("is not registered");
  return info->addToPipeline(manager, options, report);
}

static StageResult runPasses(const PassNames &names, ModuleOp module) {
  for (const std::string &name : names) {
    PassManager manager(module.getContext(), ModuleOp::getOperationName(),
                        OpPassManager::Nesting::Implicit);
    manager.enableVerifier(false);
    if (failed(addPass(name, manager)))
      return StageResult::invalid;
    if (failed(manager.run(module)))
      return StageResult::rejected;
    if (failed(verify(module))) {
      module.emitError("invalid IR after the pass ") << name;
      return StageResult::invalid;
    }
  }
  return StageResult::done;
}

ExitCode mmcc::toExitCode(StageResult result) {
  switch (result) {
  case StageResult::done:
    return ExitCode::done;
  case StageResult::rejected:
    return ExitCode::input;
  case StageResult::contract:
    return ExitCode::contract;
  case StageResult::environment:
    return ExitCode::environment;
  case StageResult::invalid:
    return ExitCode::bug;
  }
  llvm_unreachable("all results are above");
}

StageResult mmcc::runStage(Stage stage, ModuleOp module,
                           const CompileOptions &options) {
  switch (stage) {
  case Stage::simplify:
    return runPasses(simplifyPasses(options), module);
  case Stage::optimize: {
    StageResult result = runPasses(optimizePasses(options), module);
    if (result == StageResult::done && options.strict &&
        failed(checkAttentionIsFused(module)))
      result = StageResult::contract;
    return result;
  }
  case Stage::quantize:
    return runPasses(quantizePasses(options), module);
  case Stage::lower:
    return runPasses(lowerPasses(options), module);
  case Stage::schedule: {
    StageResult result = runPasses(schedulePasses(options), module);
    if (result == StageResult::done && !options.tuning.empty() &&
        failed(addLibraryChoices(module, options.tuning)))
      result = StageResult::rejected;
    return result;
  }
  case Stage::import:
  case Stage::emit:
    break;
  }
  llvm_unreachable("import and emit have functions of their own");
}

/// What evaluation of constants is handed: the stages from lower on.
static LogicalResult compileConstants(ModuleOp module,
                                      const std::string &path) {
  CompileOptions options;
  options.targets = {"cpu:x86-64-v3"};
  options.output = path;
  for (Stage stage : {Stage::lower, Stage::schedule})
    if (runStage(stage, module, options) != StageResult::done)
      return failure();
  return success(runEmit(module, options) == StageResult::done);
}

void mmcc::registerStages(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, func::FuncDialect, math::MathDialect,
                  mm::MMDialect, plan::PlanDialect>();
  static const bool once = [] {
    registerCanonicalizerPass();
    registerCSEPass();
    registerSimplifyPasses();
    registerFusePasses();
    registerAttentionPasses();
    registerTokensPasses();
    registerStatePasses();
    registerQuantizePasses();
    registerLowerPasses();
    registerSchedulePasses();
    registerPass([] { return createEvaluateConstantsPass(compileConstants); });
    return true;
  }();
  (void)once;
}
