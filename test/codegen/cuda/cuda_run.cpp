// Runs an entry of a scheduled plan with its CUDA kernels on this CPU:
//
//     cuda_run PLAN.mlir IN.npz OUT.npz
//
// PLAN.mlir is what `mmcc compile --target=cuda:… --stop-after=schedule`
// prints. Buffers are allocated one by one, so that a kernel that strays is
// found by what it finds there: NaN.

#include "codegen/artifact/ConstantPacking.h"
#include "dialects/mm/MM.h"
#include "test/codegen/cuda/HostKernels.h"
#include "tools/npz/Npz.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>

using namespace mmcc;
using namespace mlir;

namespace {

[[noreturn]] void stop(const llvm::Twine &message) {
  llvm::errs() << "cuda_run: " << message << "\n";
  std::exit(1);
}

int64_t bytesOf(Type element) {
  return (element.getIntOrFloatBitWidth() + 7) / 8;
}

npz::ElementType npzType(Type element) {
  npz::ElementType type;
  type.kind = element.isInteger(1)          ? 'b'
              : isa<FloatType>(element)     ? 'f'
              : element.isUnsignedInteger() ? 'u'
                                            : 'i';
  type.bytes = bytesOf(element);
  return type;
}

class EntryRun {
public:
  EntryRun(ModuleOp module, plan::VariantOp variant, plan::EntryOp entry)
      : module(module), entry(entry), kernels(variant) {
    if (!kernels.message.empty())
      stop(kernels.message);
  }

  void bindInputs(const std::vector<npz::Array> &arrays) {
    sizes.assign(entry.getSymbols().size(), 0);
    size_t inputs = entry.getInputNames().size();
    std::vector<const npz::Array *> given(inputs);
    for (size_t i = 0; i < inputs; ++i) {
      StringRef name = cast<StringAttr>(entry.getInputNames()[i]).getValue();
      for (const npz::Array &array : arrays)
        if (array.name == name)
          given[i] = &array;
      if (!given[i])
        stop("no input " + name);
      auto shape = cast<AffineMapAttr>(entry.getShapes()[i]).getValue();
      for (auto [dim, size] : llvm::zip(shape.getResults(), given[i]->dims))
        if (auto symbol = dyn_cast<AffineSymbolExpr>(dim))
          sizes[symbol.getPosition()] = size;
    }
    for (size_t i = 0; i < entry.getBody().front().getNumArguments(); ++i) {
      BlockArgument argument = entry.getBody().front().getArgument(i);
      char *memory = allocate(argument, elementsOf(i));
      if (i >= inputs)
        continue;
      if (int64_t(given[i]->data.size()) !=
          elementsOf(i) * bytesOf(elementType(argument)))
        stop("input " + given[i]->name + " has another size");
      std::memcpy(memory, given[i]->data.data(), given[i]->data.size());
    }
  }

  void run() {
    for (Operation &op : entry.getBody().front()) {
      if (auto alloc = dyn_cast<plan::AllocOp>(op))
        allocate(alloc.getResult(), evaluate(alloc.getElements())[0]);
      else if (auto constant = dyn_cast<plan::GetConstantOp>(op))
        readConstant(constant);
      else if (auto dispatch = dyn_cast<plan::DispatchOp>(op))
        launch(dispatch);
      else
        stop("unknown command " + op.getName().getStringRef());
    }
  }

  std::vector<npz::Array> outputs() {
    std::vector<npz::Array> arrays;
    size_t inputs = entry.getInputNames().size();
    for (auto [i, name] : llvm::enumerate(entry.getOutputNames())) {
      npz::Array array;
      array.name = cast<StringAttr>(name).getValue().str();
      BlockArgument argument = entry.getBody().front().getArgument(inputs + i);
      Type element = elementType(argument);
      array.type = npzType(element);
      array.dims = evaluate(
          cast<AffineMapAttr>(entry.getShapes()[inputs + i]).getValue());
      const std::string &memory = buffers[argument];
      array.data.assign(memory.begin(),
                        memory.begin() +
                            elementsOf(inputs + i) * bytesOf(element));
      arrays.push_back(std::move(array));
    }
    return arrays;
  }

private:
  static Type elementType(Value buffer) {
    return cast<plan::BufferType>(buffer.getType()).getElementType();
  }

  std::vector<int64_t> evaluate(AffineMap map) const {
    SmallVector<AffineExpr> symbols;
    for (int64_t size : sizes)
      symbols.push_back(getAffineConstantExpr(size, map.getContext()));
    symbols.resize(map.getNumSymbols(),
                   getAffineConstantExpr(0, map.getContext()));
    std::vector<int64_t> values;
    for (AffineExpr expr : map.getResults()) {
      auto value = dyn_cast<AffineConstantExpr>(expr.replaceSymbols(symbols));
      if (!value)
        stop("an expression has no value");
      values.push_back(value.getValue());
    }
    return values;
  }

  int64_t elementsOf(size_t argument) {
    int64_t count = 1;
    for (int64_t size :
         evaluate(cast<AffineMapAttr>(entry.getShapes()[argument]).getValue()))
      count *= size;
    return count;
  }

  char *allocate(Value buffer, int64_t elements) {
    std::string &memory = buffers[buffer];
    memory.assign(elements * bytesOf(elementType(buffer)) + 64, '\xff');
    return memory.data();
  }

  void readConstant(plan::GetConstantOp op) {
    auto constant = module.lookupSymbol<plan::ConstantOp>(op.getConstant());
    FailureOr<artifact::ByteSource> source = artifact::packConstant(constant);
    if (failed(source))
      stop("a constant cannot be packed");
    std::string &memory = buffers[op.getResult()];
    memory.assign(source->bytes + 64, '\0');
    constexpr uint64_t kBlock = 1 << 20;
    for (uint64_t at = 0; at < source->bytes; at += kBlock)
      if (!source->read(at, reinterpret_cast<uint8_t *>(memory.data()) + at,
                        std::min(kBlock, source->bytes - at)))
        stop("a constant cannot be read");
  }

  void launch(plan::DispatchOp op) {
    std::vector<void *> operands;
    for (Value operand : op.getOperands())
      operands.push_back(buffers[operand].data());
    std::vector<int64_t> grid = evaluate(op.getGrid());
    if (!kernels.run(op.getKernel().str(), {grid[0], grid[1], grid[2]},
                     operands, evaluate(op.getSizes())))
      stop("no kernel " + op.getKernel());
  }

  ModuleOp module;
  plan::EntryOp entry;
  test::HostKernels kernels;
  std::vector<int64_t> sizes;
  DenseMap<Value, std::string> buffers;
};

} // namespace

int main(int argc, char **argv) {
  if (argc != 4) {
    llvm::errs() << "usage: cuda_run PLAN.mlir IN.npz OUT.npz\n";
    return 2;
  }
  MLIRContext context;
  context.loadDialect<mm::MMDialect, plan::PlanDialect, arith::ArithDialect,
                      math::MathDialect>();
  auto module = parseSourceFile<ModuleOp>(argv[1], &context);
  if (!module)
    return 1;
  std::vector<npz::Array> inputs;
  if (std::string message = npz::readNpz(argv[2], inputs); !message.empty())
    stop(message);
  auto variants = module->getOps<plan::VariantOp>();
  if (variants.empty())
    stop("no variant");
  plan::VariantOp variant = *variants.begin();
  auto entry = *variant.getBody().getOps<plan::EntryOp>().begin();
  EntryRun run(*module, variant, entry);
  run.bindInputs(inputs);
  run.run();
  if (std::string message = npz::writeNpz(argv[3], run.outputs());
      !message.empty())
    stop(message);
  return 0;
}
