//===- HelpText.h - What --help prints --------------------------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCC_HELPTEXT_H
#define MMCC_TOOLS_MMCC_HELPTEXT_H

namespace mmcc {

inline constexpr char kHelp[] =
    R"(mmcc - ahead-of-time compiler for multimodal ONNX models

  mmcc compile MODEL.onnx -o OUT.mmcc [options]    see mmcc compile --help
  mmcc inspect FILE.mmcc [--json]                  what is inside an artifact
  mmcc explain MODEL.onnx                          which nodes became which kernel
  mmcc doctor MODEL.onnx                           every blocker at once
  mmcc diff MODEL.onnx FILE.mmcc --inputs IN.npz   names the first node that departs
  mmcc tune FILE.mmcc --tuning=RECORD              times its layers in every scheme, here

Exit codes: 0 done, 1 the input is at fault, 2 the command line is,
3 a contract failed, 4 the environment is at fault.
)";

inline constexpr char kCompileHelp[] =
    R"(mmcc compile MODEL.onnx... | PROGRAM.json -o OUT.mmcc [options]
An entry point each; {"entries": {"a": "A.onnx", "b": "B.onnx"}, "connect":
[["a.y", "b.x"]], "missing": {"a": "zero"}} in PROGRAM.json joins them to one more.
  --target=cpu | cpu:LEVEL,... | cpu:native | cuda:ARCH,...    x86-64-v3, -v4, more; sm_80, more
  --dim NAME=N | NAME=LO..HI    fixes or bounds a symbolic dimension
  --attention=auto | full | window=W | sparse=W,S    keys at most W tokens away, and every
                        S-th; N:window=W or N..M:... for layers; may be repeated
  --tome=r=N | r=N..M | r=N/N/... | ratio=X | off    merges similar tokens in each encoder
                        layer; then perhaps ,protect=N and ,neighbours; --tome-map tells which
  --prune=keep=N | ratio=X | off    lets N image tokens, or this share, into a decoder; then
                        perhaps ,at=NODE where they are; --prune-map tells which
  --max-drop=X --calibrate=DIR    lose at most X points of accuracy on the .npz samples in DIR
                        (else exit 3); without --tome, merges as many tokens as keep that
  --quantize=auto | w3a16 | w4a16 | w4a8 | w8a16 | w8a8[-dynamic] | fp8[-e5m2 | -dynamic | -static]
                        bits of weights, activations; --group-size=N share a scale; --asymmetric:
                        a zero; --method=rtn | gptq | awq | smoothquant, --act-order look at samples
  --tuning=RECORD       --quantize=auto goes by timings: of mmcc tune, or made now and added
  --precision=f32 | bf16 | f16 | auto | tf32    of weights and products; tf32: a GPU's products
  --kv=f32 | f16 | int8 | fp8 | off    how a decoder's added entry NAME.state keeps its past
  -O0 | --strict        switches every optimisation off; exit 3 if an attention stays in pieces
  --stop-after=STAGE    prints the IR after import, simplify, optimize, quantize, lower, schedule
  --from=STAGE          takes printed IR up again: mmcc compile X.mlir --from=...
  --dump-code=DIR       kernels as .ll and .s, or .cu and .ptx; --time: seconds, memory by stage
  --report=FILE.html    a page about the artifact at work here, on the first sample of DIR
)";

inline constexpr char kTuneHelp[] =
    R"(mmcc tune FILE.mmcc --tuning=RECORD [--device=cpu | cuda:N]

Times the linear layers of an artifact in every scheme that --quantize=auto
chooses from, on this machine, and adds the figures to RECORD, which mmcc compile
--tuning=RECORD then decides by. On a GPU it times each product that cuBLASLt may
do in the ways that the library has, and by the artifact's kernel.
)";

inline constexpr char kInspectHelp[] =
    R"(mmcc inspect FILE.mmcc [--json | --commands]

Prints entry points, shapes, kernels, sizes and options of an artifact; with
--commands also every launch.
)";

inline constexpr char kExplainHelp[] =
    R"(mmcc explain MODEL.onnx [--target=...] [--dim ...] [--tome=...] [--prune=...]
             [--quantize=...] [--precision=...] [-O0]

Prints which nodes of the model became which kernel; remarks on standard error
say why what looked like attention stayed in pieces.
)";

inline constexpr char kDoctorHelp[] = R"(mmcc doctor MODEL.onnx [--dim ...]

Prints everything that keeps the model from being compiled, with node names.
Exit code 1 if there is anything.
)";

inline constexpr char kDiffHelp[] =
    R"(mmcc diff MODEL.onnx FILE.mmcc --inputs IN.npz [--reference OUT.npz] [--sqnr=DB] [--dim ...]

Compares the artifact with an unoptimised compile of the model, or with given
outputs, within rtol 1e-3 and atol 1e-4. Exit code 3 where they depart, with
the name of the first node that does. With --sqnr a tensor departs where signal
to noise is below so many decibels: for artifacts whose numbers are narrow.
)";

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_HELPTEXT_H
