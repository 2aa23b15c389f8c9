//===- EntryFunction.cpp - A block of imported operations as an entry -----===//

#include "compiler/import/EntryFunction.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using mmcc::mm::Dim;

namespace mmcc::import {

static DictionaryAttr symbolRanges(TypeRange types, const DimFacts &facts,
                                   Builder &builder) {
  NamedAttrList ranges;
  llvm::StringSet<> seen;
  for (Type type : types)
    for (const Dim &dim : mm::getShape(type))
      for (StringAttr name : dim.symbols())
        if (seen.insert(name.getValue()).second) {
          Bounds range = facts.range(name);
          ranges.append(
              name, builder.getDenseI64ArrayAttr(
                        {range.lo, range.isUnboundedAbove() ? -1 : range.hi}));
        }
  return ranges.getDictionary(builder.getContext());
}

OwningOpRef<ModuleOp> makeEntryFunction(StringRef name,
                                        std::unique_ptr<Block> block,
                                        const GraphPart &part,
                                        const DimFacts &facts, Location loc) {
  OpBuilder builder(loc.getContext());
  auto naming = [&](StringRef name) {
    return builder.getDictionaryAttr(
        builder.getNamedAttr("mm.name", builder.getStringAttr(name)));
  };
  SmallVector<DictionaryAttr> inputNames, outputNames;
  SmallVector<Value> results;
  for (const std::string &argument : part.arguments)
    inputNames.push_back(naming(argument));
  for (const NamedValue &output : part.outputs) {
    results.push_back(output.value);
    outputNames.push_back(naming(output.name));
  }
  builder.setInsertionPointToEnd(block.get());
  builder.create<func::ReturnOp>(loc, results);
  auto function = func::FuncOp::create(
      loc, name,
      builder.getFunctionType(block->getArgumentTypes(),
                              TypeRange(ValueRange(results))));
  function.setAllArgAttrs(inputNames);
  function.setAllResultAttrs(outputNames);
  function.getBody().push_back(block.release());
  if (DictionaryAttr ranges =
          symbolRanges(function.getFunctionType().getInputs(), facts, builder);
      !ranges.empty())
    function->setAttr("mm.symbols", ranges);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  module->push_back(function);
  // What shape arithmetic has left behind.
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (isOpTriviallyDead(&op))
      op.erase();
  if (failed(verify(*module)))
    return {};
  return module;
}

} // namespace mmcc::import
