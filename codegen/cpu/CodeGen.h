//===- CodeGen.h - plan.variant to native code ------------------*- C++ -*-===//
//
// Every plan.kernel of a variant becomes one native function (its signature is
// in kernels/Abi.h). All of them are linked with the microkernels that they
// call into one flat image: position-independent bytes without imports,
// relocations or writable data, which the runtime maps read-execute as they
// are.
//
//     plan.kernel ─► LLVM function ─┐
//                                   ├─► object ─► linked ─► flat image
//     microkernel bitcode ──────────┘
//
// There is no MLIR lowering pipeline in between: the emitter writes vector
// instructions itself (LoopKernel.h), so that compile time stays small and
// what is vectorised does not depend on heuristics.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_CODEGEN_H
#define MMCC_CODEGEN_CPU_CODEGEN_H

#include "dialects/plan/Plan.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mmcc::cpu {

struct CodeSymbol {
  std::string name;
  /// Of the function's first instruction, from the start of the image.
  uint64_t offset;
};

struct CodeImage {
  std::vector<uint8_t> bytes;
  /// In the order of the variant's kernels.
  std::vector<CodeSymbol> kernels;
  /// What they call, in the order of the code.
  std::vector<CodeSymbol> functions;
};

struct CpuOptions {
  /// Of kernels/levels.inc; empty: what follows "cpu:" in the variant's target.
  std::string level;
  /// 0 to 3, as of LLVM.
  unsigned optLevel = 2;
  /// Where to write .ll, .s and .o files; empty: nowhere.
  std::string dumpDir;
  /// Threads that compile. The image does not depend on it.
  unsigned threads = 2;
};

/// Object files of a variant's kernels, without the microkernels that they
/// call: they serve every level of one base (kernels/levels.inc).
struct GeneratedCode {
  std::string base;
  /// Of the variant's kernels, in their order, and of their functions.
  std::vector<std::string> names, symbols;
  std::vector<llvm::SmallVector<char, 0>> objects;
};

/// Compiles all kernels of `variant`. Errors are reported at the kernel.
mlir::FailureOr<GeneratedCode> generateCode(plan::VariantOp variant,
                                            const CpuOptions &options);

/// Links what was generated for `variant`, or for one of the same kernels and
/// base, with the microkernels of its level.
mlir::FailureOr<CodeImage> linkCode(plan::VariantOp variant,
                                    const GeneratedCode &code,
                                    const CpuOptions &options);

/// Both.
mlir::FailureOr<CodeImage> emitImage(plan::VariantOp variant,
                                     const CpuOptions &options);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_CODEGEN_H
