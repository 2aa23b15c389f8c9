"""Several models in one artifact: each an entry point, and equal weights stored once."""

import json

import numpy as np
import onnx
import pytest
from conftest import ROOT, assert_close, case_arrays
from onnx import TensorProto, helper, numpy_helper

TINY = ROOT / "models" / "tiny"
WIDE = 512  # one weight of the shared encoder takes 1 MiB


def weights(tools, artifact, inputs: dict, folder, entry: str) -> int:
    """Bytes of all constants, as the runtime reports them."""
    np.savez(folder / "in.npz", **inputs)
    figures = folder / "figures.json"
    done = tools.call(
        "mmcc-run", artifact, "--entry", entry, "--inputs", folder / "in.npz", "--bench", 0.01, "--json", figures
    )
    assert done.returncode == 0, done.stderr
    return json.loads(figures.read_text())["weights_bytes"]


def encoder_with_head(path, transposed: bool, head: int) -> np.ndarray:
    """x @ w -> relu -> @ head. The weight is stored as PyTorch's Linear has it, or transposed."""
    w = np.random.default_rng(1).standard_normal((WIDE, WIDE)).astype(np.float32) / 16
    h = np.random.default_rng(2).standard_normal((WIDE, head)).astype(np.float32)
    first = (
        helper.make_node("Gemm", ["x", "w"], ["a"], transB=1) if transposed else helper.make_node("MatMul", ["x", "w"], ["a"])
    )
    stored = np.ascontiguousarray(w.T) if transposed else w
    graph = helper.make_graph(
        [first, helper.make_node("Relu", ["a"], ["b"]), helper.make_node("MatMul", ["b", "h"], ["y"])],
        "encoder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, WIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, head])],
        [numpy_helper.from_array(stored, "w"), numpy_helper.from_array(h, "h")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return np.maximum(np.ones((3, WIDE), np.float32) @ w, 0) @ h


def test_each_model_is_an_entry(tools, tmp_path):
    names = ["clip_b32", "clip_text", "bert_base"]
    tools.compile(TINY / f"{names[0]}.onnx", tmp_path / "all.mmcc", *(TINY / f"{n}.onnx" for n in names[1:]))
    for name in names:
        inputs, expected = case_arrays(TINY / f"{name}.npz")
        assert_close(tools.run(tmp_path / "all.mmcc", inputs, tmp_path, "--entry", name), expected)


@pytest.mark.parametrize("transposed", [False, True], ids=["same form", "stored transposed"])
def test_a_shared_encoder_is_stored_once(transposed, tools, tmp_path):
    # Stored transposed the bytes in the models differ; packed for the kernel
    # they are the same.
    expected = {
        "a": encoder_with_head(tmp_path / "a.onnx", transposed=False, head=8),
        "b": encoder_with_head(tmp_path / "b.onnx", transposed=transposed, head=24),
    }
    inputs = {"x": np.ones((3, WIDE), np.float32)}
    tools.compile(tmp_path / "a.onnx", tmp_path / "a.mmcc")
    tools.compile(tmp_path / "a.onnx", tmp_path / "both.mmcc", tmp_path / "b.onnx")
    alone, both = (tmp_path / "a.mmcc").stat().st_size, (tmp_path / "both.mmcc").stat().st_size
    assert alone > WIDE * WIDE * 4
    assert both - alone < 256 << 10, "the second model brings its head and code, not the encoder"
    more = weights(tools, tmp_path / "both.mmcc", inputs, tmp_path, "b")
    assert WIDE * WIDE * 4 < more < WIDE * WIDE * 4 + (256 << 10)
    for entry, y in expected.items():
        outputs = tools.run(tmp_path / "both.mmcc", inputs, tmp_path, "--entry", entry)
        np.testing.assert_allclose(outputs["y"], y, rtol=1e-3, atol=1e-3)
