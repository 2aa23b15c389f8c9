#include "codegen/cuda/MicroWriter.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mmcc::cuda {

static constexpr MicroRow kRows[] = {
    {"gemm_f32", "Gemm.cuh", "gemm", "GemmParams", 2, 8},
    {"batch_gemm_f32", "Gemm.cuh", "batchGemm", "BatchGemmParams", 2, 15},
    {"conv_f32", "Conv.cuh", "conv", "ConvParams", 2, 21},
    {"depthwise_f32", "Conv.cuh", "depthwise", "DepthwiseParams", 2, 19},
    {"attention_f32", "Attention.cuh", "attention", "AttentionParams", 4, 24,
     "", true},
#define MMCC_STATE_ROWS(SUFFIX, TYPE)                                          \
  {"state_append_" SUFFIX,                                                     \
   "State.cuh",                                                                \
   "stateAppend",                                                              \
   "StateAppendParams",                                                        \
   2,                                                                          \
   8,                                                                          \
   TYPE,                                                                       \
   false,                                                                      \
   false},                                                                     \
  {                                                                            \
    "attention_state_" SUFFIX, "State.cuh", "stateAttention",                  \
        "StateAttentionParams", 3, 16, TYPE, true                              \
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

/// What templates take: the width of a head in warps, the number of threads,
/// the type that a state keeps.
static FailureOr<std::string> templateArguments(plan::KernelOp kernel,
                                                const MicroRow &row,
                                                unsigned threads) {
  SmallVector<std::string> arguments;
  if (row.name == "depthwise_f32")
    arguments.push_back(std::to_string(threads));
  if (row.hasScore) {
    constexpr unsigned kHeadWidth = 6; // Dv in kernels.inc
    constexpr int64_t kWidest = 512;
    auto width =
        dyn_cast<AffineConstantExpr>(kernel.getParams().getResult(kHeadWidth));
    if (!width || width.getValue() > kWidest)
      return kernel.emitError("CUDA code generation: heads of attention must "
                              "have a known width of at most ")
             << kWidest;
    arguments.push_back(std::to_string((width.getValue() + 31) / 32));
  }
  if (!row.type.empty())
    arguments.push_back(row.type.str());
  return arguments.empty() ? "" : "<" + llvm::join(arguments, ", ") + ">";
}

LogicalResult writeMicro(plan::KernelOp kernel, const MicroRow &row,
                         unsigned threads, llvm::raw_ostream &out) {
  if (kernel.getParams().getNumResults() != row.paramCount ||
      kernel.getOffsets().getNumResults() != row.tensors ||
      kernel.getBody().getNumArguments() < row.tensors)
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
  out << "  " << row.function << *arguments << "(\n      ";
  for (unsigned i = 0; i < row.tensors; ++i)
    out << "x" << i << " + " << affineText(kernel.getOffsets().getResult(i), {})
        << ", ";
  out << "params";
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
