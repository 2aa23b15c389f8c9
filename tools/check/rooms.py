"""The rooms of the house and what each may include. A changed picture is changed here, in the same commit."""

# Libraries by the first part of an include path. What is not listed (the C++ standard library, POSIX) is free to all.
LIBRARIES = {
    "mlir": "MLIR",
    "llvm": "LLVM",
    "llvm-c": "LLVM",
    "lld": "LLD",
    "google": "protobuf",
    "onnx.pb.h": "protobuf",
    "flatbuffers": "FlatBuffers",
    "gtest": "GoogleTest",
    "gmock": "GoogleTest",
    "Eigen": "Eigen",
    "zip.h": "libzip",
    "zipconf.h": "libzip",
    "CLI": "CLI11",
    "nlohmann": "JSON",
    "xxhash.h": "xxHash",
    "immintrin.h": "intrinsics",
    "cuda.h": "CUDA",
    "cuda_runtime.h": "CUDA",
    "fmt": "fmt",
}

MLIR = {"MLIR", "LLVM"}
API = "runtime/include"
LEAN = {"runtime/core"}

# Room: (rooms it may include, libraries it may include). A room may always include itself; `*` is anything.
# The most specific entry counts: runtime/device/cpu before runtime/device.
ROOMS = {
    "cmake": (set(), MLIR),
    "dialects/mm": (set(), MLIR),
    "dialects/plan": (set(), MLIR),
    "compiler/import": ({"dialects/mm", "tools/npz"}, MLIR | {"protobuf", "JSON"}),
    "compiler/evaluate": ({"dialects/mm", API}, MLIR),
    "compiler/calibrate": ({"dialects/mm", "passes/quantize", "tools/npz", API}, MLIR),
    "compiler/report": (
        {"dialects/mm", "passes/attention", "passes/fuse", "compiler/calibrate", "codegen/artifact", "tools/npz", API}
        | {"runtime/core", "runtime/schema", "runtime/loader", "runtime/executor"},
        MLIR | {"FlatBuffers", "intrinsics"},
    ),
    "compiler/pipeline": ({"compiler", "passes", "codegen", "dialects"}, MLIR),
    "passes": ({"dialects/mm", "passes"}, MLIR),
    "passes/quantize": ({"dialects/mm", "passes"}, MLIR),
    "passes/quantize/methods": ({"tools/npz"}, {"LLVM", "Eigen"}),
    "passes/lower": ({"dialects", "codegen/cpu/kernels", "codegen/cuda/kernels"}, MLIR),
    "passes/schedule": ({"dialects/plan", "codegen/cpu/kernels"}, MLIR),
    "codegen/cpu": ({"dialects/plan", "codegen/cpu/kernels"}, MLIR | {"LLD"}),
    "codegen/cpu/kernels": (set(), {"intrinsics"}),
    "codegen/cuda": ({"dialects/plan", "codegen/cuda/kernels"}, MLIR | {"CUDA"}),
    "codegen/cuda/kernels": (set(), {"CUDA"}),
    "codegen/artifact": ({"dialects/plan", "runtime/core", "runtime/schema"}, MLIR | {"FlatBuffers", "xxHash"}),
    "runtime/include": (set(), set()),
    "runtime/schema": (set(), {"FlatBuffers"}),
    "runtime/core": ({"runtime/schema"}, {"xxHash"}),
    "runtime/loader": (LEAN | {"runtime/schema"}, {"FlatBuffers"}),
    "runtime/device": (LEAN, {"intrinsics"}),
    "runtime/executor": (LEAN | {"runtime/schema", "runtime/loader", "runtime/device", API}, {"FlatBuffers"}),
    "runtime/python": ({API}, set()),
    "tools": ({"*"}, {"*"}),
    "tools/mmcc-run": ({API, "tools/npz"}, {"CLI11", "JSON"}),
    "tools/npz": ({API}, {"libzip"}),
    "test": ({"*"}, {"*"}),
}
