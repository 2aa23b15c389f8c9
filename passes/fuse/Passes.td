//===- Passes.td - Passes that form model-level operations ---*- tablegen -*-===//

#ifndef MMCC_PASSES_FUSE_PASSES
#define MMCC_PASSES_FUSE_PASSES

include "mlir/Pass/PassBase.td"

def FormGelu : Pass<"mm-form-gelu", "::mlir::func::FuncOp"> {
  let summary = "recognises the erf, tanh and sigmoid forms of GELU";
  let description = [{
    The factors may be multiplied in any order and association, and halves and
    square roots may be products or quotients. x itself may carry a factor.

    Before:
    ```mlir
    %0 = mm.div %x, %sqrt2 : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
    %1 = mm.erf %0 : tensor<4x8xf32> -> tensor<4x8xf32>
    %2 = mm.add %1, %one : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
    %3 = mm.mul %x, %2 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    %4 = mm.mul %3, %half : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
    ```
    After:
    ```mlir
    %4 = mm.gelu erf %x : tensor<4x8xf32> -> tensor<4x8xf32>
    ```
  }];
  let statistics = [
    Statistic<"numErf", "gelu-erf", "GELUs formed from erf">,
    Statistic<"numTanh", "gelu-tanh", "GELUs formed from tanh">,
    Statistic<"numQuick", "gelu-quick", "GELUs formed from sigmoid(1.702 x)">];
}

def FormSilu : Pass<"mm-form-silu", "::mlir::func::FuncOp"> {
  let summary = "recognises x * sigmoid(x)";
  let description = [{
    Before:
    ```mlir
    %0 = mm.sigmoid %x : tensor<4x8xf32> -> tensor<4x8xf32>
    %1 = mm.mul %x, %0 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    ```
    After:
    ```mlir
    %1 = mm.silu %x : tensor<4x8xf32> -> tensor<4x8xf32>
    ```
  }];
  let statistics = [Statistic<"numFormed", "silu-formed", "SiLUs formed">];
}

def FormLayerNorm : Pass<"mm-form-layer-norm", "::mlir::func::FuncOp"> {
  let summary = "recognises layer normalisation and attaches scale and offset";
  let description = [{
    The deviation may be squared by a product or a power, the root divided by
    or multiplied with, the mean a sum over a count. Dimensions that are not
    trailing are moved there by transposes. Constants over the normalised
    dimensions that follow as product and sum become scale and offset.

    Before:
    ```mlir
    %mean = mm.reduce mean %x axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
    %d = mm.sub %x, %mean : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    %d2 = mm.mul %d, %d : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    %var = mm.reduce mean %d2 axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
    %e = mm.add %var, %eps : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
    %s = mm.sqrt %e : tensor<4x1xf32> -> tensor<4x1xf32>
    %n = mm.div %d, %s : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    ```
    After:
    ```mlir
    %n = mm.layer_norm %x {axis = 1 : i64, epsilon = 1.0e-05 : f64} : tensor<4x8xf32> -> tensor<4x8xf32>
    ```
  }];
  let statistics = [
    Statistic<"numFormed", "layer-norm-formed", "layer norms formed">,
    Statistic<"numScales", "layer-norm-scales", "scales attached">,
    Statistic<"numOffsets", "layer-norm-offsets", "offsets attached">];
}

def FormRmsNorm : Pass<"mm-form-rms-norm", "::mlir::func::FuncOp"> {
  let summary = "recognises normalisation by the root mean square";
  let description = [{
    Runs after `mm-form-layer-norm`, whose inner part looks alike.

    Before:
    ```mlir
    %x2 = mm.mul %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    %ms = mm.reduce mean %x2 axes [1] keep true : tensor<4x8xf32> -> tensor<4x1xf32>
    %e = mm.add %ms, %eps : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
    %r = mm.rsqrt %e : tensor<4x1xf32> -> tensor<4x1xf32>
    %n = mm.mul %x, %r : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    %y = mm.mul %n, %w : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
    ```
    After:
    ```mlir
    %y = mm.rms_norm %x scale %w : tensor<8xf32> {axis = 1 : i64, epsilon = 1.0e-05 : f64} : tensor<4x8xf32> -> tensor<4x8xf32>
    ```
  }];
  let statistics = [
    Statistic<"numFormed", "rms-norm-formed", "RMS norms formed">,
    Statistic<"numScales", "rms-norm-scales", "scales attached">];
}

def FormLinear : Pass<"mm-form-linear", "::mlir::func::FuncOp"> {
  let summary = "makes products with one constant matrix mm.linear, with its bias";
  let description = [{
    Runs after `mm-form-attention`, so that a product with constant queries
    stays a part of its attention. A constant on the left becomes a product
    from the right between transposes.

    Before:
    ```mlir
    %0 = mm.matmul %x, %w : tensor<1x4x8xf32>, tensor<8x16xf32> -> tensor<1x4x16xf32>
    %1 = mm.add %0, %b : tensor<1x4x16xf32>, tensor<16xf32> -> tensor<1x4x16xf32>
    ```
    After:
    ```mlir
    %1 = mm.linear %x, %w bias %b : tensor<16xf32> : tensor<1x4x8xf32>, tensor<8x16xf32> -> tensor<1x4x16xf32>
    ```
  }];
  let statistics = [
    Statistic<"numFormed", "linear-formed", "products made linear">,
    Statistic<"numBiases", "linear-biases", "biases attached">];
}

def MergeLinears : Pass<"mm-merge-linears", "::mlir::func::FuncOp"> {
  let summary = "makes one product of linear ops with one input (Q, K, V; gate, up)";
  let description = [{
    Merges linear ops that read the same value and whose results meet again in
    the same product or attention: the input is read once and stays in cache. The weight becomes a concatenation of constants,
    which lowering packs piece by piece. Where only some have a bias, the
    others get zeros.

    Before:
    ```mlir
    %q = mm.linear %x, %wq : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %k = mm.linear %x, %wk : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x4xf32>
    ```
    After:
    ```mlir
    %w = mm.concat %wq, %wk axis 1 : tensor<8x8xf32>, tensor<8x4xf32> -> tensor<8x12xf32>
    %0 = mm.linear %x, %w : tensor<4x8xf32>, tensor<8x12xf32> -> tensor<4x12xf32>
    %q = mm.slice %0 offsets #mm.dims<[0, 0]> steps [1, 1] : tensor<4x12xf32> -> tensor<4x8xf32>
    %k = mm.slice %0 offsets #mm.dims<[0, 8]> steps [1, 1] : tensor<4x12xf32> -> tensor<4x4xf32>
    ```
  }];
  let options = [
    Option<"maxWidth", "max-width", "int64_t", "65536",
           "Largest sum of output widths">];
  let statistics = [
    Statistic<"numMerged", "linears-merged", "linear ops that became slices">];
}

def FoldScale : Pass<"mm-fold-scale", "::mlir::func::FuncOp"> {
  let summary = "folds a constant factor into the weight and bias before it";
  let description = [{
    The new weight is a product of constants, evaluated at compile time. Only
    weights that nothing else reads, so that none is stored twice.

    Before:
    ```mlir
    %0 = mm.linear %x, %w bias %b : tensor<16xf32> : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
    %1 = mm.mul %0, %gamma : tensor<4x16xf32>, tensor<16xf32> -> tensor<4x16xf32>
    ```
    After:
    ```mlir
    %w2 = mm.mul %w, %gamma : tensor<8x16xf32>, tensor<16xf32> -> tensor<8x16xf32>
    %b2 = mm.mul %b, %gamma : tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>
    %1 = mm.linear %x, %w2 bias %b2 : tensor<16xf32> : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
    ```
  }];
  let options = [
    Option<"maxElements", "max-elements", "int64_t", "1048576",
           "Largest weight that is multiplied at compile time">];
  let statistics = [Statistic<"numFolded", "scales-folded", "factors folded">];
}

def FoldBatchNorm : Pass<"mm-fold-batch-norm", "::mlir::func::FuncOp"> {
  let summary = "folds batch normalisation into the convolution or product before it";
  let description = [{
    A lone batch norm becomes one product and one sum.

    Before:
    ```mlir
    %0 = mm.conv %x, %w {...} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
    %1 = mm.batch_norm %0, %scale, %offset, %mean, %var {epsilon = 1.0e-05 : f64} : ...
    ```
    After:
    ```mlir
    // factor = scale / sqrt(var + eps), on constants
    %w2 = mm.mul %w, %factor : tensor<4x3x3x3xf32>, tensor<4x1x1x1xf32> -> tensor<4x3x3x3xf32>
    %b2 = mm.sub %offset, %meanTimesFactor : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
    %1 = mm.conv %x, %w2 bias %b2 : tensor<4xf32> {...} : ...
    ```
  }];
  let statistics = [
    Statistic<"numFolded", "batch-norms-folded", "folded into weights">,
    Statistic<"numExpanded", "batch-norms-expanded", "made product and sum">];
}

def ChannelsLast : Pass<"mm-channels-last", "::mlir::func::FuncOp"> {
  let summary = "gives convolution and pooling the channel as last dimension";
  let description = [{
    Convolution and pooling change to `channels_last` between two transposes;
    the ones behind move down through elementwise operations, reductions,
    concatenation, padding and slices until they meet one in front, and cancel.
    Transposed convolution keeps its layout.

    Before:
    ```mlir
    %0 = mm.conv %x, %w {...} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
    %1 = mm.relu %0 : tensor<1x4x6x6xf32> -> tensor<1x4x6x6xf32>
    ```
    After:
    ```mlir
    %0 = mm.transpose %x [0, 2, 3, 1] : tensor<1x3x8x8xf32> -> tensor<1x8x8x3xf32>
    %1 = mm.conv %0, %w {channels_last = true, ...} : tensor<1x8x8x3xf32>, tensor<4x3x3x3xf32> -> tensor<1x6x6x4xf32>
    %2 = mm.relu %1 : tensor<1x6x6x4xf32> -> tensor<1x6x6x4xf32>
    %3 = mm.transpose %2 [0, 3, 1, 2] : tensor<1x6x6x4xf32> -> tensor<1x4x6x6xf32>
    ```
  }];
  let statistics = [
    Statistic<"numConverted", "channels-last-converted", "convolutions and poolings converted">];
}

def SinkRowFactors : Pass<"mm-sink-row-factors", "::mlir::func::FuncOp"> {
  let summary = "moves a factor a row from before a product to behind it";
  let description = [{
    Where only products read the scaled value. Behind the product the factor
    is part of its epilogue: gates of cross-attention on keys and values, the
    lengths of contrastive features. Both rows and columns may have one.

    Before:
    ```mlir
    %0 = mm.mul %x, %gate : tensor<2x12x32xf32>, tensor<2x12x1xf32> -> tensor<2x12x32xf32>
    %1 = mm.linear %0, %w bias %b : tensor<64xf32> : tensor<2x12x32xf32>, tensor<32x64xf32> -> tensor<2x12x64xf32>
    ```
    After:
    ```mlir
    %0 = mm.linear %x, %w : tensor<2x12x32xf32>, tensor<32x64xf32> -> tensor<2x12x64xf32>
    %1 = mm.mul %0, %gate : tensor<2x12x64xf32>, tensor<2x12x1xf32> -> tensor<2x12x64xf32>
    %2 = mm.add %1, %b : tensor<2x12x64xf32>, tensor<64xf32> -> tensor<2x12x64xf32>
    ```
  }];
  let statistics = [
    Statistic<"numSunk", "row-factors-sunk", "factors moved behind a product">];
}

def FormSimilarity : Pass<"mm-form-similarity", "::mlir::func::FuncOp"> {
  let summary = "the head of contrastive models as mm.similarity";
  let description = [{
    Rows of two matrices divided by their lengths, whatever the exporter took for
    them (a norm, F.normalize's clamped one), and their product transposed: one
    operation, in which lengths cost no launch of their own (Radford et al., CLIP,
    2021). The temperature behind it lies in its epilogue. A side that is constant
    is normalised when it is compiled, and stays the weight of a linear layer.

    Before:
    ```mlir
    %s = mm.mul %x, %x : tensor<4x512xf32>, tensor<4x512xf32> -> tensor<4x512xf32>
    %r = mm.reduce sum %s axes [1] keep true : tensor<4x512xf32> -> tensor<4x1xf32>
    %l = mm.sqrt %r : tensor<4x1xf32> -> tensor<4x1xf32>
    %u = mm.div %x, %l : tensor<4x512xf32>, tensor<4x1xf32> -> tensor<4x512xf32>
    // %v from %y likewise
    %t = mm.transpose %v [1, 0] : tensor<10x512xf32> -> tensor<512x10xf32>
    %o = mm.matmul %u, %t : tensor<4x512xf32>, tensor<512x10xf32> -> tensor<4x10xf32>
    ```
    After:
    ```mlir
    %o = mm.similarity %x, %y {lhs_epsilon = 0.0 : f64, rhs_epsilon = 0.0 : f64} : tensor<4x512xf32>, tensor<10x512xf32> -> tensor<4x10xf32>
    ```
  }];
  let statistics = [
    Statistic<"numFormed", "similarities-formed", "similarities that were formed">];
}

def FormRetrieval : Pass<"mm-form-retrieval", "::mlir::func::FuncOp"> {
  let summary = "the best of a product with a constant, without writing the product";
  let description = [{
    Scores of queries against a bank of embeddings of which only the k largest are
    used: the product is made in blocks of the bank, each block keeps its best, and
    those are joined. Factors of whole rows that keep their order (lengths of the
    queries, a temperature) move to the k values. The scores stay where they are
    also used otherwise, where the bank has fewer than 1024 rows, or where more
    than 1024 are taken.

    Run after `mm-sink-row-factors`.

    Before:
    ```mlir
    %s = mm.linear %x, %bank : tensor<1x512xf32>, tensor<512x100000xf32> -> tensor<1x100000xf32>
    %v, %i = mm.topk %s axis 1 largest true : tensor<1x100000xf32> -> tensor<1x10xf32>, tensor<1x10xi64>
    ```
    After:
    ```mlir
    %r = mm.retrieve %x, %bank {k = 10 : i64} : tensor<1x512xf32>, tensor<512x100000xf32> -> tensor<2x1x10xf32>
    %p = mm.slice %r offsets <[0, 0, 0]> steps [1, 1, 1] : tensor<2x1x10xf32> -> tensor<1x1x10xf32>
    %v = mm.reshape %p : tensor<1x1x10xf32> -> tensor<1x10xf32>
    %q = mm.slice %r offsets <[1, 0, 0]> steps [1, 1, 1] : tensor<2x1x10xf32> -> tensor<1x1x10xf32>
    %c = mm.reshape %q : tensor<1x1x10xf32> -> tensor<1x10xf32>
    %i = mm.cast %c : tensor<1x10xf32> -> tensor<1x10xi64>
    ```
  }];
  let statistics = [
    Statistic<"numFormed", "retrievals-formed", "retrievals that were formed">];
}

#endif // MMCC_PASSES_FUSE_PASSES
