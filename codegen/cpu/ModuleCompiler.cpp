#include "codegen/cpu/ModuleCompiler.h"

#include "codegen/cpu/KernelTable.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/IPO/AlwaysInliner.h"
#include "llvm/Transforms/IPO/GlobalDCE.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/ADCE.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/GVN.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopUnrollPass.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"
#include "llvm/Transforms/Utils/Cloning.h"

namespace mmcc::cpu {

/// Code comes out of the emitter vectorised; what remains is to simplify
/// addresses and to move what does not change out of loops.
static llvm::FunctionPassManager generatedCodePipeline(unsigned optLevel) {
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass());
  llvm::LoopPassManager loops;
  loops.addPass(llvm::LICMPass(llvm::LICMOptions()));
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops),
                                                       /*UseMemorySSA=*/true));
  passes.addPass(llvm::GVNPass());
  if (optLevel >= 3)
    passes.addPass(llvm::LoopUnrollPass(llvm::LoopUnrollOptions(
        3, /*OnlyWhenForced=*/false, /*ForgetSCEV=*/false)));
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::ADCEPass());
  return passes;
}

static void optimise(llvm::Module &module, llvm::TargetMachine &machine,
                     llvm::ArrayRef<llvm::Function *> generated,
                     unsigned optLevel) {
  llvm::LoopAnalysisManager loopAnalyses;
  llvm::FunctionAnalysisManager functionAnalyses;
  llvm::CGSCCAnalysisManager callGraphAnalyses;
  llvm::ModuleAnalysisManager moduleAnalyses;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(moduleAnalyses);
  builder.registerCGSCCAnalyses(callGraphAnalyses);
  builder.registerFunctionAnalyses(functionAnalyses);
  builder.registerLoopAnalyses(loopAnalyses);
  builder.crossRegisterProxies(loopAnalyses, functionAnalyses,
                               callGraphAnalyses, moduleAnalyses);
  llvm::ModulePassManager inlining;
  inlining.addPass(llvm::AlwaysInlinerPass(/*InsertLifetimeIntrinsics=*/false));
  inlining.run(module, moduleAnalyses);
  if (optLevel > 0) {
    llvm::FunctionPassManager passes = generatedCodePipeline(optLevel);
    for (llvm::Function *function : generated)
      passes.run(*function, functionAnalyses);
  }
  llvm::ModulePassManager cleanup;
  cleanup.addPass(llvm::GlobalDCEPass());
  cleanup.run(module, moduleAnalyses);
}

static bool
writeFile(const llvm::Twine &path, std::string &error,
          llvm::function_ref<void(llvm::raw_pwrite_stream &)> write) {
  std::error_code code;
  llvm::raw_fd_ostream stream(path.str(), code);
  if (!code) {
    write(stream);
    stream.flush();
    code = stream.error();
    stream.clear_error();
  }
  if (code)
    error = ("cannot write " + path + ": " + code.message()).str();
  return !code;
}

static bool emitMachineCode(llvm::Module &module, llvm::TargetMachine &machine,
                            llvm::CodeGenFileType kind,
                            llvm::raw_pwrite_stream &stream) {
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, kind,
                                  /*DisableVerify=*/true))
    return false;
  passes.run(module);
  return true;
}

bool compileModule(llvm::Module &module, std::unique_ptr<llvm::Module> library,
                   const llvm::StringSet<> &exported, const Level &level,
                   unsigned optLevel, llvm::StringRef dumpPath,
                   llvm::SmallVectorImpl<char> &object, std::string &error) {
  std::unique_ptr<llvm::TargetMachine> machine =
      createTargetMachine(level, optLevel);
  if (!machine) {
    error = "LLVM was built without the X86 target";
    return false;
  }
  module.setTargetTriple(machine->getTargetTriple().str());
  module.setDataLayout(machine->createDataLayout());
  // clang writes the same triple with another vendor.
  library->setTargetTriple(module.getTargetTriple());
  llvm::raw_string_ostream messages(error);
  if (llvm::verifyModule(module, &messages)) {
    error = "generated code does not verify: " + error;
    return false;
  }
  llvm::SmallVector<llvm::Function *> generated;
  for (llvm::Function &function : module)
    if (!function.isDeclaration() &&
        !function.hasFnAttribute(llvm::Attribute::AlwaysInline))
      generated.push_back(&function);

  // Microkernels are linked as machine code.
  for (const KernelRow &row : kernelRows())
    if (llvm::Function *function =
            library->getFunction(("mmk_" + row.name).str()))
      function->setName("unused");
  if (llvm::Linker::linkModules(module, std::move(library),
                                llvm::Linker::LinkOnlyNeeded)) {
    error = "cannot link the microkernels";
    return false;
  }
  for (llvm::Function &function : module) {
    // Nothing is unwound, and unwind tables would need relocations.
    function.setUWTableKind(llvm::UWTableKind::None);
    if (function.isDeclaration()) {
      function.setVisibility(llvm::GlobalValue::HiddenVisibility);
      continue;
    }
    if (!exported.contains(function.getName()))
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
    function.setDSOLocal(true);
  }
  for (llvm::GlobalVariable &variable : module.globals())
    if (!variable.isDeclaration()) {
      variable.setLinkage(llvm::GlobalValue::InternalLinkage);
      variable.setDSOLocal(true);
    }
  optimise(module, *machine, generated, optLevel);

  if (!dumpPath.empty()) {
    bool done =
        writeFile(dumpPath + ".ll", error,
                  [&](llvm::raw_pwrite_stream &stream) {
                    module.print(stream, nullptr);
                  }) &&
        writeFile(dumpPath + ".s", error, [&](llvm::raw_pwrite_stream &stream) {
          // Emission changes the module.
          std::unique_ptr<llvm::Module> copy = llvm::CloneModule(module);
          emitMachineCode(*copy, *machine, llvm::CodeGenFileType::AssemblyFile,
                          stream);
        });
    if (!done)
      return false;
  }
  llvm::raw_svector_ostream stream(object);
  if (!emitMachineCode(module, *machine, llvm::CodeGenFileType::ObjectFile,
                       stream)) {
    error = "LLVM cannot emit object files for this target";
    return false;
  }
  if (!dumpPath.empty())
    return writeFile(dumpPath + ".o", error,
                     [&](llvm::raw_pwrite_stream &file) {
                       file.write(object.data(), object.size());
                     });
  return true;
}

} // namespace mmcc::cpu
