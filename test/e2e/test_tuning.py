"""Timings of layers in every scheme: a record, and what is decided by it."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROWS, IN, OUT = 8, 64, 96
SCHEMES = {"f32", "f16", "bf16", "w8a16", "w8a8-dynamic", "w4a16/gptq", "w4a8/gptq"}


@pytest.fixture
def model(tmp_path):
    """x [8, 64] times w [64, 96]."""
    w = np.random.default_rng(0).standard_normal((IN, OUT)).astype(np.float32)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, [ROWS, IN])],
        [value("y", TensorProto.FLOAT, [ROWS, OUT])],
        [numpy_helper.from_array(w, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.fixture
def record(model, tools, tmp_path):
    tools.compile(model, tmp_path / "m.mmcc")
    done = tools.call("mmcc", "tune", tmp_path / "m.mmcc", f"--tuning={tmp_path / 'record.json'}")
    assert done.returncode == 0, done.stderr
    return tmp_path / "record.json"


@pytest.fixture
def samples(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    np.savez(folder / "a.npz", x=np.random.default_rng(1).standard_normal((ROWS, IN)).astype(np.float32))
    return folder


def layers(record) -> dict:
    """The one machine's figures."""
    (machine,) = json.loads(record.read_text())["machines"].values()
    return machine


def test_every_scheme_is_timed(record):
    assert layers(record).keys() == {f"{ROWS} x {IN} x {OUT}"}
    (times,) = layers(record).values()
    assert times.keys() == SCHEMES and all(0 < t < 1e6 for t in times.values())


def test_what_is_known_is_not_timed_again(record, tools, tmp_path):
    before = record.read_text()
    done = tools.call("mmcc", "tune", tmp_path / "m.mmcc", f"--tuning={record}")
    assert done.returncode == 0 and record.read_text() == before


@pytest.mark.parametrize("fastest", ["f16", "bf16", "w8a16", "w8a8-dynamic", "w4a8/gptq"])
def test_the_record_decides(fastest, record, model, samples, tools, tmp_path):
    known = json.loads(record.read_text())
    (times,) = layers(record).values()
    machine = next(iter(known["machines"]))
    known["machines"][machine][f"{ROWS} x {IN} x {OUT}"] = {s: 100 if s == fastest else 200 for s in times}
    record.write_text(json.dumps(known))
    made = []
    for name in ("one", "two"):
        options = ["--quantize=auto", "--max-drop=10", f"--calibrate={samples}", f"--tuning={record}"]
        tools.compile(model, tmp_path / f"{name}.mmcc", *options)
        made.append((tmp_path / f"{name}.mmcc").read_bytes())
    assert made[0] == made[1]
    notes = json.loads(tools.call("mmcc", "inspect", tmp_path / "one.mmcc", "--json").stdout)["notes"]
    assert notes["quantize.plan"] == fastest


def test_nothing_is_faster(record, model, samples, tools, tmp_path):
    known = json.loads(record.read_text())
    (machine,) = known["machines"].values()
    (times,) = machine.values()
    times.update({s: 100 for s in times})
    record.write_text(json.dumps(known))
    options = ["--quantize=auto", "--max-drop=10", f"--calibrate={samples}", f"--tuning={record}"]
    done = tools.call("mmcc", "compile", model, "-o", tmp_path / "n.mmcc", *options)
    assert done.returncode == 3 and "no layer gains from fewer bits" in done.stderr


def test_compiling_adds_what_it_has_timed(model, samples, tools, tmp_path):
    path = tmp_path / "new.json"
    options = ["--quantize=auto", "--max-drop=100", f"--calibrate={samples}", f"--tuning={path}"]
    tools.call("mmcc", "compile", model, "-o", tmp_path / "n.mmcc", *options)
    (times,) = layers(path).values()
    assert times.keys() == SCHEMES


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "record.json: "),
        ('{"version": 2, "machines": {}}', "is no record of timings of version 1"),
        ('{"version": 1, "machines": {"a": {"b": {"f32": -1}}}}', "'b', 'f32' is no time in microseconds"),
        ('{"version": 1, "machines": {"a": {"b": 3}}}', "'b' is no object"),
    ],
)
def test_a_record_that_is_none(text, message, model, tools, tmp_path):
    tools.compile(model, tmp_path / "m.mmcc")
    (tmp_path / "record.json").write_text(text)
    done = tools.call("mmcc", "tune", tmp_path / "m.mmcc", f"--tuning={tmp_path / 'record.json'}")
    assert done.returncode == 1 and message in done.stderr
    assert (tmp_path / "record.json").read_text() == text


def test_what_tune_refuses(model, tools, tmp_path):
    tools.compile(model, tmp_path / "m.mmcc", "-O0")
    done = tools.call("mmcc", "tune", tmp_path / "m.mmcc", f"--tuning={tmp_path / 'r.json'}")
    assert done.returncode == 1 and "has no linear layer" in done.stderr
    done = tools.call("mmcc", "tune", tmp_path / "m.mmcc", f"--tuning={tmp_path / 'r.json'}", "--device=cuda:x")
    assert done.returncode == 2 and "'cuda:x' is no device" in done.stderr
    done = tools.call("mmcc", "tune", model, f"--tuning={tmp_path / 'r.json'}")
    assert done.returncode == 1
    done = tools.call("mmcc", "compile", model, "-o", tmp_path / "n.mmcc", "--tuning=r.json")
    assert done.returncode == 2 and "--tuning times what --quantize=auto chooses from" in done.stderr
