//===- MMStateOps.td - What outlives a call -----------------*- tablegen -*-===//

#ifndef MMCC_MM_STATE_OPS
#define MMCC_MM_STATE_OPS

include "dialects/mm/MMBase.td"

def MM_StateAppendOp : Op<MM_Dialect, "state_append", [InferTypeOpAdaptor, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "appends tokens to a state; gives all that it then holds";
  let description = [{
    ```
    rows [batch, heads, tokens, dim]      result [batch, heads, length + tokens, dim]
    ```
    A state is a list of tokens by name, the keys or the values of one attention,
    which the caller keeps from call to call (`mmcc_state` in `runtime.h`).
    `length` is how many it holds before the call: a symbol, the same in all
    states of a function. The result is concat(state, rows) along the tokens,
    and what the state holds after the call. `stored` is the type in which it is
    kept: f32, f16, or i8 and f8E4M3FN with a scale for each token of each head;
    the result is what these give back.

    The function's attribute `mm.plain` names the function that takes and gives
    the same as plain tensors.

    Nothing but `mm.attention` reads the result, as key or as value: it lies in
    blocks, not in one piece.

    - C1: rows are f32 of rank 4, and `heads` and `dim` static.
    - C2: `length` is one size.
    - C3: `stored` is f32, f16, i8 or f8E4M3FN.

    ```mlir
    %k = mm.state_append %new to "past.key.0" after <[past]> as f16
        : tensor<1x2x1x16xf32> -> tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>
    ```
  }];
  let arguments = (ins MM_FloatTensor:$rows, StrAttr:$state, MM_DimsAttr:$length, TypeAttr:$stored);
  let results = (outs MM_FloatTensor:$result);
  let assemblyFormat = "$rows `to` $state `after` $length `as` $stored attr-dict `:` type($rows) `->` type($result)";
}

#endif // MMCC_MM_STATE_OPS
