//===- BlockFloat.cpp - Floating-point arithmetic of blocks ---------------===//
//
// f16, bf16 and float8 are computed in f32 and rounded after each operation.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/BlockEmitter.h"
#include "codegen/cpu/NumberConversion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/IR/Intrinsics.h"

#include <cmath>

using namespace mlir;
using llvm::Intrinsic::ID;

namespace mmcc::cpu {

llvm::Value *BlockEmitter::wide(Value value) {
  return widenFloat(b, get(value), value.getType());
}

llvm::Value *BlockEmitter::rounded(llvm::Value *value, Operation *op) {
  return roundFloat(b, value, op->getResult(0).getType());
}

llvm::Value *BlockEmitter::mathCall(Operation *op, llvm::StringRef name,
                                    ArrayRef<llvm::Value *> args) {
  if (llvm::Value *value = math.call(b, name, args))
    return value;
  return error(op, "the microkernels have no function '" + name + "'");
}

static std::optional<ID> intrinsicOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<ID>>(op)
      .Case([](math::AbsFOp) { return llvm::Intrinsic::fabs; })
      .Case([](math::SqrtOp) { return llvm::Intrinsic::sqrt; })
      .Case([](math::FloorOp) { return llvm::Intrinsic::floor; })
      .Case([](math::CeilOp) { return llvm::Intrinsic::ceil; })
      .Case([](math::TruncOp) { return llvm::Intrinsic::trunc; })
      .Case([](math::RoundOp) { return llvm::Intrinsic::round; })
      .Case([](math::RoundEvenOp) { return llvm::Intrinsic::roundeven; })
      .Case([](math::CopySignOp) { return llvm::Intrinsic::copysign; })
      .Case([](arith::MaximumFOp) { return llvm::Intrinsic::maximum; })
      .Case([](arith::MinimumFOp) { return llvm::Intrinsic::minimum; })
      .Case([](arith::MaxNumFOp) { return llvm::Intrinsic::maxnum; })
      .Case([](arith::MinNumFOp) { return llvm::Intrinsic::minnum; })
      .Case([](math::FmaOp) { return llvm::Intrinsic::fma; })
      .Default([](Operation *) { return std::nullopt; });
}

/// Functions of the library by the name of the operation that means them.
static llvm::StringRef functionOf(Operation *op) {
  return llvm::StringSwitch<llvm::StringRef>(op->getName().getStringRef())
      .Case("math.exp", "exp")
      .Case("math.exp2", "exp2")
      .Case("math.expm1", "expm1")
      .Case("math.log", "log")
      .Case("math.log2", "log2")
      .Case("math.log10", "log10")
      .Case("math.log1p", "log1p")
      .Case("math.erf", "erf")
      .Case("math.tanh", "tanh")
      .Case("math.sin", "sin")
      .Case("math.cos", "cos")
      .Case("math.tan", "tan")
      .Case("math.asin", "asin")
      .Case("math.acos", "acos")
      .Case("math.atan", "atan")
      .Case("math.sinh", "sinh")
      .Case("math.cosh", "cosh")
      .Case("math.asinh", "asinh")
      .Case("math.acosh", "acosh")
      .Case("math.atanh", "atanh")
      .Case("math.atan2", "atan2")
      .Case("math.cbrt", "cbrt")
      .Case("math.powf", "pow")
      .Case("arith.remf", "fmod")
      .Default("");
}

/// What the library need not have, from what it has.
llvm::Value *BlockEmitter::composedMath(Operation *op) {
  llvm::StringRef name = op->getName().getStringRef();
  llvm::Value *x = wide(op->getOperand(0));
  auto constant = [&](double value) {
    return llvm::ConstantFP::get(x->getType(), value);
  };
  if (name == "math.rsqrt")
    return b.CreateFDiv(constant(1),
                        b.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, x));
  if (name == "math.exp2")
    return mathCall(op, "pow", {constant(2), x});
  if (name == "math.log2")
    return b.CreateFMul(mathCall(op, "log", {x}), constant(1.4426950408889634));
  if (name == "math.log10")
    return b.CreateFMul(mathCall(op, "log", {x}),
                        constant(0.43429448190325182));
  if (name == "math.cbrt") {
    llvm::Value *root = mathCall(
        op, "pow",
        {b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x), constant(1.0 / 3)});
    return b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, root, x);
  }
  if (name == "math.expm1")
    return b.CreateFSub(mathCall(op, "exp", {x}), constant(1));
  if (name == "math.log1p")
    return mathCall(op, "log", {b.CreateFAdd(x, constant(1))});
  if (name == "math.fpowi") {
    llvm::Value *power = get(op->getOperand(1));
    matchLanes(b, x, power);
    return mathCall(op, "pow", {x, b.CreateSIToFP(power, x->getType())});
  }
  return nullptr;
}

llvm::Value *BlockEmitter::floatOp(Operation *op) {
  if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
    llvm::Value *lhs = wide(compare.getLhs()), *rhs = wide(compare.getRhs());
    matchLanes(b, lhs, rhs);
    static constexpr llvm::CmpInst::Predicate predicates[] = {
        llvm::CmpInst::FCMP_FALSE, llvm::CmpInst::FCMP_OEQ,
        llvm::CmpInst::FCMP_OGT,   llvm::CmpInst::FCMP_OGE,
        llvm::CmpInst::FCMP_OLT,   llvm::CmpInst::FCMP_OLE,
        llvm::CmpInst::FCMP_ONE,   llvm::CmpInst::FCMP_ORD,
        llvm::CmpInst::FCMP_UEQ,   llvm::CmpInst::FCMP_UGT,
        llvm::CmpInst::FCMP_UGE,   llvm::CmpInst::FCMP_ULT,
        llvm::CmpInst::FCMP_ULE,   llvm::CmpInst::FCMP_UNE,
        llvm::CmpInst::FCMP_UNO,   llvm::CmpInst::FCMP_TRUE};
    return b.CreateFCmp(predicates[unsigned(compare.getPredicate())], lhs, rhs);
  }
  if (!isa<FloatType>(op->getResult(0).getType()))
    return nullptr;

  if (op->getNumOperands() == 2 &&
      isa<FloatType>(op->getOperand(1).getType())) {
    llvm::Value *lhs = wide(op->getOperand(0)), *rhs = wide(op->getOperand(1));
    matchLanes(b, lhs, rhs);
    llvm::Value *value =
        llvm::TypeSwitch<Operation *, llvm::Value *>(op)
            .Case([&](arith::AddFOp) { return b.CreateFAdd(lhs, rhs); })
            .Case([&](arith::SubFOp) { return b.CreateFSub(lhs, rhs); })
            .Case([&](arith::MulFOp) { return b.CreateFMul(lhs, rhs); })
            .Case([&](arith::DivFOp) { return b.CreateFDiv(lhs, rhs); })
            .Default([](Operation *) { return nullptr; });
    if (!value)
      if (std::optional<ID> id = intrinsicOf(op)) {
        value = b.CreateBinaryIntrinsic(*id, lhs, rhs);
        // Ordering -0 below +0 takes three more instructions, and nobody asks.
        if (auto *call = llvm::dyn_cast<llvm::CallInst>(value))
          call->setHasNoSignedZeros(*id != llvm::Intrinsic::copysign);
      }
    llvm::StringRef function = functionOf(op);
    if (!value && !function.empty())
      value = mathCall(op, function, {lhs, rhs});
    return value ? rounded(value, op) : nullptr;
  }

  llvm::Value *x = wide(op->getOperand(0));
  if (isa<arith::NegFOp>(op))
    return rounded(b.CreateFNeg(x), op);
  if (isa<math::FmaOp>(op)) {
    llvm::Value *y = wide(op->getOperand(1)), *z = wide(op->getOperand(2));
    matchLanes(b, x, y);
    matchLanes(b, x, z);
    matchLanes(b, x, y);
    return rounded(
        b.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, y, z}), op);
  }
  if (op->getNumOperands() == 1)
    if (std::optional<ID> id = intrinsicOf(op))
      return rounded(b.CreateUnaryIntrinsic(*id, x), op);
  llvm::StringRef function = functionOf(op);
  if (op->getNumOperands() == 1 && !function.empty() &&
      math.contains(function, x->getType()))
    return rounded(mathCall(op, function, {x}), op);
  if (llvm::Value *value = composedMath(op))
    return rounded(value, op);
  if (!function.empty())
    return mathCall(op, function, {x});
  return nullptr;
}

} // namespace mmcc::cpu
