"""ONNX's own node tests, compiled and run: none wrong, none crashed, and no case lost that ever passed."""

import pytest
import report


@pytest.fixture(scope="module")
def results(tools):
    return report.run(tools.build)


@pytest.mark.parametrize("name", report.committed())
def test_passes(name, results):
    assert name in results, "onnx has no such case"
    assert results[name].verdict == "pass", results[name].reason


def test_enough_pass():
    assert len(report.committed()) >= 700


@pytest.mark.parametrize("verdict", ["wrong", "crashed"])
def test_none_is(verdict, results):
    assert not [f"{name}: {r.reason}" for name, r in results.items() if r.verdict == verdict]


def test_refusals_name_node_and_operator(results):
    refused = {name: r for name, r in results.items() if r.verdict == "refused"}
    signs = ("node '", "input '", "opset")
    silent = [name for name, r in refused.items() if not any(sign in r.reason for sign in signs)]
    assert not silent, {name: refused[name].reason for name in silent}
