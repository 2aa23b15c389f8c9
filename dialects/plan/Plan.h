//===- Plan.h - The plan dialect --------------------------------*- C++ -*-===//
//
// What will be done: buffers, constants, kernels and their launches.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_DIALECTS_PLAN_PLAN_H
#define MMCC_DIALECTS_PLAN_PLAN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/plan/PlanDialect.h.inc"
#include "dialects/plan/PlanEnums.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/plan/PlanTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.h.inc"

#endif // MMCC_DIALECTS_PLAN_PLAN_H
