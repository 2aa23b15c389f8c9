//===- AttentionForm.cpp - How an attention is carried out ----------------===//

#include "tools/mmcc/AttentionForm.h"
#include "codegen/cpu/KernelTable.h"
#include "codegen/cpu/kernels/Scratch.h"

using namespace mmcc;

namespace {

class Form {
public:
  Form(plan::KernelOp kernel, const cpu::KernelRow &row)
      : params(kernel.getParams()), names(row.params) {}

  std::string describe() const {
    std::optional<int64_t> queries = get("Sq");
    if (queries && *queries <= 4)
      return "streamed: at most four queries read keys and values where they "
             "lie, once";
    std::string text =
        "packed: each cell of " + std::to_string(get("q_block").value_or(0)) +
        " queries packs the keys that it sees, at most " +
        std::to_string(cpu::kKeyBlock) + " at a time, to stay in the cache";
    if (get("spans").value_or(0) > 0)
      text += "; only those in its spans, whose blocks the mask keeps";
    if (get("window").value_or(0) > 0)
      text += "; only those in its window";
    if (get("stride").value_or(0) > 0)
      text += ", and each " + std::to_string(*get("stride")) + "th of all";
    if (!queries)
      text += "; streamed when a call has at most four queries";
    return text;
  }

private:
  std::optional<int64_t> get(llvm::StringRef name) const {
    auto found = llvm::find(names, name);
    unsigned index = found - names.begin();
    if (found == names.end() || index >= params.getNumResults())
      return std::nullopt;
    auto constant =
        llvm::dyn_cast<mlir::AffineConstantExpr>(params.getResult(index));
    return constant ? std::optional(constant.getValue()) : std::nullopt;
  }

  mlir::AffineMap params;
  llvm::ArrayRef<llvm::StringRef> names;
};

} // namespace

std::string mmcc::describeAttentionForm(plan::KernelOp kernel) {
  if (!llvm::is_contained(
          {"attention_f32", "attention_bf16", "attention_f16", "attention_i8"},
          kernel.getRow()))
    return "";
  // All of them have the params of one, which is for every target.
  const cpu::KernelRow *row = cpu::findKernelRow("attention_f32");
  return row ? Form(kernel, *row).describe() : "";
}
