"""Exit codes and messages: one clear message, nothing half-written, whatever comes in."""

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import ROOT, case_arrays
from onnx import TensorProto, helper

TINY = ROOT / "models" / "tiny"
MODEL = TINY / "llava_proj.onnx"
CASE = TINY / "llava_proj.npz"


@pytest.fixture(scope="module")
def artifact(tools, tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "model.mmcc"
    tools.compile(MODEL, path)
    return path


def refused(done, code: int, *words: str) -> None:
    """One message on standard error, nothing else, no sign of a crash."""
    assert done.returncode == code, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert done.stderr.endswith("\n") and 0 < len(done.stderr) < 2000
    for word in words:
        assert word in done.stderr, done.stderr
    for sign in ("Stack dump", "Assertion", "terminate called", "PLEASE submit"):
        assert sign not in done.stderr


@pytest.mark.parametrize(
    "options, word",
    [
        (["--no-such-option"], "--no-such-option"),
        (["--target=cpu:x86-64-v9"], "x86-64-v9"),
        (["--target=tpu"], "tpu"),
        (["--target=cuda:sm_70"], "unknown architecture 'sm_70' (known: sm_80"),
        (["--target=cuda"], "unknown architecture ''"),
        (["--quantize=w4a16", "-O0"], "--quantize takes effect when the model is optimised"),
        (["--precision=f64"], "f64"),
        (["--precision=bf16", "-O0"], "--precision takes effect when the model is optimised"),
        (["--precision=bf16", "--quantize=fp8"], "--precision=bf16 and --quantize=fp8 both say what weights are stored in"),
        (["--quantize=fp8", "--asymmetric"], "--asymmetric is of integers"),
        (["--tome=8"], "--tome=8: expected r=N"),
        (["--tome=r=-1"], "--tome=r=-1: expected r=N"),
        (["--tome=r=99999999999999999999"], "expected r=N"),
        (["--tome=ratio=1.5"], "--tome=ratio=1.5: expected r=N"),
        (["--tome=r=8,ratio=0.5"], "expected r=N"),
        (["--tome=r=8", "-O0"], "--tome takes effect when the model is optimised"),
        (["--tome-map"], "--tome-map needs --tome"),
        (["--attention=window=0"], "--attention=window=0: expected auto"),
        (["--attention=sparse=16"], "--attention=sparse=16: expected auto"),
        (["--attention=sparse=16,1"], "expected auto"),
        (["--attention=5..2:full"], "expected auto"),
        (["--attention=window=16", "-O0"], "--attention takes effect when the model is optimised"),
        (["--kv=int4"], "int4"),
        (["--kv=fp8", "-O0"], "--kv takes effect when the model is optimised"),
        (["--asymmetric"], "--group-size, --asymmetric, --method and --act-order need --quantize"),
        (["--act-order"], "--act-order need --quantize"),
        (["--method=gptq"], "--act-order need --quantize"),
        (["--group-size=64"], "--act-order need --quantize"),
        (["--method=svd", "--quantize=w4a16"], "svd"),
        (["--method=gptq", "--quantize=w4a16"], "--method=gptq looks at samples: give a folder of them with --calibrate"),
        (["--quantize=w8a8"], "--quantize=w8a8 looks at samples: give a folder of them with --calibrate"),
        (["--quantize=auto", "--calibrate=samples"], "--quantize=auto searches under a bound: give --max-drop"),
        (["--quantize=auto", "--max-drop=1", "--calibrate=samples", "--method=awq"], "--quantize=auto chooses groups and methods itself"),
        (["--act-order", "--quantize=w4a16"], "--act-order goes with --method=gptq"),
        (["--method=smoothquant", "--quantize=w4a16", "--calibrate=samples"], "which --quantize=w4a16 does not have"),
        (["--quantize=w8a8", "--group-size=32", "--calibrate=samples"], "--group-size goes with scales of the weight's groups"),
        (["--quantize=fp8-static"], "--quantize=fp8-static looks at samples: give a folder of them with --calibrate"),
        (["--quantize=fp8-dynamic", "--group-size=32"], "--quantize=fp8-dynamic has whole columns"),
        (["--quantize=fp8-static", "--group-size=32", "--calibrate=samples"], "--quantize=fp8-static has whole columns"),
        (["--quantize=fp8-dynamic", "--asymmetric"], "that of --quantize=fp8-dynamic is the float 0"),
        (["--calibrate=samples"], "--calibrate has nothing to measure without --tome, --prune, --attention, --precision, --quantize or --report"),
        (["--max-drop=1"], "--max-drop is measured on samples"),
        (["--max-drop=-1", "--calibrate=samples"], "--max-drop=-1: expected a number of points"),
        (["--max-drop=nan", "--calibrate=samples"], "--max-drop=nan: expected a number of points"),
        (["--tome=auto"], "--tome=auto needs --max-drop and --calibrate"),
        (["--report=page.html", "--stop-after=lower"], "--report shows the artifact, which --stop-after=lower leaves out"),
        (["--tuning=record"], "--tuning times what --quantize=auto chooses from"),
        (["--dim", "seq"], "seq"),
        (["--dim", "seq=4..2"], "seq=4..2"),
        (["--dim", "seq=4", "--dim", "seq=5"], "twice"),
        (["--dim", "seq=99999999999999999999"], "seq=99999999999999999999"),
        (["--stop-after=nowhere"], "nowhere"),
        (["--from=lower", "--stop-after=import"], "--stop-after=import"),
        (["-O7"], "7"),
        ([MODEL], "llava_proj"),
    ],
    ids=lambda v: " ".join(map(str, v)) if isinstance(v, list) else "",
)
def test_a_wrong_command_line(options, word, tools, tmp_path):
    refused(tools.call("mmcc", "compile", MODEL, "-o", tmp_path / "out.mmcc", *options), 2, word)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["compile"], ["compile", MODEL], ["inspect"], ["diff", MODEL], ["tune", "x"], []])
def test_an_incomplete_command_line(arguments, tools):
    done = tools.call("mmcc", *arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr


def test_later_options_that_say_what_is_done_anyway(tools, tmp_path):
    options = ["--quantize=none", "--precision=f32", "--tome=off", "--attention=auto", "--kv=f32"]
    tools.compile(MODEL, tmp_path / "out.mmcc", *options)


def test_a_bare_call_compiles(tools, tmp_path, artifact):
    done = tools.call("mmcc", MODEL, "-o", tmp_path / "out.mmcc")
    assert done.returncode == 0 and done.stdout == "" and done.stderr == ""
    assert (tmp_path / "out.mmcc").read_bytes() == artifact.read_bytes()


@pytest.mark.parametrize("verb", [[], ["compile"], ["inspect"], ["explain"], ["doctor"], ["diff"]])
def test_help_fits_a_screen(verb, tools):
    done = tools.call("mmcc", *verb, "--help")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert 0 < len(lines) <= 24 and max(map(len, lines)) <= 100


def test_a_missing_model(tools, tmp_path):
    refused(tools.call("mmcc", "compile", tmp_path / "none.onnx", "-o", tmp_path / "out.mmcc"), 1, "none.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [0, 1, 7, 100, 1000, -1])
def test_a_truncated_model(size, tools, tmp_path):
    (tmp_path / "cut.onnx").write_bytes(MODEL.read_bytes()[:size])
    refused(tools.call("mmcc", "compile", tmp_path / "cut.onnx", "-o", tmp_path / "out.mmcc"), 1, "cut.onnx")
    assert not (tmp_path / "out.mmcc").exists()


def test_ir_that_does_not_parse(tools, tmp_path):
    (tmp_path / "x.mlir").write_text("func.func @main( {")
    done = tools.call("mmcc", "compile", tmp_path / "x.mlir", "--from=import", "-o", tmp_path / "out.mmcc")
    refused(done, 1, "x.mlir", "line 1")


@pytest.mark.parametrize("place", ["missing/out.mmcc", "."])
def test_an_output_that_cannot_be_written(place, tools, tmp_path):
    refused(tools.call("mmcc", "compile", MODEL, "-o", tmp_path / place), 4)
    assert not list(tmp_path.iterdir())


def test_a_device_keeps_its_place(tools, artifact, tmp_path):
    """What is written beside a name and moved there must not take the place of a device (here a pipe)."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    inputs, _ = case_arrays(CASE)
    np.savez(tmp_path / "in.npz", **inputs)
    run = ["mmcc-run", artifact, "--inputs", tmp_path / "in.npz"]
    refused(tools.call("mmcc", "compile", MODEL, "-o", pipe), 4, "pipe")
    done = tools.call("mmcc", "compile", MODEL, "-o", tmp_path / "m.mmcc", f"--report={pipe}")
    refused(done, 4, "pipe")
    assert tools.call(*run, "--outputs", pipe).returncode == 4
    assert pipe.is_fifo()
    assert tools.call(*run, "--bench", "0.01", "--json", "/dev/null").returncode == 0
    assert Path("/dev/null").is_char_device()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.npz", "m.mmcc", "pipe"]


def test_standard_output_that_is_full(tools):
    with open("/dev/full", "w") as full:
        command = [str(tools.binaries / "mmcc"), "compile", str(MODEL), "--stop-after=import"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 4 and "standard output" in done.stderr


def test_time_goes_to_standard_error(tools, tmp_path):
    done = tools.call("mmcc", "compile", MODEL, "-o", tmp_path / "out.mmcc", "--time")
    assert done.returncode == 0 and done.stdout == ""
    for stage in ("import", "simplify", "optimize", "quantize", "lower", "schedule", "emit"):
        assert f"\n{stage} " in done.stderr


def test_code_can_be_read(tools, tmp_path):
    tools.compile(MODEL, tmp_path / "out.mmcc", f"--dump-code={tmp_path / 'code'}")
    for level in ("x86-64-v3", "x86-64-v4"):
        files = list((tmp_path / "code" / f"cpu-{level}").iterdir())
        assert any(f.suffix == ".ll" and "define" in f.read_text() for f in files)
        assert any(f.suffix == ".s" for f in files)


def softmax_between_products(path, axis: int) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["s"], name="scores"),
        helper.make_node("Softmax", ["s"], ["p"], name="weights", axis=axis),
        helper.make_node("MatMul", ["p", "x"], ["y"], name="mixed"),
    ]
    x, w, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [4, 4]) for n in "xwy")
    graph = helper.make_graph(nodes, "g", [x, w], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)


def test_strict_demands_fused_attention(tools, tmp_path):
    tools.compile(TINY / "bert_base.onnx", tmp_path / "out.mmcc", "--strict")
    # Normalised over the queries this is no attention, and stays in pieces.
    softmax_between_products(tmp_path / "odd.onnx", axis=0)
    done = tools.call("mmcc", "compile", tmp_path / "odd.onnx", "-o", tmp_path / "odd.mmcc", "--strict")
    refused(done, 3, "weights", "--strict")
    assert not (tmp_path / "odd.mmcc").exists()
    tools.compile(tmp_path / "odd.onnx", tmp_path / "odd.mmcc")


def changed(arrays: dict, name: str, array) -> dict:
    return {k: v for k, v in {**arrays, name: array}.items() if v is not None}


def test_wrong_arrays(tools, artifact, tmp_path):
    inputs, _ = case_arrays(CASE)
    name, good = next(iter(inputs.items()))
    wrong = {
        "missing": None,
        "rank": good[None],
        "shape": good[..., :-1],
        "empty": good[:0],
        "type": good.astype(np.float64),
        "text": np.array(["a", "b"]),
        "complex": good.astype(np.complex64),
    }
    for kind, array in wrong.items():
        np.savez(tmp_path / "in.npz", **changed(inputs, name, array))
        done = tools.call("mmcc-run", artifact, "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
        refused(done, 1, name)
        assert not (tmp_path / "out.npz").exists(), kind


def test_damaged_arrays(tools, artifact, tmp_path):
    inputs, _ = case_arrays(CASE)
    np.savez(tmp_path / "in.npz", **inputs)
    good = (tmp_path / "in.npz").read_bytes()
    for damaged in (b"", good[:20], good[: len(good) // 2], b"PK" * 100, b"\x93NUMPY\x01\x00\xff\xff{"):
        (tmp_path / "in.npz").write_bytes(damaged)
        done = tools.call("mmcc-run", artifact, "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
        refused(done, 1, "in.npz")


def test_a_damaged_artifact(tools, artifact, tmp_path):
    good = artifact.read_bytes()
    inputs, _ = case_arrays(CASE)
    np.savez(tmp_path / "in.npz", **inputs)
    places = [0, 9, 40, len(good) // 3, len(good) // 2, len(good) - 1]
    for damaged in [good[:place] for place in places] + [
        good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :] for place in places
    ]:
        (tmp_path / "bad.mmcc").write_bytes(damaged)
        done = tools.call(
            "mmcc-run", tmp_path / "bad.mmcc", "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz"
        )
        refused(done, 1, "bad.mmcc")
        refused(tools.call("mmcc", "inspect", tmp_path / "bad.mmcc"), 1, "bad.mmcc")
