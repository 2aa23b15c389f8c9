//===- MMMathOps.td - Elementwise maths and reductions -------*- tablegen -*-===//

#ifndef MMCC_MM_MATH_OPS
#define MMCC_MM_MATH_OPS

include "dialects/mm/MMBase.td"

// Every elementwise op broadcasts its operands as numpy does. Interface-free:
// `lower` holds one table from op to scalar body.
def MM_Elementwise : NativeOpTrait<"Elementwise"> {
  let cppNamespace = "::mmcc::mm";
}

// One operand; the result has its type (i1 for is_nan and is_inf).
class MM_UnaryOp<string mnemonic, string what, list<Trait> traits = []>
    : MM_InferredOp<mnemonic, !listconcat(traits, [MM_Elementwise])> {
  let summary = what;
  let arguments = (ins MM_Tensor:$input);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
}
// Two operands of one element type (pow: any), which broadcast.
class MM_BinaryOp<string mnemonic, string what, list<Trait> traits = []>
    : MM_InferredOp<mnemonic, !listconcat(traits, [MM_Elementwise])> {
  let summary = what;
  let arguments = (ins MM_Tensor:$lhs, MM_Tensor:$rhs);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasFolder = 1;
}

def MM_AbsOp : MM_UnaryOp<"abs", "absolute value">;
def MM_NegOp : MM_UnaryOp<"neg", "negation">;
def MM_ExpOp : MM_UnaryOp<"exp", "e to the power">;
def MM_LogOp : MM_UnaryOp<"log", "natural logarithm">;
def MM_SqrtOp : MM_UnaryOp<"sqrt", "square root">;
def MM_RsqrtOp : MM_UnaryOp<"rsqrt", "1 / square root">;
def MM_ReciprocalOp : MM_UnaryOp<"reciprocal", "1 / x">;
def MM_ErfOp : MM_UnaryOp<"erf", "error function">;
def MM_SinOp : MM_UnaryOp<"sin", "sine">;
def MM_CosOp : MM_UnaryOp<"cos", "cosine">;
def MM_TanOp : MM_UnaryOp<"tan", "tangent">;
def MM_AsinOp : MM_UnaryOp<"asin", "arc sine">;
def MM_AcosOp : MM_UnaryOp<"acos", "arc cosine">;
def MM_AtanOp : MM_UnaryOp<"atan", "arc tangent">;
def MM_SinhOp : MM_UnaryOp<"sinh", "hyperbolic sine">;
def MM_CoshOp : MM_UnaryOp<"cosh", "hyperbolic cosine">;
def MM_TanhOp : MM_UnaryOp<"tanh", "hyperbolic tangent">;
def MM_AsinhOp : MM_UnaryOp<"asinh", "inverse hyperbolic sine">;
def MM_AcoshOp : MM_UnaryOp<"acosh", "inverse hyperbolic cosine">;
def MM_AtanhOp : MM_UnaryOp<"atanh", "inverse hyperbolic tangent">;
def MM_SigmoidOp : MM_UnaryOp<"sigmoid", "1 / (1 + exp(-x))">;
def MM_ReluOp : MM_UnaryOp<"relu", "max(x, 0), NaN stays">;
def MM_SiluOp : MM_UnaryOp<"silu", "x * sigmoid(x)">;
def MM_CeilOp : MM_UnaryOp<"ceil", "rounds up">;
def MM_FloorOp : MM_UnaryOp<"floor", "rounds down">;
def MM_RoundOp : MM_UnaryOp<"round", "rounds to nearest, ties to even">;
def MM_SignOp : MM_UnaryOp<"sign", "-1, 0 or 1">;
def MM_NotOp : MM_UnaryOp<"not", "logical (i1) or bitwise complement">;
def MM_IsNaNOp : MM_UnaryOp<"is_nan", "whether NaN; i1">;
def MM_IsInfOp : MM_UnaryOp<"is_inf", "whether infinite; i1">;

def MM_GeluKindAttr : I32EnumAttr<"GeluKind", "forms of GELU",
    [I32EnumAttrCase<"Erf", 0, "erf">, I32EnumAttrCase<"Tanh", 1, "tanh">, I32EnumAttrCase<"Quick", 2, "quick">]> {
  let cppNamespace = "::mmcc::mm";
}
def MM_GeluOp : MM_InferredOp<"gelu", [MM_Elementwise]> {
  let summary = "Gaussian error linear unit";
  let description = [{
    erf: x/2 (1 + erf(x/sqrt 2)); tanh: its tanh approximation
    (Hendrycks and Gimpel, 2016); quick: x * sigmoid(1.702 x).
  }];
  let arguments = (ins MM_Tensor:$input, MM_GeluKindAttr:$kind);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$kind $input attr-dict `:` type($input) `->` type($result)";
}

def MM_AddOp : MM_BinaryOp<"add", "sum", [Commutative]>;
def MM_SubOp : MM_BinaryOp<"sub", "difference">;
def MM_MulOp : MM_BinaryOp<"mul", "product", [Commutative]>;
def MM_DivOp : MM_BinaryOp<"div", "quotient; integers truncate towards zero">;
def MM_ModOp : MM_BinaryOp<"mod", "remainder with the sign of the divisor (Python)">;
def MM_FModOp : MM_BinaryOp<"fmod", "remainder with the sign of the dividend (C)">;
def MM_PowOp : MM_BinaryOp<"pow", "power; the result has the type of the base">;
def MM_MaxOp : MM_BinaryOp<"max", "larger of the two; NaN wins", [Commutative]>;
def MM_MinOp : MM_BinaryOp<"min", "smaller of the two; NaN wins", [Commutative]>;
def MM_AndOp : MM_BinaryOp<"and", "logical (i1) or bitwise and", [Commutative]>;
def MM_OrOp : MM_BinaryOp<"or", "logical (i1) or bitwise or", [Commutative]>;
def MM_XorOp : MM_BinaryOp<"xor", "logical (i1) or bitwise exclusive or", [Commutative]>;
def MM_ShlOp : MM_BinaryOp<"shl", "shift left">;
def MM_ShrOp : MM_BinaryOp<"shr", "shift right, logical">;

def MM_PredicateAttr : I32EnumAttr<"Predicate", "comparisons; false on NaN except ne",
    [I32EnumAttrCase<"EQ", 0, "eq">, I32EnumAttrCase<"NE", 1, "ne">, I32EnumAttrCase<"LT", 2, "lt">,
     I32EnumAttrCase<"LE", 3, "le">, I32EnumAttrCase<"GT", 4, "gt">, I32EnumAttrCase<"GE", 5, "ge">]> {
  let cppNamespace = "::mmcc::mm";
}
def MM_CompareOp : MM_InferredOp<"compare", [MM_Elementwise]> {
  let summary = "compares elements; i1";
  let description = [{
    ```mlir
    %m = mm.compare lt %i, %j : tensor<8x1xi64>, tensor<8xi64> -> tensor<8x8xi1>
    ```
  }];
  let arguments = (ins MM_Tensor:$lhs, MM_Tensor:$rhs, MM_PredicateAttr:$predicate);
  let results = (outs MM_BoolTensor:$result);
  let assemblyFormat = "$predicate $lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasFolder = 1;
}
def MM_SelectOp : MM_InferredOp<"select", [MM_Elementwise]> {
  let summary = "condition ? on_true : on_false";
  let arguments = (ins MM_BoolTensor:$condition, MM_Tensor:$on_true, MM_Tensor:$on_false);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$condition `,` $on_true `,` $on_false attr-dict `:` type($condition) `,` type($on_true) `,` type($on_false) `->` type($result)";
  let hasFolder = 1;
}
def MM_CastOp : MM_Op<"cast", [MM_Elementwise]> {
  let summary = "changes the element type";
  let description = [{
    Float to integer truncates towards zero; to i1 is `!= 0`; to a narrower
    float rounds to nearest even. `saturate` applies to 8-bit floats.
    - C1: shapes are equal.
  }];
  let arguments = (ins MM_Tensor:$input, DefaultValuedAttr<BoolAttr, "true">:$saturate);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def MM_ReduceKindAttr : I32EnumAttr<"ReduceKind", "reductions",
    [I32EnumAttrCase<"Sum", 0, "sum">, I32EnumAttrCase<"Mean", 1, "mean">, I32EnumAttrCase<"Max", 2, "max">,
     I32EnumAttrCase<"Min", 3, "min">, I32EnumAttrCase<"Prod", 4, "prod">]> {
  let cppNamespace = "::mmcc::mm";
}
def MM_ReduceOp : MM_InferredOp<"reduce"> {
  let summary = "combines all elements along some dimensions";
  let description = [{
    Reduced dimensions stay with size 1 when `keep` is set, else disappear.
    - C1: `axes` are sorted, distinct and in [0, rank).

    ```mlir
    %m = mm.reduce mean %x axes [2] keep true : tensor<1x197x768xf32> -> tensor<1x197x1xf32>
    ```
  }];
  let arguments = (ins MM_Tensor:$input, MM_ReduceKindAttr:$kind, DenseI64ArrayAttr:$axes, BoolAttr:$keep);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$kind $input `axes` $axes `keep` $keep attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
}
def MM_ArgReduceOp : MM_InferredOp<"arg_reduce"> {
  let summary = "index (i64) of the largest or smallest element along one dimension";
  let description = [{
    Among equal elements the first is taken, with `last` the last.

    - C1: `axis` is in [0, rank).
  }];
  let arguments = (ins MM_Tensor:$input, I64Attr:$axis, BoolAttr:$keep, BoolAttr:$largest, DefaultValuedAttr<BoolAttr, "false">:$last);
  let results = (outs MM_Tensor:$result);
  let assemblyFormat = "$input `axis` $axis `keep` $keep `largest` $largest attr-dict `:` type($input) `->` type($result)";
}

#endif // MMCC_MM_MATH_OPS
