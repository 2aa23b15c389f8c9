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
    depth is no multiple of 32, or above 65536, stay as they are.

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

    `layers` has a scheme for each value that layers read, and may leave some as
    they are or say bf16 or f16: those layers become what `mm-narrow-floats` makes
    of all. Tables that no layer has take 8 bits, or 16 if no layer takes fewer.

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
    With layers=bf16:
    ```mlir
    %z = mm.cast %x : tensor<8x256xf32> -> tensor<8x256xbf16>
    %y = mm.linear %z, %v bias %b : tensor<64xf32> wide : tensor<8x256xbf16>, tensor<256x64xbf16> -> tensor<8x64xf32>
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
    Option<"layers", "layers", "std::string", "\"\"", "a scheme for each input of layers (LayerPlan.h), instead of all these">,
    Option<"statistics", "statistics", "std::string", "\"\"", "folder of what inputs are like">,
    Option<"level", "level", "std::string", "\"x86-64-v3\"", "of the machine that gains are reckoned for (CostModel.h)">,
    Option<"explain", "explain", "bool", "false", "say what stayed and why">];
  let statistics = [
    Statistic<"numLinears", "linears", "linear layers quantized">,
    Statistic<"numTables", "tables", "embedding tables quantized">];
}

def FloatProducts : Pass<"mm-float-products", "::mlir::func::FuncOp"> {
  let summary = "makes products of 8-bit integers that a cast makes real products of real numbers";
  let description = [{
    ONNX's MatMulInteger and QLinearMatMul: sums of i32 that only a cast to f32
    reads. A weight on the right becomes an `mm.dequantize` of scale 1, and all
    that is known of linear layers applies; `mm-form-quantized-linear` makes
    exact integers of it again. Runs before constants are evaluated, which would
    widen the weight. Without a weight the depth must be one whose sums f32
    holds exactly.

    Before:
    ```mlir
    %0 = mm.cast %q : tensor<4x64xui8> -> tensor<4x64xi32>
    %1 = mm.sub %0, %zero : tensor<4x64xi32>, tensor<i32> -> tensor<4x64xi32>
    %2 = mm.cast %w : tensor<64x32xi8> -> tensor<64x32xi32>
    %3 = mm.matmul %1, %2 : tensor<4x64xi32>, tensor<64x32xi32> -> tensor<4x32xi32>
    %4 = mm.cast %3 : tensor<4x32xi32> -> tensor<4x32xf32>
    ```
    After:
    ```mlir
    %0 = mm.cast %q : tensor<4x64xui8> -> tensor<4x64xf32>
    %1 = mm.cast %zero : tensor<i32> -> tensor<f32>
    %2 = mm.sub %0, %1 : tensor<4x64xf32>, tensor<f32> -> tensor<4x64xf32>
    %3 = mm.dequantize %w scale %one {axis = 1 : i64} : tensor<64x32xi8>, tensor<1x1xf32> -> tensor<64x32xf32>
    %4 = mm.matmul %2, %3 : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
    ```
  }];
  let statistics = [Statistic<"numProducts", "products", "products made real">];
  let dependentDialects = ["::mmcc::mm::MMDialect"];
}

def FormQuantizedLinear : Pass<"mm-form-quantized-linear", "::mlir::func::FuncOp"> {
  let summary = "keeps weights that came as integers, and activations where those are, too";
  let description = [{
    A linear layer whose weight is an `mm.dequantize` of constants becomes an
    `mm.quantized_linear`, also through transposes, concatenations and factors
    of columns. Blocks that are no multiples of 32, or do not divide the depth
    into such, stay. 8-bit numbers that fit 4 bits become such.

    An input of the form (q + offset) * scale, with q from `mm.quantize` or
    given as 8 bits, is multiplied as integers. Offset times the weight's column
    sums enters the bias; of ui8 the integers are 128 less and the offset 128
    more.

    Before:
    ```mlir
    %q = mm.quantize %x scale %s zero %z : tensor<f32> {is_unsigned} : tensor<4x64xf32>, tensor<f32> -> tensor<4x64xui8>
    %0 = mm.cast %q : tensor<4x64xui8> -> tensor<4x64xf32>
    %1 = mm.sub %0, %z : tensor<4x64xf32>, tensor<f32> -> tensor<4x64xf32>
    %2 = mm.mul %1, %s : tensor<4x64xf32>, tensor<f32> -> tensor<4x64xf32>
    %3 = mm.dequantize %w scale %t {axis = 1 : i64} : tensor<64x32xi8>, tensor<1x32xf32> -> tensor<64x32xf32>
    %4 = mm.linear %2, %3 : tensor<4x64xf32>, tensor<64x32xf32> -> tensor<4x32xf32>
    ```
    After:
    ```mlir
    // z is 128: no correction is left.
    %0 = mm.add %z, %minus128 : tensor<f32>, tensor<f32> -> tensor<f32>
    %q = mm.quantize %x scale %s zero %0 : tensor<f32> : tensor<4x64xf32>, tensor<f32> -> tensor<4x64xi8>
    %1 = mm.reshape %s : tensor<f32> -> tensor<1xf32>
    %4 = mm.quantized_linear %q, %w scale %t input_scale %1 : tensor<1xf32> : tensor<4x64xi8>, tensor<64x32xi8>, tensor<1x32xf32> -> tensor<4x32xf32>
    ```
  }];
  let statistics = [
    Statistic<"numFormed", "formed", "linear layers with weights of integers">,
    Statistic<"numIntegers", "integers", "of them those with activations of integers">];
  let dependentDialects = ["::mmcc::mm::MMDialect"];
}

def NarrowFloats : Pass<"mm-narrow-floats", "::mlir::ModuleOp"> {
  let summary = "weights of linear layers, and tables of embeddings, in 16 bits";
  let description = [{
    Weights are rounded to the nearest bf16 or f16: sums and all else stay f32.
    The input of a product is rounded to the same, too, once for all layers that
    read it: to bf16 always (its range is f32's, so that nothing overflows), to f16
    where its numbers are proven to stay below 60000 whatever the model is given
    (Magnitudes.h). A weight with a number beyond the type's range stays as it is.

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
    %z = mm.cast %x : tensor<1x5x64xf32> -> tensor<1x5x64xbf16>
    %y = mm.linear %z, %v wide : tensor<1x5x64xbf16>, tensor<64x256xbf16> -> tensor<1x5x256xf32>
    ```
  }];
  let options = [
    Option<"to", "to", "std::string", "\"bf16\"", "bf16, f16 or auto">,
    Option<"explain", "explain", "bool", "false", "say what stayed and why">];
  let statistics = [
    Statistic<"numLinears", "linears", "weights of linear layers narrowed">,
    Statistic<"numInputs", "inputs", "of them layers whose input is narrow, too">,
    Statistic<"numTables", "tables", "embedding tables narrowed">];
}

def RoundOperands : Pass<"mm-round-operands", "::mlir::func::FuncOp"> {
  let summary = "attention and convolutions may round their operands";
  let description = [{
    Runs where activations are narrow, too. Convolutions round to bf16, attention
    to what `attention` says: bf16 beside layers whose activations are, and where
    few bits of weights meet 8 of activations; i8 beside layers of 8 bits, both with
    scales found at the call. With f16 attention rounds to it where query, key and
    value are proven to stay in its range (Magnitudes.h), and convolutions do not
    round. Machines without such products keep f32.

    Before:
    ```mlir
    %0 = mm.attention %q, %k, %v {scale = 0.125 : f64} : tensor<1x12x197x64xf32>, tensor<1x12x197x64xf32>, tensor<1x12x197x64xf32> -> tensor<1x12x197x64xf32>
    ```
    After:
    ```mlir
    %0 = mm.attention %q, %k, %v {arithmetic = "bf16", scale = 0.125 : f64} : tensor<1x12x197x64xf32>, tensor<1x12x197x64xf32>, tensor<1x12x197x64xf32> -> tensor<1x12x197x64xf32>
    ```
  }];
  let options = [Option<"attention", "attention", "std::string", "\"bf16\"", "bf16, f16 or i8">];
  let statistics = [
    Statistic<"numRounded", "rounded", "operations that may round">];
}

#endif // MMCC_PASSES_QUANTIZE_PASSES
