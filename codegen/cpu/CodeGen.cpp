#include "codegen/cpu/CodeGen.h"

#include "codegen/cpu/FlatImage.h"
#include "codegen/cpu/KernelFrame.h"
#include "codegen/cpu/KernelObjects.h"
#include "codegen/cpu/LoopKernel.h"
#include "codegen/cpu/MathLibrary.h"
#include "codegen/cpu/MicroKernel.h"
#include "codegen/cpu/ModuleCompiler.h"
#include "codegen/cpu/kernels/Bitcode.h"
#include "codegen/cpu/kernels/Levels.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <thread>

using namespace mlir;

namespace mmcc::cpu {

namespace {
/// A part of a variant's kernels, compiled to one object file.
struct Part {
  /// Kernels, and the names of their functions.
  std::vector<std::pair<plan::KernelOp, std::string>> kernels;
  llvm::SmallVector<char, 0> object;
  /// Set when compiling failed; the emitter's errors are already reported.
  bool failed = false;
  std::string error;
};
} // namespace

static LogicalResult emitKernel(plan::KernelOp kernel, StringRef symbol,
                                llvm::Module &module, MathLibrary &math,
                                const Level &level) {
  for (AffineMap map : {kernel.getExtents(), kernel.getParams(),
                        kernel.getOffsets(), kernel.getScratch()})
    if (map.getNumDims() != 0)
      return kernel.emitOpError("has a map with dimensions: ")
             << AffineMapAttr::get(map);
  if (kernel.getRow() == "loops" && kernel.getPieces())
    return kernel.emitOpError("has pieces of rows, but no product");
  llvm::LLVMContext &context = module.getContext();
  llvm::IRBuilder<> b(context);
  llvm::FastMathFlags flags;
  flags.setAllowContract(true);
  b.setFastMathFlags(flags);
  llvm::AttrBuilder target = math.targetAttributes();
  target.addAttribute("prefer-vector-width", level.lanes == 16 ? "512" : "256");
  target.addAttribute("min-legal-vector-width",
                      level.lanes == 16 ? "512" : "256");
  auto newFunction = [&](StringRef name, llvm::FunctionType *type) {
    auto *function = llvm::Function::Create(
        type, llvm::GlobalValue::InternalLinkage, name, module);
    function->addFnAttrs(target);
    function->addFnAttr(llvm::Attribute::NoUnwind);
    return function;
  };
  llvm::Type *i64 = b.getInt64Ty();
  llvm::Function *function = newFunction(
      symbol, llvm::FunctionType::get(b.getVoidTy(),
                                      {b.getPtrTy(), i64, i64, i64}, false));
  function->setLinkage(llvm::GlobalValue::ExternalLinkage);
  b.SetInsertPoint(llvm::BasicBlock::Create(context, "entry", function));
  KernelFrame frame(b, kernel, function->getArg(0));
  if (kernel.getRow() == "loops") {
    if (failed(LoopKernel(b, math, frame, level).emit(function->getArg(1))))
      return failure();
  } else {
    llvm::Value *cell[] = {function->getArg(1), function->getArg(2),
                           function->getArg(3)};
    if (failed(MicroKernel(b, math, frame, level).emit(cell, newFunction)))
      return failure();
  }
  b.CreateRetVoid();
  return success();
}

static void compilePart(Part &part, const Level &level,
                        const CpuOptions &options, StringRef dumpPath) {
  part.failed = true;
  const BitcodeModule *bitcode = findBitcode(level.base);
  if (!bitcode) {
    part.error =
        "mmcc has no microkernels for level '" + std::string(level.name) + "'";
    return;
  }
  llvm::LLVMContext context;
  context.setDiscardValueNames(options.dumpDir.empty());
  llvm::MemoryBufferRef buffer(
      StringRef(reinterpret_cast<const char *>(bitcode->data), bitcode->size),
      "microkernels");
  llvm::Expected<std::unique_ptr<llvm::Module>> library =
      llvm::getLazyBitcodeModule(buffer, context,
                                 /*ShouldLazyLoadMetadata=*/true);
  if (!library) {
    part.error = llvm::toString(library.takeError());
    return;
  }
  llvm::Module module("kernels", context);
  module.setDataLayout((*library)->getDataLayout());
  module.setTargetTriple((*library)->getTargetTriple());
  MathLibrary math(**library, module);
  llvm::StringSet<> exported;
  for (const auto &[kernel, symbol] : part.kernels) {
    if (failed(emitKernel(kernel, symbol, module, math, level)))
      return;
    exported.insert(symbol);
  }
  part.failed =
      !compileModule(module, std::move(*library), exported, level,
                     options.optLevel, dumpPath, part.object, part.error);
}

/// A name that is nobody else's and that linker scripts can hold.
static std::string symbolOf(plan::KernelOp kernel, size_t number) {
  std::string name = "kernel" + std::to_string(number) + "_";
  for (char c : kernel.getSymName())
    name += llvm::isAlnum(c) ? c : '_';
  return name;
}

/// The level of a variant, or of the options.
static const Level *levelOf(plan::VariantOp variant,
                            const CpuOptions &options) {
  StringRef target = variant.getTarget();
  const Level *level =
      options.level.empty() ? findTarget(target) : findLevel(options.level);
  if (!level)
    variant.emitError("there is no CPU level '")
        << (options.level.empty() ? target : StringRef(options.level)) << "'";
  return level;
}

FailureOr<GeneratedCode> generateCode(plan::VariantOp variant,
                                      const CpuOptions &options) {
  const Level *level = levelOf(variant, options);
  if (!level)
    return failure();
  GeneratedCode code;
  code.base = level->base;
  // Always the same two parts, however many threads there are.
  std::vector<Part> parts(2);
  for (auto kernel : variant.getBody().getOps<plan::KernelOp>()) {
    size_t number = code.symbols.size();
    code.symbols.push_back(symbolOf(kernel, number));
    code.names.push_back(kernel.getSymName().str());
    parts[number % 2].kernels.emplace_back(kernel, code.symbols.back());
  }
  parts.resize(std::min<size_t>(code.symbols.size(), 2));
  if (!options.dumpDir.empty())
    if (std::error_code error =
            llvm::sys::fs::create_directories(options.dumpDir))
      return variant.emitError("cannot make folder '")
             << options.dumpDir << "': " << error.message();

  auto compile = [&](size_t i) {
    SmallString<128> dump;
    if (!options.dumpDir.empty())
      llvm::sys::path::append(dump, options.dumpDir,
                              StringRef(level->name) + "." + llvm::Twine(i));
    compilePart(parts[i], *level, options, dump);
  };
  if (options.threads > 1 && parts.size() > 1) {
    std::thread second([&] { compile(1); });
    compile(0);
    second.join();
  } else {
    for (size_t i = 0; i < parts.size(); ++i)
      compile(i);
  }
  for (Part &part : parts) {
    if (part.failed) {
      if (!part.error.empty())
        variant.emitError("CPU code generation: ") << part.error;
      return failure();
    }
    code.objects.push_back(std::move(part.object));
  }
  return code;
}

FailureOr<CodeImage> linkCode(plan::VariantOp variant,
                              const GeneratedCode &code,
                              const CpuOptions &options) {
  const Level *level = levelOf(variant, options);
  if (!level)
    return failure();
  assert(code.base == level->base && "code of another base");
  if (code.symbols.empty())
    return CodeImage();
  SmallVector<StringRef> objects;
  for (const llvm::SmallVector<char, 0> &object : code.objects)
    objects.emplace_back(object.data(), object.size());
  objects.push_back(findKernelObject(level->name));
  std::string error;
  std::optional<CodeImage> image = linkImage(objects, code.symbols, error);
  if (!image)
    return variant.emitError("cannot link the kernels: ") << error;
  for (auto [kernel, name] : llvm::zip(image->kernels, code.names))
    kernel.name = name;
  return std::move(*image);
}

FailureOr<CodeImage> emitImage(plan::VariantOp variant,
                               const CpuOptions &options) {
  FailureOr<GeneratedCode> code = generateCode(variant, options);
  if (failed(code))
    return failure();
  return linkCode(variant, *code, options);
}

} // namespace mmcc::cpu
