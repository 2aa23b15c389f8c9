"""Rows that become bytes in the cells of the product that makes them: the bits are those of a launch of its own."""

import json

import numpy as np
import pytest
from conftest import machine_levels
from onnx import TensorProto, helper, numpy_helper

WIDTH, INNER = 192, 320


def weights() -> dict:
    random = np.random.default_rng(3)
    shapes = {"up": (WIDTH, INNER), "bias": (INNER,), "down": (INNER, WIDTH)}
    return {n: (random.standard_normal(s) * 0.2).astype(np.float32) for n, s in shapes.items()}


def perceptron(outputs: list[str]) -> bytes:
    """x [rows, 192] -> g = gelu(x up + bias) [rows, 320] -> y = g down [rows, 192]."""
    node = helper.make_node
    nodes = [node("MatMul", ["x", "up"], ["u"]), node("Add", ["u", "bias"], ["v"]), node("Gelu", ["v"], ["g"]), node("MatMul", ["g", "down"], ["y"])]
    widths = {"x": WIDTH, "g": INNER, "y": WIDTH}
    value = {n: helper.make_tensor_value_info(n, TensorProto.FLOAT, ["rows", w]) for n, w in widths.items()}
    initializers = [numpy_helper.from_array(a, n) for n, a in weights().items()]
    graph = helper.make_graph(nodes, "g", [value["x"]], [value[n] for n in outputs], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()


def inputs(rows: int) -> dict:
    x = np.random.default_rng(rows).standard_normal((rows, WIDTH)).astype(np.float32)
    x[rows // 2] = 0
    x[rows // 3] *= 1e4
    return {"x": x}


def launches(tools, artifact) -> set:
    """How many there are, at any level."""
    inspected = json.loads(tools.call("mmcc", "inspect", artifact, "--json").stdout)
    return {entry["commands"]["Dispatch"] for entry in inspected["entries"]}


def made(tools, folder, name: str, outputs: list[str], *options):
    (folder / f"{name}.onnx").write_bytes(perceptron(outputs))
    tools.compile(folder / f"{name}.onnx", folder / f"{name}.mmcc", *options)
    return folder / f"{name}.mmcc"


@pytest.mark.parametrize("rows", [100, 197])
def test_whole_rows(rows, tools, tmp_path):
    """Of any number of rows none is whole in a cell: there the bytes have a launch of their own."""
    scheme = "--quantize=w8a8-dynamic"
    apart = made(tools, tmp_path, "apart", ["y"], scheme)
    near = made(tools, tmp_path, "near", ["y"], scheme, f"--dim=rows={rows}")
    stored = made(tools, tmp_path, "stored", ["g", "y"], scheme, f"--dim=rows={rows}")
    assert [launches(tools, a) for a in (apart, near, stored)] == [{4}, {3}, {3}]
    for isa in machine_levels():
        want = tools.run(apart, inputs(rows), tmp_path, "--isa", isa)["y"]
        assert np.isfinite(want).all()
        for artifact in (near, stored):
            for threads in (1, 3):
                got = tools.run(artifact, inputs(rows), tmp_path, "--isa", isa, "--threads", threads)["y"]
                assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("rows", [1, 13, 100])
@pytest.mark.parametrize("group", [32, 64])
def test_groups(group, rows, tools, tmp_path):
    """A scale for each group of columns. What numpy makes of the rows that are given out, too, is the second product's input."""
    options = ["--quantize=w4a8", f"--group-size={group}", f"--dim=rows={rows}"]
    near = made(tools, tmp_path, "near", ["y"], *options)
    stored = made(tools, tmp_path, "stored", ["g", "y"], *options)
    assert launches(tools, near) == launches(tools, stored) == {3}
    blocks = weights()["down"].reshape(-1, group, WIDTH)
    steps = abs(blocks).max(1, keepdims=True) / np.float32(7)
    numbers = np.round(blocks / steps).astype(np.float64)
    for isa in machine_levels():
        got = tools.run(stored, inputs(rows), tmp_path, "--isa", isa)
        pieces = got["g"].reshape(rows, -1, group)
        largest = abs(pieces).max(2, keepdims=True)
        inverse = np.where(largest == 0, 0, np.float32(127) / np.where(largest == 0, 1, largest))
        whole = np.round(pieces * inverse.astype(np.float32)).astype(np.float64)
        scales = largest * np.float32(1 / 127)
        want = np.einsum("rgk,gkn,rg,gn->rn", whole, numbers, scales[..., 0].astype(np.float64), steps[:, 0].astype(np.float64))
        np.testing.assert_allclose(got["y"], want, rtol=1e-4, atol=1e-5 * abs(want).max())
        for threads in (1, 3):
            again = tools.run(near, inputs(rows), tmp_path, "--isa", isa, "--threads", threads)["y"]
            assert again.tobytes() == got["y"].tobytes()

