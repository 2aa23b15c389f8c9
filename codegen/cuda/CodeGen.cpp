#include "codegen/cuda/CodeGen.h"

#include "codegen/cuda/CubinCompiler.h"
#include "codegen/cuda/KernelSource.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace mmcc::cuda {

/// Cubins are ELF files, which are read in place.
constexpr size_t kAlignment = 64;

static LogicalResult dump(plan::VariantOp variant, StringRef folder,
                          const llvm::Twine &name, StringRef text) {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, name);
  std::error_code error;
  llvm::raw_fd_ostream out(path, error);
  if (!error) {
    out << text;
    out.close();
    error = out.error();
    out.clear_error();
  }
  if (error)
    return variant.emitError("cannot write ")
           << path << ": " << error.message();
  return success();
}

/// NAME.cu, NAME.ptx and NAME.cubin of each kernel.
static LogicalResult
dumpAll(plan::VariantOp variant, const CudaOptions &options,
        const CubinCompiler &compiler, ArrayRef<std::string> sources,
        ArrayRef<size_t> sourceOf, ArrayRef<std::string> codes) {
  auto assembly = compiler.compile(sources, Output::ptx, options.threads);
  if (!assembly)
    return variant.emitError(llvm::toString(assembly.takeError()));
  for (auto [kernel, source] :
       llvm::zip(variant.getBody().getOps<plan::KernelOp>(), sourceOf)) {
    StringRef name = kernel.getSymName();
    if (failed(dump(variant, options.dumpDir, name + ".cu", sources[source])) ||
        failed(dump(variant, options.dumpDir, name + ".ptx",
                    (*assembly)[source])) ||
        failed(dump(variant, options.dumpDir, name + ".cubin", codes[source])))
      return failure();
  }
  return success();
}

FailureOr<CodeImage> emitImage(plan::VariantOp variant,
                               const CudaOptions &options, Failure &blame) {
  blame = Failure::program;
  CodeImage image;
  std::vector<std::string> sources;
  std::vector<size_t> sourceOf;
  llvm::StringMap<size_t> known;
  for (auto kernel : variant.getBody().getOps<plan::KernelOp>()) {
    FailureOr<KernelSource> source = writeKernel(kernel);
    if (failed(source))
      return failure();
    auto [same, isNew] = known.try_emplace(source->text, sources.size());
    if (isNew)
      sources.push_back(source->text);
    sourceOf.push_back(same->second);
    image.kernels.push_back({kernel.getSymName().str(), 0, 0, source->threads,
                             source->sharedBytes, source->maps});
  }
  blame = Failure::environment;
  StringRef architecture = variant.getTarget().split(':').second;
  llvm::Expected<CubinCompiler> compiler = CubinCompiler::find(architecture);
  if (!compiler)
    return variant.emitError(llvm::toString(compiler.takeError()));
  auto codes = compiler->compile(sources, Output::cubin, options.threads);
  if (!codes)
    return variant.emitError(llvm::toString(codes.takeError()));
  if (!options.dumpDir.empty() &&
      failed(dumpAll(variant, options, *compiler, sources, sourceOf, *codes)))
    return failure();

  std::vector<uint64_t> offsets;
  for (const std::string &code : *codes) {
    image.bytes.resize((image.bytes.size() + kAlignment - 1) / kAlignment *
                       kAlignment);
    offsets.push_back(image.bytes.size());
    image.bytes.insert(image.bytes.end(), code.begin(), code.end());
  }
  for (auto [kernel, source] : llvm::zip(image.kernels, sourceOf)) {
    kernel.offset = offsets[source];
    kernel.bytes = (*codes)[source].size();
  }
  return image;
}

} // namespace mmcc::cuda
