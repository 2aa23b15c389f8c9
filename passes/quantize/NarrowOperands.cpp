//===- NarrowOperands.cpp - A narrow weight as kernels take it ------------===//

#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/lower/ConstantSource.h"
#include "passes/quantize/NarrowMatrix.h"
#include "passes/quantize/methods/NarrowWeight.h"

#include <cstring>
#include <numeric>

using namespace mlir;

namespace mmcc::quantize {

std::optional<double> uniformNumber(Value value) {
  Operation *op = value.getDefiningOp();
  if (op &&
      isa<mm::ReshapeOp, mm::TransposeOp, mm::BroadcastOp, mm::CastOp>(op))
    return uniformNumber(op->getOperand(0));
  if (op && isa<mm::ConcatOp>(op)) {
    std::optional<double> first = uniformNumber(op->getOperand(0));
    for (Value operand : op->getOperands())
      if (uniformNumber(operand) != first)
        return std::nullopt;
    return first;
  }
  auto constant = dyn_cast_or_null<mm::ConstantOp>(op);
  std::optional<lower::ConstantBytes> bytes =
      constant ? lower::bytesOf(constant.getValue()) : std::nullopt;
  auto type = getTensorType(value);
  if (!bytes || type.getNumElements() == 0)
    return std::nullopt;
  for (int64_t i = 1; !bytes->splat && i < type.getNumElements(); ++i)
    if (std::memcmp(bytes->at(0), bytes->at(i), bytes->width) != 0)
      return std::nullopt;
  if (type.getElementType().isF32()) {
    float number;
    std::memcpy(&number, bytes->at(0), sizeof(number));
    return number;
  }
  if (!type.getElementType().isInteger(8))
    return std::nullopt;
  auto byte = uint8_t(*bytes->at(0));
  return type.getElementType().isUnsignedInteger() ? byte : int8_t(byte);
}

/// The constant with elements of 4 bits, if all fit: 0 .. 15 or -8 .. 7.
static Value inFourBits(OpBuilder &builder, Location loc, Value numbers) {
  auto constant = numbers.getDefiningOp<mm::ConstantOp>();
  std::optional<lower::ConstantBytes> bytes =
      constant ? lower::bytesOf(constant.getValue()) : std::nullopt;
  if (!bytes)
    return {};
  auto type = getTensorType(numbers);
  bool isUnsigned = type.getElementType().isUnsignedInteger();
  int64_t count = type.getNumElements();
  for (int64_t i = 0; i < (bytes->splat ? 1 : count); ++i) {
    int number =
        isUnsigned ? int(uint8_t(*bytes->at(i))) : int8_t(*bytes->at(i));
    if (isUnsigned ? number > 15 : number < -8 || number > 7)
      return {};
  }
  auto signedness = isUnsigned ? IntegerType::Unsigned : IntegerType::Signless;
  auto narrow =
      type.clone(IntegerType::get(builder.getContext(), 4, signedness));
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue()))
    return builder.create<mm::ConstantOp>(
        loc, DenseResourceElementsAttr::get(narrow, resource.getRawHandle()));
  std::vector<char> copy(count, *bytes->at(0));
  if (!bytes->splat)
    std::memcpy(copy.data(), bytes->at(0), count);
  return builder.create<mm::ConstantOp>(
      loc, DenseResourceElementsAttr::get(
               narrow, "narrow",
               HeapAsmResourceBlob::allocateAndCopyWithAlign(
                   ArrayRef<char>(copy), 64)));
}

/// Numbers of 4 bits behind the transposes and concatenations that lowering
/// reads through; null if some constant has others.
static Value inFourBitsThroughout(OpBuilder &builder, Value numbers) {
  Operation *op = numbers.getDefiningOp();
  if (op && isa<mm::TransposeOp, mm::ReshapeOp, mm::ConcatOp>(op)) {
    SmallVector<Value> parts;
    for (Value operand : op->getOperands()) {
      parts.push_back(inFourBitsThroughout(builder, operand));
      if (!parts.back())
        return {};
    }
    Operation *moved = builder.clone(*op);
    moved->setOperands(parts);
    auto type = getTensorType(moved->getResult(0));
    moved->getResult(0).setType(
        type.clone(getTensorType(parts[0]).getElementType()));
    return moved->getResult(0);
  }
  return inFourBits(builder, numbers.getLoc(), numbers);
}

namespace {

/// Builds on constants; what comes of it is evaluated later.
struct Builder {
  OpBuilder &b;
  Location loc;

  mm::Shape shape(ArrayRef<int64_t> sizes) {
    return mm::makeShape(b.getContext(), sizes);
  }
  Value reshape(Value value, ArrayRef<int64_t> sizes) {
    return reshapeTo(b, loc, value, shape(sizes));
  }
  Value broadcast(Value value, ArrayRef<int64_t> sizes) {
    auto type = mm::makeTensorType(shape(sizes), b.getF32Type());
    if (type == value.getType())
      return value;
    return b.create<mm::BroadcastOp>(loc, type, value);
  }
  Value cast(Value value, Type element) {
    return b.create<mm::CastOp>(loc, getTensorType(value).clone(element),
                                value);
  }
  Value scalar(Type element, double number) {
    return makeScalar(b, loc, element, number);
  }
  Value sum(Value value, int64_t axis) {
    return b.create<mm::ReduceOp>(loc, value, mm::ReduceKind::Sum,
                                  ArrayRef<int64_t>{axis}, false);
  }
};

} // namespace

/// Entries [ceil(in / step), out] as [in / group, out].
static Value regroup(Builder &build, Value entries, int64_t step, int64_t in,
                     int64_t out, int64_t group) {
  int64_t count = getTensorType(entries).getDimSize(0), repeat = step / group;
  entries = build.broadcast(entries, {count, out});
  if (count == 1 || repeat == 1)
    return entries;
  Value wide = build.broadcast(build.reshape(entries, {count, 1, out}),
                               {count, repeat, out});
  Value flat = build.reshape(wide, {count * repeat, out});
  // The last block may be shorter than the others.
  SmallVector<int64_t> ones(2, 1);
  auto type =
      mm::makeTensorType(build.shape({in / group, out}), build.b.getF32Type());
  if (type == flat.getType())
    return flat;
  return build.b.create<mm::SliceOp>(
      build.loc, type, flat,
      mm::DimsAttr::get(build.b.getContext(), build.shape({0, 0})), ones);
}

std::optional<NarrowOperands> makeOperands(OpBuilder &builder, Location loc,
                                           NarrowMatrix matrix) {
  Builder build{builder, loc};
  int64_t in = matrix.size(0), out = matrix.size(1);
  int64_t group = matrix.steps[0] >= in ? in : std::gcd(matrix.steps[0], in);
  bool isByColumn =
      matrix.steps[1] == 1 || getTensorType(matrix.scale).getDimSize(1) == 1;
  if (in % 32 != 0 || in > quantize::kMostDepth || group % 32 != 0 ||
      !isByColumn)
    return std::nullopt;

  NarrowOperands result;
  Type f32 = builder.getF32Type(), i32 = builder.getI32Type();
  bool isUnsigned =
      getTensorType(matrix.numbers).getElementType().isUnsignedInteger();
  Value zero = matrix.zero;
  std::optional<double> shared = zero ? uniformNumber(zero) : 0.0;
  if (shared == 0.0)
    zero = {};
  // Kernels have 4 bits from 0 with a zero, and from -8 without.
  if (isUnsigned || !zero)
    result.numbers = inFourBitsThroughout(builder, matrix.numbers);
  Value bytes = matrix.numbers;
  if (result.numbers && isUnsigned) {
    if (!zero)
      zero = build.broadcast(build.scalar(f32, 0),
                             getTensorType(matrix.scale).getShape());
  } else if (isUnsigned) {
    // ui8 less 128 is i8 of the same bits but the highest.
    Type ui8 = getTensorType(bytes).getElementType();
    bytes = build.cast(
        builder.create<mm::XorOp>(loc, bytes, build.scalar(ui8, 128)),
        builder.getIntegerType(8));
    if (shared == 128.0)
      zero = {};
    else if (zero)
      zero = builder.create<mm::AddOp>(loc, zero, build.scalar(f32, -128));
    else
      zero = build.broadcast(build.scalar(f32, -128),
                             getTensorType(matrix.scale).getShape());
  }
  if (!result.numbers)
    result.numbers = bytes;
  result.scale = regroup(build, matrix.scale, matrix.steps[0], in, out, group);
  if (zero)
    result.zero = regroup(build, zero, matrix.steps[0], in, out, group);

  // Sums of whole numbers first: they are exact.
  Value wide = build.reshape(build.cast(bytes, i32), {in / group, group, out});
  Value sums = build.cast(build.sum(wide, 1), f32);
  if (result.zero)
    sums = builder.create<mm::SubOp>(
        loc, sums,
        builder.create<mm::MulOp>(loc, result.zero,
                                  build.scalar(f32, double(group))));
  result.columnSums =
      build.sum(builder.create<mm::MulOp>(loc, sums, result.scale), 0);
  return result;
}

} // namespace mmcc::quantize
