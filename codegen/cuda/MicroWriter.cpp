#include "codegen/cuda/MicroWriter.h"

#include "codegen/cuda/kernels/Blocking.cuh"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mmcc::cuda {

static constexpr MicroRow kRows[] = {
    {"gemm_f32", "Gemm.cuh", "gemm", "GemmParams", 2, 8, "", 6},
    {"gemm_tf32", "TensorGemm.cuh", "gemmTf32", "GemmParams", 2, 8, "", 6},
    {"gemm_bf16_bf16", "TensorGemm.cuh", "gemmHalves", "GemmParams", 2, 8, "",
     6},
    {"gemm_f16_f16", "TensorGemm.cuh", "gemmHalves", "GemmParams", 2, 8, "", 6},
    {"gemm_f32_bf16", "TensorGemm.cuh", "gemmHalf", "GemmParams", 2, 8, "", 6},
    {"gemm_f32_f16", "TensorGemm.cuh", "gemmHalf", "GemmParams", 2, 8, "", 6},
    {"gemm_f32_f8e4m3", "TensorGemm.cuh", "gemmFloat8", "ScaledGemmParams", 3,
     9, "", 7},
    {"gemm_f32_f8e5m2", "TensorGemm.cuh", "gemmFloat8", "ScaledGemmParams", 3,
     9, "", 7},
    {"gemm_f8_f8", "Float8Gemm.cuh", "gemmFloat8Rows", "Float8GemmParams", 4,
     10, "", 8},
    {"gemm_f32_u4", "TensorGemm.cuh", "gemmNarrow", "NarrowGemmParams", 4, 10,
     "NibbleLines", 8},
    {"gemm_f32_i8", "TensorGemm.cuh", "gemmNarrow", "NarrowGemmParams", 4, 10,
     "ByteLines", 8},
    {"gemm_i8_u4", "ByteGemm.cuh", "gemmNibbles", "GemmI8U4Params", 5, 13, "",
     11},
    {"gemm_i8_i8", "ByteGemm.cuh", "gemmBytes", "GemmI8I8Params", 6, 14, "",
     11},
    {"batch_gemm_f32", "Gemm.cuh", "batchGemm", "BatchGemmParams", 2, 15, "",
     13},
    {"conv_f32", "Conv.cuh", "conv", "ConvParams", 2, 21, "", 19},
    {"conv_bf16", "Conv.cuh", "tensorConv", "ConvParams", 2, 21, "", 19},
    {"conv_tf32", "Conv.cuh", "tensorConv", "ConvParams", 2, 21, "", 19},
    {"depthwise_f32", "Conv.cuh", "depthwise", "DepthwiseParams", 2, 19},
    {"attention_f32", "StepAttention.cuh", "attention", "AttentionParams", 4,
     24, "", 0, true, true, "stepAttention"},
    {"attention_bf16", "TensorAttention.cuh", "tensorAttention",
     "AttentionParams", 4, 24, "bf16", 0, true, true, "stepTensorAttention"},
    {"attention_f16", "TensorAttention.cuh", "tensorAttention",
     "AttentionParams", 4, 24, "f16", 0, true, true, "stepTensorAttention"},
    {"attention_i8", "TensorAttention.cuh", "tensorAttention",
     "AttentionParams", 4, 24, "bf16", 0, true, true, "stepTensorAttention"},
    {"topk_f32", "TopK.cuh", "topk", "TopKParams", 2, 9},
    {"retrieve_f32", "Retrieve.cuh", "retrieve", "RetrieveParams", 2, 7},
    {"similarity_f32", "Similarity.cuh", "similarity", "SimilarityParams", 2,
     9},
    {"token_match_f32", "TokenMatch.cuh", "tokenMatch", "TokenMatchParams", 2,
     8},
    {"token_merge_f32", "TokenMerge.cuh", "tokenMerge", "TokenMergeParams", 3,
     10},
    {"token_select_f32", "TokenSelect.cuh", "tokenSelect", "TokenSelectParams",
     2, 5},
#define MMCC_STATE_ROWS(SUFFIX, TYPE)                                          \
  {"state_append_" SUFFIX,                                                     \
   "State.cuh",                                                                \
   "stateAppend",                                                              \
   "StateAppendParams",                                                        \
   3,                                                                          \
   8,                                                                          \
   TYPE,                                                                       \
   0,                                                                          \
   false,                                                                      \
   false},                                                                     \
  {                                                                            \
    "attention_state_" SUFFIX, "State.cuh", "stateAttention",                  \
        "StateAttentionParams", 5, 16, TYPE, 0, true                           \
  }
    MMCC_STATE_ROWS("f32", "float"),
    MMCC_STATE_ROWS("f16", "f16"),
    MMCC_STATE_ROWS("i8", "int8_t"),
    MMCC_STATE_ROWS("f8", "f8e4m3"),
#undef MMCC_STATE_ROWS
};

const MicroRow *findMicroRow(StringRef name) {
  for (const MicroRow &row : kRows)
    if (row.name == name)
      return &row;
  return nullptr;
}

bool hasSteps(plan::KernelOp kernel, const MicroRow &row) {
  bool isState = row.hasScore && row.header == "State.cuh";
  return isState || (!row.stepFunction.empty() &&
                     kernel.getOffsets().getNumResults() == row.tensors + 2);
}

static std::optional<int64_t> constantParam(plan::KernelOp kernel,
                                            unsigned position) {
  if (position >= kernel.getParams().getNumResults())
    return std::nullopt;
  auto constant =
      dyn_cast<AffineConstantExpr>(kernel.getParams().getResult(position));
  return constant ? std::optional(constant.getValue()) : std::nullopt;
}

// Params of attention rows, in kernels.inc's order.
constexpr unsigned kHeadDepth = 5, kHeadWidth = 6, kQueryBlock = 20;

/// The width of heads in whole 16s, as tensor cores' attention takes it.
static int64_t tensorWidth(plan::KernelOp kernel, unsigned param) {
  return (constantParam(kernel, param).value_or(0) + 15) / 16 * 16;
}

/// Rows and columns of a cell; 0 where that is not known.
static Cell cellOf(plan::KernelOp kernel, const MicroRow &row) {
  return {constantParam(kernel, row.tile).value_or(0),
          constantParam(kernel, row.tile + 1).value_or(0)};
}

static bool isForHopper(plan::KernelOp kernel) {
  auto variant = kernel->getParentOfType<plan::VariantOp>();
  return variant && variant.getTarget() == "cuda:sm_90a";
}

/// Whether the kernel's products are a warpgroup's (WarpgroupTile.cuh): its
/// template knows by the same.
static bool isOfWarpgroups(plan::KernelOp kernel, const MicroRow &row) {
  if (!row.takesMaps() || !isForHopper(kernel) ||
      kernel.getParams().getNumResults() != row.paramCount ||
      kernel.getOffsets().getNumResults() != row.tensors ||
      cellOf(kernel, row).rows <= kFewRows)
    return false;
  const auto columns = constantParam(kernel, 2),
             depth = constantParam(kernel, 3);
  if (!columns || !depth)
    return false;
  // group, a_block and zeros
  return row.name != "gemm_i8_i8" ||
         (constantParam(kernel, 8) == depth &&
          constantParam(kernel, 9) == depth && constantParam(kernel, 10) == 0);
}

/// The same of attention: WarpgroupAttention.cuh has it.
static bool isAttentionOfWarpgroups(plan::KernelOp kernel,
                                    const MicroRow &row) {
  return row.function == "tensorAttention" && isForHopper(kernel) &&
         !hasSteps(kernel, row) &&
         isAttentionOfWarpgroups(
             tensorWidth(kernel, kHeadDepth), tensorWidth(kernel, kHeadWidth),
             constantParam(kernel, kQueryBlock).value_or(0));
}

/// Shared memory of attention on tensor cores.
static int64_t headBytesOf(plan::KernelOp kernel, const MicroRow &row) {
  const int64_t depth = tensorWidth(kernel, kHeadDepth),
                width = tensorWidth(kernel, kHeadWidth);
  return isAttentionOfWarpgroups(kernel, row)
             ? warpgroupAttentionSharedBytes(depth, width)
             : attentionSharedBytes(depth, width);
}

uint64_t sharedBytesOf(plan::KernelOp kernel, const MicroRow &row) {
  int64_t tiles =
      row.function == "tensorAttention" ? headBytesOf(kernel, row) : 0;
  if (hasSteps(kernel, row)) {
    int64_t depth = constantParam(kernel, kHeadDepth).value_or(0);
    return std::max(
        tiles, stepSharedBytes(depth <= kStepWidest ? depth : 1,
                               constantParam(kernel, kHeadWidth).value_or(0)));
  }
  if (!row.isTensor() || kernel.getParams().getNumResults() != row.paramCount)
    return tiles;
  Cell cell = cellOf(kernel, row);
  return isOfWarpgroups(kernel, row)
             ? warpgroupSharedBytes(cell.rows, cell.columns)
             : tensorSharedBytes(cell.rows, cell.columns);
}

plan::KernelMaps mapsOf(plan::KernelOp kernel, const MicroRow &row) {
  if (!isOfWarpgroups(kernel, row))
    return {};
  Cell cell = cellOf(kernel, row);
  // B, M, N, K, a_batch and a_row come first, in numbers.
  const bool isBytes = row.name == "gemm_i8_i8" || row.name == "gemm_f8_f8";
  const int64_t size = isBytes ? 1 : 2;
  const unsigned a = 0, w = isBytes ? 2 : 1;
  auto param = [&](unsigned i) { return kernel.getParams().getResult(i); };
  auto offset = [&](unsigned i) {
    return kernel.getOffsets().getResult(i) * size;
  };
  AffineExpr one = getAffineConstantExpr(1, kernel.getContext());
  AffineExpr length = param(3) * size, pitch = length.ceilDiv(16) * 16;
  return {{a, offset(a), length, param(1), param(0), param(5) * size,
           param(4) * size, unsigned(cell.rows)},
          {w, offset(w), length, param(2), one, pitch, pitch * param(2),
           unsigned(tileColumns(cell.columns))}};
}

unsigned blocksTogether(plan::KernelOp kernel, const MicroRow &row) {
  constexpr int64_t narrow = 64;
  // Two sets of sums leave no room (Float8Gemm.cuh).
  if (row.name == "gemm_f8_f8")
    return 1;
  if (row.function != "tensorAttention")
    return hasSteps(kernel, row) || isOfWarpgroups(kernel, row) ? 2 : 1;
  return tensorWidth(kernel, kHeadDepth) <= narrow &&
                 tensorWidth(kernel, kHeadWidth) <= narrow
             ? 2
             : 1;
}

/// Writes `block` as a lambda of its indices and an f32.
static LogicalResult writeBlock(plan::BlockOp block, llvm::raw_ostream &out) {
  Block &body = block.getBody().front();
  SmallVector<std::string> names, parameters;
  for (BlockArgument argument : body.getArguments()) {
    bool isIndex = isa<IndexType>(argument.getType());
    if (!isIndex && !argument.getType().isF32())
      return block.emitOpError("takes indices and one f32");
    names.push_back((isIndex ? "d" : "value") +
                    (isIndex ? std::to_string(argument.getArgNumber()) : ""));
    parameters.push_back((isIndex ? "Index " : "float ") + names.back());
  }
  out << "      [&](" << llvm::join(parameters, ", ") << ")";
  if (block.getRole() == "score")
    out << " -> float";
  out << " {\n";
  auto yields = BlockWriter(out, 8).write(block, names);
  if (failed(yields))
    return failure();
  if (!yields->empty())
    out << "        return " << yields->front() << ";\n";
  out << "      }";
  return success();
}

/// What templates take: the number of threads, the extents of a tile, the keys
/// that a search keeps, the width of a head in warps, and types.
static FailureOr<std::string> templateArguments(plan::KernelOp kernel,
                                                const MicroRow &row,
                                                unsigned threads) {
  SmallVector<std::string> arguments;
  if (row.name == "depthwise_f32")
    arguments.push_back(std::to_string(threads));
  for (unsigned i = row.tile; row.tile && i < row.tile + 2; ++i) {
    std::optional<int64_t> extent = constantParam(kernel, i);
    if (!extent)
      return kernel.emitError("CUDA code generation: the tiles of row '")
             << row.name << "' must be known";
    arguments.push_back(std::to_string(*extent));
  }
  if (row.name == "retrieve_f32") {
    constexpr unsigned kBest = 3; // K in kernels.inc
    std::optional<int64_t> best = constantParam(kernel, kBest);
    if (!best || *best > kRetrieveMost)
      return kernel.emitError("CUDA code generation: a search must be for a "
                              "known number of at most ")
             << kRetrieveMost;
    arguments.push_back(std::to_string(retrieveKeys(*best)));
  }
  if (row.hasScore) {
    bool isStep = hasSteps(kernel, row);
    bool isTensor = row.function == "tensorAttention";
    int64_t widest = isTensor ? kTensorWidest : kStepWidest;
    int64_t unit = isStep ? 1 : isTensor ? 16 : 32;
    for (unsigned i = kHeadDepth + (!isTensor && !isStep); i < kHeadDepth + 2;
         ++i) {
      std::optional<int64_t> width = constantParam(kernel, i);
      // Tiles of f32 take keys of any width.
      bool isFree = i == kHeadDepth && row.header == "State.cuh";
      if (!width || *width < 1 || (*width > widest && !isFree))
        return kernel.emitError("CUDA code generation: heads of ")
               << row.name << " must have a known width of at most " << widest;
      int64_t units = (*width + unit - 1) / unit;
      arguments.push_back(std::to_string(isTensor ? units * unit : units));
    }
    if (isTensor) {
      std::optional<int64_t> queries = constantParam(kernel, kQueryBlock);
      if (queries != 64 && (queries != 128 || isStep))
        return kernel.emitError("CUDA code generation: a block of ")
               << row.name << " takes 64 or 128 queries";
      if (!isStep)
        arguments.push_back(std::to_string(*queries));
    }
    if (isStep) {
      // group in kernels.inc; or H and KvH.
      std::optional<int64_t> group = constantParam(kernel, 2);
      std::optional<int64_t> heads = constantParam(kernel, 1);
      if (row.header == "State.cuh" && group && *group > 0 && heads)
        group = *heads / *group;
      if (!group || *group < 1)
        return kernel.emitError("CUDA code generation: how many heads of ")
               << row.name << " share keys must be known";
      arguments.push_back(std::to_string(*group));
    }
  }
  if (!row.type.empty())
    arguments.push_back(row.type.str());
  return arguments.empty() ? "" : "<" + llvm::join(arguments, ", ") + ">";
}

LogicalResult writeMicro(plan::KernelOp kernel, const MicroRow &row,
                         unsigned threads, llvm::raw_ostream &out) {
  bool isStep = hasSteps(kernel, row) && !row.stepFunction.empty();
  unsigned tensors = row.tensors + (isStep ? 2 : 0);
  if (kernel.getParams().getNumResults() != row.paramCount ||
      kernel.getOffsets().getNumResults() != tensors ||
      kernel.getBody().getNumArguments() < tensors)
    return kernel.emitOpError("does not have the tensors and params of row '")
           << row.name << "'";
  SmallVector<std::string> params;
  for (AffineExpr param : kernel.getParams().getResults())
    params.push_back(affineText(param, {}));
  out << "  const " << row.params << " params{" << llvm::join(params, ", ")
      << "};\n";
  FailureOr<std::string> arguments = templateArguments(kernel, row, threads);
  if (failed(arguments))
    return failure();
  out << "  " << (isStep ? row.stepFunction : row.function) << *arguments
      << "(\n      ";
  for (unsigned i = 0; i < tensors; ++i)
    out << "x" << i << " + " << affineText(kernel.getOffsets().getResult(i), {})
        << ", ";
  out << "params";
  if (row.takesMaps())
    out << ", args.maps()";
  plan::BlockOp post, score;
  for (auto block : kernel.getBody().getOps<plan::BlockOp>())
    (block.getRole() == "score" ? score : post) = block;
  if (bool(post) != row.hasPost)
    return kernel.emitOpError("needs a post block if and only if row '")
           << row.name << "' has one";
  if (row.hasScore) {
    out << ",\n";
    if (score) {
      if (failed(writeBlock(score, out)))
        return failure();
    } else {
      out << "      [](Index, Index, Index, Index, float value) { return "
             "value; }";
    }
  }
  if (post) {
    out << ",\n";
    if (failed(writeBlock(post, out)))
      return failure();
  }
  out << ");\n";
  return success();
}

} // namespace mmcc::cuda
