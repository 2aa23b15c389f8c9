//===- Emitter.h - Building mm with checks and known elements ---*- C++ -*-===//
//
// What the operator families build with. A Tensor is a value of the program
// together with those of its elements that import knows; integer tensors that
// are known completely get a value only when somebody asks for it, so that
// shape arithmetic leaves nothing behind.
//
// Failure needs no checks in between: fail() records the reason, functions
// given a null tensor return one, and the node's outputs then count as failed.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_IMPORT_EMITTER_H
#define MMCC_COMPILER_IMPORT_EMITTER_H

#include "compiler/import/Known.h"
#include "compiler/import/TensorReader.h"
#include "dialects/mm/MM.h"
#include "mlir/IR/Builders.h"

namespace mmcc::import {

struct Tensor {
  mlir::RankedTensorType type;
  mlir::Value value;
  std::shared_ptr<Known> known;
  /// A constant whose elements are of 4 bits in the model and of 8 here.
  bool isHalfByte = false;

  explicit operator bool() const { return static_cast<bool>(type); }
  /// Null for a null tensor, as scalar() and the predicates of ElementType.h
  /// take it.
  mlir::Type elementType() const {
    return type ? type.getElementType() : mlir::Type();
  }
  int64_t rank() const { return type ? type.getRank() : 0; }
  bool hasOneElement() const {
    return type && type.hasStaticShape() && type.getNumElements() == 1;
  }
  mm::Shape shape() const { return type ? mm::getShape(type) : mm::Shape(); }
  mm::Dim dim(int64_t index) const { return shape()[index]; }
};

class Emitter {
public:
  Emitter(mlir::OpBuilder &builder, DimFacts &facts, mlir::Location loc)
      : facts(facts), builder(builder), loc(loc) {}

  mlir::MLIRContext *context() const { return builder.getContext(); }
  /// Records the first reason and returns a null tensor.
  Tensor fail(const llvm::Twine &reason);
  bool hasFailed() const { return !reason.empty(); }
  llvm::StringRef failure() const { return reason; }
  mm::Dim dim(int64_t value) const {
    return mm::Dim::constant(context(), value);
  }

  // Constants and sizes.
  /// `attribute`, if it is not null, is what the content has become before; it
  /// is set otherwise.
  Tensor constant(const TensorContent &content, llvm::StringRef name,
                  mlir::ElementsAttr &attribute);
  Tensor constant(mlir::ElementsAttr elements);
  /// A rank-0 constant, rounded to the element type; fails if an integer type
  /// does not hold the number.
  Tensor scalar(double value, mlir::Type elementType);
  /// A rank-0 integer or bool, exactly.
  Tensor whole(int64_t value, mlir::Type elementType);
  Tensor integers(llvm::ArrayRef<int64_t> values);
  /// An i64 vector of sizes.
  Tensor sizes(llvm::ArrayRef<mm::Dim> dims);
  Tensor iota(const mm::Dim &start, int64_t step, const mm::Dim &length);
  Tensor fromKnown(std::shared_ptr<Known> known);
  /// A value of the program; the first use of a known tensor makes one.
  mlir::Value value(const Tensor &tensor);
  Tensor wrap(mlir::Value value) {
    return {mlir::cast<mlir::RankedTensorType>(value.getType()), value, {}};
  }

  // Data movement.
  Tensor reshape(const Tensor &x, llvm::ArrayRef<mm::Dim> shape);
  Tensor transpose(const Tensor &x, llvm::ArrayRef<int64_t> permutation);
  /// Swaps the last two dimensions.
  Tensor transposeLast(const Tensor &x);
  Tensor broadcast(const Tensor &x, llvm::ArrayRef<mm::Dim> shape);
  Tensor slice(const Tensor &x, llvm::ArrayRef<mm::Dim> offsets,
               llvm::ArrayRef<mm::Dim> lengths,
               llvm::ArrayRef<int64_t> steps = {});
  /// The part of one dimension.
  Tensor sliceAlong(const Tensor &x, int64_t axis, const mm::Dim &offset,
                    const mm::Dim &length);
  Tensor concat(llvm::ArrayRef<Tensor> inputs, int64_t axis);
  Tensor gather(const Tensor &x, const Tensor &indices, int64_t axis);
  Tensor squeeze(const Tensor &x, llvm::ArrayRef<int64_t> axes);
  /// `axes` are positions in the result.
  Tensor unsqueeze(const Tensor &x, llvm::ArrayRef<int64_t> axes);
  Tensor pad(const Tensor &x, llvm::ArrayRef<mm::Dim> low,
             llvm::ArrayRef<mm::Dim> shape, llvm::StringRef mode,
             const Tensor &value);

  // Maths.
  template <typename OpTy> Tensor unary(const Tensor &x) {
    return elementwise(OpTy::getOperationName(), x);
  }
  template <typename OpTy> Tensor binary(const Tensor &a, const Tensor &b) {
    return elementwise(OpTy::getOperationName(), a, b);
  }
  Tensor add(const Tensor &a, const Tensor &b) {
    return binary<mm::AddOp>(a, b);
  }
  Tensor sub(const Tensor &a, const Tensor &b) {
    return binary<mm::SubOp>(a, b);
  }
  Tensor mul(const Tensor &a, const Tensor &b) {
    return binary<mm::MulOp>(a, b);
  }
  Tensor div(const Tensor &a, const Tensor &b) {
    return binary<mm::DivOp>(a, b);
  }
  Tensor max(const Tensor &a, const Tensor &b) {
    return binary<mm::MaxOp>(a, b);
  }
  Tensor min(const Tensor &a, const Tensor &b) {
    return binary<mm::MinOp>(a, b);
  }
  /// With a number of the tensor's own element type.
  Tensor add(const Tensor &a, double b);
  Tensor mul(const Tensor &a, double b);
  Tensor compare(mm::Predicate predicate, const Tensor &a, const Tensor &b);
  Tensor select(const Tensor &condition, const Tensor &a, const Tensor &b);
  Tensor castTo(const Tensor &x, mlir::Type elementType, bool saturate = true);
  Tensor gelu(const Tensor &x, mm::GeluKind kind);
  Tensor reduce(mm::ReduceKind kind, const Tensor &x,
                llvm::ArrayRef<int64_t> axes, bool keep);
  Tensor matmul(const Tensor &a, const Tensor &b);
  Tensor softmax(const Tensor &x, int64_t axis, bool log = false);

  // Any operation. Null operands stand for absent optional ones; the groups
  // give operandSegmentSizes where the operation wants them.
  template <typename OpTy>
  Tensor emit(llvm::ArrayRef<Tensor> operands,
              llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    return inferred(OpTy::getOperationName(), operands, attributes);
  }
  template <typename OpTy>
  Tensor emitAs(mlir::RankedTensorType type, llvm::ArrayRef<Tensor> operands,
                llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    mlir::Operation *op =
        create(OpTy::getOperationName(), type, operands, attributes);
    return op ? wrap(op->getResult(0)) : Tensor();
  }
  /// Verified; null after a failure.
  mlir::Operation *create(llvm::StringRef name, mlir::TypeRange types,
                          llvm::ArrayRef<Tensor> operands,
                          llvm::ArrayRef<mlir::NamedAttribute> attributes);

  // Sizes.
  /// Fails if a tensor of this shape would be absurdly large.
  bool checkSize(llvm::ArrayRef<mm::Dim> shape);
  /// The numpy broadcast of two shapes, demanding equality where it must.
  std::optional<mm::Shape> broadcastShape(llvm::ArrayRef<mm::Dim> a,
                                          llvm::ArrayRef<mm::Dim> b);
  /// Fails unless the two sizes are equal or can be demanded to be.
  bool demandEqual(const mm::Dim &a, const mm::Dim &b, llvm::StringRef what);
  /// A possibly negative axis in [0, rank); fails outside.
  std::optional<int64_t> axis(int64_t axis, int64_t rank);
  /// Sorted and distinct.
  std::optional<llvm::SmallVector<int64_t>> axes(llvm::ArrayRef<int64_t> axes,
                                                 int64_t rank);

  mlir::NamedAttribute named(llvm::StringRef name, mlir::Attribute value) {
    return builder.getNamedAttr(name, value);
  }
  mlir::NamedAttribute named(llvm::StringRef name, int64_t value) {
    return named(name, builder.getI64IntegerAttr(value));
  }
  mlir::NamedAttribute flag(llvm::StringRef name, bool value) {
    return named(name, builder.getBoolAttr(value));
  }
  mlir::NamedAttribute real(llvm::StringRef name, double value) {
    return named(name, builder.getF64FloatAttr(value));
  }
  mlir::NamedAttribute list(llvm::StringRef name,
                            llvm::ArrayRef<int64_t> values) {
    return named(name, builder.getDenseI64ArrayAttr(values));
  }
  mlir::NamedAttribute string(llvm::StringRef name, llvm::StringRef value) {
    return named(name, builder.getStringAttr(value));
  }
  mlir::NamedAttribute dims(llvm::StringRef name,
                            llvm::ArrayRef<mm::Dim> values) {
    return named(name, mm::DimsAttr::get(context(), values));
  }
  mlir::NamedAttribute segments(llvm::ArrayRef<int32_t> sizes) {
    return named("operandSegmentSizes", builder.getDenseI32ArrayAttr(sizes));
  }

  DimFacts &facts;

protected:
  mlir::OpBuilder &builder;
  mlir::Location loc;

private:
  Tensor elementwise(llvm::StringRef operation, const Tensor &x);
  Tensor elementwise(llvm::StringRef operation, const Tensor &a,
                     const Tensor &b);
  Tensor inferred(llvm::StringRef name, llvm::ArrayRef<Tensor> operands,
                  llvm::ArrayRef<mlir::NamedAttribute> attributes);
  /// A known tensor of this type with elements taken by position: `source`
  /// gives for each coordinate of the result an operand and a position.
  std::shared_ptr<Known>
  knownOf(mlir::RankedTensorType type,
          llvm::function_ref<Scalar(llvm::ArrayRef<int64_t>)> element);
  /// The result of an operation: from its known elements if they suffice.
  Tensor finish(std::shared_ptr<Known> known,
                llvm::function_ref<Tensor()> emitOperation);

  std::string reason;
};

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_EMITTER_H
