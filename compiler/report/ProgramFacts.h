//===- ProgramFacts.h - Commands, buffers and what waits for what -*- C++
//-*-===//

#ifndef MMCC_COMPILER_REPORT_PROGRAMFACTS_H
#define MMCC_COMPILER_REPORT_PROGRAMFACTS_H

#include "runtime/schema/program_generated.h"
#include "llvm/Support/JSON.h"
#include <vector>

namespace mmcc {

/// Commands and arena of an entry for one value of each symbol:
///
///     commands  [{stream, kernel, row, nodes, grid, flops, bytes, weights,
///                 after: [command...]}]
///     buffers   [{offset, bytes, first, last}]   of the arena
///     arena     {bytes, live}
///
/// `bytes` of a command are those of all its operands, which is more than it
/// touches where it reads part of a buffer; of a constant, a plain loop reads
/// no more than it stores. `weights` are those of constants among them. `after`
/// holds the commands that wrote what a command reads. Buffers whose place
/// depends on the call lie where the runtime puts them.
llvm::json::Object describeEntry(const schema::Variant &variant,
                                 const schema::Entry &entry,
                                 const std::vector<int64_t> &symbols);

/// Name, size, options, targets, notes and sources of the whole artifact.
llvm::json::Object describeProgram(const schema::Program &program,
                                   const std::string &file, uint64_t fileBytes);

} // namespace mmcc

#endif // MMCC_COMPILER_REPORT_PROGRAMFACTS_H
