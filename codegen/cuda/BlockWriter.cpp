#include "codegen/cuda/BlockWriter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mmcc::cuda {

static std::string call(StringRef function, ArrayRef<std::string> arguments) {
  return (function + "(" + llvm::join(arguments, ", ") + ")").str();
}

//===----------------------------------------------------------------------===//
// Constants and memory
//===----------------------------------------------------------------------===//

static std::string constantText(arith::ConstantOp op) {
  std::string type = valueTypeName(op.getType());
  if (auto integer = dyn_cast<IntegerAttr>(op.getValue())) {
    APInt value = integer.getValue();
    if (value.getBitWidth() == 1)
      return value.isZero() ? "false" : "true";
    // The most negative number has no literal of its own.
    if (value.getBitWidth() == 64 && value.isMinSignedValue())
      return "INT64_MIN";
    SmallString<32> text;
    value.toStringSigned(text);
    return type + "(" + text.str().str() + ")";
  }
  APFloat value = cast<FloatAttr>(op.getValue()).getValue();
  if (value.isNaN())
    return type + "(NAN)";
  if (value.isInfinity())
    return type + (value.isNegative() ? "(-INFINITY)" : "(INFINITY)");
  bool unused;
  bool isDouble = op.getType().isF64();
  value.convert(isDouble ? APFloat::IEEEdouble() : APFloat::IEEEsingle(),
                APFloat::rmNearestTiesToEven, &unused);
  // Hexadecimal digits lose nothing.
  char digits[64];
  value.convertToHexString(digits, 0, /*upperCase=*/false,
                           APFloat::rmNearestTiesToEven);
  return isDouble ? std::string(digits) : std::string(digits) + "f";
}

std::string BlockWriter::element(Value buffer, AffineMap map,
                                 ValueRange indices) {
  auto argument = dyn_cast<BlockArgument>(buffer);
  if (!argument || map.getNumResults() != 1 ||
      map.getNumDims() != indices.size())
    return "";
  SmallVector<IndexText> dims;
  for (Value index : indices)
    dims.push_back({names.lookup(index), computed.contains(index)});
  return "x" + std::to_string(argument.getArgNumber()) + "[" +
         affineText(map.getResult(0), dims) + "]";
}

LogicalResult BlockWriter::writeStore(plan::StoreOp op) {
  Type type = op.getValue().getType();
  std::string to = element(op.getBuffer(), op.getMap(), op.getIndices());
  if (to.empty() || memoryTypeName(type).empty())
    return op.emitError("CUDA code generation: cannot store this");
  std::string value = names.lookup(op.getValue());
  out.indent(indent) << to << " = " << value << ";\n";
  return success();
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

std::string BlockWriter::floatExpression(Operation *op) {
  if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
    std::string a = operand(op, 0), b = operand(op, 1);
    std::string unordered =
        "(" + a + " != " + a + " || " + b + " != " + b + ")";
    auto either = [&](StringRef sign) {
      return "(" + unordered + " || " + a + " " + sign.str() + " " + b + ")";
    };
    switch (compare.getPredicate()) {
    case arith::CmpFPredicate::AlwaysFalse:
      return "false";
    case arith::CmpFPredicate::AlwaysTrue:
      return "true";
    case arith::CmpFPredicate::OEQ:
      return a + " == " + b;
    case arith::CmpFPredicate::OGT:
      return a + " > " + b;
    case arith::CmpFPredicate::OGE:
      return a + " >= " + b;
    case arith::CmpFPredicate::OLT:
      return a + " < " + b;
    case arith::CmpFPredicate::OLE:
      return a + " <= " + b;
    case arith::CmpFPredicate::ONE:
      return a + " < " + b + " || " + a + " > " + b;
    case arith::CmpFPredicate::ORD:
      return "!" + unordered;
    case arith::CmpFPredicate::UEQ:
      return either("==");
    case arith::CmpFPredicate::UGT:
      return either(">");
    case arith::CmpFPredicate::UGE:
      return either(">=");
    case arith::CmpFPredicate::ULT:
      return either("<");
    case arith::CmpFPredicate::ULE:
      return either("<=");
    case arith::CmpFPredicate::UNE:
      return a + " != " + b;
    case arith::CmpFPredicate::UNO:
      return unordered;
    }
  }
  if (!isa<FloatType>(op->getResult(0).getType()))
    return "";
  StringRef sign = llvm::TypeSwitch<Operation *, StringRef>(op)
                       .Case([](arith::AddFOp) { return " + "; })
                       .Case([](arith::SubFOp) { return " - "; })
                       .Case([](arith::MulFOp) { return " * "; })
                       .Case([](arith::DivFOp) { return " / "; })
                       .Default([](Operation *) { return ""; });
  if (!sign.empty())
    return operand(op, 0) + sign.str() + operand(op, 1);
  SmallVector<std::string> arguments;
  for (unsigned i = 0; i < op->getNumOperands(); ++i)
    arguments.push_back(operand(op, i));
  if (isa<arith::NegFOp>(op))
    return "-" + arguments[0];
  if (isa<arith::MaximumFOp>(op))
    return call("maximum", arguments);
  if (isa<arith::MinimumFOp>(op))
    return call("minimum", arguments);
  if (isa<math::FPowIOp>(op))
    arguments[1] =
        valueTypeName(op->getResult(0).getType()) + "(" + arguments[1] + ")";
  StringRef function =
      llvm::StringSwitch<StringRef>(op->getName().getStringRef())
          .Case("math.absf", "fabs")
          .Case("math.sqrt", "sqrt")
          .Case("math.rsqrt", "rsqrt")
          .Case("math.floor", "floor")
          .Case("math.ceil", "ceil")
          .Case("math.trunc", "trunc")
          .Case("math.round", "round")
          .Case("math.roundeven", "rint")
          .Case("math.copysign", "copysign")
          .Case("math.fma", "fma")
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
          .Cases("math.powf", "math.fpowi", "pow")
          .Case("arith.remf", "fmod")
          .Case("arith.maxnumf", "fmax")
          .Case("arith.minnumf", "fmin")
          .Default("");
  if (function.empty())
    return "";
  bool isDouble = op->getResult(0).getType().isF64();
  return call(isDouble ? function.str() : function.str() + "f", arguments);
}

std::string BlockWriter::integerExpression(Operation *op) {
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    std::string a = operand(op, 0), b = operand(op, 1);
    std::string wideA = "bits(" + a + ")", wideB = "bits(" + b + ")";
    switch (compare.getPredicate()) {
    case arith::CmpIPredicate::eq:
      return a + " == " + b;
    case arith::CmpIPredicate::ne:
      return a + " != " + b;
    case arith::CmpIPredicate::slt:
      return call("less", {a, b});
    case arith::CmpIPredicate::sle:
      return "!" + call("less", {b, a});
    case arith::CmpIPredicate::sgt:
      return call("less", {b, a});
    case arith::CmpIPredicate::sge:
      return "!" + call("less", {a, b});
    case arith::CmpIPredicate::ult:
      return wideA + " < " + wideB;
    case arith::CmpIPredicate::ule:
      return wideA + " <= " + wideB;
    case arith::CmpIPredicate::ugt:
      return wideA + " > " + wideB;
    case arith::CmpIPredicate::uge:
      return wideA + " >= " + wideB;
    }
  }
  std::string type = valueTypeName(op->getResult(0).getType());
  SmallVector<std::string> arguments;
  for (unsigned i = 0; i < op->getNumOperands(); ++i)
    arguments.push_back(operand(op, i));
  StringRef name = op->getName().getStringRef();
  StringRef sign = llvm::StringSwitch<StringRef>(name)
                       .Case("arith.andi", " & ")
                       .Case("arith.ori", " | ")
                       .Case("arith.xori", " ^ ")
                       .Default("");
  // C++ computes in int.
  if (!sign.empty())
    return type + "(" + arguments[0] + sign.str() + arguments[1] + ")";
  auto unsignedChoice = [&](StringRef compare) {
    return "bits(" + arguments[0] + ") " + compare.str() + " bits(" +
           arguments[1] + ") ? " + arguments[0] + " : " + arguments[1];
  };
  if (name == "arith.maxui")
    return unsignedChoice(">");
  if (name == "arith.minui")
    return unsignedChoice("<");
  if (name == "arith.ceildivui")
    return ""; // nothing makes it
  StringRef function = llvm::StringSwitch<StringRef>(name)
                           .Case("arith.addi", "add")
                           .Case("arith.subi", "sub")
                           .Case("arith.muli", "mul")
                           .Case("arith.divsi", "divide")
                           .Case("arith.divui", "divideUnsigned")
                           .Case("arith.remsi", "remainder")
                           .Case("arith.remui", "remainderUnsigned")
                           .Case("arith.floordivsi", "divideFloor")
                           .Case("arith.ceildivsi", "divideCeil")
                           .Case("arith.shli", "shiftLeft")
                           .Case("arith.shrsi", "shiftRight")
                           .Case("arith.shrui", "shiftRightUnsigned")
                           .Case("arith.maxsi", "largest")
                           .Case("arith.minsi", "least")
                           .Case("math.ipowi", "power")
                           .Case("math.absi", "magnitude")
                           .Case("math.ctpop", "countOnes")
                           .Case("math.ctlz", "countLeadingZeros")
                           .Case("math.cttz", "countTrailingZeros")
                           .Default("");
  return function.empty() ? "" : call(function, arguments);
}

std::string BlockWriter::castExpression(Operation *op) {
  if (op->getNumOperands() != 1)
    return "";
  std::string x = operand(op, 0),
              to = valueTypeName(op->getResult(0).getType());
  Type from = op->getOperand(0).getType();
  auto as = [&](const std::string &value) { return to + "(" + value + ")"; };
  return llvm::TypeSwitch<Operation *, std::string>(op)
      .Case<arith::ExtFOp, arith::TruncFOp>([&](auto) { return as(x); })
      .Case([&](arith::ExtSIOp) {
        return from.isInteger(1) ? as("-int(" + x + ")") : as(x);
      })
      .Case<arith::ExtUIOp, arith::IndexCastUIOp>(
          [&](auto) { return as("bits(" + x + ")"); })
      .Case([&](arith::TruncIOp) {
        return to == "bool" ? as("(" + x + " & 1) != 0") : as(x);
      })
      .Case([&](arith::IndexCastOp) { return as(x); })
      .Case([&](arith::SIToFPOp) {
        return from.isInteger(1) ? as("-int(" + x + ")") : as(x);
      })
      .Case([&](arith::UIToFPOp) { return as("bits(" + x + ")"); })
      .Case([&](arith::FPToSIOp) {
        return to == "bool" ? x + " != 0" : "toInteger<" + to + ">(" + x + ")";
      })
      .Case([&](arith::FPToUIOp) {
        return to == "bool" ? x + " != 0" : "toUnsigned<" + to + ">(" + x + ")";
      })
      .Case([&](arith::BitcastOp) -> std::string {
        std::string fromBits = memoryTypeName(from);
        std::string toBits = memoryTypeName(op->getResult(0).getType());
        return "bitcast<" + toBits + ">(" + fromBits + "(" + x + "))";
      })
      .Default([](Operation *) { return ""; });
}

std::string BlockWriter::expression(Operation *op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return constantText(constant);
  if (auto load = dyn_cast<plan::LoadOp>(op)) {
    std::string from =
        element(load.getBuffer(), load.getMap(), load.getIndices());
    return load.getResult().getType().isInteger(1) && !from.empty()
               ? from + " != 0"
               : from;
  }
  if (auto size = dyn_cast<plan::SizeOp>(op))
    return size.getMap().getNumDims() || size.getMap().getNumResults() != 1
               ? ""
               : affineText(size.getMap().getResult(0), {});
  if (isa<arith::SelectOp>(op))
    return operand(op, 0) + " ? " + operand(op, 1) + " : " + operand(op, 2);
  if (std::string text = castExpression(op); !text.empty())
    return text;
  bool isFloat =
      op->getNumOperands() && isa<FloatType>(op->getOperand(0).getType());
  return isFloat ? floatExpression(op) : integerExpression(op);
}

LogicalResult BlockWriter::writeOp(Operation *op) {
  for (Value value : op->getOperands())
    if (!isa<plan::BufferType>(value.getType()) && !names.count(value))
      return op->emitError("CUDA code generation: value from outside of the "
                           "block");
  if (auto store = dyn_cast<plan::StoreOp>(op))
    return writeStore(store);
  Type type = op->getNumResults() == 1 ? op->getResult(0).getType() : Type();
  std::string typeName = type ? valueTypeName(type) : "";
  std::string text = typeName.empty() ? "" : expression(op);
  if (text.empty()) {
    InFlightDiagnostic error = op->emitError("CUDA code generation: ");
    if (type && typeName.empty())
      return error << "there are no values of type " << type;
    return error << "operation '" << op->getName() << "' is not known";
  }
  std::string name = "v" + std::to_string(count++);
  bool isExact = isa<plan::LoadOp, arith::SelectOp, arith::BitcastOp>(op);
  if (isNarrowFloat(type) && !isExact)
    text = "float(" + memoryTypeName(type) + "(" + text + "))";
  out.indent(indent) << "const " << typeName << " " << name << " = " << text
                     << ";\n";
  names[op->getResult(0)] = name;
  computed.insert(op->getResult(0));
  return success();
}

FailureOr<SmallVector<std::string>>
BlockWriter::write(plan::BlockOp block, ArrayRef<std::string> arguments) {
  Block &body = block.getBody().front();
  for (auto [position, argument] : llvm::enumerate(body.getArguments())) {
    if (position < arguments.size())
      names[argument] = arguments[position];
    else if (!argument.use_empty())
      return block.emitError("CUDA code generation: block has more arguments "
                             "than indices and values");
  }
  SmallVector<std::string> yields;
  for (Operation &op : body) {
    if (auto yield = dyn_cast<plan::YieldOp>(op)) {
      for (Value value : yield.getValues())
        yields.push_back(names.lookup(value));
    } else if (failed(writeOp(&op))) {
      return failure();
    }
  }
  return yields;
}

} // namespace mmcc::cuda
