//===- FlatImage.h - Object files to flat bytes -----------------*- C++ -*-===//
//
// LLD links the objects as a shared object whose only segment is read-execute;
// its bytes, at their addresses, are the image. The runtime needs no ELF
// parsing, and what could make it need some is refused here: relocations,
// imports, writable data.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_FLATIMAGE_H
#define MMCC_CODEGEN_CPU_FLATIMAGE_H

#include "codegen/cpu/CodeGen.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <optional>

namespace mmcc::cpu {

/// Links object files and keeps what `symbols`, which the result lists, need.
/// On failure `error` says why.
std::optional<CodeImage> linkImage(llvm::ArrayRef<llvm::StringRef> objects,
                                   llvm::ArrayRef<std::string> symbols,
                                   std::string &error);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_FLATIMAGE_H
