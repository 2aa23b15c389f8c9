//===- MMBase.td - The mm dialect: base definitions ----------*- tablegen -*-===//

#ifndef MMCC_MM_BASE
#define MMCC_MM_BASE

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/TensorEncoding.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def MM_Dialect : Dialect {
  let name = "mm";
  let cppNamespace = "::mmcc::mm";
  let summary = "what a multimodal model means";
  let description = [{
    Tensor values and operations at the level at which a person talks about
    multimodal models. ONNX maps straight into it, normalised to one form per
    meaning. Sizes live in the types: shape operands do not exist, and
    `tensor<?x?xf32, #mm.dims<[batch, past + 1]>>` names what is not static.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

class MM_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<MM_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def MM_DimsAttr : MM_Attr<"Dims", "dims", [VerifiableTensorEncoding]> {
  let summary = "integer expressions of named symbols";
  let description = [{
    One expression a dimension, as the encoding of a tensor type with at least
    one dynamic dimension; or a list of integers computed from sizes, as the
    attribute of an operation. `names` are sorted and used; `exprs` refer to
    them as s0, s1, ...

    ```mlir
    tensor<?x197x?xf32, #mm.dims<[batch, 197, past + 1]>>
    ```
  }];
  let parameters = (ins
    ArrayRefParameter<"::mlir::StringAttr">:$names,
    ArrayRefParameter<"::mlir::AffineExpr">:$exprs);
  let extraClassDeclaration = [{
    static DimsAttr get(::mlir::MLIRContext *context,
                        ::llvm::ArrayRef<::mmcc::mm::Dim> dims);
    size_t size() const { return getExprs().size(); }
    ::mmcc::mm::Dim getDim(size_t index) const;
    ::mmcc::mm::Shape getDims() const;
    ::llvm::LogicalResult verifyEncoding(
        ::llvm::ArrayRef<int64_t> shape, ::mlir::Type elementType,
        ::llvm::function_ref<::mlir::InFlightDiagnostic()> emitError) const;
  }];
  let hasCustomAssemblyFormat = 1;
}

// A dynamic dimension without an expression says nothing about its size.
def MM_HasDims : CPred<[{
  ::llvm::cast<::mlir::RankedTensorType>($_self).hasStaticShape() ||
  ::llvm::isa_and_nonnull<::mmcc::mm::DimsAttr>(
      ::llvm::cast<::mlir::RankedTensorType>($_self).getEncoding())
}]>;
class MM_TensorOf<list<Type> elements>
    : RankedTensorOf<elements, [MM_HasDims], "ranked tensor with #mm.dims for what is not static">;
def MM_Tensor : MM_TensorOf<[AnyType]>;
def MM_FloatTensor : MM_TensorOf<[AnyFloat]>;
def MM_BoolTensor : MM_TensorOf<[I1]>;
def MM_IntTensor : MM_TensorOf<[AnyInteger]>;

class MM_Op<string mnemonic, list<Trait> traits = []>
    : Op<MM_Dialect, mnemonic, !listconcat(traits, [Pure])>;

// Result type inferred by inferReturnTypes in the family's .cpp.
class MM_InferredOp<string mnemonic, list<Trait> traits = []>
    : MM_Op<mnemonic, !listconcat(traits, [InferTypeOpAdaptor])>;

#endif // MMCC_MM_BASE
