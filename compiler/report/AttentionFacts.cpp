//===- AttentionFacts.cpp - Every attention and its tokens ----------------===//

#include "compiler/report/AttentionFacts.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/attention/AttentionKind.h"

using namespace mmcc;
namespace json = llvm::json;

static json::Value sizeOf(const mm::Dim &dim) {
  if (std::optional<int64_t> number = dim.getConstant())
    return *number;
  return json::fixUTF8(dim.str());
}

json::Array mmcc::collectAttention(
    mlir::ModuleOp module,
    llvm::function_ref<std::string(mlir::Location)> describe) {
  json::Array all;
  for (auto func : module.getOps<mlir::func::FuncOp>())
    func.walk([&](mm::AttentionOp op) {
      AttentionKind is = getKind(op);
      llvm::StringRef limits = is.limits;
      limits.consume_front(", ");
      all.push_back(json::Object{
          {"entry", json::fixUTF8(func.getName())},
          {"node", json::fixUTF8(describe(op.getLoc()))},
          {"kind", is.kind},
          {"limits", limits.str()},
          {"size", json::fixUTF8(is.size)},
          {"queries", sizeOf(mm::getShape(op.getQuery().getType())[2])},
          {"keys", sizeOf(mm::getShape(op.getKey().getType())[2])}});
    });
  return all;
}
