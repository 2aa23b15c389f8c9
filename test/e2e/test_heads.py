"""What stands around attention is part of its neighbours: gates, lengths, positions, biases (the plan of models/attention)."""

import re
from collections import Counter

import pytest
from conftest import ROOT

FORMS = ROOT / "models" / "attention"


def plan(tools, name: str) -> str:
    done = tools.call("mmcc", "compile", FORMS / f"{name}.onnx", "--target=cpu:x86-64-v3", "--stop-after=lower")
    assert done.returncode == 0, done.stderr
    return done.stdout


def launches(text: str) -> Counter:
    return Counter(re.findall(r"plan\.dispatch @(\w+?)_\d+ ", text))


@pytest.mark.parametrize("name", ["gated_cross.legacy", "gated_cross.dyn"])
def test_a_gate_is_two_launches_and_no_scaled_copy(name, tools):
    """Query, gate (2), keys and values with the gate in their epilogue, output: five products, and the attention."""
    assert launches(plan(tools, name)) == {"gemm_f32": 5, "attention_f32": 1}


@pytest.mark.parametrize("name", ["contrast_norm.dyn", "contrast_clamped"])
def test_a_contrastive_head_divides_behind_its_product(name, tools):
    """Two projections, a length for each row of either, and one product that divides and has the temperature."""
    text = plan(tools, name)
    assert launches(text) == {"gemm_f32": 2, "loops": 2, "batch_gemm_f32": 1}
    product = text[text.index("plan.kernel @batch_gemm_f32") :]
    product = product[: product.index("plan.entry")]
    assert product.count("arith.divf") == 2 and product.count("arith.mulf") == 1
    assert "math.exp" not in text


def test_a_bank_is_normalised_when_it_is_compiled(tools):
    """Projection, one length a query, the product, and two launches of the top-k: none reads the bank but the product."""
    assert launches(plan(tools, "retrieval.dyn")) == {"gemm_f32": 2, "loops": 3}


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
