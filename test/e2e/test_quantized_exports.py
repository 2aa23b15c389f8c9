"""Models that come quantized, against ONNX Runtime on the same file, and the integer kernels that they must run on.

ONNX Runtime's graph optimizer stays off: it would round activations of its own accord, and its 8-bit kernels saturate on AVX2.
"""

import logging
import re

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import case_arrays, machine_levels
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

logging.getLogger().setLevel(logging.ERROR)
node = helper.make_node
DTYPES = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "int4": TensorProto.INT4, "uint4": TensorProto.UINT4}


def limits(dtype: str) -> tuple[int, int]:
    bits = 4 if dtype.endswith("4") else 8
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def tensor(name: str, numbers: np.ndarray, dtype: str) -> TensorProto:
    return helper.make_tensor(name, DTYPES[dtype], numbers.shape, numbers.astype(np.int64).ravel().tolist())


def model(nodes, inputs, outputs, tensors, opset=21, domains=()) -> bytes:
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    return helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString()


def reals(name: str, *shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def reference(path_or_bytes, feeds: dict) -> list:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path_or_bytes, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def quantized_linears(tools, path) -> list[str]:
    """For each mm.quantized_linear the element types of its input and weight: "i8 i4"."""
    done = tools.call("mmcc", "compile", path, "--stop-after=quantize")
    assert done.returncode == 0, done.stderr
    found = []
    for line in done.stdout.splitlines():
        if "mm.quantized_linear" in line:
            types = re.findall(r"tensor<[^#>]*?x?([a-z]+\d+)(?:, #mm[^>]*>)?>", line[line.rindex(" : ") :])
            found.append(f"{types[0]} {types[1]}")
    return found


def kernels(tools, artifact) -> set[str]:
    return set(re.findall(r"gemm_(?:f32|i8)_(?:u4|i8)", tools.call("mmcc", "inspect", artifact, "--commands").stdout))


def check(tools, folder, data: bytes, feeds: dict, expected: list[str], tolerance=1e-3) -> None:
    path = folder / "m.onnx"
    path.write_bytes(data)
    want = reference(data, feeds)
    assert quantized_linears(tools, path) == expected
    tools.compile(path, folder / "m.mmcc")
    names = {"f32 i8": "gemm_f32_i8", "f32 i4": "gemm_f32_u4", "f32 ui4": "gemm_f32_u4"}
    names |= {"i8 i8": "gemm_i8_i8", "i8 i4": "gemm_i8_u4", "i8 ui4": "gemm_i8_u4"}
    assert kernels(tools, folder / "m.mmcc") == {names[e] for e in expected}
    for isa in machine_levels():
        got = tools.run(folder / "m.mmcc", feeds, folder, "--isa", isa)
        for array, output in zip(want, onnx.load_from_string(data).graph.output, strict=True):
            np.testing.assert_allclose(got[output.name], array, rtol=1e-3, atol=tolerance * abs(array).max(), err_msg=output.name)


def weight(random, dtype: str, shape, scale_shape, has_zero: bool) -> list[TensorProto]:
    low, high = limits(dtype)
    numbers = random.integers(low, high + 1, shape)
    scale = random.uniform(0.5, 2, scale_shape).astype(np.float32) / np.float32(high - low)
    tensors = [tensor("q", numbers, dtype), numpy_helper.from_array(scale, "s")]
    if has_zero:
        tensors.append(tensor("z", random.integers(low, high + 1, scale_shape), dtype))
    return tensors


# Weights only: type, shape [in, out], shape of the scales, axis, block, zero points, what it becomes.
WEIGHTS = [
    ("int8", (96, 40), (), 0, 0, False, ["f32 i8"]),
    ("int8", (96, 40), (40,), 1, 0, False, ["f32 i8"]),
    ("int8", (96, 40), (40,), -1, 0, True, ["f32 i8"]),
    ("uint8", (96, 40), (40,), 1, 0, True, ["f32 i8"]),
    ("uint8", (96, 40), (), 0, 0, False, ["f32 i8"]),
    ("int4", (96, 40), (40,), 1, 0, False, ["f32 i4"]),
    ("uint4", (96, 40), (40,), 1, 0, True, ["f32 ui4"]),
    ("uint4", (96, 40), (), 0, 0, False, ["f32 ui4"]),
    ("int4", (96, 40), (3, 40), 0, 32, False, ["f32 i4"]),
    ("int4", (96, 41), (3, 41), 0, 32, True, ["f32 i8"]),  # 4 bits with a zero are unsigned in kernels
    ("uint4", (128, 40), (2, 40), 0, 64, True, ["f32 ui4"]),
    ("int8", (160, 40), (3, 40), 0, 64, True, ["f32 i8"]),  # the last block is shorter
    # No kernel has these: exact in f32.
    ("int8", (96, 40), (96,), 0, 0, True, []),
    ("int4", (96, 40), (6, 40), 0, 16, True, []),
    ("int8", (40, 24), (24,), 1, 0, True, []),
    ("uint4", (96, 40), (96, 2), 1, 20, True, []),
]


@pytest.mark.parametrize("rows", [1, 5, 70])
@pytest.mark.parametrize("case", WEIGHTS, ids=lambda c: "-".join(map(str, c[:6])))
def test_weights_that_are_dequantized(case, rows, tools, tmp_path):
    dtype, shape, scale_shape, axis, block, has_zero, expected = case
    random = np.random.default_rng(rows)
    tensors = weight(random, dtype, shape, scale_shape, has_zero)
    attributes = {"axis": axis} | ({"block_size": block} if block else {})
    nodes = [
        node("DequantizeLinear", [t.name for t in tensors], ["w"], **attributes),
        node("MatMul", ["x", "w"], ["p"]),
        node("Add", ["p", "b"], ["y"]),
    ]
    tensors.append(numpy_helper.from_array(random.standard_normal(shape[1]).astype(np.float32), "b"))
    data = model(nodes, [reals("x", "rows", shape[0])], [reals("y", "rows", shape[1])], tensors)
    check(tools, tmp_path, data, {"x": random.standard_normal((rows, shape[0])).astype(np.float32)}, expected)


def test_a_weight_that_is_quantized_in_the_model_and_transposed(tools, tmp_path):
    """As training with fake quantization exports it: f32 numbers, QuantizeLinear, DequantizeLinear, Gemm with transB."""
    random = np.random.default_rng(0)
    w = random.standard_normal((40, 96)).astype(np.float32)
    scale = (abs(w).max(1) / 127).astype(np.float32)
    nodes = [
        node("QuantizeLinear", ["w", "s", "z"], ["q"], axis=0),
        node("DequantizeLinear", ["q", "s", "z"], ["r"], axis=0),
        node("Gemm", ["x", "r", "b"], ["y"], transB=1, alpha=0.5),
    ]
    tensors = [numpy_helper.from_array(a, n) for a, n in ((w, "w"), (scale, "s"), (np.ones(40, np.float32), "b"))]
    tensors.append(tensor("z", np.zeros(40), "int8"))
    data = model(nodes, [reals("x", 7, 96)], [reals("y", 7, 40)], tensors)
    check(tools, tmp_path, data, {"x": random.standard_normal((7, 96)).astype(np.float32)}, ["f32 i8"])


def test_layers_of_one_input_are_one_product(tools, tmp_path):
    random = np.random.default_rng(1)
    nodes, tensors = [], []
    for name in "abc":
        parts = weight(random, "uint8", (64, 32), (32,), True)
        for part in parts:
            part.name += name
        tensors += parts
        nodes += [node("DequantizeLinear", [p.name for p in parts], ["w" + name], axis=1), node("MatMul", ["x", "w" + name], [name])]
    nodes += [node("Mul", ["a", "b"], ["ab"]), node("Softmax", ["ab"], ["p"]), node("Mul", ["p", "c"], ["y"])]
    data = model(nodes, [reals("x", 9, 64)], [reals("y", 9, 32)], tensors)
    (tmp_path / "m.onnx").write_bytes(data)
    feeds = {"x": random.standard_normal((9, 64)).astype(np.float32) * 0.1}
    linears = quantized_linears(tools, tmp_path / "m.onnx")
    check(tools, tmp_path, data, feeds, linears)
    assert set(linears) == {"f32 i8"} and len(linears) <= 3


ACTIVATIONS = [
    # activations, their zero, weights, their zeros
    ("uint8", 0, "int8", False),
    ("uint8", 128, "int8", False),
    ("uint8", 77, "int8", True),
    ("uint8", 255, "uint8", True),
    ("int8", 0, "int8", False),
    ("int8", -128, "int8", False),
    ("int8", 5, "uint8", True),
    ("uint8", 77, "int4", False),
    ("int8", 3, "uint4", True),
]


@pytest.mark.parametrize("rows", [1, 6, 70])
@pytest.mark.parametrize("case", ACTIVATIONS, ids=lambda c: "-".join(map(str, c)))
def test_activations_that_are_quantized(case, rows, tools, tmp_path):
    """Beyond both ends of the range, where numbers saturate, and on ties, which go to the even number."""
    activations, zero, dtype, has_zero = case
    random = np.random.default_rng(rows)
    tensors = weight(random, dtype, (96, 40), (40,), has_zero)
    tensors += [numpy_helper.from_array(np.float32(0.0625), "t"), tensor("u", np.array(zero), activations)]
    nodes = [
        node("QuantizeLinear", ["x", "t", "u"], ["i"]),
        node("DequantizeLinear", ["i", "t", "u"], ["r"]),
        node("DequantizeLinear", [t.name for t in tensors[: 2 + has_zero]], ["w"], axis=1),
        node("MatMul", ["r", "w"], ["p"]),
        node("Add", ["p", "b"], ["y"]),
    ]
    tensors.append(numpy_helper.from_array(random.standard_normal(40).astype(np.float32), "b"))
    data = model(nodes, [reals("x", "rows", 96)], [reals("y", "rows", 40)], tensors)
    x = (random.standard_normal((rows, 96)) * 6).astype(np.float32)
    x[:, ::3] = np.round(x[:, ::3] * 16) / 16 + 0.03125
    narrow = {"int8": "i8", "uint8": "i8", "int4": "i4", "uint4": "ui4"}[dtype]
    check(tools, tmp_path, data, {"x": x}, [f"i8 {narrow}"], tolerance=1e-5)


def test_integers_that_others_read_too(tools, tmp_path):
    """A residual reads the rounded activations as well, and they are an output."""
    random = np.random.default_rng(3)
    tensors = weight(random, "int8", (64, 64), (64,), False)
    tensors += [numpy_helper.from_array(np.float32(0.05), "t"), tensor("u", np.array(100), "uint8")]
    nodes = [
        node("QuantizeLinear", ["x", "t", "u"], ["i"]),
        node("DequantizeLinear", ["i", "t", "u"], ["r"]),
        node("DequantizeLinear", ["q", "s"], ["w"], axis=1),
        node("MatMul", ["r", "w"], ["p"]),
        node("Add", ["p", "r"], ["y"]),
    ]
    outputs = [reals("y", 5, 64), helper.make_tensor_value_info("i", TensorProto.UINT8, [5, 64])]
    data = model(nodes, [reals("x", 5, 64)], outputs, tensors)
    check(tools, tmp_path, data, {"x": random.standard_normal((5, 64)).astype(np.float32)}, ["i8 i8"], tolerance=1e-5)


def test_products_of_integers_given_as_such(tools, tmp_path):
    """QLinearMatMul with a weight; MatMulInteger whose sums are read as integers and whose sides are both inputs."""
    random = np.random.default_rng(4)
    w = random.integers(-128, 128, (64, 24))
    tensors = [
        tensor("w", w, "int8"),
        tensor("zw", np.array(3), "int8"),
        tensor("za", np.array(130), "uint8"),
        tensor("zy", np.array(7), "uint8"),
        *(numpy_helper.from_array(np.float32(v), n) for v, n in ((0.03, "sa"), (0.01, "sw"), (0.7, "sy"))),
    ]
    nodes = [
        node("QLinearMatMul", ["a", "sa", "za", "w", "sw", "zw", "sy", "zy"], ["y"]),
        node("MatMulInteger", ["a", "w", "za", "zw"], ["sums"]),
        node("MatMulInteger", ["a", "b"], ["both"]),
    ]
    byte, whole = TensorProto.UINT8, TensorProto.INT32
    inputs = [helper.make_tensor_value_info("a", byte, [5, 64]), helper.make_tensor_value_info("b", TensorProto.INT8, [64, 24])]
    outputs = [helper.make_tensor_value_info(n, t, [5, 24]) for n, t in (("y", byte), ("sums", whole), ("both", whole))]
    data = model(nodes, inputs, outputs, tensors)
    (tmp_path / "m.onnx").write_bytes(data)
    a, b = random.integers(0, 256, (5, 64)), random.integers(-128, 128, (64, 24))
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    assert kernels(tools, tmp_path / "m.mmcc") == {"gemm_i8_i8"}
    got = tools.run(tmp_path / "m.mmcc", {"a": a.astype(np.uint8), "b": b.astype(np.int8)}, tmp_path)
    sums = (a - 130) @ (w - 3)
    np.testing.assert_array_equal(got["sums"], sums)
    np.testing.assert_array_equal(got["both"], a @ b)
    want = np.clip(np.round(sums * (np.float32(0.03) * np.float32(0.01) / np.float32(0.7))) + 7, 0, 255)
    np.testing.assert_array_equal(got["y"], want)


def dynamic_layer(random, dtype: str, per_channel: bool, depth: int = 96) -> bytes:
    """What quantize_dynamic writes for MatMul and Add."""
    low, high = limits(dtype)
    shape = (40,) if per_channel else ()
    tensors = [
        tensor("w", random.integers(low, high + 1, (depth, 40)), dtype),
        tensor("zw", random.integers(low, high + 1, shape) if dtype == "uint8" else np.zeros(shape), dtype),
        numpy_helper.from_array(random.uniform(0.001, 0.01, shape).astype(np.float32), "sw"),
        numpy_helper.from_array(random.standard_normal(40).astype(np.float32), "b"),
    ]
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["i", "s", "z"]),
        node("MatMulInteger", ["i", "w", "z", "zw"], ["sums"]),
        node("Cast", ["sums"], ["real"], to=TensorProto.FLOAT),
        node("Mul", ["s", "sw"], ["scales"]),
        node("Mul", ["real", "scales"], ["p"]),
        node("Add", ["p", "b"], ["y"]),
    ]
    return model(nodes, [reals("x", 2, "rows", depth)], [reals("y", 2, "rows", 40)], tensors)


def dynamic_reference(data: bytes, x: np.ndarray) -> np.ndarray:
    """The layer in numpy: ONNX Runtime's sums of unsigned by signed numbers saturate on AVX2."""
    w, zw, sw, b = (numpy_helper.to_array(t) for t in onnx.load_from_string(data).graph.initializer)
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    scale = (high - low) / np.float32(255) if high > low else np.float32(1)
    zero = np.round(-low / scale)
    numbers = np.clip(np.round(x / scale) + zero, 0, 255) - zero
    return (numbers.astype(np.int64) @ (w.astype(np.int64) - zw)).astype(np.float32) * (scale * sw) + b


@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_activations_whose_range_is_found_at_the_call(dtype, per_channel, rows, tools, tmp_path):
    random = np.random.default_rng(rows)
    data = dynamic_layer(random, dtype, per_channel)
    (tmp_path / "m.onnx").write_bytes(data)
    assert quantized_linears(tools, tmp_path / "m.onnx") == ["i8 i8"]
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    x = random.standard_normal((2, rows, 96)).astype(np.float32)
    for values in (x, x + 3, abs(x) + 1, -abs(x), np.zeros_like(x), x * np.float32(1e-30)):
        want = dynamic_reference(data, values)
        if dtype == "uint8":
            np.testing.assert_allclose(reference(data, {"x": values})[0], want, rtol=1e-5, atol=1e-5 * abs(want).max())
        for isa in machine_levels():
            got = tools.run(tmp_path / "m.mmcc", {"x": values}, tmp_path, "--isa", isa)["y"]
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * abs(want).max())


@pytest.mark.parametrize("operator", ["MatMulIntegerToFloat", "DynamicQuantizeMatMul"])
def test_what_the_optimizer_makes_of_them(operator, tools, tmp_path):
    """The same layer as one node of com.microsoft."""
    random = np.random.default_rng(0)
    plain = dynamic_layer(random, "uint8", True)
    tensors = list(onnx.load_from_string(plain).graph.initializer)
    if operator == "DynamicQuantizeMatMul":
        nodes = [node(operator, ["x", "w", "sw", "zw", "b"], ["y"], domain="com.microsoft")]
    else:
        nodes = [
            node("DynamicQuantizeLinear", ["x"], ["i", "s", "z"]),
            node(operator, ["i", "w", "s", "sw", "z", "zw", "b"], ["y"], domain="com.microsoft"),
        ]
    x = reals("x", 2, "rows", 96)
    data = model(nodes, [x], [reals("y", 2, "rows", 40)], tensors, domains=["com.microsoft"])
    feeds = {"x": random.standard_normal((2, 4, 96)).astype(np.float32)}
    check(tools, tmp_path, data, feeds, ["i8 i8"])
    got = tools.run(tmp_path / "m.mmcc", feeds, tmp_path)["y"]
    np.testing.assert_allclose(got, dynamic_reference(plain, feeds["x"]), rtol=1e-5, atol=1e-5)


def test_a_depth_without_a_kernel_stays_exact(tools, tmp_path):
    random = np.random.default_rng(0)
    data = dynamic_layer(random, "uint8", True, depth=50)
    check(tools, tmp_path, data, {"x": random.standard_normal((2, 4, 50)).astype(np.float32)}, [], tolerance=1e-5)


def packed(numbers: np.ndarray, bits: int) -> np.ndarray:
    """Bytes of the last dimension, the first of two 4-bit numbers in the low half."""
    if bits == 8:
        return numbers.astype(np.uint8)
    if numbers.shape[-1] % 2:
        numbers = np.concatenate([numbers, np.zeros_like(numbers[..., :1])], -1)
    return (numbers[..., ::2] | numbers[..., 1::2] << 4).astype(np.uint8)


def nbits_layer(random, bits=4, block=32, zeros="packed", depth=160, width=40, kind=np.float32) -> tuple[bytes, np.ndarray]:
    """MatMulNBits of random numbers, and its weight [depth, width]."""
    blocks = -(-depth // block)
    numbers = random.integers(0, 2**bits, (width, blocks * block))
    scales = random.uniform(0.01, 0.1, (width, blocks)).astype(kind)
    zero = random.integers(0, 2**bits, (width, blocks)) if zeros else np.full((width, blocks), 2 ** (bits - 1))
    tensors = [
        numpy_helper.from_array(packed(numbers.reshape(width, blocks, block), bits), "B"),
        numpy_helper.from_array(scales.reshape(-1), "scales"),
    ]
    if zeros == "packed":
        tensors.append(numpy_helper.from_array(packed(zero, bits).reshape(-1), "zeros"))
    elif zeros:
        tensors.append(numpy_helper.from_array(zero.astype(kind), "zeros"))
    names = ["x", *(t.name for t in tensors)]
    options = {"K": depth, "N": width, "bits": bits, "block_size": block}
    element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    inputs = [helper.make_tensor_value_info("x", element, [2, "rows", depth])]
    outputs = [helper.make_tensor_value_info("y", element, [2, "rows", width])]
    layer = node("MatMulNBits", names, ["y"], domain="com.microsoft", **options)
    data = model([layer], inputs, outputs, tensors, opset=17, domains=["com.microsoft"])
    w = (numbers - zero.repeat(block, 1)) * scales.astype(np.float32).repeat(block, 1)
    return data, w[:, :depth].T


@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("zeros", ["", "packed", "real"])
@pytest.mark.parametrize("bits, block", [(4, 16), (4, 32), (4, 64), (4, 128), (8, 32), (8, 256)])
def test_packed_weights_of_few_bits(bits, block, zeros, rows, tools, tmp_path):
    random = np.random.default_rng(rows)
    data, w = nbits_layer(random, bits, block, zeros)
    kernel = [] if block == 16 else ["f32 i8" if bits == 8 else "f32 ui4" if zeros else "f32 i4"]
    x = random.standard_normal((2, rows, 160)).astype(np.float32)
    if bits == 8 and zeros == "real":  # which ONNX Runtime does not have
        (tmp_path / "m.onnx").write_bytes(data)
        tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    else:
        check(tools, tmp_path, data, {"x": x}, kernel)
    got = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path)["y"]
    np.testing.assert_allclose(got, x.astype(np.float64) @ w, rtol=1e-4, atol=1e-4)


def test_packed_weights_with_half_precision(tools, tmp_path):
    random = np.random.default_rng(0)
    data, w = nbits_layer(random, 4, 32, "packed", kind=np.float16)
    (tmp_path / "m.onnx").write_bytes(data)
    assert quantized_linears(tools, tmp_path / "m.onnx") == ["f32 ui4"]
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    x = random.standard_normal((2, 3, 160)).astype(np.float16)
    got = tools.run(tmp_path / "m.mmcc", {"x": x}, tmp_path)["y"]
    np.testing.assert_allclose(got, x.astype(np.float64) @ w, rtol=2e-3, atol=2e-3)


#
# Whole models, as ONNX Runtime's own tools write them.
#


class OneSample(CalibrationDataReader):
    def __init__(self, feeds: dict):
        self.samples = iter([feeds])

    def get_next(self):
        return next(self.samples, None)


def write_quantized(way: str, source, feeds: dict, path) -> None:
    """Signed weights of 7 bits: ONNX Runtime's own sums saturate otherwise."""
    linear = {"op_types_to_quantize": ["MatMul", "Gemm"]}
    qdq, u8, s8 = QuantFormat.QDQ, QuantType.QUInt8, QuantType.QInt8
    if way == "dynamic u8":
        quantize_dynamic(source, path, weight_type=u8)
    elif way == "dynamic s8 per channel":
        quantize_dynamic(source, path, weight_type=s8, per_channel=True, reduce_range=True)
    elif way == "static u8s8 per channel":
        options = {"activation_type": u8, "weight_type": s8, "per_channel": True}
        quantize_static(source, path, OneSample(feeds), quant_format=qdq, **options, **linear)
    elif way == "static s8s8":
        options = {"activation_type": s8, "weight_type": s8, "extra_options": {"ActivationSymmetric": True}}
        quantize_static(source, path, OneSample(feeds), quant_format=qdq, **options)
    elif way == "static operators":
        options = {"activation_type": u8, "weight_type": s8, "reduce_range": True}
        quantize_static(source, path, OneSample(feeds), quant_format=QuantFormat.QOperator, **options, **linear)


# Exports, and how many of their layers have a depth that is a multiple of 32.
EXPORTS = {"bert_base.dyn": 6, "vit_b16": 2, "qwen2_decode.dyn": 6, "whisper_step.dyn": 2}
WAYS = ["dynamic u8", "dynamic s8 per channel", "static u8s8 per channel", "static s8s8", "static operators"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", EXPORTS)
def test_what_onnx_runtime_quantizes(name, way, tools, tmp_path):
    tiny = tools.models / "tiny"
    feeds, _ = case_arrays(tiny / f"{name}.npz")
    path = tmp_path / "m.onnx"
    write_quantized(way, tiny / f"{name}.onnx", feeds, path)
    linears = quantized_linears(tools, path)
    # A head that is tied to an embedding stays a weight of integers only.
    assert linears.count("i8 i8") >= EXPORTS[name] and set(linears) <= {"i8 i8", "f32 i8"}, linears
    tools.compile(path, tmp_path / "m.mmcc")
    want = reference(path, feeds)
    outputs = [o.name for o in onnx.load(path).graph.output]
    for isa in machine_levels():
        got = tools.run(tmp_path / "m.mmcc", feeds, tmp_path, "--isa", isa)
        for key, array in zip(outputs, want, strict=True):
            np.testing.assert_allclose(got[key], array, rtol=1e-3, atol=1e-3 * abs(array).max(), err_msg=key)


#
# What is refused, with the node's name and exit code 1.
#


def qdq_layer(**changed) -> bytes:
    """A weight [96, 40] in blocks of 32, with one of its parts changed."""
    random = np.random.default_rng(0)
    tensors = {
        "q": tensor("q", random.integers(-8, 8, (96, 40)), "int8"),
        "s": numpy_helper.from_array(np.ones((3, 40), np.float32), "s"),
        "z": tensor("z", np.zeros((3, 40)), "int8"),
    }
    attributes = {"axis": 0, "block_size": 32} | changed.pop("attributes", {})
    tensors |= changed
    nodes = [
        node("DequantizeLinear", ["q", "s", "z"], ["w"], name="the_weight", **attributes),
        node("MatMul", ["x", "w"], ["y"]),
    ]
    return model(nodes, [reals("x", 5, 96)], [reals("y", 5, 40)], list(tensors.values()))


def changed_nbits(position=None, replacement=None, **attributes) -> bytes:
    changed = onnx.load_from_string(nbits_layer(np.random.default_rng(0))[0])
    changed.graph.node[0].name = "the_weight"
    for name, value in attributes.items():
        kept = [a for a in changed.graph.node[0].attribute if a.name != name]
        del changed.graph.node[0].attribute[:]
        changed.graph.node[0].attribute.extend([*kept, helper.make_attribute(name, value)])
    if replacement is not None:
        changed.graph.initializer[position].CopyFrom(replacement)
    return changed.SerializeToString()


def with_order() -> bytes:
    changed = onnx.load_from_string(changed_nbits())
    changed.graph.initializer.append(numpy_helper.from_array(np.zeros(160, np.int32), "order"))
    changed.graph.node[0].input.append("order")
    return changed.SerializeToString()


def one_node(operator: str, numbers: TensorProto, others=(), **attributes) -> bytes:
    layer = node(operator, ["x", *others, numbers.name], ["y"], name="the_weight", **attributes)
    scale = numpy_helper.from_array(np.float32(0.1), "s")
    return model([layer], [reals("x", 4, 8)], [helper.make_empty_tensor_value_info("y")], [numbers, scale])


def ones(shape, kind=np.float32, name="s") -> TensorProto:
    return numpy_helper.from_array(np.ones(shape, kind), name)


HOSTILE = [
    (lambda: qdq_layer(s=ones((4, 40)), z=tensor("z", np.zeros((4, 40)), "int8")), "the scales or zero points are not one a block"),
    (lambda: qdq_layer(s=ones((2, 40)), z=tensor("z", np.zeros((2, 40)), "int8")), "the scales or zero points are not one a block"),
    (lambda: qdq_layer(s=ones((3, 39)), z=tensor("z", np.zeros((3, 39)), "int8")), "the scales or zero points are not one a block"),
    (lambda: qdq_layer(s=ones(40)), "does not have the scale's shape"),
    (lambda: qdq_layer(z=tensor("z", np.zeros((3, 40)), "uint8")), "the zero point is not of the numbers' type"),
    (lambda: qdq_layer(z=tensor("z", np.zeros((3, 40)), "int4")), "the zero point is not of the numbers' type"),
    (lambda: qdq_layer(z=tensor("z", np.zeros((3, 20)), "int8")), "does not have the scale's shape"),
    (lambda: qdq_layer(attributes={"block_size": 48}), "the scales or zero points are not one a block"),
    (lambda: qdq_layer(attributes={"block_size": -32}), "scale or zero point has the wrong shape"),
    (lambda: qdq_layer(attributes={"axis": 2}), "axis"),
    (lambda: qdq_layer(attributes={"block_size": 0}, s=ones(41), z=tensor("z", np.zeros(41), "int8")), "the number of scales"),
    (lambda: changed_nbits(0, ones((40, 5, 15), np.uint8, "B")), "B is not uint8 [N, ceil(K / block_size)"),
    (lambda: changed_nbits(0, ones((40, 5, 16), np.int8, "B")), "B is not uint8 [N, ceil(K / block_size)"),
    (lambda: changed_nbits(1, ones(199, name="scales")), "scales are not N times one a block"),
    (lambda: changed_nbits(2, ones(119, np.uint8, "zeros")), "zero_points are not N times one a block"),
    (lambda: changed_nbits(2, ones(200, np.int32, "zeros")), "zero_points are not N times one a block"),
    (lambda: changed_nbits(bits=2), "bits must be 4 or 8"),
    (lambda: changed_nbits(block_size=48), "block_size must be a power of two"),
    (lambda: changed_nbits(K=128), "B is not uint8"),
    (lambda: changed_nbits(N=-40), "K and N must be positive sizes"),
    (lambda: changed_nbits(weight_prepacked=1), "prepacked weights are not supported"),
    (with_order, "g_idx is not supported"),
    (lambda: one_node("QuantizeLinear", tensor("z", np.array(0), "int4"), ["s"]), "elements of 4 bits"),
    (lambda: one_node("MatMul", tensor("w", np.zeros((8, 4)), "uint4")), "elements of 4 bits"),
]


@pytest.mark.parametrize("build, message", HOSTILE, ids=[str(i) for i in range(len(HOSTILE))])
def test_what_does_not_fit_is_refused(build, message, tools, tmp_path):
    (tmp_path / "m.onnx").write_bytes(build())
    done = tools.call("mmcc", "compile", tmp_path / "m.onnx", "-o", tmp_path / "m.mmcc")
    assert done.returncode == 1 and message in done.stderr and "the_weight" in done.stderr, done.stderr
    assert not (tmp_path / "m.mmcc").exists()


@pytest.mark.parametrize("zero", [tensor("z", np.array(0), "int8"), numpy_helper.from_array(np.int32(0), "z")])
def test_integer_products_want_zeros_of_their_type(zero, tools, tmp_path):
    data = onnx.load_from_string(dynamic_layer(np.random.default_rng(0), "uint8", False))
    data.graph.node[1].name = "the_weight"
    data.graph.initializer[1].CopyFrom(zero)
    data.graph.initializer[1].name = "zw"
    (tmp_path / "m.onnx").write_bytes(data.SerializeToString())
    done = tools.call("mmcc", "compile", tmp_path / "m.onnx", "-o", tmp_path / "m.mmcc")
    assert done.returncode == 1 and "the zero point is not of the numbers' type" in done.stderr and "the_weight" in done.stderr
