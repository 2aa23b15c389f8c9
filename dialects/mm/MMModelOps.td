//===- MMModelOps.td - Products, convolution, norms, attention -*- tablegen -*-===//

#ifndef MMCC_MM_MODEL_OPS
#define MMCC_MM_MODEL_OPS

include "dialects/mm/MMBase.td"

def MM_MatmulOp : MM_InferredOp<"matmul"> {
  let summary = "matrix product of two values, batched and broadcast as numpy.matmul";
  let description = [{
    - C1: both ranks are at least 2 and the inner dimensions agree.
    - C2: leading dimensions broadcast.

    ```mlir
    %s = mm.matmul %q, %kt : tensor<1x12x197x64xf32>, tensor<1x12x64x197xf32> -> tensor<1x12x197x197xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$lhs, MM_Tensor:$rhs);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasCanonicalizer = 1;
}

def MM_LinearOp : MM_InferredOp<"linear"> {
  let summary = "x · weight + bias, the weight a constant";
  let description = [{
    input `[..., in]`, weight `[in, out]`, bias `[out]`, result `[..., out]`.
    The weight comes from constants through data movement only, so that it can
    be packed at compile time. One of f16 or bf16 beside an input of f32 is
    widened as it is read: products and sums are of f32. With `wide` input and
    weight are both of f16 or bf16, and bias and result of f32, as sums are.

    - C1: the last dimension of input is the first of weight.
    - C2: bias, if present, has one dimension, `out`.
    - C3: weight has the input's element type, or is f16 or bf16 and input f32.
    - C4: `wide` only with an input and a weight of f16, or of bf16.

    ```mlir
    %y = mm.linear %x, %w bias %b : tensor<768xf32> : tensor<1x197x768xf32>, tensor<768x3072xf32> -> tensor<1x197x3072xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, MM_Tensor:$weight, Optional<MM_Tensor>:$bias, UnitAttr:$wide);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `,` $weight (`bias` $bias^ `:` type($bias))? (`wide` $wide^)? attr-dict `:` type($input) `,` type($weight) `->` type($result)";
}

def MM_ConvOp : MM_InferredOp<"conv"> {
  let summary = "convolution over one or two (or more) spatial dimensions";
  let description = [{
    `channels_last` false: input `[batch, C, spatial...]`, result
    `[batch, N, spatial...]`; true: `[batch, spatial..., C]` and
    `[batch, spatial..., N]`. weight is `[N, C/groups, kernel...]` in both.
    `pads` has all begins, then all ends.

    - C1: weight rank equals input rank, at least 3.
    - C2: C and N are multiples of `groups`.
    - C3: strides, dilations have one entry a spatial dimension, pads two;
      strides and dilations are positive.
    - C4: bias, if present, is [N].
    - C5: the kernel fits the padded input.
    - C6: `arithmetic` is f32, or for f32 "bf16": input and weight may be rounded
      to it, and are where that multiplies faster. An input of bf16 with a weight
      of f32 is rounded already, and gives f32.

    ```mlir
    %p = mm.conv %x, %w {strides = array<i64: 16, 16>, pads = array<i64: 0, 0, 0, 0>,
                         dilations = array<i64: 1, 1>, groups = 1 : i64}
        : tensor<1x3x224x224xf32>, tensor<768x3x16x16xf32> -> tensor<1x768x14x14xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, MM_Tensor:$weight, Optional<MM_Tensor>:$bias, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                       DenseI64ArrayAttr:$dilations, I64Attr:$groups, DefaultValuedAttr<BoolAttr, "false">:$channels_last,
                       DefaultValuedAttr<StrAttr, "\"f32\"">:$arithmetic);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `,` $weight (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `,` type($weight) `->` type($result)";
}

def MM_ConvTransposeOp : MM_Op<"conv_transpose"> {
  let summary = "transposed convolution; channels first";
  let description = [{
    input `[batch, C, spatial...]`, weight `[C, N/groups, kernel...]`; the
    result's spatial sizes are its own (output padding included).

    - C1: input, weight and result have one rank, at least 3.
    - C2: input, weight, result and `groups` agree in batch and channels.
    - C3: as C3 of `mm.conv`. - C4: bias, if present, is [N].
  }];
  let arguments = (ins MM_Tensor:$input, MM_Tensor:$weight, Optional<MM_Tensor>:$bias, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                       DenseI64ArrayAttr:$dilations, I64Attr:$groups);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `,` $weight (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `,` type($weight) `->` type($result)";
  let hasVerifier = 1;
}

def MM_PoolKindAttr : I32EnumAttr<"PoolKind", "pooling",
    [I32EnumAttrCase<"Max", 0, "max">, I32EnumAttrCase<"Average", 1, "average">, I32EnumAttrCase<"AverageWithPads", 2, "average_with_pads">]> {
  let cppNamespace = "::mmcc::mm";
}
def MM_PoolOp : MM_Op<"pool"> {
  let summary = "maximum or mean over a sliding window";
  let description = [{
    Layout as `mm.conv`. `average` divides by the elements inside the image,
    `average_with_pads` by the window's within image and pads. Spatial sizes
    are the result's (ceil mode is resolved at import).

    - C1: input and result have one rank, at least 3.
    - C2: they agree in batch and channels.
    - C3: kernel has one positive size a spatial dimension; the rest as C3 of
      `mm.conv`.
  }];
  let arguments = (ins MM_Tensor:$input, MM_PoolKindAttr:$kind, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                       DenseI64ArrayAttr:$dilations, DefaultValuedAttr<BoolAttr, "false">:$channels_last);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$kind $input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def MM_BatchNormOp : MM_InferredOp<"batch_norm"> {
  let summary = "(x - mean) / sqrt(variance + epsilon) * scale + offset per channel (dimension 1)";
  let description = [{
    - C1: the input has at least two dimensions.
    - C2: scale, offset, mean, variance are [channels].
  }];
  let arguments = (ins MM_Tensor:$input, MM_Tensor:$scale, MM_Tensor:$offset, MM_Tensor:$mean, MM_Tensor:$variance, F64Attr:$epsilon);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type($result)";
}

def MM_LayerNormOp : MM_InferredOp<"layer_norm", [AttrSizedOperandSegments]> {
  let summary = "normalises the trailing dimensions from `axis` to mean 0 and variance 1";
  let description = [{
    scale and offset broadcast to the normalised dimensions.
    (Ba, Kiros and Hinton, 2016.)

    - C1: `axis` is in [0, rank).
    - C2: scale and offset, if present, broadcast to the normalised dimensions.

    ```mlir
    %n = mm.layer_norm %x scale %g : tensor<768xf32> offset %b : tensor<768xf32> {axis = 2 : i64, epsilon = 1.0e-12 : f64}
        : tensor<1x197x768xf32> -> tensor<1x197x768xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, Optional<MM_Tensor>:$scale, Optional<MM_Tensor>:$offset, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input (`scale` $scale^ `:` type($scale))? (`offset` $offset^ `:` type($offset))? attr-dict `:` type($input) `->` type($result)";
}

def MM_RmsNormOp : MM_InferredOp<"rms_norm"> {
  let summary = "divides the trailing dimensions from `axis` by their root mean square";
  let description = [{
    x / sqrt(mean(x²) + epsilon) * scale. (Zhang and Sennrich, 2019.)

    - C1: `axis` is in [0, rank).
    - C2: scale, if present, broadcasts to the normalised dimensions.
  }];
  let arguments = (ins MM_Tensor:$input, Optional<MM_Tensor>:$scale, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input (`scale` $scale^ `:` type($scale))? attr-dict `:` type($input) `->` type($result)";
}

def MM_GroupNormOp : MM_InferredOp<"group_norm", [AttrSizedOperandSegments]> {
  let summary = "normalises each group of channels (dimension 1) over group and space";
  let description = [{
    scale and offset have one entry a channel. `groups` = channels is instance
    normalisation. (Wu and He, 2018.)

    - C1: the number of channels is static and a multiple of `groups`.
    - C2: scale and offset, if present, are [channels].
  }];
  let arguments = (ins MM_Tensor:$input, Optional<MM_Tensor>:$scale, Optional<MM_Tensor>:$offset, I64Attr:$groups, F64Attr:$epsilon);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input (`scale` $scale^ `:` type($scale))? (`offset` $offset^ `:` type($offset))? attr-dict `:` type($input) `->` type($result)";
}

def MM_SoftmaxOp : MM_InferredOp<"softmax"> {
  let summary = "exp(x - max) / sum along one dimension; with `log`, its logarithm";
  let description = [{
    - C1: `axis` is in [0, rank).
  }];
  let arguments = (ins MM_Tensor:$input, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$log);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `axis` $axis attr-dict `:` type($input) `->` type($result)";
}

def MM_AttentionOp : MM_InferredOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "softmax(scale · q kᵀ + mask) v for every head";
  let description = [{
    ```
    query [batch, heads,    q_tokens,  dim]     key [batch, kv_heads, kv_tokens, dim]
    value [batch, kv_heads, kv_tokens, dim_v]   result [batch, heads, q_tokens, dim_v]
    mask  broadcastable to [batch, heads, q_tokens, kv_tokens]
    ```
    heads is a multiple of kv_heads (grouped queries, Ainslie et al., 2023).
    A boolean mask keeps the pairs that are true; a float mask is added to the
    scaled product. With offset = kv_tokens - q_tokens, `causal` keeps j <= i +
    offset, and `ahead` >= 0 keeps j <= i + offset + ahead instead; `window` > 0
    keeps j > i + offset - window. `stride` > 0 also keeps every key whose index
    is a multiple of it (up to j <= i + offset if causal): a sparse pattern of a
    local window and strided positions (Child et al., 2019). `softcap` > 0
    bounds the product before the mask: softcap · tanh(s / softcap).
    A row without any pair left gives zeros.

    `arithmetic` says what the operands of products may be rounded to, and are
    where that multiplies faster: "bf16" or "f16" all of them; "i8" query and key
    to bytes
    with a scale of each token, the softmax's results and value to bf16. Sums and
    the softmax itself stay f32.

    `spans` [blocks, n, 3] i32 says which keys blocks of 64 queries see at all:
    queries [64 b, 64 b + 64) see the keys [begin, end) of (begin, end, whole) =
    spans[b, i], for each i. Where `whole` is 1 they see all of these, and the
    mask is not asked. begin is a multiple of 32; begin = end is no span.

        window 2, ahead 1        window 1, ahead 0, stride 3
        1 1 0 0 0 0              1 0 0 1 0 0
        1 1 1 0 0 0              1 1 0 1 0 0
        0 1 1 1 0 0              1 0 1 1 0 0
        0 0 1 1 1 0              1 0 0 1 0 0

    - C1: query, key, value have rank 4 and agree in batch; key and value in
      kv_heads and kv_tokens; query and key in dim.
    - C2: heads is a multiple of kv_heads.
    - C3: mask, if present, broadcasts to [batch, heads, q_tokens, kv_tokens].
    - C4: `window` >= 0; `stride` is 0, or at least 2 with a window; `causal`
      has no `ahead`.
    - C5: spans, if present, is i32 [ceil(q_tokens / 64), n, 3], and there is
      neither window nor stride.
    - C6: query, key and value have one type; `arithmetic` is f32, or, of tensors
      of f32, bf16, f16 or i8. That of tensors of 16 bits which are of it gives
      f32.
  }];
  let arguments = (ins MM_FloatTensor:$query, MM_FloatTensor:$key, MM_FloatTensor:$value, Optional<MM_Tensor>:$mask,
                       Optional<MM_IntTensor>:$spans, F64Attr:$scale,
                       DefaultValuedAttr<BoolAttr, "false">:$causal, DefaultValuedAttr<I64Attr, "0">:$window,
                       DefaultValuedAttr<I64Attr, "-1">:$ahead, DefaultValuedAttr<I64Attr, "0">:$stride,
                       DefaultValuedAttr<F64Attr, "0.0">:$softcap,
                       DefaultValuedAttr<StrAttr, "\"f32\"">:$arithmetic);
  let results = (outs MM_FloatTensor:$result);
  let assemblyFormat = "$query `,` $key `,` $value (`mask` $mask^ `:` type($mask))? (`spans` $spans^ `:` type($spans))? attr-dict `:` type($query) `,` type($key) `,` type($value) `->` type($result)";
}

def MM_SimilarityOp : MM_InferredOp<"similarity"> {
  let summary = "cosines of the rows of two matrices";
  let description = [{
    lhs `[m, dim]`, rhs `[n, dim]`, result `[m, n]`:
    lhs_i · rhs_j / (max(|lhs_i|, lhs_epsilon) · max(|rhs_j|, rhs_epsilon)).
    The head of contrastive models (Radford et al., 2021).

    - C1: both are f32 of rank 2 and agree in `dim`, which is static.
    - C2: the epsilons are at least 0.

    ```mlir
    %s = mm.similarity %image, %text {lhs_epsilon = 0.0 : f64, rhs_epsilon = 0.0 : f64}
        : tensor<4x512xf32>, tensor<10x512xf32> -> tensor<4x10xf32>
    ```
  }];
  let arguments = (ins MM_FloatTensor:$lhs, MM_FloatTensor:$rhs, F64Attr:$lhs_epsilon, F64Attr:$rhs_epsilon);
  let results = (outs MM_FloatTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
}

def MM_RetrieveOp : MM_InferredOp<"retrieve"> {
  let summary = "the k largest of each row of a product with a constant, without the product";
  let description = [{
    input `[rows, dim]`, weight `[dim, n]`, result `[2, rows, k]`: the k largest
    of each row of input · weight, the largest first, and their columns as whole
    numbers. Of equals the first; NaN is larger than numbers. The weight is a constant, as
    mm.linear's.

    - C1: input and weight are f32 of rank 2 and agree in `dim`; `n` is static,
      below 2^24.
    - C2: 1 <= `k` <= n.

    ```mlir
    %r = mm.retrieve %x, %bank {k = 10 : i64} : tensor<1x512xf32>, tensor<512x100000xf32> -> tensor<2x1x10xf32>
    ```
  }];
  let arguments = (ins MM_FloatTensor:$input, MM_FloatTensor:$weight, I64Attr:$k);
  let results = (outs MM_FloatTensor:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` type($input) `,` type($weight) `->` type($result)";
}

def MM_RopeOp : MM_InferredOp<"rope"> {
  let summary = "rotates pairs of channels by an angle per position";
  let description = [{
    input `[batch, heads, tokens, dim]`; cos and sin broadcast to it, over the
    first `rotary_dim` channels. Rotate-half form:
    x · cos + concat(-x[half:], x[:half]) · sin; `interleaved` pairs channels
    2i and 2i+1 instead, then cos and sin have rotary_dim/2 channels repeated
    pairwise. (Su et al., 2021.)

    - C1: the last dimension is static and `rotary_dim` even and at most it.
    - C2: cos and sin broadcast to the input's dimensions with `rotary_dim`
      (interleaved: half of it) as the last.
  }];
  let arguments = (ins MM_FloatTensor:$input, MM_FloatTensor:$cos, MM_FloatTensor:$sin, I64Attr:$rotary_dim, DefaultValuedAttr<BoolAttr, "false">:$interleaved);
  let results = (outs MM_FloatTensor:$result);
  let assemblyFormat = "$input `cos` $cos `sin` $sin attr-dict `:` type($input) `,` type($cos) `,` type($sin) `->` type($result)";
}

#endif // MMCC_MM_MODEL_OPS
