//===- Passes.td - Passes that keep state between calls ------*- tablegen -*-===//

#ifndef MMCC_PASSES_STATE_PASSES
#define MMCC_PASSES_STATE_PASSES

include "mlir/Pass/PassBase.td"

def FormState : Pass<"mm-form-state", "::mlir::ModuleOp"> {
  let summary = "adds an entry that keeps past keys and values as state";
  let description = [{
    An export's decoder takes the keys and values of the past as tensors and
    gives them back one step longer, so that each step copies all of them. For a
    function with such pairs this adds a second one, `<name>.state`, which has
    neither: what was past is a state, and a step appends its own rows to it. The
    function itself stays as it is, and weights are shared.

    A pair is an argument [batch, heads, past, dim] whose only use is a concat
    with the new rows along the tokens, where the concat is returned and
    otherwise read by attention alone, as key or as value. `past` is one symbol,
    the same for all pairs, and may be 0 in the new function. An attention keeps
    both its keys and its values, or neither.

    `kv` is the type in which states are kept: f32, f16, int8 or fp8 (e4m3), the
    last two with a scale for each token and head. A type other than f32 is an
    error where there is nothing to keep.

    Run last: other passes do not know states.

    Before:
    ```mlir
    func.func @decoder(%q: tensor<1x4x1x16xf32>, %new: tensor<1x2x1x16xf32>,
                       %past: tensor<1x2x?x16xf32, #mm.dims<[1, 2, past, 16]>> {mm.name = "past.0"})
        -> (tensor<1x4x1x16xf32>, tensor<1x2x?x16xf32, #mm.dims<[1, 2, past + 1, 16]>>) {
      %k = mm.concat %past, %new axis 2 : …
      %o = mm.attention %q, %k, %k {scale = 0.25 : f64} : …
      return %o, %k : …
    }
    ```
    After:
    ```mlir
    // beside @decoder, which stays:
    func.func @decoder.state(%q: tensor<1x4x1x16xf32>, %new: tensor<1x2x1x16xf32>) -> tensor<1x4x1x16xf32>
        attributes {mm.plain = "decoder", mm.symbols = {past = array<i64: 0, -1>}} {
      %k = mm.state_append %new to "past.0" after <[past]> as f32 : …
      %o = mm.attention %q, %k, %k {scale = 0.25 : f64} : …
      return %o : …
    }
    ```
  }];
  let options = [
    Option<"kv", "kv", "std::string", "\"f32\"", "f32, f16, int8 or fp8">];
  let statistics = [
    Statistic<"numFormed", "states-formed", "pairs that became states">];
}

#endif // MMCC_PASSES_STATE_PASSES
