//===- LayerNote.cpp - An artifact's linear layers ------------------------===//

#include "compiler/pipeline/LayerNote.h"
#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"

using namespace mmcc;
using quantize::LayerExtents;

/// Beyond this an extent is a fault of the file.
constexpr int64_t kMostExtent = int64_t(1) << 20;

std::string mmcc::noteLayers(mlir::ModuleOp module) {
  std::vector<std::string> layers;
  auto add = [&](mlir::Value input, mlir::Value weight) {
    auto type = mlir::cast<mlir::RankedTensorType>(weight.getType());
    if (!type.hasStaticShape())
      return;
    mm::Shape rows = mm::getShape(input.getType());
    rows.pop_back();
    std::string layer = mm::product(module.getContext(), rows).str() + " x " +
                        std::to_string(type.getDimSize(0)) + " x " +
                        std::to_string(type.getDimSize(1));
    if (!llvm::is_contained(layers, layer))
      layers.push_back(layer);
  };
  for (auto func : module.getOps<mlir::func::FuncOp>()) {
    if (func->hasAttr("mm.plain"))
      continue; // its plain form has the same ones
    func.walk([&](mlir::Operation *op) {
      if (auto linear = mlir::dyn_cast<mm::LinearOp>(op))
        add(linear.getInput(), linear.getWeight());
      if (auto linear = mlir::dyn_cast<mm::QuantizedLinearOp>(op))
        add(linear.getInput(), linear.getWeight());
    });
  }
  return llvm::join(layers, ", ");
}

std::optional<std::vector<LayerExtents>>
mmcc::parseLayers(llvm::StringRef note) {
  std::vector<LayerExtents> layers;
  llvm::SmallVector<llvm::StringRef> parts;
  note.split(parts, ", ", -1, /*KeepEmpty=*/false);
  for (llvm::StringRef part : parts) {
    auto [before, out] = part.rsplit(" x ");
    auto [rows, in] = before.rsplit(" x ");
    LayerExtents layer{1, 0, 0};
    if (in.getAsInteger(10, layer.in) || out.getAsInteger(10, layer.out) ||
        layer.in < 1 || layer.out < 1 || layer.in > kMostExtent ||
        layer.out > kMostExtent)
      return std::nullopt;
    // Only such layers have a choice.
    if (layer.in % 32 != 0)
      continue;
    bool isNumber = !rows.getAsInteger(10, layer.rows);
    if (isNumber && (layer.rows < 1 || layer.rows > kMostExtent))
      return std::nullopt;
    for (int64_t count : {1, 16, 128}) {
      if (!isNumber)
        layer.rows = count;
      layers.push_back(layer);
      if (isNumber)
        break;
    }
  }
  return layers;
}
