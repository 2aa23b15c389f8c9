"""tools/dev gpu-pack and gpu, on the driver whose GPU is this CPU: what travels works elsewhere, and what is wrong is said."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
from conftest import BUILD, ROOT
from gpu import fake_gpu, host_cache  # noqa: F401

sys.path.insert(0, str(ROOT / "tools" / "gpu"))
import pack as packing  # noqa: E402
import record  # noqa: E402
import run  # noqa: E402
from clock import Clock  # noqa: E402

MODELS = "bert_base,qwen2_chat.dyn,tome.vit.r=3-0-20,prune.blip.5,bank.10"
NAMES = ["bert_base", *(f"qwen2_chat.dyn{n}{s}" for n in ("", ".2") for s in ("", " (state)"))]
NAMES += ["tome.vit.r=3-0-20", "tome.vit.r=3-0-20.2", "prune.blip.5", "bank.10", "bank.10.2"]
# From a graph, and launch by launch.
RUNS = 2 * len(NAMES)


def gpu_pack(folder, tmp_path_factory, *options, limit=packing.LIMIT) -> subprocess.CompletedProcess:
    program = f"import sys, pack; pack.LIMIT = {limit}; sys.exit(pack.main())"
    arguments = [folder, "--build", BUILD, "--architectures=sm_80", "--fast", *options]
    environment = {"MMCC_NVCC": str(BUILD / "fake_cuda" / "host_nvcc"), "MMCC_CACHE": str(host_cache(tmp_path_factory))}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT / "tools" / "gpu", env=os.environ | environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack") / "there"
    done = gpu_pack(folder, tmp_path_factory, "--models", MODELS)
    assert done.returncode == 0, done.stderr
    return folder


def gpu(folder, record, *options) -> tuple[int, dict, str]:
    """Called in the folder alone, as on a machine without this checkout."""
    environment = os.environ | {"MMCC_GPU_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1", "OUT": str(record / "out")}
    command = ["bash", folder / "tools" / "dev", "gpu", "--record", record, *options]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)
    written = [*record.glob("*.json"), *record.glob("*.md")]
    assert len(written) == 2, done.stderr
    assert sorted(p.name for p in (record / "out").iterdir()) == sorted(p.name for p in written)
    return done.returncode, json.loads(written[0].read_text()), written[1].read_text()


def test_right_results(packed, tmp_path, fake_gpu):
    code, found, text = gpu(packed, tmp_path, "--only", "correctness,sanitizer")
    runs = {(r["name"], r["mode"]): r for r in found["correctness"]}
    assert set(runs) == {(n, m) for n in NAMES for m in ("graphs", "launches")}
    assert code == 0 and {r["status"] for r in runs.values()} == {"ok"}, text
    assert f"**{RUNS} of {RUNS} runs ok.**" in text and "sm_80" in text
    assert found["done"] and found["seconds"] < found["limit"]
    assert "torch" in text.split("absent:")[1].splitlines()[0]


def test_a_spoiled_output_is_a_failure(packed, tmp_path, fake_gpu):
    """One number of what PyTorch gave is another: that case fails, in both runs, and no other."""
    folder, content = tmp_path / "there", tmp_path / "content"
    shutil.copytree(packed, folder)
    with tarfile.open(folder / packing.CONTENT) as tar:
        tar.extractall(content, filter="data")
    expected = content / "cases" / "bert_base.out.npz"
    with np.load(expected) as arrays:
        outputs = dict(arrays)
    outputs["last_hidden_state"].flat[5] += 0.01
    np.savez(expected, **outputs)
    packing.compress(content, folder / packing.CONTENT, fast=True)
    code, found, text = gpu(folder, tmp_path / "record", "--only", "correctness")
    assert code == 1
    assert {(r["name"], r["status"]) for r in found["correctness"] if r["status"] != "ok"} == {("bert_base", "wrong")}
    assert f"**{RUNS - 2} of {RUNS} runs ok.**" in text and "| bert_base | graphs | wrong | largest error" in text


def test_another_place_is_a_failure(packed, tmp_path, fake_gpu):
    """Whole numbers are right or wrong: the best of a bank but one are not close to the best."""
    folder, content = tmp_path / "there", tmp_path / "content"
    shutil.copytree(packed, folder)
    with tarfile.open(folder / packing.CONTENT) as tar:
        tar.extractall(content, filter="data")
    expected = content / "cases" / "bank.10.out.npz"
    with np.load(expected) as arrays:
        outputs = dict(arrays)
    outputs["places"][0, 3] += 1
    np.savez(expected, **outputs)
    packing.compress(content, folder / packing.CONTENT, fast=True)
    code, found, text = gpu(folder, tmp_path / "record", "--only", "correctness")
    assert code == 1
    assert {r["message"] for r in found["correctness"] if r["status"] != "ok"} == {"other whole numbers in places"}


def test_a_failing_run_says_why(packed, tmp_path, fake_gpu, monkeypatch):
    monkeypatch.setenv("FAKE_CUDA_CAPABILITY", "9.0")
    code, found, text = gpu(packed, tmp_path, "--only", "correctness")
    assert code == 1 and f"**0 of {RUNS} runs ok.**" in text
    assert "mmcc-run: bert_base.mmcc: nothing in it runs on Fake GPU, which is an sm_90 (it has: cuda:sm_80)" in text
    assert found["done"]


def test_the_clock_ends_everything(packed, tmp_path, fake_gpu):
    began = time.monotonic()
    code, found, text = gpu(packed, tmp_path, "--seconds", "0.01")
    assert code == 1 and time.monotonic() - began < 30
    assert {r["status"] for r in found["correctness"]} == {"not run"} and "no time was left" in text


def test_a_step_without_time_keeps_what_it_said():
    done = Clock(60).run(["sh", "-c", "echo said; sleep 60 & sleep 60"], 0.5)
    assert done.code is None and done.stdout == "said\n" and done.seconds < 10
    assert done.message == "stopped after 0 s (said)" or done.message == "stopped after 1 s (said)"


def engine(name: str, precision: str, **figures) -> dict:
    timed = dict(spread=0.1, launches=3, load_ms=1.0, first_ms=1.0, compile_s=1.0, kernels_ms=1.0, error=1e-6, equal=True)
    return dict(engine=name, precision=precision) | (timed if "median_ms" in figures else {}) | figures


@pytest.mark.parametrize("ours, bad", [({}, False), ({"equal": False}, True), ({"failed": True}, True)])
def test_a_benchmark_as_a_table(ours, bad):
    """Against the best peer of the same precision; what could not be measured says why, and what was wrong counts."""
    engines = [engine("mmcc", "f32", median_ms=2.0) | ours, engine("eager", "f32", median_ms=9.0), engine("sdpa", "f32", median_ms=5.0)]
    engines += [engine("sdpa", "bf16", median_ms=1.0), engine("mmcc", "bf16", message="no form"), engine("compile", "f32", message="stopped")]
    found = dict(correctness=[], sanitizer=[], broken=False, benchmark={"m": dict(label="M", export={}, engines=engines)})
    text = "\n".join(record.benchmark(found))
    assert "| M | 2.000 (±5 %) | 9.000 (±5 %) | 5.000 (±5 %) | – |  | **2.50** |" in text
    assert "| M | – |  | 1.000 (±5 %) |  |  |  |" in text
    assert "* M, mmcc, bf16: no form" in text and "* M, torch.compile max-autotune, f32: stopped" in text
    assert ("**wrong**" in text) == (ours == {"equal": False})
    assert run.failed(found) == bad


def test_the_compiler_that_travels_is_the_same(packed, tools, tmp_path, fake_gpu, tmp_path_factory):
    """Bytes of a model for a CPU and a GPU equal those of the compiler here; it asks for nothing of LLVM."""
    with tarfile.open(packed / packing.CONTENT) as tar:
        tar.extractall(tmp_path, filter="data")
    model = ROOT / "models" / "tiny" / "bert_base.onnx"
    targets = ["--target=cpu:x86-64-v3", "--target=cuda:sm_80"]
    tools.compile(model, tmp_path / "here.mmcc", *targets)
    command = [tmp_path / "bin" / "mmcc", "compile", model, "-o", tmp_path / "there.mmcc", *targets]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here.mmcc").read_bytes() == (tmp_path / "there.mmcc").read_bytes()
    needed = subprocess.run(["ldd", command[0]], capture_output=True, text=True, check=True).stdout
    assert f"libzip.so.4 => {tmp_path}/bin/../lib/libzip.so.4" in needed
    assert not any(word in needed for word in ("LLVM", "MLIR", "libstdc++", "protobuf")), needed


def test_too_large_a_folder_is_refused(tmp_path, tmp_path_factory):
    done = gpu_pack(tmp_path / "there", tmp_path_factory, "--models=bert_base", "--without-compiler", limit=1000)
    assert done.returncode == 3 and "gpu-pack: more than" in done.stderr


def test_a_folder_of_something_else_is_left_alone(tmp_path, tmp_path_factory):
    (tmp_path / "mine").write_text("mine")
    done = gpu_pack(tmp_path, tmp_path_factory, "--models=bert_base", "--without-compiler")
    assert done.returncode == 1 and "has something else in it" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
