//===- Inference.h - Shape arithmetic shared by the op families -*- C++ -*-===//
//
// Result types are inferred on Dims, so that symbolic and static sizes take the
// same way. Every function reports through emitOptionalError: inference also
// runs speculatively, without a location, and then only fails.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_DIALECTS_MM_INFERENCE_H
#define MMCC_DIALECTS_MM_INFERENCE_H

#include "dialects/mm/MM.h"

namespace mmcc::mm {

using OptionalLocation = std::optional<mlir::Location>;
using ResultTypes = llvm::SmallVectorImpl<mlir::Type>;

/// "2x?xbatch"-like text of a shape, for messages.
std::string describeShape(llvm::ArrayRef<Dim> shape);

/// The numpy broadcast of `operands` with `elementType`, as the only result.
mlir::LogicalResult inferElementwise(OptionalLocation location,
                                     llvm::StringRef op,
                                     mlir::ValueRange operands,
                                     mlir::Type elementType,
                                     ResultTypes &results);

/// Fails, with a message, unless `axis` is in [0, rank).
mlir::LogicalResult checkAxis(OptionalLocation location, llvm::StringRef op,
                              int64_t axis, int64_t rank);

/// Whether `shape` broadcasts to `target` without changing it.
bool broadcastsTo(llvm::ArrayRef<Dim> shape, llvm::ArrayRef<Dim> target);

/// Whether two lists of dimensions have one product. Equal factors are
/// cancelled first, so that quotients (`h floordiv 7`) compare too.
bool sameElementCount(llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b);

} // namespace mmcc::mm

#endif // MMCC_DIALECTS_MM_INFERENCE_H
