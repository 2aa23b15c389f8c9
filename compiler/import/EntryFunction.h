//===- EntryFunction.h - A block of imported operations as an entry -*- C++
//-*-//

#ifndef MMCC_COMPILER_IMPORT_ENTRYFUNCTION_H
#define MMCC_COMPILER_IMPORT_ENTRYFUNCTION_H

#include "compiler/import/DimFacts.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <string>
#include <vector>

namespace mmcc::import {

struct NamedValue {
  std::string name;
  mlir::Value value;
};

/// What one graph, or several, added to a block.
struct GraphPart {
  /// Names of the block's arguments, in order.
  std::vector<std::string> arguments;
  std::vector<NamedValue> outputs;
};

/// A module with one function. `mm.name` names its inputs and outputs,
/// `mm.symbols` the ranges of the symbols in its inputs. What nothing uses is
/// removed. Null if it does not verify.
mlir::OwningOpRef<mlir::ModuleOp>
makeEntryFunction(llvm::StringRef name, std::unique_ptr<mlir::Block> block,
                  const GraphPart &part, const DimFacts &facts,
                  mlir::Location loc);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_ENTRYFUNCTION_H
