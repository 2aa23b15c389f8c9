"""Layers in 16 bits among those of --quantize=auto: where 8 bits lose too much, and where they gain."""

import json

import numpy as np
import onnx
import pytest
from conftest import machine_levels
from onnx import TensorProto, helper, numpy_helper
from test_narrow_floats import rounded16

WIDTH, OUT = 256, 768


def save_model(path, rows: int, *layers: str, conv: bool = False) -> dict:
    """For each name n: n.x [rows, 256] times n.w gives n.y. With `conv` an image is convolved, too. Returns weights."""
    random = np.random.default_rng(0)
    node, value = helper.make_node, helper.make_tensor_value_info
    weights = {f"{n}.w": random.standard_normal((WIDTH, OUT)).astype(np.float32) for n in layers}
    for name, w in weights.items():
        w[::64] *= 1e-3 if name.startswith("wild") else 1
    nodes = [node("MatMul", [f"{n}.x", f"{n}.w"], [f"{n}.y"]) for n in layers]
    inputs = [value(f"{n}.x", TensorProto.FLOAT, [rows, WIDTH]) for n in layers]
    outputs = [value(f"{n}.y", TensorProto.FLOAT, [rows, OUT]) for n in layers]
    tensors = dict(weights)
    if conv:
        tensors["k"] = random.standard_normal((32, 32, 3, 3)).astype(np.float32)
        nodes.append(node("Conv", ["image", "k"], ["seen"]))
        inputs.append(value("image", TensorProto.FLOAT, [1, 32, 18, 18]))
        outputs.append(value("seen", TensorProto.FLOAT, [1, 32, 16, 16]))
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(a, n) for n, a in tensors.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return weights


def write_samples(folder, rows: int, *layers: str) -> dict:
    """Every 64th number that a "wild" layer is given is 300 times the others, which a byte then has no bits for. Returns the last sample."""
    folder.mkdir()
    for seed in range(2):
        random = np.random.default_rng(seed)
        sample = {f"{n}.x": random.standard_normal((rows, WIDTH)).astype(np.float32) for n in layers}
        for name, x in sample.items():
            x[:, ::64] *= 300 if name.startswith("wild") else 1
        sample["image"] = random.standard_normal((1, 32, 18, 18)).astype(np.float32)
        np.savez(folder / f"{seed}.npz", **sample)
    return sample


def choose(tools, folder, bound: float, level: str):
    options = ["--quantize=auto", f"--max-drop={bound}", f"--calibrate={folder / 'samples'}", f"--target=cpu:{level}"]
    return tools.call("mmcc", "compile", folder / "m.onnx", "-o", folder / "m.mmcc", *options), options


def notes(tools, folder) -> dict:
    return json.loads(tools.call("mmcc", "inspect", folder / "m.mmcc", "--json").stdout)["notes"]


def at_all_levels(tools, folder, options: list, sample: dict):
    """What the chosen program computes, at each level of this machine: which level it was chosen for does not matter to that."""
    done = tools.call("mmcc", "compile", folder / "m.onnx", *options, "--stop-after=quantize")
    assert done.returncode == 0, done.stderr
    (folder / "m.mlir").write_text(done.stdout)
    tools.compile(folder / "m.mlir", folder / "all.mmcc", "--from=quantize")
    for isa in machine_levels():
        yield tools.run(folder / "all.mmcc", sample, folder, "--isa", isa)


@pytest.mark.parametrize(
    "level, plan",
    [
        ("x86-64-v3", "f32,w8a8-dynamic"),
        ("x86-64-v4", "f32,w8a8-dynamic"),
        ("x86-64-v4-vnni-bf16", "bf16,w8a8-dynamic"),
        ("x86-64-v4-amx", "bf16,w8a8-dynamic"),
    ],
)
def test_bf16_where_bytes_lose_too_much(level, plan, tools, tmp_path):
    weights = save_model(tmp_path / "m.onnx", 2048, "wild", "calm")
    sample = write_samples(tmp_path / "samples", 2048, "wild", "calm")
    done, options = choose(tools, tmp_path, 0.5, level)
    assert done.returncode == 0, done.stderr
    assert notes(tools, tmp_path)["quantize.plan"] == plan
    x, w = sample["wild.x"], weights["wild.w"]
    if plan.startswith("bf16"):
        x, w = rounded16(x, "bf16"), rounded16(w, "bf16")
    want = x.astype(np.float64) @ w
    del sample["image"]
    for got in at_all_levels(tools, tmp_path, options, sample):
        np.testing.assert_allclose(got["wild.y"], want, rtol=1e-3, atol=1e-3)
        exact = sample["calm.x"].astype(np.float64) @ weights["calm.w"]
        assert 1e-3 < np.linalg.norm(got["calm.y"] - exact) / np.linalg.norm(exact) < 0.015


def test_without_bf16s_instruction_there_is_no_choice(tools, tmp_path):
    save_model(tmp_path / "m.onnx", 512, "wild")
    write_samples(tmp_path / "samples", 512, "wild")
    done, _ = choose(tools, tmp_path, 0.5, "x86-64-v3")
    assert done.returncode == 3 and "no choice of bits" in done.stderr


def test_error_and_convolutions_beside_bf16(tools, tmp_path):
    weights = save_model(tmp_path / "m.onnx", 512, "wild", conv=True)
    sample = write_samples(tmp_path / "samples", 512, "wild")
    done, options = choose(tools, tmp_path, 0.5, "x86-64-v4-amx")
    assert done.returncode == 0, done.stderr
    told = notes(tools, tmp_path)
    assert told["quantize.plan"] == "bf16" and told["layer.0"].startswith("bf16, SQNR ")
    exact = sample["wild.x"].astype(np.float64) @ weights["wild.w"]
    noise = rounded16(sample["wild.x"], "bf16").astype(np.float64) @ rounded16(weights["wild.w"], "bf16") - exact
    sqnr = 10 * np.log10(np.square(exact).sum() / np.square(noise).sum())
    assert float(told["layer.0"].split("SQNR ")[1].split()[0]) == pytest.approx(sqnr, abs=0.5)
    program = tools.call("mmcc", "compile", tmp_path / "m.onnx", *options, "--stop-after=quantize").stdout
    (conv,) = [line for line in program.splitlines() if "mm.conv" in line]
    assert 'arithmetic = "bf16"' in conv


def test_f16_where_few_rows_read_the_weights(tools, tmp_path):
    """Half the bytes to read, on a machine that widens them."""
    weights = save_model(tmp_path / "m.onnx", 2, "calm")
    sample = write_samples(tmp_path / "samples", 2, "calm")
    done, options = choose(tools, tmp_path, 1e-4, "x86-64-v3")
    assert done.returncode == 0, done.stderr
    assert notes(tools, tmp_path)["quantize.plan"] == "f16"
    want = sample["calm.x"].astype(np.float64) @ rounded16(weights["calm.w"], "f16")
    del sample["image"]
    for got in at_all_levels(tools, tmp_path, options, sample):
        np.testing.assert_allclose(got["calm.y"], want, rtol=1e-4, atol=1e-4)
