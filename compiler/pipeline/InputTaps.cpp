//===- InputTaps.cpp - What layers are given, as outputs ------------------===//

#include "compiler/pipeline/InputTaps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace mmcc;

/// Erases what nothing reads.
static void eraseDead(func::FuncOp func) {
  SmallVector<Operation *> operations;
  for (Operation &op : func.getBody().front())
    operations.push_back(&op);
  for (Operation *op : llvm::reverse(operations))
    if (isOpTriviallyDead(op))
      op->erase();
}

/// Makes `results` the function's only ones.
static void setResults(func::FuncOp func, ArrayRef<Value> results) {
  func.eraseResults(llvm::BitVector(func.getNumResults(), true));
  SmallVector<Type> types;
  for (Value result : results)
    types.push_back(result.getType());
  func.setType(
      FunctionType::get(func.getContext(), func.getArgumentTypes(), types));
  func.getBody().front().getTerminator()->setOperands(results);
  for (unsigned i = 0; i < results.size(); ++i)
    func.setResultAttr(i, "mm.name",
                       StringAttr::get(func.getContext(), "input:" + Twine(i)));
}

OwningOpRef<ModuleOp> mmcc::tapLayerInputs(ModuleOp module,
                                           ArrayRef<size_t> places, bool gram) {
  OwningOpRef<ModuleOp> tapped = cast<ModuleOp>(module->clone());
  SmallVector<quantize::LayerInput> inputs = quantize::findLayerInputs(*tapped);
  func::FuncOp func = inputs[places.front()].func();
  for (auto other : llvm::make_early_inc_range(tapped->getOps<func::FuncOp>()))
    if (other != func)
      other.erase();
  func->removeAttr("mm.absences");
  OpBuilder builder(func.getBody().front().getTerminator());
  SmallVector<Value> results;
  for (size_t place : places) {
    Value x = inputs[place].value;
    mm::Shape shape = mm::getShape(x.getType());
    Type f32 = builder.getF32Type();
    mm::Dim width = shape.pop_back_val();
    mm::Dim rows = mm::product(module.getContext(), shape);
    Location loc = x.getLoc();
    Value flat = builder.create<mm::ReshapeOp>(
        loc, mm::makeTensorType({rows, width}, f32), x);
    results.push_back(flat);
    if (gram)
      results.push_back(builder.create<mm::MatmulOp>(
          loc,
          builder.create<mm::TransposeOp>(loc, flat, ArrayRef<int64_t>{1, 0}),
          flat));
  }
  setResults(func, results);
  eraseDead(func);
  return tapped;
}
