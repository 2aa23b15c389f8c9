//===- Substitute.cpp - What stands in for an output ----------------------===//

#include "compiler/import/Substitute.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace mmcc::import {

//===----------------------------------------------------------------------===//
// Learned
//===----------------------------------------------------------------------===//

std::string LearnedArrays::read(const std::string &location,
                                const MappedFile &file) {
  std::vector<npz::Array> arrays;
  std::string message =
      npz::readNpz(std::string_view(file.bytes().data(), file.bytes().size()),
                   location, arrays);
  for (npz::Array &array : arrays) {
    std::shared_ptr<npz::Array> &place = files[location][array.name].array;
    place = std::make_shared<npz::Array>(std::move(array));
  }
  return message;
}

/// As npz files carry the type: what numpy cannot name travels as unsigned.
static npz::ElementType carrierOf(Type type) {
  uint32_t bytes = (type.getIntOrFloatBitWidth() + 7) / 8;
  if (type.isInteger(1))
    return {'b', 1};
  if (type.isF16() || type.isF32() || type.isF64())
    return {'f', bytes};
  return {isa<FloatType>(type) || type.isUnsignedInteger() ? 'u' : 'i', bytes};
}

Tensor LearnedArrays::find(const std::string &location, StringRef name,
                           Type elementType, Emitter &emitter,
                           std::string &error) {
  auto found = files[location].find(name.str());
  if (found == files[location].end()) {
    error = "has no array of this name";
    return {};
  }
  const npz::Array &array = *found->second.array;
  npz::ElementType carrier = carrierOf(elementType);
  if (!(array.type == carrier)) {
    error = "cannot be learned: its array is numpy " + array.type.text() +
            ", not " + carrier.text();
    return {};
  }
  TensorContent content;
  content.type = checkedType(array.dims, elementType, error);
  if (!content.type)
    return {};
  content.bytes = {reinterpret_cast<const char *>(array.data.data()),
                   array.data.size()};
  content.owner = found->second.array;
  return emitter.constant(content, name, found->second.attribute);
}

//===----------------------------------------------------------------------===//
// Zeros and nothing
//===----------------------------------------------------------------------===//

Tensor zeros(Emitter &emitter, Type elementType, ArrayRef<mm::Dim> shape) {
  Tensor zero = isa<FloatType>(elementType) ? emitter.scalar(0, elementType)
                                            : emitter.whole(0, elementType);
  return emitter.broadcast(zero, shape);
}

static bool isEmpty(Value value) {
  return llvm::any_of(mm::getShape(value.getType()),
                      [](const mm::Dim &dim) { return dim.isConstant(0); });
}

LogicalResult checkTokensAreNotNeeded(ArrayRef<Value> skipped,
                                      std::string &node) {
  SmallVector<Value> work(skipped);
  llvm::DenseSet<Value> seen(skipped.begin(), skipped.end());
  while (!work.empty())
    for (Operation *user : work.pop_back_val().getUsers()) {
      if (isa<mm::ConcatOp, func::ReturnOp>(user))
        continue;
      for (Value result : user->getResults()) {
        if (!isEmpty(result)) {
          if (auto name = dyn_cast<NameLoc>(user->getLoc()))
            node = name.getName().str();
          return failure();
        }
        if (seen.insert(result).second)
          work.push_back(result);
      }
    }
  return success();
}

} // namespace mmcc::import
