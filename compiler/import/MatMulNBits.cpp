//===- MatMulNBits.cpp - com.microsoft's products with packed weights -----===//
//
// y [.., N] = A [.., K] · transpose((B - zero) * scale) + bias
//
//   B            uint8 [N, blocks, block_size * bits / 8], the first of two
//                4-bit numbers in the low half; blocks = ceil(K / block_size)
//   scales       [N, blocks] or flat, of A's type
//   zero_points  likewise, or uint8 with each row of `blocks` numbers packed as
//                B is; 2^(bits - 1) if absent
//
//===----------------------------------------------------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace mmcc::import {

namespace {

constexpr int64_t kMostFilled = int64_t(1) << 20;

struct Packing {
  int64_t K, N, bits, block;

  int64_t blocks() const { return (K + block - 1) / block; }
  int64_t blockBytes() const { return block * bits / 8; }
  /// Of a row of zero points.
  int64_t zeroBytes() const { return (blocks() * bits + 7) / 8; }
  int numberAt(const char *bytes, int64_t index) const {
    if (bits == 8)
      return uint8_t(bytes[index]);
    return uint8_t(bytes[index / 2]) >> (index % 2 * 4) & 15;
  }
};

/// The bytes of a constant; nothing if the tensor is none.
std::optional<std::vector<char>> bytesOf(Node &n, const Tensor &tensor) {
  auto constant = n.value(tensor).getDefiningOp<mm::ConstantOp>();
  if (!constant)
    return std::nullopt;
  if (auto resource =
          dyn_cast<DenseResourceElementsAttr>(constant.getValue())) {
    ArrayRef<char> data = resource.getRawHandle().getBlob()->getData();
    return std::vector<char>(data.begin(), data.end());
  }
  auto dense = cast<DenseElementsAttr>(constant.getValue());
  ArrayRef<char> data = dense.getRawData();
  // What an operator fills can be larger than any file.
  if (dense.isSplat() && dense.getNumElements() > kMostFilled)
    return std::nullopt;
  if (dense.isSplat())
    return std::vector<char>(dense.getNumElements(), data[0]);
  return std::vector<char>(data.begin(), data.end());
}

/// Numbers [N, K], a byte each: i8 less the zero that all share, or ui8 where
/// blocks have zeros of their own.
Tensor unpackWeight(Node &n, const Packing &packing, const Tensor &b,
                    bool hasZeros) {
  std::optional<std::vector<char>> packed = bytesOf(n, b);
  if (!packed)
    return n.fail("a packed weight must be an initializer");
  auto signedness = hasZeros ? IntegerType::Unsigned : IntegerType::Signless;
  auto type = RankedTensorType::get(
      {packing.N, packing.K}, IntegerType::get(n.context(), 8, signedness));
  // Each start of an import comes here again.
  auto source = n.value(b).getDefiningOp<mm::ConstantOp>().getValue();
  ElementsAttr &attribute =
      n.tensors().attributeOf(source.getAsOpaquePointer());
  if (attribute && attribute.getShapedType() == type)
    return n.constant(attribute);
  int shared = hasZeros ? 0 : 1 << (packing.bits - 1);
  auto bytes = std::make_shared<std::vector<char>>(packing.N * packing.K);
  char *to = bytes->data();
  const char *row = packed->data();
  for (int64_t i = 0; i < packing.N;
       ++i, row += packing.blocks() * packing.blockBytes())
    for (int64_t k = 0; k < packing.K; ++k)
      *to++ = char(packing.numberAt(row, k) - shared);
  attribute = makeElements({type, *bytes, bytes}, "packed");
  return n.constant(attribute);
}

/// Zero points [N, blocks] of f32.
Tensor unpackZeros(Node &n, const Packing &packing, const Tensor &zeros) {
  mm::Shape shape = {n.dim(packing.N), n.dim(packing.blocks())};
  bool isPacked = zeros.elementType().isUnsignedInteger(8);
  int64_t wanted =
      packing.N * (isPacked ? packing.zeroBytes() : packing.blocks());
  if ((!isPacked && !isFloat(zeros.elementType())) ||
      !zeros.type.hasStaticShape() || zeros.type.getNumElements() != wanted)
    return n.fail("zero_points are not N times one a block");
  if (!isPacked)
    return n.castTo(n.reshape(zeros, shape), Float32Type::get(n.context()));
  std::optional<std::vector<char>> packed = bytesOf(n, zeros);
  if (!packed)
    return n.fail("packed zero points must be an initializer");
  SmallVector<float> numbers;
  for (int64_t i = 0; i < packing.N; ++i)
    for (int64_t g = 0; g < packing.blocks(); ++g)
      numbers.push_back(
          packing.numberAt(packed->data() + i * packing.zeroBytes(), g));
  auto type = RankedTensorType::get({packing.N, packing.blocks()},
                                    Float32Type::get(n.context()));
  return n.constant(DenseElementsAttr::get(type, ArrayRef(numbers)));
}

bool isByteTensor(const Tensor &b, int64_t count) {
  return b.elementType().isUnsignedInteger(8) && b.type.hasStaticShape() &&
         b.type.getNumElements() == count;
}

} // namespace

void importMatMulNBits(Node &n) {
  Tensor a = n.required(0), b = n.required(1), scales = n.required(2);
  Tensor zeros = n.input(3), order = n.input(4), bias = n.input(5);
  Packing packing{n.integer("K", 0), n.integer("N", 0), n.integer("bits", 4),
                  n.integer("block_size", 0)};
  // How exact ONNX Runtime's sums must be at least: ours are of f32.
  n.ignore({"accuracy_level"});
  if (n.integer("weight_prepacked", 0) != 0)
    n.fail("prepacked weights are not supported");
  if (order)
    n.fail("g_idx is not supported");
  if (packing.bits != 4 && packing.bits != 8)
    n.fail("bits must be 4 or 8");
  constexpr int64_t most = int64_t(1) << 31;
  if (packing.K < 1 || packing.N < 1 || packing.K > most || packing.N > most)
    n.fail("K and N must be positive sizes");
  if (packing.block < 16 || packing.block > 4096 ||
      (packing.block & (packing.block - 1)))
    n.fail("block_size must be a power of two from 16 to 4096");
  if (!a || !b || !scales || n.hasFailed())
    return;
  if (!isByteTensor(b, packing.N * packing.blocks() * packing.blockBytes())) {
    n.fail("B is not uint8 [N, ceil(K / block_size), block_size * bits / 8]");
    return;
  }
  if (!isFloat(scales.elementType()) || !scales.type.hasStaticShape() ||
      scales.type.getNumElements() != packing.N * packing.blocks()) {
    n.fail("scales are not N times one a block");
    return;
  }
  if (!isFloat(a.elementType()) || a.rank() == 0 ||
      !n.demandEqual(a.dim(a.rank() - 1), n.dim(packing.K),
                     "the last dimension of A is not K"))
    return;
  Type f32 = Float32Type::get(n.context());
  Tensor numbers = unpackWeight(n, packing, b, bool(zeros));
  Tensor zero = zeros ? unpackZeros(n, packing, zeros) : Tensor();
  Tensor scale = n.castTo(
      n.reshape(scales, {n.dim(packing.N), n.dim(packing.blocks())}), f32);
  if (n.hasFailed())
    return;
  Tensor weight = n.emit<mm::DequantizeOp>(
      {numbers, scale, zero},
      {n.named("axis", 1), n.named("block", packing.block)});
  Tensor x = n.castTo(a, f32);
  if (a.rank() == 1)
    x = n.unsqueeze(x, 0);
  Tensor y = n.matmul(x, n.transposeLast(weight));
  if (bias)
    y = n.add(y, n.castTo(bias, f32));
  n.set(0, n.castTo(a.rank() == 1 ? n.squeeze(y, 0) : y, a.elementType()));
}

} // namespace mmcc::import
