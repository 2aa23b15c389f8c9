//===- LibraryCalls.cpp - The pass plan-library-calls ---------------------===//
//
// What a kernel does with a sum is read off its post block:
//
//     result [m, n] = activation(sum + bias [n] + residual [m, n])
//
// in any order of the addends, each of which may be missing. Whatever else a
// block does, the library does not.
//
//===----------------------------------------------------------------------===//

#include "dialects/plan/Plan.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "passes/schedule/Passes.h"
#include <cmath>
#include <map>

using namespace mlir;

namespace mmcc {
#define GEN_PASS_DEF_PLANLIBRARYCALLS
#include "passes/schedule/Passes.h.inc"

namespace {

/// Of as few rows as this, or columns, a product is soon over in any case.
constexpr int64_t kLeastRows = 128, kLeastColumns = 64, kLeastDepth = 64;
/// Elements of 16 bytes of bf16 or f16, which the library's fast kernels read
/// at once.
constexpr int64_t kUnit = 8;
/// Where a parameter of a product's row stands (kernels.inc).
enum Param { kBatch, kRows, kColumns, kDepth, kBatchStride, kRowStride };

//===----------------------------------------------------------------------===//
// Scalar expressions
//===----------------------------------------------------------------------===//

bool isNumber(Value value, double number) {
  llvm::APFloat constant(0.0f);
  return matchPattern(value, m_ConstantFloat(&constant)) &&
         std::abs(constant.convertToDouble() - number) <= 1e-6;
}

/// The other operand of a commutative operation with one that `isIt`.
template <typename Op, typename IsIt> Value besides(Value value, IsIt isIt) {
  auto op = value.getDefiningOp<Op>();
  if (!op)
    return {};
  for (unsigned i = 0; i < 2; ++i)
    if (isIt(op->getOperand(i)))
      return op->getOperand(1 - i);
  return {};
}
template <typename Op> Value besides(Value value, double number) {
  return besides<Op>(value, [&](Value v) { return isNumber(v, number); });
}

/// x of x * 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x))).
Value ofTanhGelu(Value value) {
  Value x;
  Value factor = besides<arith::MulFOp>(value, [&](Value half) {
    x = besides<arith::MulFOp>(half, 0.5);
    return bool(x);
  });
  Value inner = factor ? besides<arith::AddFOp>(factor, 1.0) : Value();
  auto tanh = inner ? inner.getDefiningOp<math::TanhOp>() : math::TanhOp();
  Value sum =
      tanh ? besides<arith::MulFOp>(tanh.getOperand(), std::sqrt(2.0 / M_PI))
           : Value();
  auto isX = [&](Value v) { return v == x; };
  Value term = sum ? besides<arith::AddFOp>(sum, isX) : Value();
  Value cube = term ? besides<arith::MulFOp>(term, 0.044715) : Value();
  Value square = cube ? besides<arith::MulFOp>(cube, isX) : Value();
  return square && besides<arith::MulFOp>(square, isX) == x ? x : Value();
}

//===----------------------------------------------------------------------===//
// Index expressions
//===----------------------------------------------------------------------===//

/// A sum of products, whose factors are neither sums nor products:
///
///     (d1 floordiv s0) * (s0 * 24) + (d1 mod s0) * 24 + d2  =  d1 * 24 + d2
///
/// MLIR's own simplification wants to know s0.
class Sum {
public:
  explicit Sum(AffineExpr expr) {
    add(expr, 1, {});
    while (join()) {
    }
  }
  bool operator==(const Sum &other) const { return terms == other.terms; }

private:
  /// Equal ones are next to each other; the order has no other meaning.
  using Factors = SmallVector<AffineExpr, 4>;
  struct ByAddress {
    bool operator()(const Factors &a, const Factors &b) const {
      return std::lexicographical_compare(a.begin(), a.end(), b.begin(),
                                          b.end(), isBefore);
    }
  };
  static bool isBefore(AffineExpr a, AffineExpr b) {
    return a.getAsOpaquePointer() < b.getAsOpaquePointer();
  }

  static Factors sorted(Factors factors) {
    llvm::sort(factors, isBefore);
    return factors;
  }

  /// Adds coefficient * factors * expr.
  void add(AffineExpr expr, int64_t coefficient, Factors factors) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
    if (binary && expr.getKind() == AffineExprKind::Add) {
      add(binary.getLHS(), coefficient, factors);
      add(binary.getRHS(), coefficient, factors);
      return;
    }
    if (binary && expr.getKind() == AffineExprKind::Mul) {
      // Of the two, the one that is no sum can become factors.
      AffineExpr sum = binary.getLHS(), rest = binary.getRHS();
      if (sum.getKind() != AffineExprKind::Add)
        std::swap(sum, rest);
      if (!multiply(rest, coefficient, factors))
        factors.push_back(rest);
      add(sum, coefficient, factors);
      return;
    }
    if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      coefficient *= constant.getValue();
    else
      factors.push_back(expr);
    int64_t &known = terms[sorted(factors)];
    known += coefficient;
    if (known == 0)
      terms.erase(sorted(factors));
  }

  /// Multiplies by a product; false, and nothing, if there are sums in it.
  static bool multiply(AffineExpr expr, int64_t &coefficient,
                       Factors &factors) {
    if (expr.getKind() == AffineExprKind::Add)
      return false;
    if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
      coefficient *= constant.getValue();
      return true;
    }
    if (expr.getKind() != AffineExprKind::Mul) {
      factors.push_back(expr);
      return true;
    }
    auto binary = cast<AffineBinaryOpExpr>(expr);
    int64_t product = coefficient;
    Factors both = factors;
    if (!multiply(binary.getLHS(), product, both) ||
        !multiply(binary.getRHS(), product, both))
      return false;
    coefficient = product;
    factors = both;
    return true;
  }

  /// Makes (x floordiv s) * s * r + (x mod s) * r to x * r, once.
  bool join() {
    for (const auto &[factors, coefficient] : terms)
      for (AffineExpr factor : factors) {
        if (factor.getKind() != AffineExprKind::Mod)
          continue;
        auto mod = cast<AffineBinaryOpExpr>(factor);
        Factors rest = factors;
        rest.erase(llvm::find(rest, factor));
        int64_t scale = coefficient;
        Factors quotient = rest;
        quotient.push_back(mod.getLHS().floorDiv(mod.getRHS()));
        if (!multiply(mod.getRHS(), scale, quotient))
          continue;
        auto other = terms.find(sorted(quotient));
        if (other == terms.end() || other->second != scale)
          continue;
        int64_t kept = coefficient;
        Factors joined = factors;
        terms.erase(other);
        terms.erase(joined);
        add(mod.getLHS(), kept, rest);
        return true;
      }
    return false;
  }

  std::map<Factors, int64_t, ByAddress> terms;
};

//===----------------------------------------------------------------------===//
// A post block
//===----------------------------------------------------------------------===//

/// The product of rows that a kernel computes, and what becomes of it.
struct Product {
  plan::KernelOp kernel;
  int64_t columns, depth;
  /// Arguments of the kernel.
  Value result, bias, residual;
  Type half;             // of what is multiplied
  bool isNarrow = false; // the result is of it, too
  StringRef activation;
};

class PostReader {
public:
  explicit PostReader(Product &product) : product(product) {}

  bool read(plan::BlockOp block) {
    Block &body = block.getBody().front();
    auto stores = body.getOps<plan::StoreOp>();
    if (body.getNumArguments() != 4 || !llvm::hasSingleElement(stores))
      return false;
    plan::StoreOp store = *stores.begin();
    Value value = store.getValue();
    if (auto narrow = value.getDefiningOp<arith::TruncFOp>()) {
      product.isNarrow = narrow.getType() == product.half;
      value = narrow.getIn();
    }
    Type element = elementOf(store.getBuffer());
    if (!(product.isNarrow ? element == product.half : element.isF32()) ||
        !value.getType().isF32() || !isRowMajor(store))
      return false;
    product.result = store.getBuffer();
    if (Value x = ofTanhGelu(value)) {
      product.activation = "gelu";
      value = x;
    } else if (Value x = besides<arith::MaximumFOp>(value, 0.0)) {
      product.activation = "relu";
      value = x;
    }
    return addend(value) && hasSum;
  }

private:
  static Type elementOf(Value buffer) {
    return cast<plan::BufferType>(buffer.getType()).getElementType();
  }

  /// Where an access goes, in terms of the row d1 and the column d2.
  template <typename Access> AffineExpr indexOf(Access access) {
    AffineMap map = access.getMap();
    MLIRContext *context = map.getContext();
    SmallVector<AffineExpr> dims, symbols;
    for (Value index : access.getIndices()) {
      auto argument = dyn_cast<BlockArgument>(index);
      if (!argument)
        return {};
      dims.push_back(argument.getArgNumber() == 0
                         ? getAffineConstantExpr(0, context) // one batch
                         : getAffineDimExpr(argument.getArgNumber(), context));
    }
    for (unsigned i = 0; i < map.getNumSymbols(); ++i)
      symbols.push_back(getAffineSymbolExpr(i, context));
    return simplifyAffineExpr(
        map.getResult(0).replaceDimsAndSymbols(dims, symbols), 3,
        map.getNumSymbols());
  }

  template <typename Access> bool isRowMajor(Access access) {
    MLIRContext *context = access->getContext();
    AffineExpr index = indexOf(access);
    return index &&
           Sum(index) == Sum(getAffineDimExpr(1, context) * product.columns +
                             getAffineDimExpr(2, context));
  }

  bool addend(Value value) {
    if (auto sum = value.getDefiningOp<arith::AddFOp>())
      return addend(sum.getLhs()) && addend(sum.getRhs());
    if (auto argument = dyn_cast<BlockArgument>(value)) // the sum
      return !std::exchange(hasSum, true);
    bool isWidened = false;
    if (auto wide = value.getDefiningOp<arith::ExtFOp>()) {
      isWidened = true;
      value = wide.getIn();
    }
    auto load = value.getDefiningOp<plan::LoadOp>();
    if (!load)
      return false;
    Type element = elementOf(load.getBuffer());
    if (!(isWidened ? element == product.half : element.isF32()))
      return false;
    if (indexOf(load) == getAffineDimExpr(2, load.getContext()))
      return !std::exchange(product.bias, load.getBuffer()) &&
             (!isWidened || product.isNarrow);
    return isRowMajor(load) && isWidened == product.isNarrow &&
           !std::exchange(product.residual, load.getBuffer());
  }

  Product &product;
  bool hasSum = false;
};

/// The product, if the kernel is one that a library may compute.
std::optional<Product> productOf(plan::KernelOp kernel) {
  AffineMap params = kernel.getParams();
  Builder builder(kernel.getContext());
  Type half = kernel.getRow() == "gemm_bf16_bf16" ? Type(builder.getBF16Type())
              : kernel.getRow() == "gemm_f16_f16" ? Type(builder.getF16Type())
                                                  : Type();
  if (!half || kernel.getWritten().size() != 1)
    return std::nullopt;
  auto constant = [&](unsigned param) {
    auto expr = dyn_cast<AffineConstantExpr>(params.getResult(param));
    return expr ? expr.getValue() : -1;
  };
  Product product{kernel, constant(kColumns), constant(kDepth), {}, {}, {},
                  half};
  if (constant(kBatch) != 1 || product.columns < kLeastColumns ||
      product.depth < kLeastDepth || product.columns % kUnit ||
      product.depth % kUnit || constant(kRowStride) < product.depth ||
      constant(kRowStride) % kUnit || kernel.getOffsets().getResult(1) != 0)
    return std::nullopt;
  auto blocks = kernel.getBody().getOps<plan::BlockOp>();
  if (!llvm::hasSingleElement(blocks) ||
      !PostReader(product).read(*blocks.begin()))
    return std::nullopt;
  return product;
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

struct PlanLibraryCalls : impl::PlanLibraryCallsBase<PlanLibraryCalls> {
  void runOnOperation() override {
    for (auto variant : getOperation().getOps<plan::VariantOp>()) {
      if (!variant.getTarget().starts_with("cuda:"))
        continue;
      llvm::StringMap<std::optional<Product>> products;
      for (auto kernel : variant.getBody().getOps<plan::KernelOp>())
        products[kernel.getSymName()] = productOf(kernel);
      for (auto entry : variant.getBody().getOps<plan::EntryOp>())
        for (auto dispatch : llvm::make_early_inc_range(
                 entry.getBody().getOps<plan::DispatchOp>()))
          if (std::optional<Product> product =
                  products.lookup(dispatch.getKernel()))
            describe(dispatch, *product);
    }
  }

  plan::ConstantOp constantOf(Value buffer) {
    auto get = buffer.getDefiningOp<plan::GetConstantOp>();
    return get ? SymbolTable::lookupNearestSymbolFrom<plan::ConstantOp>(
                     getOperation(), get.getConstantAttr())
               : plan::ConstantOp();
  }

  /// The dispatch's operand that the kernel has as `argument`.
  static Value operandOf(plan::DispatchOp dispatch, Value argument) {
    return dispatch
        .getKernelOperands()[cast<BlockArgument>(argument).getArgNumber()];
  }

  /// The bias in 16 bits.
  Value rounded(plan::DispatchOp dispatch, Value bias, Type half) {
    if (cast<plan::BufferType>(bias.getType()).getElementType() == half)
      return bias;
    plan::ConstantOp wide = constantOf(bias);
    if (!wide || wide.getLayout() != "dense")
      return {};
    OpBuilder builder(wide);
    builder.setInsertionPointAfter(wide);
    std::string name =
        (wide.getSymName() + (half.isF16() ? "_f16" : "_bf16")).str();
    if (!SymbolTable::lookupNearestSymbolFrom(getOperation(),
                                              builder.getStringAttr(name)))
      builder.create<plan::ConstantOp>(
          wide.getLoc(), builder.getStringAttr(name), TypeAttr::get(half),
          builder.getStringAttr("rounded"),
          builder.getI64IntegerAttr(wide.getBytes() / 2),
          builder.getI64IntegerAttr(1), wide.getSources(), wide.getPieces());
    builder.setInsertionPoint(dispatch);
    return builder.create<plan::GetConstantOp>(
        wide.getLoc(), plan::BufferType::get(builder.getContext(), half),
        FlatSymbolRefAttr::get(builder.getContext(), name), UnitAttr());
  }

  void describe(plan::DispatchOp dispatch, const Product &product) {
    plan::KernelOp kernel = product.kernel;
    Value weights = dispatch.getKernelOperands()[1];
    auto constant = weights.getDefiningOp<plan::GetConstantOp>();
    AffineMap sizes = dispatch.getSizes();
    auto ofEntry = [&](AffineExpr expr) {
      return expr.replaceSymbols(sizes.getResults());
    };
    AffineExpr rows = ofEntry(kernel.getParams().getResult(kRows));
    auto known = dyn_cast<AffineConstantExpr>(rows);
    if (!constant || !constant.getColumns() ||
        (known && known.getValue() < kLeastRows))
      return;
    Builder builder(&getContext());
    SmallVector<Value> operands{weights, dispatch.getKernelOperands()[0],
                                operandOf(dispatch, product.result)};
    SmallVector<StringRef> form;
    if (product.bias) {
      Value bias = operandOf(dispatch, product.bias);
      if (product.isNarrow)
        bias = rounded(dispatch, bias, product.half);
      if (!bias)
        return;
      operands.push_back(bias);
      form.push_back("bias");
    }
    if (product.residual) {
      operands.push_back(operandOf(dispatch, product.residual));
      form.push_back("residual");
    }
    if (!product.activation.empty())
      form.push_back(product.activation);
    if (product.isNarrow)
      form.push_back("narrow");
    if (product.half.isF16())
      form.push_back("f16");
    AffineExpr depth = builder.getAffineConstantExpr(product.depth);
    AffineExpr all[] = {
        rows,  builder.getAffineConstantExpr(product.columns),
        depth, ofEntry(kernel.getParams().getResult(kRowStride)),
        depth, ofEntry(kernel.getOffsets().getResult(0)),
    };
    dispatch.setLibrary("cublaslt.matmul");
    dispatch.setForm(llvm::join(form, ","));
    dispatch.setLibrarySizesAttr(AffineMapAttr::get(
        AffineMap::get(0, sizes.getNumSymbols(), all, &getContext())));
    dispatch.getLibraryOperandsMutable().assign(operands);
    ++calls;
  }
};

} // namespace
} // namespace mmcc
