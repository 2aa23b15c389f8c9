//===- FormState.cpp - The pass mm-form-state -----------------------------===//

#include "mlir/IR/IRMapping.h"
#include "passes/state/Passes.h"
#include "passes/state/PastPairs.h"
#include "llvm/ADT/BitVector.h"

using namespace mlir;

namespace mmcc {
#define GEN_PASS_DEF_FORMSTATE
#include "passes/state/Passes.h.inc"

namespace {

constexpr StringLiteral kSuffix = ".state";

Type storedType(StringRef kv, MLIRContext *context) {
  if (kv == "f32")
    return Float32Type::get(context);
  if (kv == "f16")
    return Float16Type::get(context);
  if (kv == "int8")
    return IntegerType::get(context, 8);
  if (kv == "fp8")
    return Float8E4M3FNType::get(context);
  return {};
}

/// The state's name: the argument's.
StringAttr nameOf(func::FuncOp func, unsigned argument) {
  if (auto name = func.getArgAttrOfType<StringAttr>(argument, "mm.name"))
    return name;
  return StringAttr::get(func.getContext(), "past_" + Twine(argument));
}

/// An empty state has length 0, whatever the export says of its past.
void allowEmptyPast(func::FuncOp func, StringAttr past) {
  MLIRContext *context = func.getContext();
  auto known = func->getAttrOfType<DictionaryAttr>("mm.symbols");
  NamedAttrList ranges(known ? known : DictionaryAttr::get(context));
  auto range = dyn_cast_or_null<DenseI64ArrayAttr>(ranges.get(past));
  ranges.set(past, DenseI64ArrayAttr::get(context, {0, range ? range[1] : -1}));
  func->setAttr("mm.symbols", ranges.getDictionary(context));
}

struct FormState : impl::FormStateBase<FormState> {
  using FormStateBase::FormStateBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Type stored = storedType(kv, &getContext());
    if (!stored) {
      module.emitError("--kv=") << kv << ": expected f32, f16, int8 or fp8";
      return signalPassFailure();
    }
    bool any = false;
    for (auto func :
         llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      any |= func->hasAttr("mm.plain");
      if (func->hasAttr("mm.plain"))
        continue;
      SmallVector<PastPair> pairs = findPastPairs(func);
      // Somebody else's model may have the name.
      if (pairs.empty() ||
          module.lookupSymbol((func.getSymName() + kSuffix).str()))
        continue;
      form(func, pairs, stored);
      any = true;
    }
    // Who asks for a type asks for a state.
    if (!any && !stored.isF32()) {
      module.emitError("--kv=")
          << kv << ": no entry takes past keys and values, of an axis with a "
          << "name, and gives them back longer";
      return signalPassFailure();
    }
    renameAbsences(module);
  }

  void form(func::FuncOp plain, ArrayRef<PastPair> pairs, Type stored) {
    IRMapping mapping;
    auto func = cast<func::FuncOp>(plain->clone(mapping));
    getOperation().push_back(func);
    func.setSymName((plain.getSymName() + kSuffix).str());
    func->setAttr("mm.plain", plain.getSymNameAttr());
    Operation *back = func.getBody().front().getTerminator();
    llvm::BitVector arguments(func.getNumArguments());
    llvm::BitVector results(func.getNumResults());
    for (const PastPair &pair : pairs) {
      arguments.set(pair.argument);
      results.set(pair.result);
    }
    back->eraseOperands(results);
    mm::Dim length =
        mm::getShape(func.getArgument(pairs.front().argument).getType())[2];
    for (PastPair pair : pairs) {
      auto concat = mapping.lookup(pair.present.getResult())
                        .getDefiningOp<mm::ConcatOp>();
      OpBuilder b(concat);
      auto append = b.create<mm::StateAppendOp>(
          concat.getLoc(), concat.getInputs()[1], nameOf(func, pair.argument),
          mm::DimsAttr::get(&getContext(), length), stored);
      concat.getResult().replaceAllUsesWith(append.getResult());
      concat.erase();
      ++numFormed;
    }
    func.eraseArguments(arguments);
    func.eraseResults(results);
    allowEmptyPast(func, length.symbols()[0]);
  }

  /// A call that leaves inputs out is carried out by another entry: of those
  /// with state, by the other's form with state.
  void renameAbsences(ModuleOp module) {
    for (auto func : module.getOps<func::FuncOp>()) {
      auto absences = func->getAttrOfType<DictionaryAttr>("mm.absences");
      if (!absences || !func->hasAttr("mm.plain"))
        continue;
      NamedAttrList renamed;
      for (NamedAttribute absence : absences) {
        std::string other = (absence.getName().strref() + kSuffix).str();
        if (module.lookupSymbol(other))
          renamed.append(other, absence.getValue());
      }
      func->removeAttr("mm.absences");
      if (!renamed.empty())
        func->setAttr("mm.absences", renamed.getDictionary(&getContext()));
    }
  }
};

} // namespace
} // namespace mmcc
