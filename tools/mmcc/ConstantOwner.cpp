//===- ConstantOwner.cpp - Whose constant it is ---------------------------===//

#include "compiler/pipeline/Messages.h"
#include "dialects/mm/MM.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "tools/mmcc/ChangedConstant.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"
#include <cstring>
#include <tuple>

using namespace mmcc;
using namespace mlir;

/// The elements of an f32 constant as bytes; empty for other types. A splat
/// holds one.
static ArrayRef<char> bytesOf(mm::ConstantOp op) {
  auto value = dyn_cast<ElementsAttr>(op.getValue());
  if (!value || !value.getElementType().isF32())
    return {};
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(op.getValue())) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    return blob ? blob->getData() : ArrayRef<char>();
  }
  auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
  return dense ? dense.getRawData() : ArrayRef<char>();
}

static bool holdsAll(ArrayRef<char> bytes, ArrayRef<uint32_t> words) {
  llvm::SmallDenseSet<uint64_t, 64> missing(words.begin(), words.end());
  for (size_t at = 0; at + 4 <= bytes.size() && !missing.empty(); at += 4) {
    uint32_t word;
    std::memcpy(&word, bytes.data() + at, 4);
    missing.erase(word);
  }
  return missing.empty();
}

/// The operations that read the constant together with something that is not
/// constant, also by way of others that are.
static llvm::SetVector<Operation *> readersOf(mm::ConstantOp constant) {
  llvm::SetVector<Operation *> readers, known;
  known.insert(constant);
  for (size_t i = 0; i < known.size(); ++i)
    for (Operation *user : known[i]->getUsers()) {
      bool isConstant = llvm::all_of(user->getOperands(), [&](Value operand) {
        Operation *from = operand.getDefiningOp();
        return from && (isa<mm::ConstantOp>(from) || known.contains(from));
      });
      (isConstant ? known : readers).insert(user);
    }
  return readers;
}

std::optional<ConstantOwner> mmcc::findOwner(ModuleOp imported,
                                             const ChangedConstant &changed) {
  llvm::DenseMap<Operation *, int64_t> places;
  int64_t launch = 0;
  imported.walk<WalkOrder::PreOrder>([&](Operation *op) {
    int64_t place = int64_t(places.size());
    places[op] = place;
    if (!changed.nodes.empty() &&
        getNodes(op->getLoc()).contains(changed.nodes.back()))
      launch = place;
  });
  std::optional<ConstantOwner> best;
  std::tuple<bool, bool, int64_t> bestRank;
  imported.walk([&](mm::ConstantOp op) {
    ArrayRef<char> bytes = bytesOf(op);
    if (bytes.empty() || !holdsAll(bytes, changed.words))
      return;
    auto names = getNodes(op.getLoc());
    for (Operation *reader : readersOf(op)) {
      auto nodes = getNodes(reader->getLoc());
      if (nodes.empty())
        continue;
      std::tuple<bool, bool, int64_t> rank = {
          !llvm::is_contained(changed.nodes, nodes.front()),
          cast<ShapedType>(op.getType()).getNumElements() != changed.elements,
          std::abs(places.lookup(reader) - launch)};
      if (best && bestRank <= rank)
        continue;
      bestRank = rank;
      best = {names.empty() ? "" : names.front().str(), nodes.front().str()};
    }
  });
  return best;
}
