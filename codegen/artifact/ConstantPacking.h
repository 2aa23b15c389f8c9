//===- ConstantPacking.h - The bytes of a plan.constant ---------*- C++ -*-===//
//
// Weights are read in place, from the mapped model file, and packed block by
// block into what the artifact's writer asks for: no tensor is copied as a
// whole.
//
//     panels16 of w[k, n]        n = 0..15   16..31   32..
//                               [ K x 16 ] [ K x 16 ] [ K x 16, zero-filled ]
//     pairs16                   likewise, rows k and k+1 side by side
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_ARTIFACT_CONSTANTPACKING_H
#define MMCC_CODEGEN_ARTIFACT_CONSTANTPACKING_H

#include "codegen/artifact/Writer.h"
#include "dialects/plan/Plan.h"

namespace mmcc::artifact {

/// The content of `constant`. It refers to the data of the constant's
/// attributes, which must stay alive until the file is written. Reports an
/// error when the pieces do not lie inside of their sources or do not give the
/// bytes that the operation promises.
mlir::FailureOr<ByteSource> packConstant(plan::ConstantOp constant);

} // namespace mmcc::artifact

#endif // MMCC_CODEGEN_ARTIFACT_CONSTANTPACKING_H
