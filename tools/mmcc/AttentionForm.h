//===- AttentionForm.h - How an attention is carried out --------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCC_ATTENTIONFORM_H
#define MMCC_TOOLS_MMCC_ATTENTIONFORM_H

#include "dialects/plan/Plan.h"
#include <string>

namespace mmcc {

/// Which of the exact forms of attention_f32, _bf16 or _i8 a kernel takes, and
/// why, from the parameters that lowering chose; empty for another kernel.
std::string describeAttentionForm(plan::KernelOp kernel);

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_ATTENTIONFORM_H
