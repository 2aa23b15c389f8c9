"""The integers and scales of a small layer against PyTorch renderings of the papers (models/quantization)."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROW = 256


def layer(w: np.ndarray) -> onnx.ModelProto:
    """x [rows, in] times w [out, in] transposed."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", w.shape[1]])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", w.shape[0]])
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)]
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(w, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def constants(program: str) -> list[bytes]:
    """What the passes of the stage have made, in order: numbers, scales and, if there are any, zeros."""
    blobs = re.findall(r"quantized(?:_\d+)?: \"0x([0-9A-F]+)\"", program)
    return [bytes.fromhex(blob)[4:] for blob in blobs]  # an alignment leads


def configurations() -> list:
    return [(b, g, s) for b in (3, 4, 8) for g in ("g32", "g128", "row") for s in ("symmetric", "asymmetric")]


@pytest.mark.parametrize("bits, group, symmetry", configurations())
def test_rounding_to_nearest_is_that_of_the_rendering(bits, group, symmetry, tools, tmp_path):
    folder = tools.models / "quantization"
    with np.load(folder / "layer.npz") as arrays:
        w = arrays["w"]
    name = f"b{bits}.{group}.{symmetry}"
    with np.load(folder / "rtn.npz") as arrays:
        want = {k: arrays[f"{name}:{k}"] for k in ("integers", "scales", "zeros") if f"{name}:{k}" in arrays.files}
    onnx.save(layer(w), tmp_path / "m.onnx")
    size = 0 if group == "row" else int(group[1:])
    options = [f"--quantize=w{bits}a16", f"--group-size={size}"] + (["--asymmetric"] if symmetry == "asymmetric" else [])
    done = tools.call("mmcc", "compile", tmp_path / "m.onnx", *options, "--stop-after=quantize")
    assert done.returncode == 0, done.stderr
    numbers, scales, *zeros = constants(done.stdout)
    groups = want["scales"].shape[1]
    # 8-bit numbers with a zero are stored 128 lower, with their zero.
    shift = 128 if bits == 8 and zeros else 0
    np.testing.assert_allclose(np.frombuffer(scales, np.float32).reshape(groups, len(w)).T, want["scales"], rtol=1e-6)
    assert bool(zeros) == ("zeros" in want)
    if zeros:
        np.testing.assert_array_equal(np.frombuffer(zeros[0], np.float32).reshape(groups, len(w)).T + shift, want["zeros"])
    got = np.frombuffer(numbers, np.int8).reshape(ROW, len(w)).T.astype(int) + shift
    # In single precision a weight that lies between two numbers may go either way.
    exact = w.astype(np.float64) / np.repeat(want["scales"], ROW // groups, axis=1)
    is_tie = abs(abs(exact - np.trunc(exact)) - 0.5) < 1e-4
    assert is_tie.mean() < 0.01
    np.testing.assert_array_equal(got[~is_tie], want["integers"][~is_tie])
