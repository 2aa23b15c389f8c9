//===- FromPlan.h - plan to the artifact's program --------------*- C++ -*-===//
//
// The schema stores what plan says, one to one: plan.constant becomes a
// Constant, plan.variant a Variant, plan.entry an Entry, whose buffers are the
// SSA values of type !plan.buffer and whose commands are its dispatches and
// copies. Affine maps become expressions. Variants whose entries come out equal
// share one.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_ARTIFACT_FROMPLAN_H
#define MMCC_CODEGEN_ARTIFACT_FROMPLAN_H

#include "codegen/artifact/Writer.h"
#include "dialects/plan/KernelMaps.h"
#include "dialects/plan/Plan.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <utility>
#include <vector>

namespace mmcc::artifact {

/// Where the code of a kernel, or of what kernels call, starts in its variant's
/// image.
struct KernelCode {
  std::string name;
  uint64_t offset = 0;
  /// On a GPU: of the code, and a block's threads and shared memory.
  uint64_t bytes = 0;
  uint32_t threads = 0;
  uint64_t sharedBytes = 0;
  plan::KernelMaps maps = {};
};
using KernelOffsets = std::vector<KernelCode>;

/// Fills in `program` (constants, variants, entries) from `module`, and
/// `constants` with what writeArtifact() takes. `offsets` has an element for
/// each variant of the module, in order. The constants refer to the module's
/// attributes, which must live until the file is written. Errors are reported
/// at the operation that is at fault.
mlir::LogicalResult fromPlan(mlir::ModuleOp module,
                             llvm::ArrayRef<KernelOffsets> offsets,
                             schema::ProgramT &program,
                             std::vector<ByteSource> &constants);

} // namespace mmcc::artifact

#endif // MMCC_CODEGEN_ARTIFACT_FROMPLAN_H
