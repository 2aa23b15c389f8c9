"""What stands around attention is part of its neighbours: gates, lengths, positions, biases (the plan of models/attention)."""

import re
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import ROOT, machine_levels
from onnx import TensorProto, helper, numpy_helper

FORMS = ROOT / "models" / "attention"


def plan(tools, name: str) -> str:
    done = tools.call("mmcc", "compile", FORMS / f"{name}.onnx", "--target=cpu:x86-64-v3", "--stop-after=lower")
    assert done.returncode == 0, done.stderr
    return done.stdout


def launches(text: str) -> Counter:
    return Counter(re.findall(r"plan\.dispatch @(\w+?)_\d+ ", text))


@pytest.mark.parametrize("name", ["gated_cross.legacy", "gated_cross.dyn"])
def test_a_gate_is_one_launch_and_no_scaled_copy(name, tools):
    """The gate, query, keys and values with the gate in their epilogue, output, and the attention."""
    assert launches(plan(tools, name)) == {"gemm_dot_f32": 1, "gemm_f32": 3, "attention_f32": 1}


@pytest.mark.parametrize("name", ["contrast_norm.dyn", "contrast_clamped"])
def test_a_contrastive_head_is_one_launch(name, tools):
    """Two projections, and one region of lengths, products and the temperature."""
    text = plan(tools, name)
    assert launches(text) == {"gemm_f32": 2, "similarity_f32": 1}
    region = text[text.index("plan.kernel @similarity_f32") :]
    region = region[: region.index("plan.entry")]
    assert region.count("arith.mulf") == 1 and "arith.divf" not in region
    assert "math.exp" not in text


def test_a_small_bank_is_normalised_when_it_is_compiled(tools):
    """Projection, one length a query, the product, the best, and values and places as the model has them."""
    assert launches(plan(tools, "retrieval.dyn")) == {"gemm_f32": 2, "loops": 3, "topk_f32": 1}


def bank_model(bank: np.ndarray, k: int) -> onnx.ModelProto:
    """Queries of length 1 against a bank, at a temperature; the best k."""
    nodes = [
        helper.make_node("ReduceL2", ["x", "axis"], ["length"], keepdims=1),
        helper.make_node("Div", ["x", "length"], ["unit"]),
        helper.make_node("MatMul", ["unit", "bank"], ["s"]),
        helper.make_node("Mul", ["s", "temperature"], ["scores"]),
        helper.make_node("TopK", ["scores", "k"], ["values", "places"]),
    ]
    constants = dict(axis=np.array([1]), bank=bank, temperature=np.float32(14.3), k=np.array([k]))
    tensors = [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", len(bank)])]
    outputs = [
        helper.make_tensor_value_info("values", TensorProto.FLOAT, ["batch", k]),
        helper.make_tensor_value_info("places", TensorProto.INT64, ["batch", k]),
    ]
    graph = helper.make_graph(nodes, "bank", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("k", [1, 10, 200])
def test_a_large_bank_is_searched_in_blocks(k, tools, tmp_path):
    random = np.random.default_rng(k)
    model = bank_model(random.standard_normal((24, 50_000), dtype=np.float32), k)
    onnx.save(model, tmp_path / "m.onnx")
    done = tools.call("mmcc", "compile", tmp_path / "m.onnx", "--target=cpu:x86-64-v3", "--stop-after=lower")
    # Lengths; the blocks, what they found joined; values and places, of one each perhaps in one.
    count = launches(done.stdout)
    assert count.pop("loops") <= 3 and count == {"retrieve_f32": 1, "topk_f32": 1}
    # Nothing as large as the scores is there.
    maps = dict(re.findall(r"^(#map\d*) = affine_map<\(\)(?:\[s0\])? -> \((.*)\)>", done.stdout, re.M))
    assert all("50000" not in maps[m] for m in re.findall(r"plan\.alloc (#map\d*)", done.stdout))
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in (1, 45):
        feeds = dict(x=random.standard_normal((batch, 24), dtype=np.float32))
        values, places = session.run(None, feeds)
        for isa in machine_levels():
            one = tools.run(tmp_path / "m.mmcc", feeds, tmp_path, "--isa", isa, "--threads", 1)
            np.testing.assert_allclose(one["values"], values, rtol=1e-4, atol=1e-5)
            # Scores that rounding may turn around are alike.
            differ = one["places"] != places
            assert differ.mean() < 0.01
            np.testing.assert_allclose(one["values"][differ], values[differ], rtol=1e-5)
            three = tools.run(tmp_path / "m.mmcc", feeds, tmp_path, "--isa", isa, "--threads", 3)
            assert all(three[n].tobytes() == one[n].tobytes() for n in one)


def topk_model(shape: tuple, k: int, largest: int) -> onnx.ModelProto:
    node = helper.make_node("TopK", ["x", "k"], ["values", "places"], largest=largest)
    outputs = [("values", TensorProto.FLOAT), ("places", TensorProto.INT64)]
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(n, t, [shape[0], k]) for n, t in outputs], [numpy_helper.from_array(np.array([k]), "k")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("shape, k", [((3, 40), 7), ((2, 20_000), 50), ((1, 300), 300), ((0, 20_000), 9)])
def test_what_is_no_number_is_where_onnx_runtime_has_it(shape, k, largest, tools, tmp_path):
    x = np.random.default_rng(k).integers(-9, 9, shape).astype(np.float32)
    x[:, ::3], x[:, 5], x[:, 7] = np.nan, np.inf, -np.inf
    model = topk_model(shape, k, largest)
    onnx.save(model, tmp_path / "m.onnx")
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    got = tools.run(tmp_path / "m.mmcc", dict(x=x), tmp_path)
    values, places = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, dict(x=x))
    np.testing.assert_array_equal(got["values"], values)
    np.testing.assert_array_equal(got["places"], places)


def test_positions_lie_in_an_epilogue(tools):
    """Space, time, an interpolated grid, sinusoids: constants that the first layer adds as it stores."""
    text = plan(tools, "space_time.dyn")
    assert launches(text) == {"gemm_f32": 2}
    assert "math.sin" not in text and "math.cos" not in text


@pytest.mark.parametrize("name", ["bloom_alibi.dyn", "t5_bias.dyn", "mistral_sdpa.dyn", "div_where.dyn"])
def test_no_bias_is_written_for_each_head(name, tools):
    """Two heads here: nothing that grows as tokens x tokens is stored but the table's places, which all heads share."""
    text = plan(tools, name)
    maps = dict(re.findall(r"^(#map\d*) = affine_map<\(\)(?:\[s0\])? -> \((.*)\)>", text, re.M))
    squares = [(maps[m], kind) for m, kind in re.findall(r"plan\.alloc (#map\d*) : <(\w+)>", text) if "s0 * s0" in maps[m]]
    assert squares == ([("s0 * s0", "i64")] if name == "t5_bias.dyn" else [])
