//===- MMQuantOps.td - Narrow weights and activations --------*- tablegen -*-===//

#ifndef MMCC_MM_QUANT_OPS
#define MMCC_MM_QUANT_OPS

include "dialects/mm/MMMathOps.td"

def MM_QuantizeOp : MM_InferredOp<"quantize", [MM_Elementwise]> {
  let summary = "x as 8-bit numbers of a given scale";
  let description = [{
    clamp(round(x / scale) + zero, low, high), ties to even: i8 in [-128, 127],
    with `is_unsigned` ui8 in [0, 255]. scale and zero are constants or computed
    at the call. NaN gives any number.

    With `is_float` numbers are f8E4M3FN: x / scale rounded to the nearest, ties
    to even, in [-448, 448]; NaN stays NaN.

    - C1: all operands are f32; scale and zero broadcast to the input's shape.
    - C2: floats have a sign and no zero: `is_float` goes without `is_unsigned`
      and zero.

    ```mlir
    %q = mm.quantize %x scale %s zero %z : tensor<f32> : tensor<1x197x768xf32>, tensor<f32> -> tensor<1x197x768xi8>
    ```
  }];
  let arguments = (ins MM_FloatTensor:$input, MM_FloatTensor:$scale, Optional<MM_FloatTensor>:$zero, UnitAttr:$is_unsigned,
                       UnitAttr:$is_float);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `scale` $scale (`zero` $zero^ `:` type($zero))? attr-dict `:` type($input) `,` type($scale) `->` type($result)";
}

def MM_QuantizeRowsOp : MM_InferredOp<"quantize_rows"> {
  let summary = "x as 8-bit numbers, each block of a row by its largest magnitude";
  let description = [{
    ```
    input [..., n] f32    values [..., n] i8    scales [..., n / block] f32
    ```
    scales[..., g] = max |x| / 127 over block g of the row, values = round(x /
    scale), ties to even; a block of zeros has scale 0 and values 0. `block` = n
    is quantization per token (Yao et al., 2022). Blocks with NaN or infinity
    have a scale of that kind: what is computed from them is not a number.

    With `is_float` values are f8E4M3FN: scales[..., g] = max |x| / 448, but at
    least 2^-126, below which a scale has too few bits; values are x / scale
    rounded to the nearest, ties to even.

    - C1: input is f32; `n` is static and a multiple of `block` >= 1.

    ```mlir
    %q, %s = mm.quantize_rows %x {block = 768 : i64} : tensor<1x197x768xf32> -> tensor<1x197x768xi8>, tensor<1x197x1xf32>
    ```
  }];
  let arguments = (ins MM_FloatTensor:$input, I64Attr:$block, UnitAttr:$is_float);
  let results = (outs MM_Tensor:$values, MM_FloatTensor:$scales);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($values) `,` type($scales)";
}

def MM_DequantizeOp : MM_InferredOp<"dequantize"> {
  let summary = "(q - zero) * scale, a scale for each block along one dimension";
  let description = [{
    scale and zero broadcast to the input as in numpy once each of their entries
    along `axis` stands for `block` following ones.

    - C1: input is an integer or a float of at most 8 bits; scale is f32; `axis`
      is in [0, rank), `block` >= 1.
    - C2: scale has the input's rank, with ceil(size / block) entries (or one)
      along `axis` and the input's size (or one) along all others.
    - C3: zero, if present, is f32 of scale's shape.

    ```mlir
    %w = mm.dequantize %q scale %s {axis = 0 : i64, block = 128 : i64} : tensor<768x256xi4>, tensor<6x256xf32> -> tensor<768x256xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, MM_FloatTensor:$scale, Optional<MM_FloatTensor>:$zero, I64Attr:$axis,
                       DefaultValuedAttr<I64Attr, "1">:$block);
  let results = (outs MM_FloatTensor:$result);
  let assemblyFormat = "$input `scale` $scale (`zero` $zero^ `:` type($zero))? attr-dict `:` type($input) `,` type($scale) `->` type($result)";
}

def MM_QuantizedLinearOp : MM_InferredOp<"quantized_linear", [AttrSizedOperandSegments]> {
  let summary = "x · weight + bias with a weight of narrow numbers, a scale a block of each column";
  let description = [{
    ```
    input [..., in]       f32, or i8 with input_scale [..., in / b] or [1],
                          or f8E4M3FN with input_scale [..., 1] or [1]
    weight [in, out]      i4, ui4, i8, f8E4M3FN, f8E5M2
    scale, zero [in / g, out] f32
    bias [out], result [..., out] f32
    ```
    The numbers multiplied are (weight - zero) * scale and, where it has one,
    input * input_scale. An input of f32 is never rounded (w4a16, w8a16, fp8),
    one of i8 is multiplied in integers (w4a8, w8a8), one of f8E4M3FN exactly,
    with sums of f32 (fp8-dynamic, fp8-static). A zero of an i8 input's own
    belongs into the bias, times the column sums of the weight. weight, scale and zero come from
    constants as mm.linear's weight does; a weight of f8E4M3FN with NaN in it
    cannot be lowered.

    - C1: `in` and `out` are static, `in` a multiple of 32 and input's last
      dimension; weight is of one of the types above.
    - C2: scale is f32 [in / g, out], g a multiple of 32.
    - C3: zero, if present, is f32 of scale's shape; ui4 has one.
    - C4: input_scale is present exactly for i8 and f8E4M3FN; it is f32 [..., in
      / b], b a multiple of 32, or [1].
    - C5: bias, if present, has one dimension, `out`.
    - C6: a weight of floats goes with an input of floats and without a zero.
    - C7: an input of f8E4M3FN goes with a weight of f8E4M3FN, a scale a column
      and one a row: g and b are `in`.

    ```mlir
    %y = mm.quantized_linear %x, %q scale %s : tensor<1x197x768xf32>, tensor<768x3072xi4>, tensor<6x3072xf32> -> tensor<1x197x3072xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, MM_Tensor:$weight, MM_FloatTensor:$scale, Optional<MM_FloatTensor>:$zero,
                       Optional<MM_FloatTensor>:$input_scale, Optional<MM_FloatTensor>:$bias);
  let results = (outs MM_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $weight `scale` $scale (`zero` $zero^ `:` type($zero))? (`input_scale` $input_scale^ `:` type($input_scale))?
    (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `,` type($weight) `,` type($scale) `->` type($result)
  }];
}

#endif // MMCC_MM_QUANT_OPS
