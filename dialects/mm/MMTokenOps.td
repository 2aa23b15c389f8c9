//===- MMTokenOps.td - Merging and choosing of tokens --------*- tablegen -*-===//

#ifndef MMCC_MM_TOKEN_OPS
#define MMCC_MM_TOKEN_OPS

include "dialects/mm/MMBase.td"

def MM_MatchTokensOp : MM_InferredOp<"match_tokens"> {
  let summary = "matches similar tokens in pairs; gives each token's index after they are merged";
  let description = [{
    ```
    metric [batch, tokens, dim] f32        result [batch, tokens] i64
    ```
    Tokens at even positions are matched with tokens at odd positions by the
    cosine of their metric (Bolya et al., 2022). Each token at an even position
    takes its nearest partner, the first of equals; the `merged` nearest of them,
    the first of equals, become one with their partners. The result is each
    token's index among the `tokens - merged` that are left, which stand in this
    order: the first `protect` tokens, even positions, odd positions. The
    protected ones take no part. With `neighbours` a partner stands directly
    before or after, and all stay in the order of their positions.

    Where a metric is zero or NaN the choice is any, within the result's range.

    - C1: metric is f32 of rank 3; `tokens` is static and at most 2^24.
    - C2: 0 <= `protect`, 1 <= `merged` <= (tokens - protect) / 2.

    ```mlir
    %m = mm.match_tokens %k {merged = 13 : i64, protect = 1 : i64} : tensor<1x197x64xf32> -> tensor<1x197xi64>
    ```
  }];
  let arguments = (ins MM_FloatTensor:$metric, I64Attr:$merged, DefaultValuedAttr<I64Attr, "0">:$protect,
                       DefaultValuedAttr<BoolAttr, "false">:$neighbours);
  let results = (outs MM_IntTensor:$result);
  let assemblyFormat = "$metric attr-dict `:` type($metric) `->` type($result)";
}

def MM_MergeTokensOp : MM_InferredOp<"merge_tokens"> {
  let summary = "adds up tokens that have one successor, or takes their mean weighted by size";
  let description = [{
    ```
    input [batch, tokens, dim] or [batch, tokens]     successor [batch, tokens]
    size [batch, tokens]          result [batch, left, dim] or [batch, left]
    ```
    result[b, t] = sum of input[b, i] over i with successor[b, i] = t; with
    `size`, the mean weighted by it. Every t in [0, left) is the successor of
    some token, and no successor is outside; otherwise the result is undefined.

    - C1: input is f32 of rank 2 or 3, and agrees with successor in batch and
      tokens; successor is i64.
    - C2: size, if present, is f32 [batch, tokens].
    - C3: 1 <= `left` <= tokens.

    ```mlir
    %y = mm.merge_tokens %x, %m size %s : tensor<1x197xf32> {left = 184 : i64}
        : tensor<1x197x768xf32>, tensor<1x197xi64> -> tensor<1x184x768xf32>
    ```
  }];
  let arguments = (ins MM_FloatTensor:$input, MM_IntTensor:$successor, Optional<MM_FloatTensor>:$size, I64Attr:$left);
  let results = (outs MM_FloatTensor:$result);
  let assemblyFormat = "$input `,` $successor (`size` $size^ `:` type($size))? attr-dict `:` type($input) `,` type($successor) `->` type($result)";
}

def MM_SelectTokensOp : MM_InferredOp<"select_tokens"> {
  let summary = "the positions of the tokens that are least alike, in order";
  let description = [{
    ```
    similarity [batch, tokens, tokens] f32        result [batch, keep] i64
    ```
    Chooses `keep` tokens so that the two nearest of them are as far apart as a
    greedy choice makes them (max-min diversity; Alvar et al., DivPrune, 2025).
    The first is the token whose nearest other is least similar; each next one
    is the token whose nearest chosen one is least similar. The first of equals.
    Positions ascend and differ.

        similarity      keep 2: the nearest to 0, 1, 2, 3 is .9, .9, .7, .2, so
        1  .9 .1 .2     3 comes first; of 0, 1, 2, whose similarities to 3 are
        .9 1  .7 .1     .2, .1, .2, the farthest is 1: the result is [1, 3]
        .1 .7 1  .2
        .2 .1 .2 1

    Where a similarity is NaN the choice is any, positions still differing.

    - C1: similarity is f32 [batch, tokens, tokens]; `tokens` is static and at
      most 2^24.
    - C2: 1 <= `keep` <= tokens.

    ```mlir
    %p = mm.select_tokens %s {keep = 144 : i64} : tensor<1x576x576xf32> -> tensor<1x144xi64>
    ```
  }];
  let arguments = (ins MM_FloatTensor:$similarity, I64Attr:$keep);
  let results = (outs MM_IntTensor:$result);
  let assemblyFormat = "$similarity attr-dict `:` type($similarity) `->` type($result)";
}

#endif // MMCC_MM_TOKEN_OPS
