"""Code for GPUs, on machines without one: nvcc compiles it, and this CPU runs it (test/runtime/cuda)."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import ROOT
from gpu import fake_gpu  # noqa: F401
from onnx import TensorProto, helper, numpy_helper

TINY = ROOT / "models" / "tiny"
TOOLKIT = next(Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu13/bin"))
ALL = bool(os.environ.get("MMCC_CUDA_ALL"))
EVERY = sorted(path.stem for path in TINY.glob("*.onnx"))
ARCHITECTURES = ["sm_80", "sm_86", "sm_89", "sm_90a", "sm_100"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def compiler(cache, monkeypatch):
    """The nvcc that is pinned, and a cache of this run."""
    monkeypatch.setenv("MMCC_NVCC", str(TOOLKIT / "nvcc"))
    monkeypatch.setenv("MMCC_CACHE", str(cache))


def case(name: str) -> tuple[dict, dict]:
    """Inputs, and what PyTorch made of them."""
    with np.load(TINY / f"{name}.npz") as arrays:
        part = lambda prefix: {k[len(prefix) :]: arrays[k] for k in arrays.files if k.startswith(prefix)}
        return part("in:"), part("out:")


def on_cuda(model: Path, inputs: dict, tools, folder: Path, *options) -> dict:
    """What the kernels for a GPU make of a model, run on this CPU; for tests that use fake_gpu."""
    tools.compile(model, folder / "gpu.mmcc", "--target=cuda:sm_80", "--kv=off", *options)
    return tools.run(folder / "gpu.mmcc", inputs, folder, "--device", "cuda")


# With the model that ships they have every row that lowering makes of f32 models (teams: ReductionTest.cpp).
RUN = ["bert_base.dyn", "blip_fusion", "convnext_t", "qwen2_decode.dyn", "resnet50", "swin_t", "vit_b16", "w2v2_conformer.legacy", "whisper_step"]


@pytest.mark.parametrize("name", [n for n in EVERY if (TINY / f"{n}.npz").exists()] if ALL else RUN)
def test_kernels_compute_what_pytorch_does(name, tools, tmp_path, fake_gpu):
    inputs, expected = case(name)
    got = on_cuda(TINY / f"{name}.onnx", inputs, tools, tmp_path)
    for key, want in expected.items():
        assert got[key].shape == want.shape and got[key].dtype == want.dtype
        np.testing.assert_allclose(got[key], want, rtol=1e-4, atol=1e-5 * max(1, np.abs(want).max()), err_msg=key)


# What numbers on tensor cores may differ by from PyTorch's, beside the largest, and from the processor's of the same artifact,
# which multiplies in f32 (tf32 has 10 bits, bf16 has 7) or, for integers, exactly until attention rounds.
NARROW = {
    "--precision=bf16": (0.03, 0.03),
    "--precision=f16": (0.003, 0.003),
    "--precision=tf32": (0.003, 0.003),
    "--quantize=w8a16": (0.05, 0.003),
    "--quantize=w4a16": (1, 0.003),
    "--quantize=w4a16 --asymmetric": (1, 0.003),
    "--quantize=w8a8-dynamic": (0.1, 0.05),
    "--quantize=w4a8": (1, 0.05),
    "--quantize=fp8": (0.2, 0.003),
    "--quantize=fp8-dynamic": (0.2, 0.1),
}
NARROW_CASES = [(name, options) for name in ("bert_base", "qwen2_decode.dyn") for options in NARROW]
NARROW_CASES += [(name, "--precision=bf16") for name in ("convnext_t", "resnet50", "vit_b16", "whisper_enc", "w2v2_conformer.legacy")]
NARROW_CASES += [(name, "--precision=f16") for name in ("vit_b16", "whisper_enc")]
NARROW_CASES += [(name, "--precision=tf32") for name in ("convnext_t", "resnet50")]
NARROW_CASES += [("qwen2_prefill", "--precision=bf16 --attention=window=6"), ("qwen2_prefill", "--precision=bf16 --attention=sparse=4,5")]


@pytest.mark.parametrize("name, options", NARROW_CASES)
def test_narrow_numbers(name, options, tools, tmp_path, fake_gpu):
    inputs, expected = case(name)
    arguments = [TINY / f"{name}.onnx", tmp_path / "m.mmcc", "--kv=off", *options.split()]
    tools.compile(*arguments, "--target=cpu:x86-64-v3", "--target=cuda:sm_80")
    gpu, cpu = (tools.run(tmp_path / "m.mmcc", inputs, tmp_path, "--device", device) for device in ("cuda", "cpu"))
    from_pytorch, from_cpu = NARROW[options.split(" --attention")[0]]
    for key, want in expected.items():
        most = np.abs(want).max()
        assert np.abs(gpu[key] - cpu[key]).max() <= from_cpu * most, key
        if "--attention" not in options:
            assert np.abs(gpu[key] - want).max() <= from_pytorch * most, key


HOPPER = [(name, "bf16") for name in ("bert_base", "swin_t", "vit_b16", "whisper_enc", "w2v2_conformer.legacy")] + [("bert_base", "f16")]


@pytest.mark.parametrize("name, half", HOPPER)
def test_products_of_warpgroups(name, half, tools, tmp_path, fake_gpu, monkeypatch):
    """Hopper's instructions on operands that its copier brings, or threads where it cannot: the same bytes."""
    inputs, expected = case(name)
    monkeypatch.setenv("FAKE_CUDA_CAPABILITY", "9.0")
    arguments = [TINY / f"{name}.onnx", tmp_path / "m.mmcc", "--kv=off", f"--precision={half}"]
    tools.compile(*arguments, "--target=cpu:x86-64-v3", "--target=cuda:sm_90a")
    assert "maps" in json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)["features"]
    gpu, cpu = (tools.run(tmp_path / "m.mmcc", inputs, tmp_path, "--device", device) for device in ("cuda", "cpu"))
    from_pytorch, from_cpu = NARROW[f"--precision={half}"]
    for key, want in expected.items():
        most = np.abs(want).max()
        assert np.abs(gpu[key] - cpu[key]).max() <= from_cpu * most, key
        assert np.abs(gpu[key] - want).max() <= from_pytorch * most, key
    monkeypatch.setenv("FAKE_CUDA_FAIL", "cuTensorMapEncodeTiled:all")
    by_threads = tools.run(tmp_path / "m.mmcc", inputs, tmp_path, "--device", "cuda")
    for key in expected:
        assert by_threads[key].tobytes() == gpu[key].tobytes(), key


def test_the_shipped_model_reads_handwriting(tools, tmp_path, fake_gpu):
    folder = ROOT / "models" / "digits_clip"
    sys.path.insert(0, str(folder))
    import captions

    with np.load(folder / "samples.npz") as samples:
        inputs = {"pixel_values": captions.pixels(samples["images"][:6]), "input_ids": samples["input_ids"]}
        want = samples["logits_per_image"][:6]
    got = on_cuda(folder / "model.onnx", inputs, tools, tmp_path)["logits_per_image"]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", ["--attention=window=6", "--attention=sparse=4,5"])
def test_sparse_attention_is_the_processors(options, tools, tmp_path, fake_gpu):
    """Which keys a query sees; the processor's own is judged in test_attention_forms.py."""
    inputs, _ = case("qwen2_prefill")
    tools.compile(TINY / "qwen2_prefill.onnx", tmp_path / "cpu.mmcc", options, "--target=cpu:x86-64-v3")
    want = tools.run(tmp_path / "cpu.mmcc", inputs, tmp_path)
    got = on_cuda(TINY / "qwen2_prefill.onnx", inputs, tools, tmp_path, options)
    for key in want:
        np.testing.assert_allclose(got[key], want[key], rtol=1e-4, atol=1e-5, err_msg=key)


COMPILED = [(name, "sm_80") for name in ("clip_b32.dyn", "mobilenetv3", "qwen2_chat.dyn", "whisper_enc")]
COMPILED += [("vit_b16", architecture) for architecture in ARCHITECTURES]


@pytest.mark.parametrize("name, architecture", [(n, a) for n in EVERY for a in ARCHITECTURES] if ALL else COMPILED)
def test_nvcc_compiles_every_kernel(name, architecture, tools, tmp_path):
    tools.compile(TINY / f"{name}.onnx", tmp_path / "m.mmcc", f"--target=cuda:{architecture}")
    inspected = json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)
    assert [v["target"] for v in inspected["variants"]] == [f"cuda:{architecture}"]


def test_one_file_for_a_processor_and_a_gpu(tools, tmp_path):
    """The processor's code is as it was, weights are there once, and no CUDA library is opened."""
    model, options = ROOT / "models" / "text_decoder" / "model.onnx", ["--dim", "past=0..256", "--target=cpu:x86-64-v3"]
    tools.compile(model, tmp_path / "cpu.mmcc", *options)
    tools.compile(model, tmp_path / "both.mmcc", *options, "--target=cuda:sm_80")
    cpu, both = (json.loads(tools.call("mmcc", "inspect", tmp_path / f, "--json").stdout) for f in ("cpu.mmcc", "both.mmcc"))
    assert [v["target"] for v in both["variants"]] == ["cpu:x86-64-v3", "cuda:sm_80"]
    assert both["constants"] == cpu["constants"]
    inputs, _ = case("vit_b16")
    outputs = []
    for target in (["--target=cpu:x86-64-v3"], ["--target=cpu:x86-64-v3", "--target=cuda:sm_80"]):
        tools.compile(TINY / "vit_b16.onnx", tmp_path / "m.mmcc", *target)
        outputs.append(tools.run(tmp_path / "m.mmcc", inputs, tmp_path)["logits"].tobytes())
    assert outputs[0] == outputs[1]
    needed = subprocess.run(["ldd", tools.binaries / "mmcc-run"], capture_output=True, text=True, check=True).stdout
    assert "cuda" not in needed.lower()


def test_a_gpu_alone_is_no_processor(tools, tmp_path):
    tools.compile(TINY / "vit_b16.onnx", tmp_path / "m.mmcc", "--target=cuda:sm_80")
    np.savez(tmp_path / "in.npz", **case("vit_b16")[0])
    done = tools.call("mmcc-run", tmp_path / "m.mmcc", "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
    assert done.returncode == 4 and "nothing in it runs on this processor (it has: cuda:sm_80)" in done.stderr


def test_equal_kernels_are_compiled_once(tools, tmp_path, monkeypatch):
    """A compiler that counts its calls: each kernel once, then none; the same bytes either way."""
    monkeypatch.setenv("MMCC_CACHE", str(tmp_path / "cache"))
    script = tmp_path / "nvcc"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec {TOOLKIT}/nvcc "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("MMCC_NVCC", str(script))
    calls = lambda: [c for c in (tmp_path / "calls").read_text().splitlines() if "-cubin" in c]
    tools.compile(TINY / "bert_base.onnx", tmp_path / "a.mmcc", "--target=cuda:sm_80", f"--dump-code={tmp_path / 'code'}")
    sources = {path.read_text() for path in (tmp_path / "code" / "cuda-sm_80").glob("*.cu")}
    assert len(calls()) == len(sources) > 3
    folder = tmp_path / "code" / "cuda-sm_80"
    assert all(".target sm_80" in path.with_suffix(".ptx").read_text() for path in folder.glob("*.cu"))
    tools.compile(TINY / "bert_base.onnx", tmp_path / "b.mmcc", "--target=cuda:sm_80", f"--dump-code={tmp_path / 'code'}")
    assert len(calls()) == len(sources)
    assert (tmp_path / "a.mmcc").read_bytes() == (tmp_path / "b.mmcc").read_bytes()


@pytest.mark.parametrize("nvcc, word", [("/no/such/nvcc", "/no/such/nvcc"), ("/bin/false", "/bin/false --version fails")])
def test_without_a_compiler(nvcc, word, tools, tmp_path, monkeypatch):
    monkeypatch.setenv("MMCC_NVCC", nvcc)
    done = tools.call("mmcc", "compile", TINY / "bert_base.onnx", "-o", tmp_path / "m.mmcc", "--target=cuda:sm_80")
    assert done.returncode == 4 and word in done.stderr, done.stderr
    assert not (tmp_path / "m.mmcc").exists()


def test_what_a_compiler_says_is_passed_on(tools, tmp_path, monkeypatch):
    script = tmp_path / "nvcc"
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "no such sorcery" >&2\nexit 1\n')
    script.chmod(0o755)
    monkeypatch.setenv("MMCC_NVCC", str(script))
    done = tools.call("mmcc", "compile", TINY / "bert_base.onnx", "-o", tmp_path / "m.mmcc", "--target=cuda:sm_80")
    assert done.returncode == 4 and "no such sorcery" in done.stderr and "sm_80" in done.stderr


def test_rows_without_a_form_are_refused(tools, tmp_path):
    """Lowering makes none for a GPU; a plan that was written by hand may have one."""
    buffers = ", ".join(f"%{name}: !plan.buffer<f32>" for name in "awvy")
    block = 'plan.block "{}" {{ ^bb0(%b: index, %m: index, %n: index, %x: f32): {} }}'
    score = block.format("score", "plan.yield %x : f32")
    post = block.format("post", "plan.store %x, %y[affine_map<(d0) -> (d0)>(%m)] : f32, !plan.buffer<f32> plan.yield")
    kernel = (
        'plan.kernel @k row "gemm_dot_f32" extents affine_map<() -> (1, 9, 1)> parallel 3 params affine_map<() -> (1, 9, 16, 8, 0, 8, 32)> '
        f"offsets affine_map<() -> (0, 0, 0)> scratch affine_map<() -> (0)> written [3] {{ ^bb0({buffers}): {score} {post} }}"
    )
    (tmp_path / "plan.mlir").write_text(f'plan.variant "cuda:sm_80" {{ {kernel} }}')
    done = tools.call("cuda_source", tmp_path / "plan.mlir", "--print")
    assert done.returncode == 1 and "CUDA code generation has no form of row 'gemm_dot_f32' yet" in done.stderr


# Row: registers of a thread, bytes of shared memory that the code declares and of stack at most (sm_80). For four blocks at once
# ptxas keeps one form of attention, and of a search, in 64 registers and a few numbers on the stack; nothing else may spill. Stages
# of tensor cores' products are in dynamic shared memory; with few rows in the same kernel there are 8 KiB more.
RESOURCES = {
    "gemm_f32": (176, 25088, 0),
    "conv_f32": (176, 16896, 0),
    "depthwise_f32": (64, 0, 0),
    "attention_f32": (96, 18432, 16),
    "loops": (80, 1024, 0),
    "gemm_bf16_bf16": (128, 8192, 0),
    "gemm_f16_f16": (128, 8192, 0),
    "gemm_tf32": (128, 8192, 0),
    "conv_tf32": (128, 0, 0),
    "gemm_f32_f16": (128, 8192, 0),
    "gemm_f32_i8": (128, 8192, 0),
    "gemm_f32_f8e4m3": (128, 8192, 0),
    "gemm_f8_f8": (128, 0, 0),
    "gemm_i8_i8": (144, 8192, 0),
    "gemm_i8_u4": (144, 8192, 0),
    "conv_bf16": (128, 0, 0),
    "attention_bf16": (128, 0, 16),
    "attention_f16": (128, 0, 16),
    "attention_i8": (128, 0, 16),
    "topk_f32": (48, 17456, 0),
    "retrieve_f32": (128, 27648, 8),
    "similarity_f32": (176, 17920, 0),
    "token_match_f32": (176, 18988, 0),
    "token_merge_f32": (48, 0, 0),
    "token_select_f32": (48, 96, 0),
}


def resources(cubin: Path) -> dict[str, int]:
    said = subprocess.run([TOOLKIT / "cuobjdump", "--dump-resource-usage", cubin], capture_output=True, text=True, check=True)
    return {key: int(value) for key, value in re.findall(r"(REG|STACK|SHARED|LOCAL):(\d+)", said.stdout)}


def check_resources(cubin: Path, row: str, limits=None) -> None:
    usage = resources(cubin)
    registers, shared, stack = limits or RESOURCES[row]
    assert usage["REG"] <= registers and usage["SHARED"] <= shared and usage["STACK"] <= stack, (cubin, usage)
    assert usage["LOCAL"] == 0, (cubin, usage)


# The same of the row's form for sm_90a, two blocks of which are to be in a multiprocessor.
HOPPER_RESOURCES = (128, 8192, 0)
# The instructions that each row is for.
INSTRUCTIONS = {
    "gemm_bf16_bf16": ["HMMA.16816.F32.BF16", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
    "gemm_f16_f16": ["HMMA.16816.F32", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
    "gemm_tf32": ["HMMA.1688.F32.TF32", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
    "conv_tf32": ["HMMA.1688.F32.TF32", "LDSM.16.M88.4"],
    "gemm_f32_f16": ["HMMA.1688.F32.TF32", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
    "gemm_f32_i8": ["HMMA.1688.F32.TF32", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
    "gemm_f32_f8e4m3": ["HMMA.1688.F32.TF32", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
    "gemm_f8_f8": ["HMMA.16816.F32", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
    "gemm_i8_i8": ["IMMA.16832.S8.S8", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
    "gemm_i8_u4": ["IMMA.16832.S8.S8", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
    "attention_bf16": ["HMMA.16816.F32.BF16", "LDSM.16.M88.4", "LDSM.16.MT88.4", "LDGSTS.E.BYPASS.128", "MUFU.EX2"],
    "attention_f16": ["HMMA.16816.F32", "LDSM.16.M88.4", "LDSM.16.MT88.4", "LDGSTS.E.BYPASS.128", "MUFU.EX2"],
    "conv_bf16": ["HMMA.16816.F32.BF16", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"],
}


@pytest.mark.parametrize("options", ["--precision=bf16", "--precision=f16", "--precision=tf32", "--quantize=w8a16", "--quantize=w8a8-dynamic", "--quantize=w4a8", "--quantize=fp8", "--quantize=fp8-dynamic"])
def test_tensor_cores_are_used(options, tools, tmp_path):
    """What nvcc makes of each row: not of few rows, which are bound by memory and have none."""
    tools.compile(TINY / "vit_b16.onnx", tmp_path / "m.mmcc", "--target=cuda:sm_80", f"--dump-code={tmp_path}", options)
    seen = set()
    path = {"PATH": f"{TOOLKIT}:{os.environ['PATH']}"}
    for cubin in (tmp_path / "cuda-sm_80").glob("*.cubin"):
        row = re.sub(r"_\d+$", "", cubin.stem)
        check_resources(cubin, row)
        if row not in INSTRUCTIONS or "<8, 16" in cubin.with_suffix(".cu").read_text():
            continue
        said = subprocess.run([TOOLKIT / "cuobjdump", "-sass", cubin], capture_output=True, text=True, check=True, env=os.environ | path)
        for instruction in INSTRUCTIONS[row]:
            assert instruction in said.stdout, (cubin, instruction)
        seen.add(row)
    assert seen, "no row of tensor cores"


def test_steps_read_keys_by_16_bytes(tools, tmp_path):
    """Two blocks of a decoder's step are on a multiprocessor at once; what is kept on the stack is of a block, not of its loops."""
    tools.compile(TINY / "qwen2_chat.dyn.onnx", tmp_path / "m.mmcc", "--target=cuda:sm_80", f"--dump-code={tmp_path}")
    cubins = list((tmp_path / "cuda-sm_80").glob("attention_*.cubin"))
    assert {re.sub(r"_\d+$", "", c.stem) for c in cubins} == {"attention_f32", "attention_state_f32"}
    path = {"PATH": f"{TOOLKIT}:{os.environ['PATH']}"}
    for cubin in cubins:
        usage = resources(cubin)
        assert usage["REG"] <= 128 and usage["STACK"] <= 160 and usage["LOCAL"] == 0, (cubin, usage)
        said = subprocess.run([TOOLKIT / "cuobjdump", "-sass", cubin], capture_output=True, text=True, check=True, env=os.environ | path)
        assert re.search(r"LDG?\.E\.128", said.stdout), cubin


def check_products_overlap(source: Path, tmp_path: Path) -> None:
    """ptxas says when it lets one product end before the next begins."""
    arguments = ["-cubin", "-arch=sm_90a", "-std=c++17", "-O3", "-Xptxas", "-v", "-I", ROOT / "codegen" / "cuda" / "kernels", source]
    said = subprocess.run([TOOLKIT / "nvcc", *arguments, "-o", tmp_path / "k.cubin"], capture_output=True, text=True, check=True)
    assert "serialized" not in said.stderr + said.stdout, (source, said.stderr)


@pytest.mark.parametrize("half", ["bf16", "f16"])
def test_warpgroups_are_used(half, tools, tmp_path):
    """What nvcc makes of them for sm_90a: neither do products wait for each other, nor threads bring what the copier can."""
    tools.compile(TINY / "vit_b16.onnx", tmp_path / "m.mmcc", "--target=cuda:sm_90a", f"--dump-code={tmp_path}", f"--precision={half}")
    assert "maps" in json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)["features"]
    path = {"PATH": f"{TOOLKIT}:{os.environ['PATH']}"}
    seen = 0
    for source in (tmp_path / "cuda-sm_90a").glob(f"gemm_{half}_{half}_*.cu"):
        if "<8, 16" in source.read_text():
            continue
        seen += 1
        check_resources(source.with_suffix(".cubin"), f"gemm_{half}_{half}", HOPPER_RESOURCES)
        said = subprocess.run([TOOLKIT / "cuobjdump", "-sass", source.with_suffix(".cubin")], capture_output=True, text=True, check=True, env=os.environ | path)
        for instruction in ["HGMMA.64x", "UTMALDG.3D", "SYNCS.PHASECHK", "LDGSTS.E.BYPASS.128", "FENCE.VIEW.ASYNC"]:
            assert instruction in said.stdout, (source, instruction)
        assert "HMMA.16816" not in said.stdout
        check_products_overlap(source, tmp_path)
    assert seen


@pytest.mark.parametrize("width", [64, 128])
def test_attention_of_warpgroups(width, tools, tmp_path):
    """The same of attention with enough queries and heads for blocks of 128, of numbers that are stored in bf16; without spills."""
    q, k, v, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 132, 300, width]) for n in "qkvy")
    nodes = [helper.make_node("Relu", [n], [n + "r"]) for n in "qkv"]
    nodes += [helper.make_node("Transpose", ["kr"], ["kt"], perm=[0, 1, 3, 2]), helper.make_node("MatMul", ["qr", "kt"], ["s"]), helper.make_node("Mul", ["s", "c"], ["m"])]
    nodes += [helper.make_node("Softmax", ["m"], ["p"], axis=-1), helper.make_node("MatMul", ["p", "vr"], ["y"])]
    graph = helper.make_graph(nodes, "g", [q, k, v], [y], [numpy_helper.from_array(np.float32(0.125), "c")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", "--target=cuda:sm_90a", f"--dump-code={tmp_path}", "--precision=bf16")
    (source,) = (tmp_path / "cuda-sm_90a").glob("attention_bf16_*.cu")
    assert f"tensorAttention<{width}, {width}, 128, bf16>" in source.read_text() and "const bf16 *" in source.read_text()
    check_resources(source.with_suffix(".cubin"), "attention_bf16", (128 if width == 64 else 255, 1024, 0))
    path = {"PATH": f"{TOOLKIT}:{os.environ['PATH']}"}
    said = subprocess.run([TOOLKIT / "cuobjdump", "-sass", source.with_suffix(".cubin")], capture_output=True, text=True, check=True, env=os.environ | path)
    for instruction in ["HGMMA.64x64x16.F32.BF16", f"HGMMA.64x{width}x16.F32.BF16", "BAR.ARV", "LDGSTS.E.BYPASS.128", "FENCE.VIEW.ASYNC"]:
        assert instruction in said.stdout, instruction
    assert "HMMA.16816" not in said.stdout
    check_products_overlap(source, tmp_path)


FLOAT8 = {"sm_89": ["QMMA.16832.F32.E4M3.E4M3"], "sm_90a": ["QGMMA.64x", "UTMALDG.3D"], "sm_100": ["F2FP.F16.E4M3.UNPACK_B", "HMMA.16816.F32"]}


@pytest.mark.parametrize("architecture", FLOAT8)
def test_products_of_8_bit_floats(architecture, tools, tmp_path):
    """sm_89 multiplies them as they are, sm_90a by warpgroups; sm_100 has conversions only, which it carries out two at a time."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [200, 128]) for n in "xy")
    w = numpy_helper.from_array(np.random.default_rng(0).standard_normal((128, 128)).astype(np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [w])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    options = ["--quantize=fp8-dynamic", f"--target=cuda:{architecture}", f"--dump-code={tmp_path}"]
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", *options)
    (cubin,) = (tmp_path / f"cuda-{architecture}").glob("gemm_f8_f8*.cubin")
    path = {"PATH": f"{TOOLKIT}:{os.environ['PATH']}"}
    said = subprocess.run([TOOLKIT / "cuobjdump", "-sass", cubin], capture_output=True, text=True, check=True, env=os.environ | path)
    for instruction in FLOAT8[architecture]:
        assert instruction in said.stdout, instruction


@pytest.mark.parametrize("name", ["convnext_t", "swin_t"])
def test_registers_and_shared_memory(name, tools, tmp_path):
    tools.compile(TINY / f"{name}.onnx", tmp_path / "m.mmcc", "--target=cuda:sm_80", f"--dump-code={tmp_path}")
    seen = set()
    for cubin in (tmp_path / "cuda-sm_80").glob("*.cubin"):
        row = re.sub(r"_\d+$", "", cubin.stem)
        check_resources(cubin, row)
        seen.add(row)
    assert seen >= {"gemm_f32", "conv_f32", "loops"}
