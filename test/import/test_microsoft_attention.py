"""com.microsoft's attention operators: one operation each, and what is refused."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_models import constant, model, value

MS = "com.microsoft"
I32 = TensorProto.INT32


def single(operator, inputs, constants=(), **attributes):
    """`inputs` by name: a shape, or a shape and an element type; a constant's name or "" stands where it is used."""
    declared = [value(n, *(s if isinstance(s, tuple) else (s,))) for n, s in inputs.items() if s]
    node = helper.make_node(operator, list(inputs), ["y"], name="n", domain=MS, **attributes)
    return model([node], declared, ["y"], constants, domains=[MS])


WEIGHTS = [constant("w", np.ones((8, 24)), np.float32), constant("b", np.ones(24), np.float32)]


def joint(mask=None, **attributes):
    inputs = {"x": [2, 3, 8], "w": None, "b": None} | ({"mask": mask} if mask else {})
    return single("Attention", inputs, WEIGHTS, **({"num_heads": 2} | attributes))


def test_attention_is_one_operation(importer):
    assert importer.operations(joint()).count("attention") == 1
    assert "causal = true" in importer.ir(joint(unidirectional=1))


@pytest.mark.parametrize("shape", [[2], [2, 3], [2, 3, 3], [2, 1, 3, 3]])
def test_masks_of_each_rank(importer, shape):
    assert " mask " in importer.ir(joint((shape, I32)))


@pytest.mark.parametrize(
    "proto, message",
    [
        (joint(num_heads=3), "the number of heads does not divide the channels"),
        (joint(qkv_hidden_sizes=[8, 8, 4]), "qkv_hidden_sizes do not fit the weights"),
        (joint(qkv_hidden_sizes=[2**62, 2**62, 24]), "qkv_hidden_sizes do not fit the weights"),
        (joint(do_rotary=1), "do_rotary is not supported"),
        (joint(([4], I32)), "a mask of first positions or of packed rows is not supported"),
        (joint(([2, 3], 1)), "a mask of floats is not supported"),
        (single("Attention", {"x": [2, 3, 8], "w": None, "b": None, "": None, "past": [2, 2, 2, 1, 4]}, WEIGHTS, num_heads=2),
         "a past is not supported"),
        (single("MultiHeadAttention", {"q": [2, 3, 2, 3, 4]}, num_heads=2), "packed queries, keys and values are not supported"),
        (single("MultiHeadAttention", {"q": [2, 3, 8], "k": [2, 3, 8], "v": [2, 3, 8], "b": None},
                [constant("b", np.ones(25), np.float32)], num_heads=2), "does not fit"),
    ],
)  # fmt: skip
def test_refusals(importer, proto, message):
    refusal = importer.refusal(proto)
    assert message in refusal and "node 'n'" in refusal


def grouped(batch=1, past=True, **attributes):
    names = ["q", "k", "v", *(["pk", "pv"] if past else ["", ""]), "lengths", "total"]
    declared = [value("q", [batch, 1, 8]), value("k", [batch, 1, 4]), value("v", [batch, 1, 4])]
    if past:
        declared += [value("pk", [batch, 1, "past", 4]), value("pv", [batch, 1, "past", 4])]
    declared += [value("lengths", [batch], I32), value("total", [], I32)]
    attributes = {"num_heads": 2, "kv_num_heads": 1} | attributes
    node = helper.make_node("GroupQueryAttention", names, ["y"], name="n", domain=MS, **attributes)
    return model([node], declared, ["y"], domains=[MS])


def test_grouped_query_attention_is_one_operation(importer):
    assert importer.operations(grouped()).count("attention") == 1
    ir = importer.ir(grouped(batch=2, past=False, local_window_size=4, softcap=2.0))
    assert "causal = true" in ir and "window = 4" in ir and "softcap = 2.0" in ir


@pytest.mark.parametrize(
    "proto, message",
    [
        (grouped(batch=2), "a past needs a batch of 1"),
        (grouped(batch="b"), "a past needs a batch of 1"),
        (grouped(do_rotary=1), "do_rotary needs tables of cosines and sines"),
        (grouped(smooth_softmax=1), "smooth_softmax and qk_output are not supported"),
        (grouped(local_window_size=0), "local_window_size must be positive"),
        (grouped(kv_num_heads=0), "num_heads and kv_num_heads be positive"),
        (grouped(num_heads=3), "the number of heads does not divide the channels"),
    ],
)
def test_refusals_of_grouped_queries(importer, proto, message):
    refusal = importer.refusal(proto)
    assert message in refusal and "node 'n'" in refusal
