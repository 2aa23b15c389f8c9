//===- Passes.td - Passes that recognise attention -----------*- tablegen -*-===//

#ifndef MMCC_PASSES_ATTENTION_PASSES
#define MMCC_PASSES_ATTENTION_PASSES

include "mlir/Pass/PassBase.td"

def SlicePositions : Pass<"mm-slice-positions", "::mlir::func::FuncOp"> {
  let summary = "makes views of gathers whose indices are computed positions";
  let description = [{
    Exporters look padding masks up at positions: by tuples (b, j), or
    flattened at b * length + j. Where the positions are affine functions of
    their own indices and provably inside, the elements are a slice, or all of
    them in order. Run before `mm-form-attention`, which then sees the mask.

    Before:
    ```mlir
    %j = mm.iota #mm.dims<[0]> step 1 : tensor<?xi64, #mm.dims<[seq]>>
    %0 = mm.gather %mask[%j] axis 1 : tensor<1x?xi1, #mm.dims<[1, seq + 2]>>, tensor<?xi64, #mm.dims<[seq]>> -> tensor<1x?xi1, #mm.dims<[1, seq]>>
    ```
    After:
    ```mlir
    %0 = mm.slice %mask offsets #mm.dims<[0, 0]> steps [1, 1] : tensor<1x?xi1, #mm.dims<[1, seq + 2]>> -> tensor<1x?xi1, #mm.dims<[1, seq]>>
    ```
  }];
  let statistics = [
    Statistic<"numSliced", "positions-sliced", "gathers that became views">];
}

def FormSoftmax : Pass<"mm-form-softmax", "::mlir::func::FuncOp"> {
  let summary = "recognises exp(x - max(x)) / sum";
  let description = [{
    Before:
    ```mlir
    %m = mm.reduce max %x axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
    %d = mm.sub %x, %m : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    %e = mm.exp %d : tensor<4x8xf32> -> tensor<4x8xf32>
    %s = mm.reduce sum %e axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
    %p = mm.div %e, %s : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    ```
    After:
    ```mlir
    %p = mm.softmax %x axis 1 : tensor<4x8xf32> -> tensor<4x8xf32>
    ```
  }];
  let statistics = [Statistic<"numFormed", "softmax-formed", "softmaxes formed">];
}

def FormRope : Pass<"mm-form-rope", "::mlir::func::FuncOp"> {
  let summary = "recognises rotary position embedding";
  let description = [{
    The rotate-half form, also on the first channels only; two halves rotated
    apart and joined; and pairs of neighbouring channels (`interleaved`).

    Before:
    ```mlir
    %a = mm.slice %x offsets #mm.dims<[0, 0, 0, 0]> steps [1, 1, 1, 1] : tensor<1x4x8x16xf32> -> tensor<1x4x8x8xf32>
    %b = mm.slice %x offsets #mm.dims<[0, 0, 0, 8]> steps [1, 1, 1, 1] : tensor<1x4x8x16xf32> -> tensor<1x4x8x8xf32>
    %n = mm.neg %b : tensor<1x4x8x8xf32> -> tensor<1x4x8x8xf32>
    %r = mm.concat %n, %a axis 3 : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32> -> tensor<1x4x8x16xf32>
    %0 = mm.mul %x, %cos : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x4x8x16xf32>
    %1 = mm.mul %r, %sin : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x4x8x16xf32>
    %2 = mm.add %0, %1 : tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32> -> tensor<1x4x8x16xf32>
    ```
    After:
    ```mlir
    %2 = mm.rope %x cos %cos sin %sin {rotary_dim = 16 : i64} : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32>, tensor<1x1x8x16xf32> -> tensor<1x4x8x16xf32>
    ```
  }];
  let statistics = [
    Statistic<"numFormed", "rope-formed", "rotations formed">,
    Statistic<"numPartial", "rope-partial", "of them over some channels only">];
}

def FormAttention : Pass<"mm-form-attention", "::mlir::func::FuncOp"> {
  let summary = "recognises attention in its pieces: products, scale, mask, softmax";
  let description = [{
    Starts at each softmax over the last dimension and follows the data both
    ways: back over masks (sums and selects), scales, tanh caps, casts and
    reshapes of the leading dimensions to the product of queries and keys, and
    forth over casts, reshapes and the guard against NaN to the product with
    the values. Leading dimensions of any factorisation become batch and heads;
    repeated key heads are read where they are not repeated yet; scales on
    queries or keys join the scale; a mask that depends on positions alone
    becomes `causal` or `window`, or vanishes. Existing mm.attention is
    normalised in the same way.

    Run before `mm-form-linear`.

    Before:
    ```mlir
    %kt = mm.transpose %k [0, 1, 3, 2] : tensor<1x4x8x16xf32> -> tensor<1x4x16x8xf32>
    %s = mm.matmul %q, %kt : tensor<1x4x8x16xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x8x8xf32>
    %t = mm.mul %s, %scale : tensor<1x4x8x8xf32>, tensor<f32> -> tensor<1x4x8x8xf32>
    %p = mm.softmax %t axis 3 : tensor<1x4x8x8xf32> -> tensor<1x4x8x8xf32>
    %o = mm.matmul %p, %v : tensor<1x4x8x8xf32>, tensor<1x4x8x16xf32> -> tensor<1x4x8x16xf32>
    ```
    After:
    ```mlir
    %o = mm.attention %q, %k, %v {scale = 0.25 : f64} : tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32> -> tensor<1x4x8x16xf32>
    ```
  }];
  let options = [
    Option<"explain", "explain", "bool", "false",
           "Remark at each softmax that stays why it stays">];
  let statistics = [
    Statistic<"numFormed", "attention-formed", "attentions formed">,
    Statistic<"numCausal", "attention-causal", "of them causal">,
    Statistic<"numGrouped", "attention-grouped", "of them with fewer key heads">,
    Statistic<"numMasked", "attention-masked", "of them with a mask left">,
    Statistic<"numLeft", "attention-softmax-left", "softmaxes left alone">];
}

def PlaceAttention : Pass<"mm-place-attention", "::mlir::ModuleOp"> {
  let summary = "limits attention to a window and strided keys, where that is asked for";
  let description = [{
    Long video and large images attend to more keys than they need. Each pattern
    is the text of one --attention (AttentionPattern.h): a window of tokens on
    both sides (before only, if causal), and perhaps every S-th key, in all
    self-attentions or in some layers (Child et al., Generating Long Sequences
    with Sparse Transformers, 2019). This changes results; exact patterns, which
    a mask asks for, are found by `mm-form-attention`.

    Run after `mm-form-attention`.

    Before:
    ```mlir
    %o = mm.attention %q, %k, %v {scale = 0.25 : f64} : tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32> -> tensor<1x3x64x16xf32>
    ```
    After:
    ```mlir
    %o = mm.attention %q, %k, %v {ahead = 8 : i64, scale = 0.25 : f64, stride = 16 : i64, window = 9 : i64} : tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32> -> tensor<1x3x64x16xf32>
    ```
  }];
  let options = [
    Option<"patterns", "patterns", "std::string", "\"\"",
           "Texts of --attention, joined by semicolons">,
    Option<"explain", "explain", "bool", "false",
           "Remark at each attention which kind it is">];
  let statistics = [
    Statistic<"numPlaced", "attention-placed", "attentions that were limited">];
}

def BlockAttention : Pass<"mm-block-attention", "::mlir::func::FuncOp"> {
  let summary = "keys that a constant mask hides from whole blocks of queries are not read";
  let description = [{
    A constant mask of any pattern (several images packed into a row, BigBird's
    random blocks, windows of a grid) is cut into blocks of 64 queries by 32 keys.
    A block is *empty* if its pairs are all left out, *full* if they all take part
    and nothing is added to them, *partial* otherwise. Neighbours of one kind
    become the spans of `mm.attention`: empty blocks cost nothing, full ones do
    not ask the mask. The mask stays for the partial ones, or goes if there are
    none.

    An attention stays as it is when a tenth of its blocks or fewer is empty, when
    a row is left without a key by a mask that only adds a large number (there all
    keys count alike), and when it has a window, which says more.

    Run after masks were evaluated.

    Before:
    ```mlir
    // %m: queries 0 to 63 see keys 0 to 63, the others see the others
    %o = mm.attention %q, %k, %v mask %m : tensor<1x1x128x128xi1> {scale = 0.25 : f64}
        : tensor<1x3x128x16xf32>, tensor<1x3x128x16xf32>, tensor<1x3x128x16xf32> -> tensor<1x3x128x16xf32>
    ```
    After:
    ```mlir
    %s = mm.constant dense<[[[0, 64, 1]], [[64, 128, 1]]]> : tensor<2x1x3xi32>
    %o = mm.attention %q, %k, %v spans %s : tensor<2x1x3xi32> {scale = 0.25 : f64}
        : tensor<1x3x128x16xf32>, tensor<1x3x128x16xf32>, tensor<1x3x128x16xf32> -> tensor<1x3x128x16xf32>
    ```
  }];
  let options = [
    Option<"explain", "explain", "bool", "false",
           "Remark how many blocks are empty, partial and full">];
  let statistics = [
    Statistic<"numBlocked", "attention-blocked", "attentions that skip blocks">];
}

#endif // MMCC_PASSES_ATTENTION_PASSES
