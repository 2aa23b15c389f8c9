//===- Passes.td - Passes that make numbers narrower ----------*- tablegen -*-===//

#ifndef MMCC_PASSES_QUANTIZE_PASSES
#define MMCC_PASSES_QUANTIZE_PASSES

include "mlir/Pass/PassBase.td"

def QuantizeLinears : Pass<"mm-quantize-linears", "::mlir::ModuleOp"> {
  let summary = "weights of linear layers, and tables of embeddings, as integers of 3, 4 or 8 bits";
  let description = [{
    Each column of a weight is cut into groups of `group` (0: one group) that
    have a scale, and with `asymmetric` a zero, of their own. A group that does
    not divide the column is halved until it does, down to 32. Layers whose
    depth is no multiple of 32 stay as they are.

    With `activations` "rows" the input becomes integers, too: by the largest
    magnitude of each group of a token (of the whole token for group 0); with
    "static" by one scale for all. Layers that read one value share its integers.

    `method` says how numbers are found:

    * rtn: each by itself.
    * gptq: what an input's rounding does to the outputs is made up for by later
      inputs (Frantar et al., 2022); with `act-order` large inputs come first.
    * awq: inputs that are large get finer steps (Lin et al., 2023).
    * smoothquant: outliers of the input move into the weight (Xiao et al., 2022).

    The last two divide the input by scales of its own: in the norm that gives
    it, if nothing else reads it. All but rtn, and "static", want to know what
    inputs are like: `statistics` is a folder with a file for each of them
    (InputStatistics.h, LayerInputs.h).

    A table that a gather reads is stored as the weight of the layer that it is
    tied to is, or in the same format; both are then rounded to the nearest.

    Before:
    ```mlir
    %y = mm.linear %x, %w bias %b : tensor<64xf32> : tensor<8x256xf32>, tensor<256x64xf32> -> tensor<8x64xf32>
    ```
    After:
    ```mlir
    %y = mm.quantized_linear %x, %q scale %s bias %b : tensor<64xf32>
        : tensor<8x256xf32>, tensor<256x64xi4>, tensor<2x64xf32> -> tensor<8x64xf32>
    ```
    With bits=8 group=0 activations=rows:
    ```mlir
    %v, %t = mm.quantize_rows %x {block = 256 : i64} : tensor<8x256xf32> -> tensor<8x256xi8>, tensor<8x1xf32>
    %y = mm.quantized_linear %v, %q scale %s input_scale %t : tensor<8x1xf32> bias %b : tensor<64xf32>
        : tensor<8x256xi8>, tensor<256x64xi8>, tensor<1x64xf32> -> tensor<8x64xf32>
    ```
  }];
  let options = [
    Option<"bits", "bits", "unsigned", "4", "3, 4 or 8">,
    Option<"group", "group", "int64_t", "128", "numbers of a column that share a scale; 0: all">,
    Option<"asymmetric", "asymmetric", "bool", "false", "groups have a zero">,
    Option<"activations", "activations", "std::string", "\"\"", "empty, rows or static">,
    Option<"method", "method", "std::string", "\"rtn\"", "rtn, gptq, awq or smoothquant">,
    Option<"actOrder", "act-order", "bool", "false", "gptq takes large inputs first">,
    Option<"layers", "layers", "std::string", "\"\"", "a scheme for each input of layers (LayerPlan.h), instead of all these">,
    Option<"statistics", "statistics", "std::string", "\"\"", "folder of what inputs are like">,
    Option<"explain", "explain", "bool", "false", "say what stayed and why">];
  let statistics = [
    Statistic<"numLinears", "linears", "linear layers quantized">,
    Statistic<"numTables", "tables", "embedding tables quantized">];
}

#endif // MMCC_PASSES_QUANTIZE_PASSES
