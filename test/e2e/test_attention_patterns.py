"""Sliding, sparse and limited attention against ONNX Runtime, which is given the mask."""

import json

import numpy as np
import onnxruntime
import pytest
from conftest import machine_levels
from onnx import TensorProto, helper, numpy_helper

HEADS, DIM = 3, 24


def attention(tokens: int, mask: np.ndarray | None, causal: bool = False):
    """softmax(q kT / sqrt(DIM)) v; a boolean mask [tokens, tokens] as exporters write it."""
    keep = mask
    if causal:
        lower = np.tri(tokens, dtype=bool)
        keep = lower if mask is None else lower & mask
    constants = {"scale": np.float32(DIM**-0.5), "low": np.float32(-np.inf)}
    nodes = [
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Mul", ["s", "scale"], ["scores"]),
    ]
    last = "scores"
    if keep is not None:
        constants["keep"] = keep
        nodes.append(helper.make_node("Where", ["keep", "scores", "low"], ["masked"]))
        last = "masked"
    nodes += [
        helper.make_node("Softmax", [last], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["y"]),
    ]
    shape = [1, HEADS, tokens, DIM]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "qkvy"]
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "g", values[:3], values[3:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def pattern(tokens: int, window: int, stride: int = 0) -> np.ndarray:
    i, j = np.indices((tokens, tokens))
    keep = abs(i - j) <= window
    return keep | (j % stride == 0) if stride else keep


def feeds(tokens: int) -> dict:
    random = np.random.default_rng(tokens)
    return {n: random.standard_normal((1, HEADS, tokens, DIM), dtype=np.float32) for n in "qkv"}


def expected(tokens: int, keep, causal: bool) -> np.ndarray:
    model = attention(tokens, keep, causal).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, feeds(tokens))[0]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("tokens", [3, 90, 1000])
@pytest.mark.parametrize("window, stride", [(1, 0), (16, 0), (8, 16), (40, 7)])
def test_limits_equal_the_masked_model(tokens, window, stride, causal, tools, tmp_path):
    (tmp_path / "m.onnx").write_bytes(attention(tokens, None, causal).SerializeToString())
    rule = f"sparse={window},{stride}" if stride else f"window={window}"
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", f"--attention={rule}")
    want = expected(tokens, pattern(tokens, window, stride), causal)
    for isa in machine_levels():
        one = tools.run(tmp_path / "m.mmcc", feeds(tokens), tmp_path, "--isa", isa, "--threads", 1)["y"]
        np.testing.assert_allclose(one, want, rtol=1e-4, atol=1e-5)
        three = tools.run(tmp_path / "m.mmcc", feeds(tokens), tmp_path, "--isa", isa, "--threads", 3)["y"]
        assert one.tobytes() == three.tobytes()


@pytest.mark.parametrize(
    "window, stride, causal, kind",
    [
        (5, 0, False, "sliding, window 6 and 5 ahead"),
        (5, 0, True, "sliding, window 6, causal"),
        (6, 9, False, "sparse, window 7 and 6 ahead, every 9th key"),
        (6, 9, True, "sparse, window 7, every 9th key, causal"),
    ],
)
def test_masks_of_the_model_become_patterns(window, stride, causal, kind, tools, tmp_path):
    tokens = 60
    keep = pattern(tokens, window, stride)
    (tmp_path / "m.onnx").write_bytes(attention(tokens, keep, causal).SerializeToString())
    said = tools.call("mmcc", "explain", tmp_path / "m.onnx").stderr
    assert f"attention is {kind}:" in said
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    got = tools.run(tmp_path / "m.mmcc", feeds(tokens), tmp_path)["y"]
    np.testing.assert_allclose(got, expected(tokens, keep, causal), rtol=1e-4, atol=1e-5)


def packed(tokens: int) -> np.ndarray:
    """Three sequences in one row."""
    number = np.searchsorted([tokens // 5, tokens // 2], np.arange(tokens), side="right")
    return number[:, None] == number


def random_blocks(tokens: int, block: int = 64) -> np.ndarray:
    """BigBird's: neighbours, the first block, and some at random."""
    count = -(-tokens // block)
    blocks = abs(np.subtract.outer(np.arange(count), np.arange(count))) <= 1
    blocks |= np.random.default_rng(3).random(blocks.shape) < 0.1
    blocks[0] = blocks[:, 0] = True
    return np.kron(blocks, np.ones((block, block), dtype=bool))[:tokens, :tokens]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("make, tokens", [(packed, 300), (packed, 1000), (random_blocks, 700), (random_blocks, 1024)])
def test_blocks_that_a_mask_hides_are_skipped(make, tokens, causal, tools, tmp_path):
    keep = make(tokens)
    (tmp_path / "m.onnx").write_bytes(attention(tokens, keep, causal).SerializeToString())
    assert "empty," in tools.call("mmcc", "explain", tmp_path / "m.onnx").stderr
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    program = tools.call("mmcc", "compile", tmp_path / "m.onnx", "--stop-after=optimize").stdout
    assert " spans " in program
    want = expected(tokens, keep, causal)
    for isa in machine_levels():
        one = tools.run(tmp_path / "m.mmcc", feeds(tokens), tmp_path, "--isa", isa, "--threads", 1)["y"]
        np.testing.assert_allclose(one, want, rtol=1e-4, atol=1e-5)
        three = tools.run(tmp_path / "m.mmcc", feeds(tokens), tmp_path, "--isa", isa, "--threads", 3)["y"]
        assert one.tobytes() == three.tobytes()


def test_rows_that_causality_leaves_only_large_numbers_see_them(tools, tmp_path):
    """A row whose kept keys all come later: what is left differs by finite numbers only, which softmax cancels."""
    tokens = 192
    mask = np.full((tokens, tokens), -1e4, np.float32)
    mask[:64, 64:] = mask[64:, :] = 0
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, HEADS, tokens, DIM]) for n in "qkvy"]
    node = helper.make_node("Attention", ["q", "k", "v", "mask"], ["y"], is_causal=1)
    graph = helper.make_graph([node], "g", values[:3], values[3:], [numpy_helper.from_array(mask, "mask")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(model)
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    want = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds(tokens))[0]
    np.testing.assert_allclose(tools.run(tmp_path / "m.mmcc", feeds(tokens), tmp_path)["y"], want, rtol=1e-4, atol=1e-4)


def test_other_masks_stay_masks(tools, tmp_path):
    tokens = 40
    keep = pattern(tokens, 3, 8)
    keep[7, 30] = True
    (tmp_path / "m.onnx").write_bytes(attention(tokens, keep).SerializeToString())
    assert "attention is full, a mask:" in tools.call("mmcc", "explain", tmp_path / "m.onnx").stderr
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    got = tools.run(tmp_path / "m.mmcc", feeds(tokens), tmp_path)["y"]
    np.testing.assert_allclose(got, expected(tokens, keep, False), rtol=1e-4, atol=1e-5)


def test_what_a_limit_costs_is_recorded(tools, tmp_path):
    (tmp_path / "m.onnx").write_bytes(attention(50, None).SerializeToString())
    samples = tmp_path / "samples"
    samples.mkdir()
    np.savez(samples / "one.npz", **feeds(50))
    options = ["--attention=window=4", f"--calibrate={samples}"]
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", *options)
    notes = json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)["notes"]
    assert notes["attention"] == "window=4" and notes["accuracy.metric"] == "100 x cosine"
    a, b = expected(50, None, False).ravel(), expected(50, pattern(50, 4), False).ravel()
    cosine = 100 * (a @ b) / np.sqrt((a @ a) * (b @ b))
    assert float(notes["accuracy.after"]) == pytest.approx(cosine, rel=1e-3)
    done = tools.call("mmcc", "compile", tmp_path / "m.onnx", "-o", tmp_path / "no.mmcc", *options, "--max-drop=0.001")
    assert done.returncode == 3 and "--attention=window=4 loses" in done.stderr
    assert not (tmp_path / "no.mmcc").exists()


def test_nothing_to_limit(tools, tmp_path):
    model = tools.models / "tiny" / "resnet50.onnx"
    done = tools.call("mmcc", "compile", model, "-o", tmp_path / "m.mmcc", "--attention=window=4")
    assert done.returncode == 1 and "no self-attention" in done.stderr


def test_a_layer_that_is_not_there(tools, tmp_path):
    (tmp_path / "m.onnx").write_bytes(attention(50, None).SerializeToString())
    options = ["--attention=0:window=4", "--attention=7:window=8"]
    done = tools.call("mmcc", "compile", tmp_path / "m.onnx", "-o", tmp_path / "m.mmcc", *options)
    assert done.returncode == 1 and "--attention=7:window=8: there is no self-attention" in done.stderr
    assert not (tmp_path / "m.mmcc").exists()
