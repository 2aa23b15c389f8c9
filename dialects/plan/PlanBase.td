//===- PlanBase.td - The plan dialect: base definitions -------*- tablegen -*-===//

#ifndef MMCC_PLAN_BASE
#define MMCC_PLAN_BASE

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::mmcc::plan";
  let summary = "what will be done";
  let description = [{
    Buffers with offsets, constants by name, kernel launches on a grid. The
    artifact stores exactly this. Sizes are affine maps over the entry's
    symbols (s0, s1, ... = the entry's `symbols`, in order); a kernel's are
    over its own, which each dispatch binds.
  }];
  let useDefaultTypePrinterParser = 1;
}

def Plan_BufferType : TypeDef<Plan_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "untyped extent of memory holding elements of one type";
  let description = [{
    Buffers have no shape: who reads or writes one says where its elements are.

    ```mlir
    !plan.buffer<f32>
    ```
  }];
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

#endif // MMCC_PLAN_BASE
