//===- EvaluateConstants.cpp - Computes constant subgraphs ----------------===//

#include "compiler/evaluate/ConstantGraph.h"
#include "compiler/evaluate/Passes.h"
#include "compiler/evaluate/RunProgram.h"
#include "dialects/mm/MM.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include <unistd.h>

namespace mmcc {
#define GEN_PASS_DECL_EVALUATECONSTANTS
#define GEN_PASS_DEF_EVALUATECONSTANTS
#include "compiler/evaluate/Passes.h.inc"
} // namespace mmcc

using namespace mmcc;
using namespace mlir;

/// Constants up to this many elements stay visible to folders.
static constexpr int64_t kVisibleElements = 1024;

/// The attribute of a result. `blob` holds row-major elements, booleans as
/// bytes.
static ElementsAttr makeConstant(RankedTensorType type, AsmResourceBlob blob) {
  ArrayRef<char> data = blob.getData();
  if (type.getNumElements() > kVisibleElements)
    return DenseResourceElementsAttr::get(type, "evaluated", std::move(blob));
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> bits;
    for (char byte : data)
      bits.push_back(byte != 0);
    return DenseElementsAttr::get(type, bits);
  }
  return DenseElementsAttr::getFromRawBuffer(type, data);
}

namespace {
struct EvaluateConstants
    : public mmcc::impl::EvaluateConstantsBase<EvaluateConstants> {
  using EvaluateConstantsBase::EvaluateConstantsBase;
  explicit EvaluateConstants(CompileConstants compile)
      : compile(std::move(compile)) {}

  void runOnOperation() override {
    if (!compile)
      return;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (!func.isDeclaration() && failed(evaluate(func)))
        return signalPassFailure();
  }

private:
  LogicalResult evaluate(func::FuncOp func) {
    ConstantGraph graph(func, growth, keepNarrow);
    ArrayRef<Value> roots = graph.roots();
    if (roots.empty())
      return success();

    SmallString<128> path;
    int descriptor;
    if (std::error_code failure = llvm::sys::fs::createTemporaryFile(
            "mmcc-constants", "mmcc", descriptor, path))
      return func.emitError("cannot make a temporary file: ")
             << failure.message();
    ::close(descriptor);
    llvm::FileRemover remover(path);
    if (failed(compile(*graph.outline(), path.str().str())))
      return failure();

    SmallVector<AsmResourceBlob> blobs;
    SmallVector<MutableArrayRef<char>> buffers;
    for (Value root : roots) {
      blobs.push_back(HeapAsmResourceBlob::allocate(
          std::max<int64_t>(*getByteSize(root.getType()), 1), /*align=*/64));
      buffers.push_back(blobs.back().getMutableData().take_front(
          *getByteSize(root.getType())));
    }
    std::string message = runProgram(path.str().str(), buffers);
    if (!message.empty())
      return func.emitError("evaluation of constants: ") << message;

    for (auto [index, blob] : llvm::enumerate(blobs)) {
      Value root = roots[index];
      OpBuilder builder(root.getContext());
      builder.setInsertionPointAfterValue(root);
      auto type = cast<RankedTensorType>(root.getType());
      root.replaceAllUsesWith(builder.create<mm::ConstantOp>(
          root.getLoc(), type, makeConstant(type, std::move(blob))));
      ++numEvaluated;
    }
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(func.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
    return success();
  }

  CompileConstants compile;
};
} // namespace

std::unique_ptr<Pass>
mmcc::createEvaluateConstantsPass(CompileConstants compile) {
  return std::make_unique<EvaluateConstants>(std::move(compile));
}
