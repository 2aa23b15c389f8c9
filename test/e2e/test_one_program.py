"""Two exports of one model, by torch.export and by TorchScript, become one program."""

import json
import re

import pytest
from conftest import ROOT

TINY = ROOT / "models" / "tiny"
PAIRS = [("swin_t", "swin_t.legacy"), ("swin_t.dyn", "swin_t.legacy.dyn")]


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
