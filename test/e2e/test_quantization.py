"""Narrow weights and activations against ONNX Runtime on weights that numpy rounded, and against integer arithmetic."""

import json

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import case_arrays, machine_levels
from onnx import TensorProto, helper, numpy_helper

WIDTH, INNER, VOCABULARY = 192, 320, 1500


def rounded(w: np.ndarray, bits: int, group: int, asymmetric: bool = False) -> np.ndarray:
    """w [in, out] after rounding to the nearest number of its group's scale; groups lie along `in`."""
    blocks = w.reshape(-1, min(group, len(w)) or len(w), w.shape[1])
    if asymmetric:
        low, high = np.minimum(blocks.min(1, keepdims=True), 0), np.maximum(blocks.max(1, keepdims=True), 0)
        scale = (high - low) / np.float32(2**bits - 1)
        zero = np.clip(np.round(-low / scale), 0, 2**bits - 1)
        return ((np.clip(np.round(blocks / scale) + zero, 0, 2**bits - 1) - zero) * scale).reshape(w.shape)
    most = 2 ** (bits - 1) - 1
    scale = abs(blocks).max(1, keepdims=True) / np.float32(most)
    return (np.clip(np.round(blocks / scale), -most, most) * scale).reshape(w.shape)


def weights(seed: int = 0) -> dict:
    random = np.random.default_rng(seed)
    shapes = {"table": (VOCABULARY, WIDTH), "up": (WIDTH, INNER), "down": (INNER, WIDTH)}
    return {n: (random.standard_normal(s) * 0.2).astype(np.float32) for n, s in shapes.items()} | {
        "bias": random.standard_normal(INNER).astype(np.float32),
        "gain": np.ones(WIDTH, np.float32),
    }


def language_model(values: dict, inputs: int = TensorProto.FLOAT) -> bytes:
    """ids [batch, tokens] -> logits: embedding, a norm, two layers with a residual, and the embedding as the head.

    What products read is rounded to the type `inputs`.
    """
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "ids"], ["x"]),
        node("LayerNormalization", ["x", "gain"], ["normed"], axis=-1),
        node("MatMul", ["normed", "up"], ["u"]),
        node("Add", ["u", "bias"], ["v"]),
        node("Relu", ["v"], ["r"]),
        node("MatMul", ["r", "down"], ["d"]),
        node("Add", ["x", "d"], ["y"]),
        node("Transpose", ["table"], ["head"], perm=[1, 0]),
        node("MatMul", ["y", "head"], ["logits"]),
    ]
    if inputs != TensorProto.FLOAT:
        for product in [n for n in nodes if n.op_type == "MatMul"]:
            name = product.input[0]
            casts = [node("Cast", [name], [f"{name}.narrow"], to=inputs), node("Cast", [f"{name}.narrow"], [f"{name}.rounded"], to=TensorProto.FLOAT)]
            product.input[0] = f"{name}.rounded"
            nodes[nodes.index(product) : nodes.index(product)] = casts
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "tokens", VOCABULARY])
    tensors = [numpy_helper.from_array(a, n) for n, a in values.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [ids], [logits], tensors), opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    return model.SerializeToString()


def reference(model: bytes, feeds: dict) -> np.ndarray:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)[0]


def token_ids(tokens: int) -> dict:
    return {"ids": np.random.default_rng(tokens).integers(0, VOCABULARY, (2, tokens))}


SCHEMES = [
    ("w4a16", 4, 128, []),
    ("w4a16", 4, 32, ["--group-size=32"]),
    ("w4a16", 4, 64, ["--group-size=64", "--asymmetric"]),
    ("w3a16", 3, 0, ["--group-size=0"]),
    ("w8a16", 8, 0, []),
    ("w8a16", 8, 64, ["--group-size=64", "--asymmetric"]),
]


def fitting(group: int, depth: int) -> int:
    while group and depth % group:
        group //= 2
    return group


@pytest.mark.parametrize("scheme, bits, group, options", SCHEMES)
@pytest.mark.parametrize("tokens", [1, 3, 40])
def test_narrow_weights_are_those_that_were_rounded(scheme, bits, group, options, tokens, tools, tmp_path):
    values = weights()
    (tmp_path / "m.onnx").write_bytes(language_model(values))
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", f"--quantize={scheme}", *options)
    asymmetric = "--asymmetric" in options
    narrow = {n: rounded(values[n], bits, fitting(group, len(values[n])), asymmetric) for n in ("up", "down")}
    narrow["table"] = rounded(values["table"].T, bits, fitting(group, WIDTH), asymmetric).T.copy()
    want = reference(language_model(values | narrow), token_ids(tokens))
    for isa in machine_levels():
        got = tools.run(tmp_path / "m.mmcc", token_ids(tokens), tmp_path, "--isa", isa, "--threads", 1)["logits"]
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)
        again = tools.run(tmp_path / "m.mmcc", token_ids(tokens), tmp_path, "--isa", isa, "--threads", 3)["logits"]
        assert got.tobytes() == again.tobytes()


def linear(w: np.ndarray) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", w.shape[0]])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", w.shape[1]])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [numpy_helper.from_array(w, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def integers(x: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """x [rows, n] as whole numbers of each block's largest magnitude, and their scales [rows, n / block, 1]."""
    blocks = x.reshape(len(x), -1, block)
    scale = abs(blocks).max(2, keepdims=True) / np.float32(127)
    return np.round(blocks / np.where(scale == 0, 1, scale)), scale


@pytest.mark.parametrize("rows", [1, 2, 7, 130])
def test_integer_products_are_exact(rows, tools, tmp_path):
    """4-bit weights: sums of whole numbers by group, scaled in double precision."""
    random = np.random.default_rng(rows)
    w = random.standard_normal((384, 100)).astype(np.float32)
    x = random.standard_normal((rows, 384)).astype(np.float32)
    x[0, :128] = 0
    (tmp_path / "m.onnx").write_bytes(linear(w))
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", "--quantize=w4a8")
    blocks = w.reshape(3, 128, 100)
    scale = abs(blocks).max(1, keepdims=True) / np.float32(7)
    numbers, factors = integers(x, 128)
    sums = np.einsum("rgk,gkn->rgn", numbers, np.round(blocks / scale))
    want = (sums * factors * scale[:, 0]).sum(1)
    for isa in machine_levels():
        got = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path, "--isa", isa)["y"]
        # A number that lies between two may be rounded either way.
        assert np.median(abs(got - want)) < 1e-5
        np.testing.assert_allclose(got, want, atol=0.06)


@pytest.mark.parametrize("rows", [1, 7, 130])
def test_8_bits_lose_little_and_nothing_saturates(rows, tools, tmp_path):
    """Neighbours that would add up beyond 16 bits: all weights are alike, and so are all inputs."""
    random = np.random.default_rng(rows)
    for w, x in [
        (np.ones((256, 64), np.float32), np.ones((rows, 256), np.float32)),
        (-np.ones((256, 64), np.float32), np.ones((rows, 256), np.float32)),
        tuple(random.standard_normal(s).astype(np.float32) for s in ((256, 64), (rows, 256))),
    ]:
        (tmp_path / "m.onnx").write_bytes(linear(w))
        tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", "--quantize=w8a8-dynamic")
        want = x.astype(np.float64) @ w
        for isa in machine_levels():
            got = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path, "--isa", isa)["y"]
            error = np.linalg.norm(got - want) / np.linalg.norm(want)
            assert error < 0.015, error


def floats(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """x as numbers of e4m3, with a scale for each line along `axis` that makes its largest 448, or one for all, and the scales."""
    scale = abs(x).max(axis, keepdims=True) / np.float32(448)
    return (x / np.where(scale == 0, 1, scale)).astype(ml_dtypes.float8_e4m3fn).astype(np.float64), scale


@pytest.mark.parametrize("rows", [1, 2, 7, 130])
def test_8_bit_floats_on_both_sides(rows, tools, tmp_path):
    random = np.random.default_rng(rows)
    w = random.standard_normal((384, 100)).astype(np.float32) * np.exp(random.standard_normal(100).astype(np.float32))
    x = random.standard_normal((rows, 384)).astype(np.float32) * np.exp(2 * random.standard_normal((rows, 1))).astype(np.float32)
    x[0, :128] = 0
    (tmp_path / "m.onnx").write_bytes(linear(w))
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", "--quantize=fp8-dynamic")
    (numbers, factors), (stored, scale) = floats(x, 1), floats(w, 0)
    want = numbers @ stored * factors * scale
    # A number that lies between two may be rounded either way: with its neighbour a sixteenth away, and a weight of 448.
    between = 448 * 28 * factors * scale
    for isa in machine_levels():
        got = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path, "--isa", isa)["y"]
        assert np.median(abs(got - want) / between) < 1e-5
        assert (abs(got - want) <= between).all()


def test_the_least_and_largest_rows_of_8_bit_floats(tools, tmp_path):
    """Rows of zeros, of numbers below the normal range, and of nearly the largest there are."""
    w = np.ones((64, 16), np.float32)
    (tmp_path / "m.onnx").write_bytes(linear(w))
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", "--quantize=fp8-dynamic")
    x = np.zeros((6, 64), np.float32)
    x[1, 3], x[2, 3], x[3, 3], x[4], x[5, :2] = 1e-40, -1e-30, 1e38, 2e36, [1, 1e-5]
    for isa in machine_levels():
        y = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path, "--isa", isa)["y"]
        np.testing.assert_allclose(y, x.astype(np.float64) @ w, rtol=1e-4, atol=1e-38)


@pytest.mark.parametrize("scheme", ["w4a8", "w8a8-dynamic", "fp8-dynamic"])
def test_what_is_no_number_stays_none(scheme, tools, tmp_path):
    (tmp_path / "m.onnx").write_bytes(linear(weights()["up"]))
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", f"--quantize={scheme}")
    x = np.ones((4, WIDTH), np.float32)
    x[1, 7], x[2, 8] = np.nan, np.inf
    y = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path)["y"]
    assert np.isfinite(y[[0, 3]]).all() and not np.isfinite(y[1]).any() and not np.isfinite(y[2]).any()


def test_the_largest_weights_there_are(tools, tmp_path):
    """Their range is beyond single precision; their scale is not."""
    w = np.zeros((64, 16), np.float32)
    w[0], w[1] = np.finfo(np.float32).max, -np.finfo(np.float32).max
    (tmp_path / "m.onnx").write_bytes(linear(w))
    x = np.full((1, 64), 1e-30, np.float32)
    for options in (["--quantize=w8a16", "--asymmetric"], ["--quantize=w4a16"], ["--quantize=w8a8-dynamic"], ["--quantize=fp8-dynamic"]):
        tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", *options)
        y = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path)["y"]
        np.testing.assert_allclose(y, 0, atol=0.02 * 1e-30 * np.finfo(np.float32).max)


def test_what_rounding_costs_is_measured_and_bounded(tools, tmp_path):
    (tmp_path / "m.onnx").write_bytes(linear(weights()["up"]))
    samples = tmp_path / "samples"
    samples.mkdir()
    x = np.random.default_rng(0).standard_normal((20, WIDTH)).astype(np.float32)
    np.savez(samples / "one.npz", x=x)
    options = ["--quantize=w3a16", f"--calibrate={samples}"]
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", *options)
    notes = json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)["notes"]
    assert notes["quantize"] == "w3a16" and "tome" not in notes
    a, b = x @ weights()["up"], x @ rounded(weights()["up"], 3, 64)
    if notes["accuracy.metric"] == "top-1 agreement":
        want = 100 * (a.argmax(1) == b.argmax(1)).mean()
    else:
        want = 100 * (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    assert want < 99.9
    assert float(notes["accuracy.after"]) == pytest.approx(want, abs=0.1)
    done = tools.call("mmcc", "compile", tmp_path / "m.onnx", "-o", tmp_path / "no.mmcc", *options, "--max-drop=0.01")
    assert done.returncode == 3 and "--quantize=w3a16 loses" in done.stderr, done.stderr
    assert not (tmp_path / "no.mmcc").exists()


def test_4_bits_make_a_small_file_and_the_table_is_there_once(tools, tmp_path):
    values = weights()
    (tmp_path / "m.onnx").write_bytes(language_model(values))
    size = {}
    for scheme in ("none", "w4a16", "w8a8-dynamic"):
        tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", f"--quantize={scheme}", "--target=cpu:x86-64-v3")
        inspected = json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)
        size[scheme] = sum(c["bytes"] for c in inspected["constants"])
    assert size["w4a16"] < 0.16 * size["none"]
    assert size["w8a8-dynamic"] < 0.28 * size["none"]


def test_schemes_that_do_not_exist_are_refused(tools, tmp_path):
    (tmp_path / "m.onnx").write_bytes(linear(weights()["up"]))
    for options, message in [
        (["--quantize=w5a16"], "--quantize=w5a16: expected none, w3a16"),
        (["--quantize=bf16"], "fp8-static, auto; all layers in 16 bits are --precision=bf16"),
        (["--quantize=w4a16", "--group-size=48"], "--group-size=48: expected a multiple of 32"),
        (["--asymmetric"], "need --quantize"),
        (["--quantize=w4a16", "--method=gptq"], "--method=gptq looks at samples"),
    ]:
        done = tools.call("mmcc", "compile", tmp_path / "m.onnx", "-o", tmp_path / "m.mmcc", *options)
        assert done.returncode == 2 and message in done.stderr, done.stderr
        assert not (tmp_path / "m.mmcc").exists()


@pytest.mark.parametrize("scheme", ["w4a16", "w4a8", "w8a16", "w8a8-dynamic", "fp8-dynamic"])
@pytest.mark.parametrize("name", ["bert_base.dyn", "clip_b32", "qwen2_decode.dyn", "qwen2_prefill.dyn", "whisper_step.dyn", "vit_b16"])
def test_real_exports_stay_close(name, scheme, tools, tmp_path):
    feeds, want = case_arrays(tools.models / "tiny" / f"{name}.npz")
    groups = [] if scheme.startswith("fp8") else ["--group-size=32"]
    tools.compile(tools.models / "tiny" / f"{name}.onnx", tmp_path / "m.mmcc", f"--quantize={scheme}", *groups)
    got = tools.run(tmp_path / "m.mmcc", feeds, tmp_path)
    for key in want:
        if want[key].dtype != np.float32:
            continue
        cosine = (got[key] * want[key]).sum() / np.linalg.norm(got[key]) / np.linalg.norm(want[key])
        assert cosine > {"w4": 0.9, "fp": 0.98}.get(scheme[:2], 0.998), (key, cosine)


STATIC = """func.func @main(%x: tensor<?x64xf32, #mm.dims<[rows, 64]>> {{mm.name = "x"}})
    -> (tensor<?x16xf32, #mm.dims<[rows, 16]>> {{mm.name = "y"}}, tensor<?x64xi8, #mm.dims<[rows, 64]>> {{mm.name = "q"}}) {{
  %w = mm.constant dense<{numbers}> : tensor<64x16xi8>
  %s = mm.constant dense<{scales}> : tensor<1x16xf32>
  %one = mm.constant dense<0.05> : tensor<1xf32>
  %q = mm.quantize %x scale %one : tensor<?x64xf32, #mm.dims<[rows, 64]>>, tensor<1xf32> -> tensor<?x64xi8, #mm.dims<[rows, 64]>>
  %y = mm.quantized_linear %q, %w scale %s input_scale %one : tensor<1xf32>
      : tensor<?x64xi8, #mm.dims<[rows, 64]>>, tensor<64x16xi8>, tensor<1x16xf32> -> tensor<?x16xf32, #mm.dims<[rows, 16]>>
  return %y, %q : tensor<?x16xf32, #mm.dims<[rows, 16]>>, tensor<?x64xi8, #mm.dims<[rows, 64]>>
}}
"""


@pytest.mark.parametrize("most", [63, 127])
@pytest.mark.parametrize("rows", [1, 9])
def test_one_scale_for_all_activations(rows, most, tools, tmp_path):
    """With numbers of up to 127 neighbours add up to more than 16 bits hold, and another kernel is taken."""
    random = np.random.default_rng(most)
    numbers = random.integers(-most, most + 1, (64, 16))
    numbers[:, 0] = most
    scales = random.uniform(0.001, 0.01, (1, 16)).astype(np.float32)
    (tmp_path / "m.mlir").write_text(STATIC.format(numbers=numbers.tolist(), scales=[[float(f"{s:.9e}") for s in scales[0]]]))
    tools.compile(tmp_path / "m.mlir", tmp_path / "m.mmcc", "--from=quantize")
    x = (random.standard_normal((rows, 64)) * 3).astype(np.float32)
    x[0] = 100
    want = np.clip(np.round(x / np.float32(0.05)), -128, 127)
    for isa in machine_levels():
        got = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path, "--isa", isa)
        np.testing.assert_array_equal(got["q"], want)
        np.testing.assert_allclose(got["y"], want @ numbers * np.float32(0.05) * scales, rtol=1e-5, atol=1e-5)


STATIC_FLOATS = """func.func @main(%x: tensor<?x64xf32, #mm.dims<[rows, 64]>> {{mm.name = "x"}})
    -> (tensor<?x16xf32, #mm.dims<[rows, 16]>> {{mm.name = "y"}}, tensor<?x64xf8E4M3FN, #mm.dims<[rows, 64]>> {{mm.name = "q"}}) {{
  %w = mm.constant dense<{numbers}> : tensor<64x16xf8E4M3FN>
  %s = mm.constant dense<0.25> : tensor<1x16xf32>
  %one = mm.constant dense<{scale}> : tensor<1xf32>
  %q = mm.quantize %x scale %one {{is_float}} : tensor<?x64xf32, #mm.dims<[rows, 64]>>, tensor<1xf32> -> tensor<?x64xf8E4M3FN, #mm.dims<[rows, 64]>>
  %y = mm.quantized_linear %q, %w scale %s input_scale %one : tensor<1xf32>
      : tensor<?x64xf8E4M3FN, #mm.dims<[rows, 64]>>, tensor<64x16xf8E4M3FN>, tensor<1x16xf32> -> tensor<?x16xf32, #mm.dims<[rows, 16]>>
  return %y, %q : tensor<?x16xf32, #mm.dims<[rows, 16]>>, tensor<?x64xf8E4M3FN, #mm.dims<[rows, 64]>>
}}
"""


@pytest.mark.parametrize("rows", [4, 11, 40])
def test_one_scale_for_all_floats(rows, tools, tmp_path):
    """What is beyond the scale's range becomes its largest number, and NaN stays NaN."""
    random = np.random.default_rng(rows)
    numbers = random.standard_normal((64, 16)).astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    (tmp_path / "m.mlir").write_text(STATIC_FLOATS.format(numbers=numbers.tolist(), scale=0.03125))
    tools.compile(tmp_path / "m.mlir", tmp_path / "m.mmcc", "--from=quantize")
    x = (random.standard_normal((rows, 64)) * np.exp(random.standard_normal((rows, 64)))).astype(np.float32)
    x[0, :4] = 14.5, -200, 1e30, -np.inf
    x[1, 5] = np.nan
    with np.errstate(invalid="ignore"):
        want = np.clip(x / np.float32(0.03125), -448, 448).astype(ml_dtypes.float8_e4m3fn)
    for isa in machine_levels():
        got = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path, "--isa", isa)
        codes = got["q"].view(np.uint8)
        assert codes[1, 5] & 0x7F == 0x7F
        codes[1, 5] = want.view(np.uint8)[1, 5]
        np.testing.assert_array_equal(codes, want.view(np.uint8))
        y = want.astype(np.float64) @ numbers * 0.03125 * 0.25
        assert np.isnan(got["y"][1]).all()
        np.testing.assert_allclose(np.delete(got["y"], 1, 0), np.delete(y, 1, 0), rtol=1e-5, atol=1e-4)
