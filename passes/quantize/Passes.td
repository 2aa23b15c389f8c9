//===- Passes.td - Passes that make numbers narrower ----------*- tablegen -*-===//

#ifndef MMCC_PASSES_QUANTIZE_PASSES
#define MMCC_PASSES_QUANTIZE_PASSES

include "mlir/Pass/PassBase.td"

def QuantizeLinears : Pass<"mm-quantize-linears", "::mlir::ModuleOp"> {
  let summary = "weights of linear layers, and tables of embeddings, as numbers of 3, 4 or 8 bits";
  let description = [{
    Each column of a weight is cut into groups of `group` (0: one group) that
    have a scale, and with `asymmetric` a zero, of their own. A group that does
    not divide the column is halved until it does, down to 32. Layers whose
    depth is no multiple of 32 stay as they are.

    With `format` e4m3 or e5m2 numbers are 8-bit floats, rounded to the nearest:
    a group's largest magnitude becomes the largest of the format, 448 or 57344.

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
    Option<"format", "format", "std::string", "\"int\"", "int; e4m3 or e5m2, of 8 bits">,
    Option<"activations", "activations", "std::string", "\"\"", "empty, rows or static">,
    Option<"method", "method", "std::string", "\"rtn\"", "rtn, gptq, awq or smoothquant">,
    Option<"actOrder", "act-order", "bool", "false", "gptq takes large inputs first">,
    Option<"statistics", "statistics", "std::string", "\"\"", "folder of what inputs are like">,
    Option<"explain", "explain", "bool", "false", "say what stayed and why">];
  let statistics = [
    Statistic<"numLinears", "linears", "linear layers quantized">,
    Statistic<"numTables", "tables", "embedding tables quantized">];
}

def NarrowFloats : Pass<"mm-narrow-floats", "::mlir::ModuleOp"> {
  let summary = "weights of linear layers, and tables of embeddings, in 16 bits";
  let description = [{
    Weights are rounded to the nearest bf16 or f16 and widened as they are read:
    products, sums and all else stay f32. One with a number beyond the type's
    range stays as it is.

    `to` auto takes f16, which has three bits more, but for a weight that it
    does not hold, or with a column that it rounds worse than bf16 since its
    numbers are below f16's normal range (methods/HalfFloats.h).

    Before:
    ```mlir
    %x = mm.gather %table[%i] axis 0 : tensor<2048x64xf32>, tensor<1x5xi64> -> tensor<1x5x64xf32>
    %y = mm.linear %x, %w : tensor<1x5x64xf32>, tensor<64x256xf32> -> tensor<1x5x256xf32>
    ```
    After:
    ```mlir
    %r = mm.gather %narrow[%i] axis 0 : tensor<2048x64xbf16>, tensor<1x5xi64> -> tensor<1x5x64xbf16>
    %x = mm.cast %r : tensor<1x5x64xbf16> -> tensor<1x5x64xf32>
    %y = mm.linear %x, %v : tensor<1x5x64xf32>, tensor<64x256xbf16> -> tensor<1x5x256xf32>
    ```
  }];
  let options = [
    Option<"to", "to", "std::string", "\"bf16\"", "bf16, f16 or auto">,
    Option<"explain", "explain", "bool", "false", "say what stayed and why">];
  let statistics = [
    Statistic<"numLinears", "linears", "weights of linear layers narrowed">,
    Statistic<"numTables", "tables", "embedding tables narrowed">];
}

#endif // MMCC_PASSES_QUANTIZE_PASSES
