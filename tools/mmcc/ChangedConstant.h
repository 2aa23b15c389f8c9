//===- ChangedConstant.h - A weight that is not the model's -----*- C++ -*-===//
//
// An artifact whose launches are those of a model, but whose constants are not,
// was compiled from other weights, or its weights were treated wrongly. Inside
// a kernel that fuses several nodes no value can be seen, but the constant
// tells which of them departs:
//
//     model's twin        gemm_f32_8 (fc1, gelu)   on a, w [panels], b
//     artifact            gemm_f32_8 (fc1, gelu)   on a, w',         b
//
// The words in which w' differs from w are looked for in the constants of the
// model as it was imported, before any pass packed or merged them.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TOOLS_MMCC_CHANGEDCONSTANT_H
#define MMCC_TOOLS_MMCC_CHANGEDCONSTANT_H

#include "mlir/IR/BuiltinOps.h"
#include "runtime/loader/Artifact.h"
#include <optional>
#include <string>
#include <vector>

namespace mmcc {

struct ChangedConstant {
  /// Of the launch that reads it first, as the artifact names them.
  std::vector<std::string> nodes;
  std::string kernel;
  int64_t elements = 0;
  /// Some of the model's words, each once, where the artifact has others.
  std::vector<uint32_t> words;
  /// The first of them in both.
  float actual = 0, expected = 0;
};

/// The first launch of the entry with an f32 constant that differs from the
/// twin's. Both have chosen their variants.
std::optional<ChangedConstant>
findChangedConstant(const runtime::Artifact &artifact,
                    const runtime::Artifact &twin, const std::string &entry);

struct ConstantOwner {
  std::string constant;
  /// The node that reads it, past others that read constants only.
  std::string node;
};

/// The constant of the imported model that holds all of the words; where
/// several do, the one whose reader is nearest to the launch.
std::optional<ConstantOwner> findOwner(mlir::ModuleOp imported,
                                       const ChangedConstant &changed);

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_CHANGEDCONSTANT_H
