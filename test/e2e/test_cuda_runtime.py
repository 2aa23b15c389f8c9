"""Models on a GPU that this CPU plays (test/runtime/cuda): what the runtime asks of the driver, and what it says when that fails."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, assert_close, case_arrays
from gpu import FAKE, fake_gpu  # noqa: F401
from small_models import describe

TINY = ROOT / "models" / "tiny"
DRIVER = ROOT / "runtime" / "device" / "cuda" / "Driver.h"
SYMBOLS = re.findall(r'X\(\w+, "(cu\w+)"', DRIVER.read_text())
pytestmark = pytest.mark.usefixtures("fake_gpu")


def attempt(tools, artifact, inputs: dict, folder, *options, device="cuda") -> subprocess.CompletedProcess:
    np.savez(folder / "in.npz", **inputs)
    (folder / "out.npz").unlink(missing_ok=True)
    arguments = ["--inputs", folder / "in.npz", "--outputs", folder / "out.npz"]
    return tools.call("mmcc-run", artifact, *arguments, "--device", device, *options)


@pytest.fixture
def bert(tools, tmp_path_factory):
    """A model for a GPU with inputs and PyTorch's outputs."""
    artifact = tmp_path_factory.getbasetemp() / "gpu-bert.mmcc"
    if not artifact.exists():
        tools.compile(TINY / "bert_base.onnx", artifact, "--target=cuda:sm_80", "--target=cuda:sm_90a")
    return artifact, *case_arrays(TINY / "bert_base.npz")


@pytest.mark.parametrize("order", ["lazy", "eager"])
@pytest.mark.parametrize("graphs", ["graphs", "launches"])
def test_towers_side_by_side_equal_pytorch(order, graphs, tools, tmp_path, monkeypatch):
    """Two streams; --bench repeats the call, so that what is written comes of a graph."""
    monkeypatch.setenv("FAKE_CUDA_ORDER", order)
    monkeypatch.setenv("MMCC_CUDA_NO_GRAPHS", "1" if graphs == "launches" else "0")
    for tower in ("b32", "text"):
        (tmp_path / f"{tower}.onnx").write_bytes((TINY / f"clip_{tower}.dyn.onnx").read_bytes())
    content = {"entries": {"image": "b32.onnx", "text": "text.onnx"}, "outputs": ["text.text_embeds", "image.image_embeds"]}
    tools.compile(describe(tmp_path / "clip.json", **content), tmp_path / "clip.mmcc", "--target=cuda:sm_80")
    image, text = (case_arrays(TINY / f"clip_{name}.dyn.npz") for name in ("b32", "text"))
    inputs = {f"image.{k}": v for k, v in image[0].items()} | {f"text.{k}": v for k, v in text[0].items()}
    got = tools.run(tmp_path / "clip.mmcc", inputs, tmp_path, "--device", "cuda", "--entry", "clip", "--bench", "0.01")
    want = {f"text.{k}": v for k, v in text[1].items()} | {f"image.{k}": v for k, v in image[1].items()}
    assert_close(got, {name: want[name] for name in got}, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kv", ["f32", "f16", "int8"])
def test_a_decoder_keeps_its_past_there(kv, tools, tmp_path):
    """Steps from a state on the GPU equal the processor's, whose judge is test_state.py; also over blocks' borders, and with keys that are cut."""
    model = TINY / "qwen2_chat.dyn.onnx"
    tools.compile(model, tmp_path / "m.mmcc", f"--kv={kv}", "--target=cpu:x86-64-v3", "--target=cuda:sm_80")
    ids = np.random.default_rng(5).integers(0, 60, (1, 240))
    arguments, at = [], 0
    for i, count in enumerate((62, 1, 1, 1, 9, 150, 1, 4)):
        step = {"input_ids": ids[:, at : at + count], "attention_mask": np.ones((1, at + count), np.int64)}
        step["position_ids"] = np.arange(at, at + count)[None]
        np.savez(tmp_path / f"step{i}.npz", **step)
        arguments += ["--inputs", tmp_path / f"step{i}.npz"]
        at += count
    logits = []
    for device in ("cpu", "cuda"):
        out = tmp_path / f"{device}.npz"
        done = tools.call("mmcc-run", tmp_path / "m.mmcc", "--state", *arguments, "--outputs", out, "--device", device)
        assert done.returncode == 0, done.stderr
        with np.load(out) as arrays:
            logits.append(arrays["logits"])
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-4, atol=1e-4 * np.abs(logits[0]).max())


def test_profile_and_trace_name_kernels_and_nodes(bert, tools, tmp_path):
    artifact, inputs, _ = bert
    done = attempt(tools, artifact, inputs, tmp_path, "--profile", "--trace", tmp_path / "trace.json")
    assert done.returncode == 0 and "attention_f32" in done.stdout and "node_scaled_dot_product_attention" in done.stdout
    events = [e for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"] if e["ph"] == "X"]
    assert len(events) == int(re.search(r'"launches": (\d+)', attempt(tools, artifact, inputs, tmp_path, "--bench", "0.01").stdout)[1])
    assert all(e["dur"] >= 0 for e in events)


# ---- Machines without what is needed


@pytest.mark.parametrize("capability, isa", [("8.0", "sm_80"), ("8.9", "sm_80"), ("9.0", "sm_90a"), ("7.5", None), ("9.1", None), ("12.0", None)])
def test_code_is_that_of_the_gpu(capability, isa, bert, tools, tmp_path, monkeypatch):
    """Within a major number later GPUs run earlier code; sm_90a is that GPU's alone."""
    artifact, inputs, _ = bert
    monkeypatch.setenv("FAKE_CUDA_CAPABILITY", capability)
    done = attempt(tools, artifact, inputs, tmp_path, "--bench", "0.01")
    if isa:
        assert done.returncode == 0 and f'"isa": "{isa}"' in done.stdout, done.stderr
    else:
        name = f"sm_{capability.replace('.', '')}"
        assert done.returncode == 4
        assert f"nothing in it runs on Fake GPU, which is an {name} (it has: cuda:sm_80, cuda:sm_90a)" in done.stderr


def test_a_machine_without_a_driver(bert, tools, tmp_path, monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH")
    artifact, inputs, _ = bert
    done = attempt(tools, artifact, inputs, tmp_path)
    assert done.returncode == 4 and "there is no CUDA driver: libcuda.so.1" in done.stderr
    assert not (tmp_path / "out.npz").exists()


def test_a_machine_without_a_gpu(bert, tools, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_CUDA_DEVICES", "0")
    artifact, inputs, _ = bert
    done = attempt(tools, artifact, inputs, tmp_path)
    assert done.returncode == 4 and "the CUDA driver does not start" in done.stderr


def test_an_old_driver(bert, tools, tmp_path, monkeypatch):
    """One that lacks a function that is called is refused as a whole."""
    (tmp_path / "old.c").write_text("int cuInit(unsigned flags) { return 0; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "libcuda.so.1", tmp_path / "old.c"], check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    artifact, inputs, _ = bert
    done = attempt(tools, artifact, inputs, tmp_path)
    assert done.returncode == 4 and "the CUDA driver is too old: it has no cuGetErrorName" in done.stderr


def test_the_second_gpu_of_one(bert, tools, tmp_path):
    artifact, inputs, _ = bert
    done = attempt(tools, artifact, inputs, tmp_path, device="cuda:1")
    assert done.returncode == 4 and "there is no GPU 1: the driver finds 1" in done.stderr


@pytest.mark.parametrize("device, options", [("gpu", []), ("cuda:", []), ("cuda:1e3", []), ("cuda", ["--isa", "x86-64-v3"])])
def test_wrong_command_lines(device, options, bert, tools, tmp_path):
    artifact, inputs, _ = bert
    assert attempt(tools, artifact, inputs, tmp_path, *options, device=device).returncode == 2


def test_an_artifact_without_gpu_code(tools, tmp_path):
    tools.compile(TINY / "bert_base.onnx", tmp_path / "cpu.mmcc", "--target=cpu:x86-64-v3")
    done = attempt(tools, tmp_path / "cpu.mmcc", case_arrays(TINY / "bert_base.npz")[0], tmp_path)
    assert done.returncode == 4 and "it has: cpu:x86-64-v3" in done.stderr


def test_too_little_memory(bert, tools, tmp_path, monkeypatch):
    """Whatever does not fit is named, with what is needed and what is free: from nothing to enough, a page at a time."""
    artifact, inputs, _ = bert
    named = []
    for kib in range(0, 1000, 4):
        monkeypatch.setenv("FAKE_CUDA_MEMORY", str(kib << 10))
        done = attempt(tools, artifact, inputs, tmp_path)
        if done.returncode == 0:
            break
        found = re.search(r"GPU 0 \(Fake GPU\) has no memory for ([a-z ]+): \d+ bytes are needed, \d+ are free", done.stderr)
        assert done.returncode == 4 and found and not (tmp_path / "out.npz").exists(), done.stderr
        named += [found[1]] * (found[1] not in named)
    assert done.returncode == 0 and named == ["the weights", "an arena", "an output", "an input"]


# ---- What fails while it runs

# What is called when all is done: a failure there leaves something behind, which the fake driver reports as 86.
ENDS = {"cuDevicePrimaryCtxRelease_v2", "cuMemFree_v2", "cuMemFreeHost", "cuStreamDestroy_v2", "cuEventDestroy_v2", "cuModuleUnload"}
ENDS |= {"cuGraphDestroy", "cuGraphExecDestroy"}
# Not called by this model, or where a failure says that an address is the host's.
UNUSED = {"cuGetErrorName", "cuGetErrorString", "cuMemGetInfo_v2", "cuPointerGetAttribute", "cuMemcpyDtoDAsync_v2"}
UNUSED |= {"cuFuncSetAttribute", "cuGraphExecKernelNodeSetParams_v2", "cuMemsetD8Async", "cuMemsetD16Async", "cuMemsetD32Async", "cuMemsetD2D32Async", "cuStreamWaitEvent"}
# For narrow products on Hopper; where it fails, threads copy (test_cuda.py).
UNUSED |= {"cuTensorMapEncodeTiled"}
# Products by a library: test_cublaslt.py.
UNUSED |= {"cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphAddChildGraphNode", "cuGraphExecChildGraphNodeSetParams"}
TIMED = {"cuEventCreate", "cuEventRecord", "cuEventSynchronize", "cuEventElapsedTime"}


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("symbol", [s for s in SYMBOLS if s not in UNUSED])
def test_every_call_may_fail(symbol, call, bert, tools, tmp_path, monkeypatch):
    """A message and an exit code, no crash, nothing written that is not whole, nothing left on the GPU."""
    artifact, inputs, expected = bert
    monkeypatch.setenv("FAKE_CUDA_FAIL", f"{symbol}:{call}")
    done = attempt(tools, artifact, inputs, tmp_path, *(["--profile"] if symbol in TIMED else ["--bench", "0.01"]))
    if symbol in ENDS:
        assert done.returncode in (0, 4, 86), done.stderr
    elif done.returncode:
        assert done.returncode == 4 and done.stderr.startswith("mmcc-run: ") and len(done.stderr.splitlines()) == 1, done.stderr
    else:
        assert call == 2, f"{symbol} is not called"
    if (tmp_path / "out.npz").exists():
        with np.load(tmp_path / "out.npz") as got:
            assert_close(dict(got), expected, rtol=1e-4, atol=1e-5)


def test_a_failed_launch_names_its_nodes(bert, tools, tmp_path, monkeypatch):
    artifact, inputs, _ = bert
    monkeypatch.setenv("FAKE_CUDA_FAIL", "cuLaunchKernel:4")
    done = attempt(tools, artifact, inputs, tmp_path)
    assert done.returncode == 4
    assert "command 3 ('node_scaled_dot_product_attention" in done.stderr and "launching a kernel" in done.stderr


def test_a_fault_is_traced_to_its_kernel(bert, tools, tmp_path, monkeypatch):
    """Kernels run later than they are launched: who is to blame shows when each is waited for."""
    artifact, inputs, _ = bert
    monkeypatch.setenv("FAKE_CUDA_FAULT", "4")
    done = attempt(tools, artifact, inputs, tmp_path)
    assert done.returncode == 4 and not (tmp_path / "out.npz").exists()
    assert "an illegal memory access was encountered" in done.stderr and "MMCC_CUDA_SYNC=1 tells which" in done.stderr
    monkeypatch.setenv("MMCC_CUDA_SYNC", "1")
    done = attempt(tools, artifact, inputs, tmp_path)
    assert done.returncode == 4 and "command 3 ('node_scaled_dot_product_attention" in done.stderr


def test_declarations_are_nvidias(tmp_path):
    """Each function has the symbol, and parameters of the sizes, that cuda.h gives it."""
    include = next(Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu13/include"))
    checks = "\n".join(
        f'static_assert(sameShape<decltype(ours::Driver::{name}), decltype(&{symbol})>, "{symbol}");'
        for name, symbol in re.findall(r'X\((\w+), "(cu\w+)"', DRIVER.read_text())
    )
    (tmp_path / "check.cpp").write_text(
        f"""
#include <cuda.h>
#include "runtime/device/cuda/Driver.h"
#include <cstddef>
#include <type_traits>
// The headers map names to their present versions; symbols are said in full here.
#undef cuMemAlloc
namespace ours = mmcc::runtime::cuda;
template <typename A, typename B> constexpr bool sameParameter =
    sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B> && std::is_floating_point_v<A> == std::is_floating_point_v<B>;
template <typename A, typename B> constexpr bool sameShape = false;
template <typename... A, typename... B>
constexpr bool sameShape<int (*)(A...), CUresult (*)(B...)> = [] {{
  if constexpr (sizeof...(A) == sizeof...(B))
    return (sameParameter<A, B> && ...);
  else
    return false;
}}();
{checks}
static_assert(ours::kSuccess == CUDA_SUCCESS && ours::kOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(ours::kMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR && ours::kMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(ours::kStreamNonBlocking == CU_STREAM_NON_BLOCKING && ours::kCaptureOfThread == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
static_assert(ours::kEventDefault == CU_EVENT_DEFAULT && ours::kEventDisableTiming == CU_EVENT_DISABLE_TIMING);
static_assert(ours::kPointerMemoryType == CU_POINTER_ATTRIBUTE_MEMORY_TYPE && ours::kMemoryTypeDevice == CU_MEMORYTYPE_DEVICE);
static_assert(ours::kMapBytes == CU_TENSOR_MAP_DATA_TYPE_UINT8 && ours::kMapPlain == CU_TENSOR_MAP_INTERLEAVE_NONE);
static_assert(ours::kMapSwizzle128 == CU_TENSOR_MAP_SWIZZLE_128B && ours::kMapFetch256 == CU_TENSOR_MAP_L2_PROMOTION_L2_256B);
static_assert(ours::kMapZeros == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
static_assert(sizeof(ours::TensorMap) == sizeof(CUtensorMap) && alignof(ours::TensorMap) == alignof(CUtensorMap));
static_assert(ours::kMostDynamicShared == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(sizeof(ours::KernelNodeParams) == sizeof(CUDA_KERNEL_NODE_PARAMS));
static_assert(offsetof(ours::KernelNodeParams, shared_bytes) == offsetof(CUDA_KERNEL_NODE_PARAMS, sharedMemBytes));
static_assert(offsetof(ours::KernelNodeParams, extra) == offsetof(CUDA_KERNEL_NODE_PARAMS, extra));
static_assert(ours::kLaunchParameters == CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT && ours::kLaunchParameterBytes == CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT);
"""
    )
    done = subprocess.run(
        ["clang++-19", "-std=c++20", "-fsyntax-only", "-I", include, "-I", ROOT, tmp_path / "check.cpp"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
