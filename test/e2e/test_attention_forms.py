"""Every form in which exporters write attention: recognised, and equal to PyTorch (for contrib.*, to ONNX Runtime)."""

import re

import onnx
import pytest
from conftest import ROOT, assert_close, case_arrays, machine_levels
from onnx import TensorProto, helper

FORMS = ROOT / "models" / "attention"
NAMES = sorted(p.stem for p in FORMS.glob("*.onnx"))
TINY = ROOT / "models" / "tiny"
MODELS = sorted(str(p.relative_to(TINY))[: -len(".onnx")] for p in TINY.rglob("*.onnx"))


def test_there_are_forms():
    assert len(NAMES) >= 30 and sum(name.startswith("contrib.") for name in NAMES) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_recognised_and_equal(name, tools, tmp_path):
    level = machine_levels()[-1]
    tools.compile(FORMS / f"{name}.onnx", tmp_path / "x.mmcc", "--strict", f"--target=cpu:{level}")
    cases = [p for p in (FORMS / f"{name}.npz", FORMS / f"{name}.2.npz") if p.exists()]
    assert cases
    for case in cases:
        inputs, expected = case_arrays(case)
        assert_close(tools.run(tmp_path / "x.mmcc", inputs, tmp_path), expected)


def optimised(tools, path) -> str:
    done = tools.call("mmcc", "compile", path, "--stop-after=optimize", "--strict")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", MODELS)
def test_no_attention_of_a_tiny_model_stays_in_pieces(name, tools):
    ir = optimised(tools, TINY / f"{name}.onnx")
    softmaxes = sum(node.op_type in ("Softmax", "Attention") for node in nodes(onnx.load(TINY / f"{name}.onnx")))
    assert "mm.softmax" not in ir
    assert len(re.findall(r"= mm\.attention ", ir)) == softmaxes


def nodes(model) -> list:
    return [*model.graph.node, *(node for function in model.functions for node in function.node)]


# The positions that a mask speaks of are attributes; what is left as a mask is padding.
ATTRIBUTES = {
    "div_where.dyn": ["causal = true"],
    "keys_filled": ["causal = true"],
    "sdpa_grouped.dyn": ["causal = true"],
    "gpt2_eager": ["causal = true"],
    "phi3_sdpa": ["causal = true", "window = 5"],
    "mistral_sdpa.dyn": ["causal = true", "window = 5"],
    "mistral_eager.legacy": ["causal = true", "window = 5"],
    "gemma2_eager": ["causal = true", "window = 5", "softcap = 5.0"],
    "bloom_alibi.dyn": ["causal = true"],
    "mpt_alibi": ["causal = true"],
    "contrib.attention_causal": ["causal = true"],
    "contrib.grouped_window": ["causal = true", "window = 5", "softcap = 5.0"],
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_positions_become_attributes(name, tools):
    attention = re.search(r"= mm\.attention .*", optimised(tools, FORMS / f"{name}.onnx")).group()
    for text in ATTRIBUTES[name]:
        assert text in attention


@pytest.mark.parametrize("name", ["phi_eager", "phi3_sdpa", "gptj_eager", "gemma2_eager", "qwen2vl_text", "qwen2vl_text.op23"])
def test_rotations_are_recognised(name, tools):
    ir = optimised(tools, FORMS / f"{name}.onnx")
    assert len(re.findall(r"= mm\.rope ", ir)) == 2 * len(re.findall(r"= mm\.attention ", ir))


def test_explain_names_what_stood_in_the_way(tools, tmp_path):
    """Two attentions that are none by meaning: weights thinned by a relu, and scores that an output shows."""
    near_misses = {
        "relu": ([helper.make_node("Relu", ["p"], ["r"], name="thin")], "r", "y", "the probabilities go to mm.relu"),
        "shown": ([], "p", "s", "the scores have another use"),
    }
    for name, (between, weights, extra, reason) in near_misses.items():
        graph = [
            helper.make_node("MatMul", ["q", "k"], ["s"], name="scores"),
            helper.make_node("Softmax", ["s"], ["p"], name="weights", axis=-1),
            *between,
            helper.make_node("MatMul", [weights, "v"], ["y"], name="product"),
        ]
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2, 4, 4]) for n in "qkv"]
        outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2, 4, 4]) for n in dict.fromkeys(["y", extra])]
        path = tmp_path / f"{name}.onnx"
        model = helper.make_model(helper.make_graph(graph, "g", inputs, outputs), opset_imports=[helper.make_opsetid("", 20)])
        onnx.save(model, path)
        done = tools.call("mmcc", "explain", path)
        assert done.returncode == 0
        assert f"remark: node 'weights': no attention: {reason}" in done.stderr
        assert tools.call("mmcc", "compile", path, "-o", tmp_path / "x.mmcc", "--strict").returncode == 3
