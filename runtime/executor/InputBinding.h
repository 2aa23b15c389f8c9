//===- InputBinding.h - From the caller's tensors to symbols ----*- C++ -*-===//

#ifndef MMCC_RUNTIME_EXECUTOR_INPUTBINDING_H
#define MMCC_RUNTIME_EXECUTOR_INPUTBINDING_H

#include "runtime/core/Span.h"
#include "runtime/core/Status.h"
#include "runtime/executor/EntryProgram.h"
#include "runtime/include/mmcc/runtime.h"

namespace mmcc::runtime {

/// Checks inputs against the entry: their number, types, ranks, extents and,
/// with `check_data`, memory. Fills in the symbols that input dimensions
/// define or the state's length does, 0 elsewhere. `values` reads `symbols`.
/// Messages name input and dimension.
Status bindInputs(const schema::Entry &entry, Span<const mmcc_tensor> inputs,
                  bool check_data, int64_t state_length, Span<int64_t> symbols,
                  ExpressionValues &values);

/// Range and step of a symbol; `what` begins the message.
Status checkSymbol(const schema::Symbol &symbol, int64_t value,
                   const std::string &what);

/// Bytes of a tensor of these extents; false when it has none.
bool tensorBytes(schema::DType dtype, const int64_t *dims, uint32_t rank,
                 int64_t &bytes);

/// Whether the address is a multiple of the element's size.
bool isAligned(const void *data, schema::DType dtype);

/// "3*batch + 1"
std::string dimensionText(const schema::Entry &entry, uint32_t expression);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_INPUTBINDING_H
