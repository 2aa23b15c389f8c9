"""inspect, explain, doctor, diff."""

import json

import numpy as np
import onnx
import pytest
from conftest import ROOT, case_arrays
from onnx import TensorProto, helper, numpy_helper

TINY = ROOT / "models" / "tiny"


@pytest.fixture(scope="module")
def folder(tools, tmp_path_factory):
    folder = tmp_path_factory.mktemp("verbs")
    tools.compile(TINY / "bert_base.dyn.onnx", folder / "bert.mmcc")
    inputs, expected = case_arrays(TINY / "bert_base.dyn.npz")
    np.savez(folder / "in.npz", **inputs)
    np.savez(folder / "expected.npz", **expected)
    return folder


def test_inspect_says_what_is_inside(tools, folder):
    done = tools.call("mmcc", "inspect", folder / "bert.mmcc")
    assert done.returncode == 0 and done.stderr == ""
    for word in ("bert_base.dyn", "input_ids", "last_hidden_state", "cpu:x86-64-v3", "cpu:x86-64-v4"):
        assert word in done.stdout


def test_inspect_speaks_json(tools, folder):
    done = tools.call("mmcc", "inspect", folder / "bert.mmcc", "--json")
    assert done.returncode == 0
    assert "bert_base.dyn" in json.dumps(json.loads(done.stdout))


def test_explain_accounts_for_every_product(tools):
    path = TINY / "bert_base.onnx"
    done = tools.call("mmcc", "explain", path)
    assert done.returncode == 0 and done.stderr == ""
    graph = onnx.load(path).graph
    products = [node.name for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    assert products
    for name in products:
        assert name in done.stdout


def test_explain_says_why_attention_stays_in_pieces(tools, tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["s"], name="scores"),
        helper.make_node("Softmax", ["s"], ["p"], name="weights", axis=1),
        helper.make_node("Relu", ["p"], ["y"], name="clip"),
    ]
    x, w, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [4, 4]) for n in "xwy")
    graph = helper.make_graph(nodes, "g", [x, w], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "odd.onnx")
    done = tools.call("mmcc", "explain", tmp_path / "odd.onnx")
    assert done.returncode == 0
    assert "remark: node 'weights': no attention: " in done.stderr


def test_doctor_is_content(tools):
    done = tools.call("mmcc", "doctor", TINY / "bert_base.onnx")
    assert done.returncode == 0 and done.stderr == ""


def test_doctor_lists_every_blocker(tools, tmp_path):
    nodes = [
        helper.make_node("NoSuchOp", ["x"], ["a"], name="first"),
        helper.make_node("Relu", ["x"], ["b"], name="fine"),
        helper.make_node("StringNormalizer", ["b"], ["c"], name="second"),
    ]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in "xac"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "bad.onnx")
    done = tools.call("mmcc", "doctor", tmp_path / "bad.onnx")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert any("first" in line and "NoSuchOp" in line and "20" in line for line in lines)
    assert any("second" in line and "StringNormalizer" in line for line in lines)
    assert "fine" not in done.stderr


def test_diff_of_equals(tools, folder):
    command = ["diff", TINY / "bert_base.dyn.onnx", folder / "bert.mmcc", "--inputs", folder / "in.npz"]
    done = tools.call("mmcc", *command)
    assert done.returncode == 0, done.stderr
    assert "agree" in done.stdout
    done = tools.call("mmcc", *command, "--reference", folder / "expected.npz")
    assert done.returncode == 0, done.stderr


def two_layers(path, factor: float) -> None:
    """y = relu(x * w1) + w2, with the second constant scaled."""
    constants = [numpy_helper.from_array(np.full(4, v, np.float32), n) for v, n in ((2, "w1"), (factor, "w2"))]
    nodes = [
        helper.make_node("Mul", ["x", "w1"], ["a"], name="scale"),
        helper.make_node("Relu", ["a"], ["b"], name="clip"),
        helper.make_node("Add", ["b", "w2"], ["y"], name="shift"),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [3, 4]) for n in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)


def test_diff_of_different_models(tools, tmp_path):
    two_layers(tmp_path / "a.onnx", 1)
    two_layers(tmp_path / "b.onnx", 3)
    tools.compile(tmp_path / "b.onnx", tmp_path / "b.mmcc")
    np.savez(tmp_path / "in.npz", x=np.ones((3, 4), np.float32))
    done = tools.call("mmcc", "diff", tmp_path / "a.onnx", tmp_path / "b.mmcc", "--inputs", tmp_path / "in.npz")
    assert done.returncode == 3
    assert "output 'y' departs" in done.stderr and "5 instead of 3" in done.stderr
