//===- Passes.td - Passes that reduce the number of tokens ---*- tablegen -*-===//

#ifndef MMCC_PASSES_TOKENS_PASSES
#define MMCC_PASSES_TOKENS_PASSES

include "mlir/Pass/PassBase.td"

def MergeTokens : Pass<"mm-merge-tokens", "::mlir::ModuleOp"> {
  let summary = "merges similar tokens between attention and MLP of each layer of an encoder";
  let description = [{
    Token merging (Bolya et al., Token Merging: Your ViT But Faster, 2022) on an
    unmodified encoder. Behind the residual sum of each attention the tokens
    whose keys, averaged over heads, are most alike become one: the mean
    weighted by how many tokens each one is. Attention adds the logarithm of
    these sizes to its scores, means over tokens are weighted by them, and what
    needs every token at its place gets the one that it became part of.

    `schedule` is the text of --tome (MergeSchedule.h). Class and register
    tokens, constants joined in front of the others, never merge. An encoder
    whose attention is causal, masked or windowed, or that reads positions
    between its layers, stays as it is, with a warning; if nothing in the module
    merges, the pass fails and says why.

    Run after `mm-form-attention` and `mm-form-linear`.

    Before:
    ```mlir
    %a = mm.attention %q, %k, %v {scale = 0.25 : f64} : tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32>, tensor<1x3x17x16xf32> -> tensor<1x3x17x16xf32>
    %t = mm.transpose %a [0, 2, 1, 3] : tensor<1x3x17x16xf32> -> tensor<1x17x3x16xf32>
    %h = mm.reshape %t : tensor<1x17x3x16xf32> -> tensor<1x17x48xf32>
    %o = mm.linear %h, %w : tensor<1x17x48xf32>, tensor<48x48xf32> -> tensor<1x17x48xf32>
    %y = mm.add %x, %o : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
    %g = mm.gelu erf %y : tensor<1x17x48xf32> -> tensor<1x17x48xf32>
    ```
    After:
    ```mlir
    %y = mm.add %x, %o : tensor<1x17x48xf32>, tensor<1x17x48xf32> -> tensor<1x17x48xf32>
    %c = mm.reduce mean %k axes [1] keep false : tensor<1x3x17x16xf32> -> tensor<1x17x16xf32>
    %s = mm.match_tokens %c {merged = 4 : i64, protect = 1 : i64} : tensor<1x17x16xf32> -> tensor<1x17xi64>
    %m = mm.merge_tokens %y, %s size %ones : tensor<1x17xf32> {left = 13 : i64} : tensor<1x17x48xf32>, tensor<1x17xi64> -> tensor<1x13x48xf32>
    %n = mm.merge_tokens %ones, %s {left = 13 : i64} : tensor<1x17xf32>, tensor<1x17xi64> -> tensor<1x13xf32>
    %g = mm.gelu erf %m : tensor<1x13x48xf32> -> tensor<1x13x48xf32>
    ```
  }];
  let options = [
    Option<"schedule", "schedule", "std::string", "\"r=8\"",
           "How many tokens each layer merges">,
    Option<"emitMap", "map", "bool", "false",
           "Return, as `tome_map`, the token that each original token became part of">,
    Option<"explain", "explain", "bool", "false",
           "Remark how many tokens each encoder has behind each layer">];
  let statistics = [
    Statistic<"numEncoders", "encoders-merged", "encoders whose tokens merge">,
    Statistic<"numLayers", "layers-merging", "layers that merge tokens">,
    Statistic<"numTokens", "tokens-merged", "tokens merged, over all layers">];
}

def PruneTokens : Pass<"mm-prune-tokens", "::mlir::ModuleOp"> {
  let summary = "lets only some of the image's tokens into a decoder";
  let description = [{
    Where tokens of an image, a projector's output, are joined with embedded
    text, those that are least alike stay (`mm.select_tokens`; no weights, no
    attention, no look at the text) and the others leave. All that follows has
    fewer tokens; those that stay keep their order and their positions: what has
    a value for each position (rotary tables, learned positions, masks) is looked
    up where the token stood. Outputs with one row a token have fewer rows.

    `amount` is the text of --prune (PruneRequest.h). With `,at=NAME` the tokens
    are the value of an input or node, as where text attends to an image beside
    it. A model that takes image tokens by their position, or attends to them by
    distance, is refused with the reason.

    Run after `mm-form-attention` and `mm-form-linear`.

    Before:
    ```mlir
    %s = mm.concat %image, %text axis 1 : tensor<1x576x48xf32>, tensor<1x8x48xf32> -> tensor<1x584x48xf32>
    %p = mm.add %s, %table : tensor<1x584x48xf32>, tensor<584x48xf32> -> tensor<1x584x48xf32>
    ```
    After:
    ```mlir
    // %u: the rows of %image scaled to length 1
    %c = mm.matmul %u, %ut : tensor<1x576x48xf32>, tensor<1x48x576xf32> -> tensor<1x576x576xf32>
    %k = mm.select_tokens %c {keep = 144 : i64} : tensor<1x576x576xf32> -> tensor<1x144xi64>
    %i = mm.gather_nd %image[%k1] {batch_dims = 1 : i64} : tensor<1x576x48xf32>, tensor<1x144x1xi64> -> tensor<1x144x48xf32>
    %s = mm.concat %i, %text axis 1 : tensor<1x144x48xf32>, tensor<1x8x48xf32> -> tensor<1x152x48xf32>
    // %places: %k, then 576 to 583
    %t = mm.gather %table[%places] axis 0 : tensor<584x48xf32>, tensor<1x152xi64> -> tensor<1x152x48xf32>
    %p = mm.add %s, %t : tensor<1x152x48xf32>, tensor<1x152x48xf32> -> tensor<1x152x48xf32>
    ```
  }];
  let options = [
    Option<"amount", "amount", "std::string", "\"ratio=0.5\"",
           "How many image tokens stay">,
    Option<"emitMap", "map", "bool", "false",
           "Return, as `prune_map`, the places of the image tokens that stay">,
    Option<"explain", "explain", "bool", "false",
           "Remark how many image tokens stay">];
  let statistics = [
    Statistic<"numPruned", "images-pruned", "places where image tokens leave">,
    Statistic<"numTokens", "tokens-pruned", "image tokens that leave, over all places">];
}

#endif // MMCC_PASSES_TOKENS_PASSES
