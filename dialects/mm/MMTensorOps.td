//===- MMTensorOps.td - Constants, sizes, data movement ------*- tablegen -*-===//

#ifndef MMCC_MM_TENSOR_OPS
#define MMCC_MM_TENSOR_OPS

include "dialects/mm/MMBase.td"

def MM_ConstantOp : MM_Op<"constant", [ConstantLike, InferTypeOpAdaptor]> {
  let summary = "a tensor known at compile time";
  let description = [{
    Small tensors are `dense`; weights are `dense_resource` blobs that point
    into the mapped model file and are never copied into the IR.

    - C1: `value` is a tensor of static shape.

    ```mlir
    %w = mm.constant dense_resource<w> : tensor<768x768xf32>
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
}

def MM_SizesOp : MM_Op<"sizes", [InferTypeOpAdaptor]> {
  let summary = "sizes as data: a vector of integer expressions of symbols";
  let description = [{
    ```mlir
    %s = mm.sizes <[batch, past + 1]> : tensor<2xi64>
    ```
  }];
  let arguments = (ins MM_DimsAttr:$dims);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$dims attr-dict `:` type($result)";
}

def MM_IotaOp : MM_Op<"iota"> {
  let summary = "start + step * i along a vector";
  let description = [{
    `start` holds one expression. The length is the result's.

    - C1: `start` holds one expression.
    - C2: the result is a vector.
    - C3: its elements are integers or floats.

    ```mlir
    %p = mm.iota <[past]> step 1 : tensor<?xi64, #mm.dims<[seq]>>
    ```
  }];
  let arguments = (ins MM_DimsAttr:$start, I64Attr:$step);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$start `step` $step attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def MM_ReshapeOp : MM_Op<"reshape"> {
  let summary = "the same elements in row-major order under other dimensions";
  let description = [{
    - C1: both types hold the same number of elements (symbolically).
    - C2: both types have one element type.

    ```mlir
    %h = mm.reshape %x : tensor<1x197x768xf32> -> tensor<1x197x12x64xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def MM_TransposeOp : MM_InferredOp<"transpose"> {
  let summary = "permutes dimensions: result dimension i is input dimension permutation[i]";
  let description = [{
    - C1: `permutation` is a permutation of the input's dimensions.

    ```mlir
    %h = mm.transpose %x [0, 2, 1, 3] : tensor<1x197x12x64xf32> -> tensor<1x12x197x64xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def MM_BroadcastOp : MM_Op<"broadcast"> {
  let summary = "repeats dimensions of size 1 and adds leading ones";
  let description = [{
    - C1: aligned at the right, each input dimension equals the result's or is 1.
    - C2: both types have one element type.

    ```mlir
    %b = mm.broadcast %x : tensor<1x768xf32> -> tensor<8x1x768xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def MM_ConcatOp : MM_InferredOp<"concat"> {
  let summary = "joins tensors along one dimension";
  let description = [{
    - C1: at least one input; equal ranks, element types, and dimensions except `axis`.
    - C2: `axis` is in [0, rank).

    ```mlir
    %s = mm.concat %cls, %patches axis 1 : tensor<1x1x768xf32>, tensor<1x196x768xf32> -> tensor<1x197x768xf32>
    ```
  }];
  let arguments = (ins Variadic<MM_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$inputs `axis` $axis attr-dict `:` type($inputs) `->` type($result)";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def MM_SliceOp : MM_Op<"slice"> {
  let summary = "result[i] = input[offset + i * step], in each dimension";
  let description = [{
    `offsets` has one expression a dimension; steps may be negative. The sizes
    are the result's. Nothing is clamped here: import resolves ONNX's rules.

    - C1: ranks of input, result, `offsets` and `steps` agree.
    - C2: steps are not 0, and where all is static, first and last element lie
      inside the input.
    - C3: both types have one element type.

    ```mlir
    %cls = mm.slice %x offsets <[0, 0, 0]> steps [1, 1, 1]
        : tensor<1x197x768xf32> -> tensor<1x1x768xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, MM_DimsAttr:$offsets, DenseI64ArrayAttr:$steps);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `offsets` $offsets `steps` $steps attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def MM_PadModeAttr : StringBasedAttr<
    CPred<"::llvm::is_contained({\"constant\", \"edge\", \"reflect\", \"wrap\"}, ::llvm::cast<::mlir::StringAttr>($_self).getValue())">,
    "constant, edge, reflect or wrap"> {
  let storageType = "::mlir::StringAttr";
  let returnType = "::llvm::StringRef";
  let valueType = NoneType;
  let constBuilderCall = "$_builder.getStringAttr(\"$0\")";
}

def MM_PadOp : MM_Op<"pad"> {
  let summary = "adds elements before and after each dimension; negative amounts crop";
  let description = [{
    `low` has one amount a dimension; what comes after follows from the
    result's sizes. `value` is a scalar, present for mode constant only.

    - C1: input and result have one rank, and `low` one entry a dimension.
    - C2: `value`, if present, has one element of the input's element type, and
      the mode is constant. (Without it the padding is 0.)
    - C3: both types have one element type.

    ```mlir
    %p = mm.pad "constant" %x low <[0, 1]> : tensor<2x3xf32> -> tensor<2x5xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, Optional<MM_Tensor>:$value, MM_DimsAttr:$low, MM_PadModeAttr:$mode);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$mode $input (`value` $value^ `:` type($value))? `low` $low attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def MM_GatherOp : MM_InferredOp<"gather"> {
  let summary = "takes slices of one dimension by index (also embedding lookup)";
  let description = [{
    result[outer, i..., inner] = input[outer, indices[i...], inner]. A negative
    index counts from the end. An index outside the input is undefined in the
    language, and reads element 0 or the last (never memory outside).

    - C1: `axis` is in [0, rank).
    - C2: indices are i32 or i64.

    ```mlir
    %e = mm.gather %table[%ids] axis 0 : tensor<30522x768xf32>, tensor<1x128xi64> -> tensor<1x128x768xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, MM_IntTensor:$indices, I64Attr:$axis);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `[` $indices `]` `axis` $axis attr-dict `:` type($input) `,` type($indices) `->` type($result)";
  let hasFolder = 1;
}

def MM_GatherElementsOp : MM_InferredOp<"gather_elements"> {
  let summary = "result[.., i, ..] = input[.., indices[.., i, ..], ..] along one dimension";
  let description = [{
    - C1: `axis` is in [0, rank).
    - C2: indices have the input's rank.
    - C3: indices are i32 or i64.
  }];
  let arguments = (ins MM_Tensor:$input, MM_IntTensor:$indices, I64Attr:$axis);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `[` $indices `]` `axis` $axis attr-dict `:` type($input) `,` type($indices) `->` type($result)";
}

def MM_GatherNDOp : MM_InferredOp<"gather_nd"> {
  let summary = "takes slices by index tuples, as ONNX GatherND";
  let description = [{
    - C1: the last dimension of `indices` is static, at most rank - `batch_dims`.
    - C2: input and indices agree in their first `batch_dims` dimensions.
    - C3: indices are i32 or i64.
  }];
  let arguments = (ins MM_Tensor:$input, MM_IntTensor:$indices, DefaultValuedAttr<I64Attr, "0">:$batch_dims);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `[` $indices `]` attr-dict `:` type($input) `,` type($indices) `->` type($result)";
}

def MM_ScatterOp : MM_InferredOp<"scatter"> {
  let summary = "a copy of input with updates written at index tuples (ScatterND, ScatterElements)";
  let description = [{
    `kind` is "nd" or "elements" (then `axis` says where); `reduction` is
    "none", "add", "mul", "max" or "min". Updates are applied in row-major
    order of `indices`, so that duplicates have one result.

    - C1: `kind` and `reduction` are among these.
    - C2: updates have the input's element type.
    - C3: indices are i32 or i64.
    - C4: elements: `axis` is in [0, rank); updates and indices have one shape,
      of the input's rank.
    - C5: nd: with depth the last dimension of `indices` (static, at most the
      input's rank), updates are `indices.shape[:-1] + input.shape[depth:]`.
  }];
  let arguments = (ins MM_Tensor:$input, MM_IntTensor:$indices, MM_Tensor:$updates, StrAttr:$kind, StrAttr:$reduction,
                       DefaultValuedAttr<I64Attr, "0">:$axis);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `[` $indices `]` $updates $kind $reduction attr-dict `:` type($input) `,` type($indices) `,` type($updates) `->` type($result)";
  let hasVerifier = 1;
}

def MM_CumulativeOp : MM_InferredOp<"cumulative"> {
  let summary = "running sum or product along one dimension";
  let description = [{
    `exclusive` leaves out the element itself, `reverse` starts at the end.

    - C1: `axis` is in [0, rank).
    - C2: `kind` is "sum" or "prod".

    ```mlir
    %p = mm.cumulative "sum" %mask axis 1 : tensor<2x8xi64> -> tensor<2x8xi64>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, StrAttr:$kind, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$exclusive, DefaultValuedAttr<BoolAttr, "false">:$reverse);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$kind $input `axis` $axis attr-dict `:` type($input) `->` type($result)";
}

def MM_TopKOp : MM_Op<"topk"> {
  let summary = "the k largest or smallest along one dimension, with indices; ties by lower index";
  let description = [{
    k is the values' size along `axis`; values are in order.

    - C1: `axis` is in [0, rank).
    - C2: values differ from the input in dimension `axis` only.
    - C3: indices are i64, of the values' shape.
  }];
  let arguments = (ins MM_Tensor:$input, I64Attr:$axis, BoolAttr:$largest);
  let results = (outs MM_Tensor:$values, MM_Tensor:$indices);
  let assemblyFormat = "$input `axis` $axis `largest` $largest attr-dict `:` type($input) `->` type($values) `,` type($indices)";
  let hasVerifier = 1;
}

def MM_ResizeOp : MM_Op<"resize"> {
  let summary = "interpolates spatial dimensions, as ONNX Resize";
  let description = [{
    `mode` nearest, linear or cubic; `coordinates` as ONNX's
    coordinate_transformation_mode; `rounding` as nearest_mode. `scales` are
    the factors the coordinates are computed with, one a dimension.

    - C1: input, result and `scales` agree in rank, both types in element type.
    - C2: mode, coordinates and rounding are ONNX's names.
    - C3: scales are positive.
  }];
  let arguments = (ins MM_Tensor:$input, StrAttr:$mode, StrAttr:$coordinates, StrAttr:$rounding, DenseF64ArrayAttr:$scales,
                       DefaultValuedAttr<F64Attr, "-0.75">:$cubic_a, DefaultValuedAttr<BoolAttr, "false">:$exclude_outside,
                       DefaultValuedAttr<BoolAttr, "false">:$antialias);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

#endif // MMCC_MM_TENSOR_OPS
