"""Rows on a GPU that choose: tokens that merge or stay, the best of a row or a bank, cosines; played by this CPU, compiled by nvcc."""

import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import test_token_merging as merging
import test_token_pruning as pruning
from conftest import ROOT, assert_close, case_arrays
from gpu import fake_gpu  # noqa: F401
from test_cuda import ALL, ARCHITECTURES, TINY, TOOLKIT, cache, case, check_resources, compiler, on_cuda  # noqa: F401
from test_heads import FORMS, bank_model, launches, topk_model

KERNELS = ROOT / "codegen" / "cuda" / "kernels"
MERGED = merging.CASES if ALL else [(merging.FOLDER / "vit.3.npz", "r=3/0/20"), (merging.FOLDER / "whisper.npz", "r=7,neighbours")]


@pytest.mark.parametrize("reference, tome", MERGED, ids=[f"{r.stem}-{t}" for r, t in MERGED])
def test_merged_tokens_equal_pytorch(reference, tome, tools, tmp_path, fake_gpu):
    with np.load(reference) as arrays:
        inputs = {k[3:]: arrays[k] for k in arrays.files if k.startswith("in:")}
        expected = {k[len(tome) + 1 :]: arrays[k] for k in arrays.files if k.startswith(tome + ":")}
    got = on_cuda(merging.model_of(reference), inputs, tools, tmp_path, f"--tome={tome}", "--tome-map")
    assert np.array_equal(got["tome_map"], expected["tome_map"])
    assert_close(got, expected)


def test_merged_tokens_are_the_processors(tools, tmp_path, fake_gpu):
    inputs, _ = case("vit_b16")
    options = ["--tome=r=2", "--tome-map", "--target=cpu:x86-64-v3", "--target=cuda:sm_80"]
    tools.compile(TINY / "vit_b16.onnx", tmp_path / "m.mmcc", *options)
    gpu, cpu = (tools.run(tmp_path / "m.mmcc", inputs, tmp_path, "--device", device) for device in ("cuda", "cpu"))
    assert np.array_equal(gpu["tome_map"], cpu["tome_map"]) and len(np.unique(gpu["tome_map"])) < gpu["tome_map"].shape[-1]
    assert_close(gpu, cpu)


CHOSEN = [(r, k) for r, k in pruning.CASES if ALL or r.stem in ("llava.9", "blip.7")]


@pytest.mark.parametrize("reference, keep", CHOSEN, ids=[f"{r.stem}-{k}" for r, k in CHOSEN])
def test_chosen_tokens_equal_pytorch(reference, keep, tools, tmp_path, fake_gpu):
    name = pruning.model_of(reference)
    inputs, expected = pruning.read(reference, "in"), pruning.read(reference, keep)
    got = on_cuda(pruning.FOLDER / f"{name}.onnx", inputs, tools, tmp_path, f"--prune=keep={keep}{pruning.AT.get(name, '')}", "--prune-map")
    assert np.array_equal(got["prune_map"], expected["prune_map"])
    assert_close(got, expected)


@pytest.mark.parametrize("k", [10, 60, 200])
def test_a_bank_is_searched_as_by_onnx_runtime(k, tools, tmp_path, fake_gpu):
    random = np.random.default_rng(k)
    model = bank_model(random.standard_normal((24, 20_000), dtype=np.float32), k)
    onnx.save(model, tmp_path / "m.onnx")
    done = tools.call("mmcc", "compile", tmp_path / "m.onnx", "--target=cuda:sm_80", "--stop-after=lower")
    count = launches(done.stdout)
    # More than a block of threads keeps are found in scores that are written; either way chunks are joined.
    assert count.pop("loops") <= 3 and count == ({"retrieve_f32": 1, "topk_f32": 1} if k < 100 else {"gemm_f32": 1, "topk_f32": 2})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in (1, 45):
        feeds = dict(x=random.standard_normal((batch, 24), dtype=np.float32))
        values, places = session.run(None, feeds)
        got = on_cuda(tmp_path / "m.onnx", feeds, tools, tmp_path)
        np.testing.assert_allclose(got["values"], values, rtol=1e-4, atol=1e-5)
        # Scores that rounding may turn around are alike.
        differ = got["places"] != places
        assert differ.mean() < 0.01
        np.testing.assert_allclose(got["values"][differ], values[differ], rtol=1e-5)


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("shape, k", [((3, 40), 7), ((2, 40_000), 50), ((1, 3000), 2500), ((0, 20_000), 9)])
def test_the_best_are_where_onnx_runtime_has_them(shape, k, largest, tools, tmp_path, fake_gpu):
    x = np.random.default_rng(k).integers(-9, 9, shape).astype(np.float32)
    x[:, ::3], x[:, 5], x[:, 7] = np.nan, np.inf, -np.inf
    model = topk_model(shape, k, largest)
    onnx.save(model, tmp_path / "m.onnx")
    got = on_cuda(tmp_path / "m.onnx", dict(x=x), tools, tmp_path)
    values, places = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, dict(x=x))
    np.testing.assert_array_equal(got["values"], values)
    np.testing.assert_array_equal(got["places"], places)


@pytest.mark.parametrize("name", ["contrast_norm.dyn", "contrast_clamped", "retrieval.dyn"])
def test_heads_equal_pytorch(name, tools, tmp_path, fake_gpu):
    inputs, expected = case_arrays(FORMS / f"{name}.npz")
    assert_close(on_cuda(FORMS / f"{name}.onnx", inputs, tools, tmp_path), expected)


MODELS = {
    "merged": {"token_match_f32", "token_merge_f32"},
    "neighbours": {"token_match_f32", "token_merge_f32"},
    "chosen": {"token_select_f32"},
    "bank": {"retrieve_f32", "topk_f32"},
    "wide bank": {"retrieve_f32", "topk_f32"},
    "head": {"similarity_f32"},
}


def model_of(kind: str, folder: Path) -> tuple[Path, list]:
    if "bank" in kind:
        onnx.save(bank_model(np.ones((24, 20_000), np.float32), 10 if kind == "bank" else 96), folder / "m.onnx")
        return folder / "m.onnx", []
    return {
        "merged": (merging.FOLDER / "vit.onnx", ["--tome=r=3/0/20"]),
        "neighbours": (merging.FOLDER / "whisper.onnx", ["--tome=r=7,neighbours"]),
        "chosen": (pruning.FOLDER / "llava.onnx", ["--prune=keep=4"]),
        "head": (FORMS / "contrast_norm.dyn.onnx", []),
    }[kind]


@pytest.mark.parametrize("kind", MODELS)
def test_nvcc_compiles_choices(kind, tools, tmp_path):
    """For sm_80 in the registers and the shared memory that a table has."""
    model, options = model_of(kind, tmp_path)
    done = tools.call("mmcc", "compile", model, "--target=cuda:sm_80", "--stop-after=lower", *options)
    assert done.returncode == 0, done.stderr
    (tmp_path / "plan.mlir").write_text(done.stdout)
    (tmp_path / "code").mkdir()
    assert tools.call("cuda_source", tmp_path / "plan.mlir", tmp_path / "code").returncode == 0
    sources = {path: re.sub(r"_\d+$", "", path.stem) for path in sorted((tmp_path / "code").glob("*.cu"))}
    assert set(sources.values()) >= MODELS[kind]
    for source, row in sources.items():
        for architecture in (ARCHITECTURES if ALL else ["sm_80", "sm_90a"]) if row in MODELS[kind] else []:
            cubin = source.with_suffix(".cubin")
            command = [TOOLKIT / "nvcc", "-cubin", f"-arch={architecture}", "-std=c++17", "-O3", "-I", KERNELS, "-o", cubin, source]
            subprocess.run(command, check=True)
            if architecture == "sm_80":
                check_resources(cubin, row)
