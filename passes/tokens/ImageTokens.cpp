//===- ImageTokens.cpp - Where a decoder takes its image from -------------===//

#include "passes/tokens/ImageTokens.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

/// Whether `value` holds rows of a constant table at places that are not known
/// when it is compiled, perhaps scaled, normalised and with positions added.
static bool isText(Value value, int depth = 0) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > 16)
    return false;
  if (auto lookup = dyn_cast<mm::GatherOp>(op))
    if (isConstantExpression(lookup.getInput()))
      return !isConstantExpression(lookup.getIndices());
  bool passes = op->hasTrait<mm::Elementwise>() ||
                isa<mm::LayerNormOp, mm::RmsNormOp, mm::ReshapeOp,
                    mm::TransposeOp, mm::SliceOp, mm::GatherOp>(op);
  return passes && llvm::any_of(op->getOperands(), [&](Value operand) {
           return isText(operand, depth + 1);
         });
}

/// `value` as image tokens, if it has their form.
static std::optional<ImageTokens> asTokens(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() != 3 || !type.getElementType().isF32())
    return std::nullopt;
  mm::Shape shape = mm::getShape(type);
  std::optional<int64_t> count = shape[1].getConstant();
  if (!count || *count < 2)
    return std::nullopt;
  return ImageTokens{value, *count, shape[0]};
}

static bool isNamed(Location location, StringRef name) {
  bool found = false;
  location->walk([&](Location inner) {
    auto named = dyn_cast<NameLoc>(inner);
    found |= named && named.getName() == name;
    return found ? WalkResult::interrupt() : WalkResult::advance();
  });
  return found;
}

static std::optional<ImageTokens> findNamed(func::FuncOp func, StringRef at,
                                            std::string &reason,
                                            bool &mentioned) {
  Value named;
  for (BlockArgument argument : func.getArguments())
    if (isNamed(argument.getLoc(), at))
      named = argument;
  // The last operation that the node became stands for what it gives.
  if (!named)
    func.walk([&](Operation *op) {
      if (op->getNumResults() == 1 && isNamed(op->getLoc(), at))
        named = op->getResult(0);
    });
  mentioned = static_cast<bool>(named);
  std::optional<ImageTokens> tokens =
      named ? asTokens(named) : std::optional<ImageTokens>();
  if (!named)
    reason = "no input or node is called '" + at.str() + "'";
  else if (!tokens)
    reason = "'" + at.str() +
             "' is not f32 [batch, tokens, dim] with a number of tokens that "
             "is known when it is compiled (--dim fixes a dimension)";
  return tokens;
}

std::optional<ImageTokens> findImageTokens(func::FuncOp func, StringRef at,
                                           std::string &reason,
                                           bool &mentioned) {
  mentioned = false;
  if (!at.empty())
    return findNamed(func, at, reason, mentioned);
  SmallVector<ImageTokens> found;
  func.walk([&](mm::ConcatOp concat) {
    if (getTensorType(concat).getRank() != 3 || concat.getAxis() != 1 ||
        llvm::none_of(concat.getInputs(), [](Value v) { return isText(v); }))
      return;
    for (Value part : concat.getInputs()) {
      std::optional<ImageTokens> tokens = asTokens(part);
      if (!tokens || isText(part) || isConstantExpression(part) ||
          llvm::any_of(found, [&](const ImageTokens &other) {
            return other.value == part;
          }))
        continue;
      // Text joined with an image before is neither.
      auto inner = part.getDefiningOp<mm::ConcatOp>();
      if (!inner || inner.getAxis() != 1)
        found.push_back(*tokens);
    }
  });
  mentioned = !found.empty();
  if (found.size() == 1)
    return found.front();
  reason = found.empty()
               ? "no image tokens of a known number are joined with embedded "
                 "text (,at=NAME says which value they are)"
               : "several parts that are joined with text may be the image "
                 "(,at=NAME says which one)";
  return std::nullopt;
}

} // namespace mmcc
