"""Two exports of one model, by torch.export and by TorchScript, become one program."""

import json
import re

import pytest
from conftest import ROOT

TINY = ROOT / "models" / "tiny"
PAIRS = [("swin_t", "swin_t.legacy"), ("swin_t.dyn", "swin_t.legacy.dyn")]
MASK = "one adds a mask of numbers to the scores, the other chooses by a mask of truth values"
STORED = "one stores a weight transposed, the other turns it with a view, which packing reads through"
GROUPS = MASK + "; heads of a group are heads in one, rows of queries in the other, which stores the head's weight apart"
# The optimised programs of these are not the same yet.
DIFFERENT = {
    "bert_base": MASK + "; one stores the sum of two embeddings of positions",
    "bert_base.dyn": MASK,
    "clip_b32": STORED,
    "clip_b32.dyn": STORED,
    "qwen2_decode": GROUPS,
    "qwen2_decode.dyn": GROUPS,
    "vilt": "one stores the slice of the table of positions, the other slices it",
}


def operations(tools, model: str) -> list[str]:
    """What the optimised program does, without names, locations and the values of constants."""
    done = tools.call("mmcc", "compile", TINY / f"{model}.onnx", "--stop-after=optimize")
    assert done.returncode == 0, done.stderr
    lines = []
    for line in done.stdout.split("{-#")[0].splitlines():
        if not re.search(r"= mm\.|return", line):
            continue
        line = re.sub(r"dense(_resource)?<.*> :", "dense :", line)
        lines.append(re.sub(r" loc\(#?.*$", "", line).strip())
    return lines


def constants_and_kernels(tools, model: str, tmp_path) -> list:
    artifact = tmp_path / f"{model}.mmcc"
    tools.compile(TINY / f"{model}.onnx", artifact)
    described = json.loads(tools.call("mmcc", "inspect", artifact, "--json").stdout)
    constants = [[c["dtype"], c["shape"], c["layout"]] for c in described["constants"]]
    return constants + [[v["target"], len(v["kernels"]), v["code_bytes"]] for v in described["variants"]]


@pytest.mark.parametrize("one, other", PAIRS, ids=[p[0] for p in PAIRS])
def test_same_operations(one, other, tools, tmp_path):
    first, second = operations(tools, one), operations(tools, other)
    # Both number their values from %0 on, so that equal lines are equal graphs.
    assert len(first) > 50 and first == second
    assert constants_and_kernels(tools, one, tmp_path) == constants_and_kernels(tools, other, tmp_path)


def legacy_name(model: str) -> str:
    stem, *rest = model.split(".")
    return ".".join([stem, "legacy", *rest])


def test_every_pair_is_known():
    exports = {path.name.removesuffix(".onnx") for path in TINY.glob("*.onnx")}
    pairs = {model for model in exports if "legacy" not in model and legacy_name(model) in exports}
    assert pairs == {one for one, _ in PAIRS} | set(DIFFERENT)


@pytest.mark.parametrize("model", DIFFERENT)
def test_the_list_of_different_programs_is_true(model, tools, tmp_path):
    other = legacy_name(model)
    assert operations(tools, model) != operations(tools, other)
    if DIFFERENT[model] == STORED:
        assert constants_and_kernels(tools, model, tmp_path) == constants_and_kernels(tools, other, tmp_path)
