"""Methods that look at samples: through the whole compiler, against the papers' renderings and ONNX Runtime."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_models import attending_decoder, describe, encoder, image_and_text
from test_quantizers import constants, layer

ROW = 256


@pytest.fixture(scope="module")
def given(tools):
    with np.load(tools.models / "quantization" / "layer.npz") as arrays:
        return arrays["w"], arrays["x"]


@pytest.fixture
def samples(given, tmp_path):
    """The layer's inputs, in four files."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for i, part in enumerate(np.split(given[1], 4)):
        np.savez(folder / f"{i}.npz", x=part)
    return folder


def quantized(tools, model, samples, *options) -> list[np.ndarray]:
    """Integers [out, in], scales [out, groups] and zeros that a compilation ends with."""
    done = tools.call("mmcc", "compile", model, f"--calibrate={samples}", *options, "--stop-after=quantize")
    assert done.returncode == 0, done.stderr
    return constants(done.stdout)


def values(arrays: list[bytes], outputs: int, asymmetric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Integers, and what they mean, both [out, in]."""
    numbers = np.frombuffer(arrays[0], np.int8).reshape(ROW, outputs).T.astype(np.float64)
    scale, zero = (np.frombuffer(a, np.float32).reshape(-1, outputs).T for a in (arrays + [bytes(len(arrays[1]))])[1:3])
    repeat = ROW // scale.shape[1]
    return numbers, (numbers - np.repeat(zero, repeat, 1)) * np.repeat(scale, repeat, 1)


@pytest.mark.parametrize("order", [False, True])
@pytest.mark.parametrize("bits, group, symmetry", [(4, 32, "asymmetric"), (3, 128, "symmetric"), (4, 0, "symmetric")])
def test_gptq_is_that_of_the_rendering(bits, group, symmetry, order, given, samples, tools, tmp_path):
    """The compiled model sums x^T x in single precision: an integer near a tie may differ, and what follows from it."""
    w, x = given
    onnx.save(layer(w), tmp_path / "m.onnx")
    options = [f"--quantize=w{bits}a16", "--method=gptq", f"--group-size={group}"]
    options += ["--asymmetric"] * (symmetry == "asymmetric") + ["--act-order"] * order
    numbers, meant = values(quantized(tools, tmp_path / "m.onnx", samples, *options), len(w), symmetry == "asymmetric")
    name = f"b{bits}.{f'g{group}' if group else 'row'}.{symmetry}" + (".act_order" if order else "")
    with np.load(tools.models / "quantization" / "gptq.npz") as fixture:
        want = fixture[f"{name}:integers"]
        scales = fixture[f"{name}:scales"]
        zeros = fixture[f"{name}:zeros"] if symmetry == "asymmetric" else np.zeros_like(scales)
    repeat = ROW // scales.shape[1]
    wanted = (want - np.repeat(zeros, repeat, 1)) * np.repeat(scales, repeat, 1)
    assert (numbers != want).mean() < 0.01
    error, limit = (np.square(x @ (m - w).T).mean() for m in (meant, wanted))
    assert error < 1.01 * limit


def output_error(tools, model, samples, given, tmp_path, *options) -> float:
    """Mean squared error of the compiled layer's outputs, over that of the outputs."""
    w, x = given
    tools.compile(model, tmp_path / "m.mmcc", f"--calibrate={samples}", *options)
    wanted = x.astype(np.float64) @ w.astype(np.float64).T
    return np.square(tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path)["y"] - wanted).mean() / np.square(wanted).mean()


@pytest.mark.parametrize("scheme", ["w3a16", "w4a16", "w4a8"])
@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_looking_at_samples_is_better_than_rounding(method, scheme, given, samples, tools, tmp_path):
    onnx.save(layer(given[0]), tmp_path / "m.onnx")
    plain, better = (
        output_error(tools, tmp_path / "m.onnx", samples, given, tmp_path, f"--quantize={scheme}", f"--method={m}")
        for m in ("rtn", method)
    )
    assert better < 0.95 * plain


@pytest.mark.parametrize("scheme", ["w8a8", "w8a8-dynamic"])
def test_smoothing_is_better_than_rounding(scheme, given, samples, tools, tmp_path):
    onnx.save(layer(given[0]), tmp_path / "m.onnx")
    plain, better = (
        output_error(tools, tmp_path / "m.onnx", samples, given, tmp_path, f"--quantize={scheme}", f"--method={m}")
        for m in ("rtn", "smoothquant")
    )
    with np.load(tools.models / "quantization" / "smoothquant.npz") as fixture:
        loss = fixture[f"{'static' if scheme == 'w8a8' else 'dynamic'}:losses"].min()
    # The kernels' weights have 0.4 bits of range less than the rendering's (NarrowWeight.h).
    rendering = loss / np.square(given[1].astype(np.float64) @ given[0].astype(np.float64).T).mean()
    assert better < 0.8 * plain and better < 2**0.8 * rendering


def normed_layers(w: np.ndarray) -> onnx.ModelProto:
    """x -> norm -> two layers that read it."""
    node = helper.make_node
    rng = np.random.default_rng(1)
    tensors = {
        "gain": rng.uniform(0.5, 2, ROW).astype(np.float32),
        "offset": rng.standard_normal(ROW).astype(np.float32),
        "w": w.T.copy(),
        "v": w[::-1].T.copy(),
    }
    tensors["gain"][[3, 70]] *= 30
    nodes = [
        node("LayerNormalization", ["x", "gain", "offset"], ["n"], axis=-1),
        node("MatMul", ["n", "w"], ["y"]),
        node("MatMul", ["n", "v"], ["z"]),
        node("Sigmoid", ["z"], ["s"]),
    ]
    value = helper.make_tensor_value_info
    outputs = [value(n, TensorProto.FLOAT, ["rows", len(w)]) for n in ("y", "s")]
    initializers = [numpy_helper.from_array(a, n) for n, a in tensors.items()]
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, ["rows", ROW])], outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_a_norm_takes_up_what_inputs_are_divided_by(given, samples, tools, tmp_path):
    """No operation is added, and the norm's numbers are other ones."""
    onnx.save(normed_layers(given[0]), tmp_path / "m.onnx")
    programs = {}
    for method in ("rtn", "smoothquant"):
        done = tools.call(
            "mmcc", "compile", tmp_path / "m.onnx", "--quantize=w8a8", f"--method={method}", f"--calibrate={samples}", "--stop-after=quantize"
        )
        assert done.returncode == 0, done.stderr
        programs[method] = done.stdout
    operations = {m: [line.split(" = ")[1].split()[0] for line in p.splitlines() if " = mm." in line] for m, p in programs.items()}
    assert operations["smoothquant"].count("mm.mul") == operations["rtn"].count("mm.mul") == 0
    assert sorted(operations["smoothquant"]) == sorted(operations["rtn"])


@pytest.mark.parametrize("method", ["smoothquant", "rtn"])
def test_layers_that_follow_each_other_at_once(method, given, samples, tools, tmp_path):
    """The second one's input is made by the first, which is quantized before it."""
    w, x = given
    square = np.random.default_rng(3).standard_normal((len(w), 96)).astype(np.float32)
    node = helper.make_node
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["c"]), node("MatMul", ["c", "v"], ["y"]), node("Relu", ["c"], ["r"])]
    wide = np.tile(w.T, (1, 4))  # 96 outputs
    tensors = {"w": wide, "b": np.ones(96, np.float32), "v": square[:, :96].repeat(4, 0)}
    value = helper.make_tensor_value_info
    outputs = [value("y", TensorProto.FLOAT, ["rows", 96]), value("r", TensorProto.FLOAT, ["rows", 96])]
    initializers = [numpy_helper.from_array(a, n) for n, a in tensors.items()]
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, ["rows", ROW])], outputs, initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", "--quantize=w8a8", f"--method={method}", f"--calibrate={samples}")
    got = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path)["y"]
    want = (x @ wide + 1) @ tensors["v"]
    assert np.square(got - want).mean() < 3e-3 * np.square(want).mean()


@pytest.mark.parametrize("arrays, message", [({"y": np.ones((2, ROW), np.float32)}, "no array for input 'x'"), (None, "holds no .npz file")])
def test_samples_must_fit(arrays, message, given, tools, tmp_path):
    onnx.save(layer(given[0]), tmp_path / "m.onnx")
    (tmp_path / "s").mkdir()
    if arrays:
        np.savez(tmp_path / "s" / "a.npz", **arrays)
    done = tools.call("mmcc", "compile", tmp_path / "m.onnx", "-o", tmp_path / "m.mmcc", "--quantize=w8a8", f"--calibrate={tmp_path / 's'}")
    assert done.returncode == 1 and message in done.stderr
    assert not (tmp_path / "m.mmcc").exists()


def test_samples_that_are_no_numbers_are_refused(given, tools, tmp_path):
    w, x = given
    onnx.save(layer(w), tmp_path / "m.onnx")
    (tmp_path / "s").mkdir()
    np.savez(tmp_path / "s" / "bad.npz", x=np.where(np.arange(ROW) == 7, np.nan, x))
    done = tools.call(
        "mmcc", "compile", tmp_path / "m.onnx", "-o", tmp_path / "m.mmcc", "--quantize=w4a16", "--method=gptq", f"--calibrate={tmp_path / 's'}"
    )
    assert done.returncode == 1 and "bad.npz: a layer is given infinity or NaN" in done.stderr


def test_the_same_samples_give_the_same_bytes(given, samples, tools, tmp_path):
    onnx.save(layer(given[0]), tmp_path / "m.onnx")
    made = []
    for i in range(2):
        path = tmp_path / f"{i}.mmcc"
        tools.compile(tmp_path / "m.onnx", path, "--quantize=w4a16", "--method=gptq", f"--calibrate={samples}")
        made.append(path.read_bytes())
    assert made[0] == made[1]


def in_onnx_runtime(model, feeds: dict) -> dict:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds)))


def automatic(tools, model, samples, folder, bound: float):
    return tools.call(
        "mmcc", "compile", model, "-o", folder / "auto.mmcc", "--quantize=auto", f"--max-drop={bound}", f"--calibrate={samples}"
    )


def test_bits_are_chosen_under_the_bound(given, samples, tools, tmp_path):
    w, x = given
    onnx.save(normed_layers(np.tile(w, (20, 1))), tmp_path / "m.onnx")
    done = automatic(tools, tmp_path / "m.onnx", samples, tmp_path, 1)
    assert done.returncode == 0, done.stderr
    notes = json.loads(tools.call("mmcc", "inspect", tmp_path / "auto.mmcc", "--json").stdout)["notes"]
    assert notes["quantize"] == "auto" and "w" in notes["quantize.plan"]
    assert 0 <= float(notes["accuracy.drop"]) <= 1
    assert "SQNR" in notes["layer.0"] and notes["layer.0"].startswith(notes["quantize.plan"].split("*")[0])
    got, want = tools.run(tmp_path / "auto.mmcc", {"x": x}, tmp_path), in_onnx_runtime(tmp_path / "m.onnx", {"x": x})
    assert got.keys() == want.keys()
    for name in want:
        assert (got[name] * want[name]).sum() >= 0.98 * np.linalg.norm(got[name]) * np.linalg.norm(want[name])


def test_a_bound_that_nothing_keeps_is_a_broken_contract(given, samples, tools, tmp_path):
    onnx.save(normed_layers(np.tile(given[0], (20, 1))), tmp_path / "m.onnx")
    done = automatic(tools, tmp_path / "m.onnx", samples, tmp_path, 0)
    assert done.returncode == 3 and "keeps --max-drop=0 points" in done.stderr, done.stderr
    assert not (tmp_path / "auto.mmcc").exists()


def test_error_by_layer_is_that_of_its_outputs(given, samples, tools, tmp_path):
    w, x = given
    onnx.save(layer(w), tmp_path / "m.onnx")
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", "--quantize=w4a16", f"--calibrate={samples}")
    notes = json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)["notes"]
    want = x.astype(np.float64) @ w.astype(np.float64).T
    got = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path)["y"]
    sqnr = 10 * np.log10(np.square(want).sum() / np.square(got - want).sum())
    # Of 160 rows 128 are looked at.
    assert float(notes["layer.0"].split("SQNR ")[1].split()[0]) == pytest.approx(sqnr, abs=0.5)
    # A percentile is the middle of a histogram's bin, at most a 64th off, and one decimal is told.
    outliers = abs(x).max() / np.quantile(abs(x), 0.999, method="inverted_cdf")
    assert outliers > 1.2
    assert float(notes["layer.0"].split("inputs up to ")[1].split()[0]) == pytest.approx(outliers, rel=1 / 64, abs=0.05)


@pytest.mark.parametrize("options", [["--quantize=w4a16", "--method=gptq"], ["--quantize=w8a8"], ["--quantize=auto", "--max-drop=50"]])
def test_pairs_of_image_and_text_are_calibrated_together(options, tools, tmp_path):
    """The joined entry runs; its parts, which are entries of their own, have the same weights."""
    encoder(tmp_path / "image.onnx")
    attending_decoder(tmp_path / "decoder.onnx")
    pair = {"entries": {"image": "image.onnx", "decoder": "decoder.onnx"}, "connect": [["image.features", "decoder.image"]]}
    path = describe(tmp_path / "chat.json", **pair, missing={"image": "skip"})
    folder = tmp_path / "samples"
    folder.mkdir()
    for i in range(3):
        pixels, ids = image_and_text(i, batch=1, seq=60)
        past = {f"decoder.past_{n}": np.zeros((1, 4, 0, 16), np.float32) for n in "kv"}
        sample = {f"image.{n}": a for n, a in pixels.items()} | {f"decoder.{n}": a for n, a in ids.items()} | past
        np.savez(folder / f"{i}.npz", **sample)
    done = tools.call("mmcc", "compile", path, "-o", tmp_path / "m.mmcc", "--dim", "past=0..4096", *options, f"--calibrate={folder}")
    assert done.returncode in (0, 3 if "auto" in options[0] else 0), done.stderr
    assert "no sample reaches it" not in done.stderr
    if done.returncode == 3:
        assert "no layer gains from fewer bits" in done.stderr
        return
    told = json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)
    assert any("SQNR" in value for key, value in told["notes"].items() if key.startswith("layer."))
    if "auto" not in options[0]:  # which leaves some as they are
        layers = {key: value.split()[0] for key, value in told["notes"].items() if key.startswith("component.")}
        assert layers == {"component.image": "2", "component.decoder": "2", "component.chat": "4", "component.chat-without-image": "2"}
    got = tools.run(tmp_path / "m.mmcc", sample, tmp_path, "--entry", "chat")["decoder.logits"]
    seen = in_onnx_runtime(tmp_path / "image.onnx", pixels)["features"]
    past = {name.removeprefix("decoder."): a for name, a in past.items()}
    want = in_onnx_runtime(tmp_path / "decoder.onnx", {"image": seen} | ids | past)["logits"]
    assert (got * want).sum() >= 0.95 * np.linalg.norm(got) * np.linalg.norm(want)
