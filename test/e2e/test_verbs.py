"""inspect, explain, doctor, diff."""

import json
import re

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
    assert done.returncode == 0
    # What is said of attention is its kind.
    said = done.stderr.splitlines()
    assert len(said) == 2 and all("attention is full, a bias: 4 heads, 16 x 16 tokens of 16" in line for line in said)
    graph = onnx.load(path).graph
    products = [node.name for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    assert products
    for name in products:
        assert name in done.stdout


@pytest.mark.parametrize(
    "model, form",
    [
        ("vit_b16.onnx", "packed: each cell of 17 queries"),
        ("qwen2_decode.onnx", "streamed: at most four queries"),
        ("qwen2_prefill.dyn.onnx", "streamed when a call has at most four queries"),
    ],
)
def test_explain_says_how_attention_is_carried_out(model, form, tools):
    done = tools.call("mmcc", "explain", tools.models / "tiny" / model)
    assert done.returncode == 0 and form in done.stdout


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


def test_diff_of_narrow_numbers_asks_for_signal_to_noise(tools, folder, tmp_path):
    model = TINY / "bert_base.dyn.onnx"
    tools.compile(model, tmp_path / "bert.mmcc", "--quantize=w8a8-dynamic")
    command = ["diff", model, tmp_path / "bert.mmcc", "--inputs", folder / "in.npz"]
    done = tools.call("mmcc", *command)
    assert done.returncode == 3 and "departs" in done.stderr
    done = tools.call("mmcc", *command, "--sqnr=15")
    assert done.returncode == 0, done.stderr
    least = float(done.stdout.split("least SQNR ")[1].split()[0])
    with np.load(folder / "expected.npz") as arrays:
        want = dict(arrays)
    with np.load(folder / "in.npz") as arrays:
        got = tools.run(tmp_path / "bert.mmcc", dict(arrays), tmp_path)
    sqnr = [10 * np.log10(np.square(want[n]).sum() / np.square(got[n] - want[n]).sum()) for n in want]
    assert least == pytest.approx(min(sqnr), abs=0.2)
    done = tools.call("mmcc", *command, f"--sqnr={least + 1}")
    assert done.returncode == 3 and "dB" in done.stderr
    assert "the first node that departs is" in done.stderr or "no node departs by itself; the noisiest is" in done.stderr


def test_inspect_lists_external_data_among_the_sources(tools, tmp_path):
    model = TINY / "external" / "clip_text.onnx"
    tools.compile(model, tmp_path / "m.mmcc")
    sources = json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)["sources"]
    files = [model, model.with_name(model.name + ".data")]
    assert [s["name"] for s in sources] == [f.name for f in files]
    assert [s["bytes"] for s in sources] == [f.stat().st_size for f in files]
    assert len({s["hash"] for s in sources}) == 2


def test_the_arena_is_held_against_its_lower_bound(tools, tmp_path):
    done = tools.call("mmcc", "compile", TINY / "vit_b16.onnx", "-o", tmp_path / "m.mmcc", "--time")
    assert done.returncode == 0
    said = re.search(r"arena of vit_b16: (\d+) bytes, (\d\.\d+) x what is alive at once", done.stderr)
    assert said and 1.0 <= float(said[2]) < 1.2
    entry = json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)["entries"][0]
    assert entry["arena_bytes"] == int(said[1])
    assert f"{entry['arena_bytes'] / entry['arena_live_bytes']:.3f}" == said[2]


def planted(tools, model, tensor: str, folder, change) -> str:
    """Compiles a copy of a tiny model with one initializer changed, and compares it with the original."""
    original = TINY / f"{model}.onnx"
    copy = onnx.load(original)
    (initializer,) = (i for i in copy.graph.initializer if i.name == tensor)
    initializer.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(initializer)), tensor))
    onnx.save(copy, folder / original.name)
    tools.compile(folder / original.name, folder / "changed.mmcc")
    inputs, _ = case_arrays(TINY / f"{model}.npz")
    np.savez(folder / "in.npz", **inputs)
    done = tools.call("mmcc", "diff", original, folder / "changed.mmcc", "--inputs", folder / "in.npz")
    assert done.returncode == 3
    return done.stderr.splitlines()[-1]


def departing_node(said: str) -> str:
    return re.search(r"the first node that departs is '([^']+)'", said)[1]


PLACES = [(operator, place) for operator in ("MatMul", "Add", "LayerNormalization") for place in (0, 1, -1)]


@pytest.mark.parametrize("operator, place", [("Conv", 0), *PLACES])
def test_diff_finds_the_node_of_a_planted_error(operator, place, tools, tmp_path):
    """Each product of the encoder is fused with its bias, and with GELU or a residual: the error is inside a kernel."""
    graph = onnx.load(TINY / "vit_b16.onnx").graph
    weights = {i.name for i in graph.initializer if max(i.dims, default=1) > 1}
    nodes = [n for n in graph.node if n.op_type == operator and n.input[1] in weights]
    node = nodes[place]
    said = planted(tools, "vit_b16", node.input[1], tmp_path, lambda w: w + 0.05 * np.sign(w))
    assert departing_node(said) == node.name


@pytest.mark.parametrize("part", ["query", "key", "value"])
def test_diff_tells_merged_products_apart(part, tools, tmp_path):
    """Query, key and value of a layer are one product, whose weights lie in one constant."""
    graph = onnx.load(TINY / "bert_base.legacy.onnx").graph
    node = [n for n in graph.node if n.name.endswith(f"self/{part}/MatMul")][1]
    said = planted(tools, "bert_base.legacy", node.input[1], tmp_path, lambda w: w * 1.5)
    assert departing_node(said) == node.name


def test_diff_watches_what_launches_store(tools, tmp_path):
    """A number inside GELU is in the code, no constant: the first value stored behind it is named."""
    graph = onnx.load(TINY / "vit_b16.onnx").graph
    erf = next(i for i, n in enumerate(graph.node) if n.op_type == "Erf")
    one = graph.node[erf + 1]
    assert one.op_type == "Add"
    product = next(n for n in graph.node[erf:] if n.op_type == "MatMul")
    (gelu,) = (n for n in graph.node if product.input[0] in n.output)
    said = planted(tools, "vit_b16", one.input[1], tmp_path, lambda w: w * 1.5)
    assert departing_node(said) == gelu.name


def test_a_trace_holds_every_launch_once(tools, folder, tmp_path):
    run = ["mmcc-run", folder / "bert.mmcc", "--inputs", folder / "in.npz", "--threads", "2"]
    done = tools.call(*run, "--trace", tmp_path / "trace.json", "--outputs", tmp_path / "out.npz")
    assert done.returncode == 0, done.stderr
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    tracks = {e["tid"] for e in events if e["ph"] == "M"}
    events = [e for e in events if e["ph"] == "X"]
    entry = json.loads(tools.call("mmcc", "inspect", folder / "bert.mmcc", "--json").stdout)["entries"][0]
    assert len({e["args"]["command"] for e in events}) == sum(entry["commands"].values()) > 10
    # The cells of a command, on however many threads, are all of its cells.
    for command, cells in {e["args"]["command"]: e["args"]["of_cells"] for e in events}.items():
        assert sum(e["args"]["cells"] for e in events if e["args"]["command"] == command) == cells
    assert {e["tid"] for e in events} <= tracks == {1, 2}
    # On a thread one after the other: no slice begins before the one before it ends.
    for track in tracks:
        own = [e for e in events if e["tid"] == track]
        for before, after in zip(own, own[1:]):
            assert after["ts"] >= before["ts"] + before["dur"] - 1e-3
    products = [e for e in events if e["name"].startswith("gemm")]
    assert products and all(e["args"]["gflop"] > 0 and e["args"]["gflop_per_s"] > 0 and e["args"]["nodes"] for e in products)
    # The run itself is as any other.
    plain = tools.call(*run, "--outputs", tmp_path / "plain.npz")
    assert plain.returncode == 0
    with np.load(tmp_path / "out.npz") as a, np.load(tmp_path / "plain.npz") as b:
        assert all(a[n].tobytes() == b[n].tobytes() for n in b.files)
    done = tools.call(*run, "--trace", tmp_path / "nowhere" / "trace.json")
    assert done.returncode == 4 and "trace.json" in done.stderr
