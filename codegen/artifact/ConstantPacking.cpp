#include "codegen/artifact/ConstantPacking.h"

#include "codegen/artifact/StridedRead.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include <memory>

using namespace mlir;

namespace mmcc::artifact {

namespace {

/// A source tensor's elements, one after the other.
struct Elements {
  const char *data = nullptr;
  int64_t count = 0;
  /// All elements are the first.
  bool splat = false;
  /// Where the data had to be made.
  std::shared_ptr<std::vector<char>> owned;
};

/// Packed data and what it reads from.
template <typename Read> struct Packed {
  Read read;
  std::vector<std::shared_ptr<std::vector<char>>> owned;
};

int64_t elementBytes(Type type) {
  return std::max<int64_t>(1, (type.getIntOrFloatBitWidth() + 7) / 8);
}

/// Lines hold numbers of up to 8 bits, a source a byte each.
bool isLines(plan::ConstantOp op) {
  return op.getLayout().starts_with("lines");
}

bool isRounded(plan::ConstantOp op) { return op.getLayout() == "rounded"; }

FailureOr<Elements> elementsOf(plan::ConstantOp op, Attribute source) {
  Type type = op.getElementType();
  if (isRounded(op))
    type = Float32Type::get(op.getContext());
  auto attribute = dyn_cast<ElementsAttr>(source);
  auto fits = [&](Type given) {
    if (!isLines(op))
      return given == type;
    return given.isIntOrFloat() && given.getIntOrFloatBitWidth() > 1 &&
           given.getIntOrFloatBitWidth() <= 8;
  };
  if (!attribute || !fits(attribute.getElementType()))
    return op.emitOpError("has a source that is not a tensor of ") << type;
  Elements result;
  result.count = attribute.getNumElements();
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(source)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return op.emitOpError("has a source without data");
    ArrayRef<char> data = blob->getData();
    if (int64_t(data.size()) / elementBytes(type) < result.count)
      return op.emitOpError("has a source of ")
             << data.size() << " bytes for " << result.count << " elements";
    result.data = data.data();
    return result;
  }
  auto dense = dyn_cast<DenseIntOrFPElementsAttr>(source);
  if (!dense)
    return op.emitOpError("has a source whose data is not at hand");
  if (type.isInteger(1)) { // MLIR keeps bits.
    result.owned = std::make_shared<std::vector<char>>();
    for (bool value : dense.getValues<bool>())
      result.owned->push_back(value);
    result.data = result.owned->data();
    return result;
  }
  result.splat = dense.isSplat();
  result.data = dense.getRawData().data();
  return result;
}

/// Whether offset + all index * stride stay inside [0, count). Extents of zero
/// reach nothing.
bool isInside(int64_t offset, ArrayRef<Dimension> dims, int64_t count) {
  __int128 low = offset, high = offset;
  for (Dimension dim : dims) {
    if (dim.extent == 0)
      return true;
    __int128 reach = __int128(dim.extent - 1) * dim.stride;
    (reach < 0 ? low : high) += reach;
  }
  return low >= 0 && high < count;
}

/// Product that fits into `limit`, or -1. Factors are not negative.
int64_t productUpTo(ArrayRef<int64_t> factors, int64_t limit) {
  __int128 product = 1;
  for (int64_t factor : factors) {
    product *= factor;
    if (product > limit)
      return llvm::is_contained(factors, 0) ? 0 : -1;
  }
  return int64_t(product);
}

/// Calls `use` with a number of `bytes` bytes.
template <typename Use> void withWidth(int64_t bytes, Use use) {
  switch (bytes) {
  case 1:
    return use(uint8_t());
  case 2:
    return use(uint16_t());
  case 4:
    return use(uint32_t());
  default:
    return use(uint64_t());
  }
}

/// Serves a Read whose unit is `unit` elements of `width` bytes.
template <typename Read>
ByteSource serve(Packed<Read> packed, uint64_t bytes, int64_t width,
                 int64_t unit) {
  auto shared = std::make_shared<Packed<Read>>(std::move(packed));
  uint64_t unitBytes = uint64_t(width * unit);
  return {bytes, [=](uint64_t offset, uint8_t *into, size_t count) {
            if (offset % unitBytes != 0 || count % unitBytes != 0)
              return false;
            withWidth(width, [&](auto number) {
              shared->read.template read<decltype(number)>(
                  int64_t(offset / unitBytes), int64_t(count / unitBytes),
                  reinterpret_cast<char *>(into));
            });
            return true;
          }};
}

/// Of a source whose elements have `width` bytes, `stored` of them in the file.
FailureOr<Packed<DenseRead>> readDense(plan::ConstantOp op, int64_t width,
                                       int64_t stored) {
  if (op.getSources().size() != 1 || op.getPieces().size() != 1)
    return op.emitOpError("is dense and needs exactly one source");
  auto piece = dyn_cast<DenseI64ArrayAttr>(op.getPieces()[0]);
  if (!piece || piece.size() % 2 != 1)
    return op.emitOpError("needs an offset, extents and strides as its piece");
  FailureOr<Elements> elements = elementsOf(op, op.getSources()[0]);
  if (failed(elements))
    return failure();
  Packed<DenseRead> packed;
  SmallVector<int64_t> extents = {stored};
  for (int64_t i = 1; i < piece.size(); i += 2) {
    packed.read.dims.push_back({piece[i], piece[i + 1]});
    extents.push_back(piece[i]);
    if (piece[i] < 0)
      return op.emitOpError("has a negative extent");
  }
  int64_t bytes = op.getBytes();
  if (bytes < 0 || productUpTo(extents, bytes) != bytes)
    return op.emitOpError("has extents that do not make ") << bytes << " bytes";
  if (!isInside(piece[0], packed.read.dims, elements->count))
    return op.emitOpError("reads outside of its source");
  if (elements->splat)
    for (Dimension &dim : packed.read.dims)
      dim.stride = 0;
  packed.read.data = elements->data + (elements->splat ? 0 : piece[0] * width);
  packed.read.coalesce();
  packed.owned.push_back(elements->owned);
  return packed;
}

FailureOr<ByteSource> packDense(plan::ConstantOp op, int64_t width) {
  FailureOr<Packed<DenseRead>> packed = readDense(op, width, width);
  if (failed(packed))
    return failure();
  return serve(std::move(*packed), op.getBytes(), width, 1);
}

/// What biases are beside results of 16 bits: little.
FailureOr<ByteSource> packRounded(plan::ConstantOp op) {
  auto half = dyn_cast<FloatType>(op.getElementType());
  if (!half || half.getWidth() != 16)
    return op.emitOpError("rounds to ") << op.getElementType();
  FailureOr<Packed<DenseRead>> packed = readDense(op, 4, 2);
  if (failed(packed))
    return failure();
  std::vector<float> wide(size_t(op.getBytes() / 2));
  packed->read.read<uint32_t>(0, int64_t(wide.size()),
                              reinterpret_cast<char *>(wide.data()));
  std::vector<uint8_t> bytes;
  for (float number : wide) {
    llvm::APFloat value(number);
    bool isInexact;
    value.convert(half.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven,
                  &isInexact);
    uint64_t bits = value.bitcastToAPInt().getZExtValue();
    bytes.push_back(uint8_t(bits));
    bytes.push_back(uint8_t(bits >> 8));
  }
  return ByteSource::fromVector(std::move(bytes));
}

/// The pieces of a matrix whose elements have `width` bytes.
FailureOr<Packed<PanelRead>> readPanels(plan::ConstantOp op, int64_t width) {
  if (op.getSources().size() != op.getPieces().size() || op.getPieces().empty())
    return op.emitOpError("needs a piece for each source");
  Packed<PanelRead> packed;
  PanelRead &panels = packed.read;
  panels.groups = op.getGroups();
  panels.n = 0;
  for (auto [source, attribute] : llvm::zip(op.getSources(), op.getPieces())) {
    auto piece = dyn_cast<DenseI64ArrayAttr>(attribute);
    if (!piece || piece.size() != 10)
      return op.emitOpError("needs ten numbers a piece");
    FailureOr<Elements> elements = elementsOf(op, source);
    if (failed(elements))
      return failure();
    Dimension dims[] = {{panels.groups, piece[1]},
                        {piece[2], piece[3]},
                        {piece[4], piece[5]},
                        {piece[6], piece[7]},
                        {piece[8], piece[9]}};
    for (Dimension dim : dims)
      if (dim.extent < 1 || dim.extent > INT32_MAX)
        return op.emitOpError("has an impossible extent");
    if (!isInside(piece[0], dims, elements->count))
      return op.emitOpError("reads outside of its source");
    if (elements->splat)
      for (Dimension &dim : dims)
        dim.stride = 0;
    int64_t k = productUpTo({dims[1].extent, dims[2].extent, dims[3].extent},
                            INT32_MAX);
    if (k < 0)
      return op.emitOpError("has an impossible extent");
    if (!panels.pieces.empty() && k != panels.k)
      return op.emitOpError("has pieces of different K");
    panels.k = k;
    panels.pieces.push_back(
        {elements->data + (elements->splat ? 0 : piece[0] * width),
         dims[0].stride, dims[1], dims[2], dims[3], dims[4], panels.n});
    panels.n += dims[4].extent;
    packed.owned.push_back(elements->owned);
  }
  return packed;
}

LogicalResult checkBytes(plan::ConstantOp op, const PanelRead &panels,
                         int64_t rows, int64_t bits) {
  int64_t bytes = op.getBytes();
  int64_t panelCount = (panels.n + kPanelColumns - 1) / kPanelColumns;
  if (bytes < 0 || bytes > INT64_MAX / 8 ||
      productUpTo({panels.groups, panelCount, rows, kPanelColumns, bits},
                  bytes * 8) != bytes * 8)
    return op.emitOpError("has pieces that do not make ") << bytes << " bytes";
  return success();
}

FailureOr<ByteSource> packPanels(plan::ConstantOp op, int64_t width) {
  FailureOr<Packed<PanelRead>> packed = readPanels(op, width);
  if (failed(packed) ||
      failed(checkBytes(op, packed->read, packed->read.k, width * 8)))
    return failure();
  return serve(std::move(*packed), op.getBytes(), width, kPanelColumns);
}

/// What `lines` makes of panels, line by line.
template <typename Lines>
ByteSource serveLines(plan::ConstantOp op, Packed<PanelRead> packed,
                      Lines lines) {
  auto shared = std::make_shared<Packed<PanelRead>>(std::move(packed));
  return {uint64_t(op.getBytes()),
          [=](uint64_t offset, uint8_t *into, size_t count) {
            if (offset % kLineBytes != 0 || count % kLineBytes != 0)
              return false;
            lines.read(shared->read, int64_t(offset / kLineBytes),
                       int64_t(count / kLineBytes), into);
            return true;
          }};
}

FailureOr<ByteSource> packLines(plan::ConstantOp op) {
  LineRead lines;
  lines.bits = op.getLayout() == "lines8" ? 8 : 4;
  lines.offset = op.getLayout() == "lines4" ? 8 : 0;
  FailureOr<Packed<PanelRead>> packed = readPanels(op, 1);
  if (failed(packed) ||
      failed(checkBytes(op, packed->read, packed->read.k, lines.bits)))
    return failure();
  if (packed->read.k % (32 / lines.bits))
    return op.emitOpError("has lines that are not whole");
  return serveLines(op, std::move(*packed), lines);
}

FailureOr<ByteSource> packPairs(plan::ConstantOp op, int64_t width) {
  if (width != 2)
    return op.emitOpError("has pairs of ") << op.getElementType();
  FailureOr<Packed<PanelRead>> packed = readPanels(op, width);
  if (failed(packed))
    return failure();
  const PanelRead &panels = packed->read;
  if (failed(checkBytes(op, panels, (panels.k + 1) / 2 * 2, width * 8)))
    return failure();
  if (panels.groups != 1)
    return op.emitOpError("has pairs in groups");
  return serveLines(op, std::move(*packed), PairRead());
}

} // namespace

FailureOr<ByteSource> packConstant(plan::ConstantOp op) {
  if (!op.getElementType().isIntOrFloat())
    return op.emitOpError("has elements of type ") << op.getElementType();
  int64_t width = elementBytes(op.getElementType());
  if (width > 8 || !llvm::isPowerOf2_64(width))
    return op.emitOpError("has elements of type ") << op.getElementType();
  if (op.getLayout() == "dense")
    return packDense(op, width);
  if (isRounded(op))
    return packRounded(op);
  if (op.getLayout() == "panels16")
    return packPanels(op, width);
  if (op.getLayout() == "pairs16")
    return packPairs(op, width);
  if (isLines(op))
    return packLines(op);
  return op.emitOpError("has unknown layout '") << op.getLayout() << "'";
}

} // namespace mmcc::artifact
