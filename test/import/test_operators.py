"""One form per meaning, whatever the opset: which operations operators become."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_models import F32, I64, constant, model, value

node = helper.make_node


def one(operator, shape=(2, 3), inputs=(), opset=18, outputs=1, dtype=F32, domain="", **attributes):
    """A model with one node on x and constants; outputs y, y1, ..."""
    names = ["x", *(t.name if t is not None else "" for t in inputs)]
    results = ["y", *(f"y{i}" for i in range(1, outputs))]
    declared = [value(r, None, 0) for r in results]
    for d in declared:
        d.type.tensor_type.ClearField("elem_type")
    return model(
        [node(operator, names, results, domain=domain, **attributes)],
        [value("x", shape, dtype)],
        declared,
        [t for t in inputs if t is not None],
        opset,
        domains=[domain] if domain else [],
    )


FORMS = [
    # operator, keywords, operations
    ("Gelu", dict(opset=20), ["gelu"]),
    ("Softmax", dict(opset=13), ["softmax"]),
    ("LogSoftmax", dict(opset=13, axis=0), ["softmax"]),
    ("Softmax", dict(opset=11, shape=(2, 3, 4), axis=1), ["reshape", "softmax", "reshape"]),
    ("Softmax", dict(opset=11, shape=(2, 3, 4), axis=2), ["softmax"]),
    ("ReduceMean", dict(opset=13, axes=[1]), ["reduce"]),
    ("ReduceMean", dict(opset=18, inputs=[constant("a", [1])]), ["reduce"]),
    ("Squeeze", dict(opset=11, shape=(2, 1), axes=[1]), ["reshape"]),
    ("Squeeze", dict(opset=13, shape=(2, 1), inputs=[constant("a", [1])]), ["reshape"]),
    ("Dropout", dict(opset=11, ratio=0.3), []),
    ("Identity", dict(), []),
    ("Clip", dict(opset=11, inputs=[constant("lo", 0, np.float32), constant("hi", 6, np.float32)]), ["max", "min"]),
    ("Slice", dict(opset=9, starts=[0], ends=[2**31 - 1], axes=[1]), []),
    ("Slice", dict(opset=9, starts=[-2], ends=[9], axes=[1]), ["slice"]),
    ("Gather", dict(inputs=[constant("i", 0)], axis=1), ["slice", "reshape"]),
    ("Gather", dict(inputs=[constant("i", [2, 0])], axis=1), ["gather"]),
    ("Tile", dict(inputs=[constant("r", [1, 2])]), ["reshape", "broadcast", "reshape"]),
    ("Flatten", dict(shape=(2, 3, 4)), ["reshape"]),
    ("Pad", dict(inputs=[constant("p", [0, 1, 0, 1])]), ["pad"]),
    ("Pad", dict(opset=10, pads=[0, 1, 0, 1], value=1.0), ["pad"]),
    ("MatMul", dict(inputs=[constant("w", np.ones((3, 4)), np.float32)]), ["matmul"]),
    ("MatMul", dict(inputs=[constant("w", np.ones(3), np.float32)]), ["reshape", "matmul", "reshape"]),
    ("Gemm", dict(inputs=[constant("w", np.ones((4, 3)), np.float32)], transB=1), ["transpose", "matmul"]),
    ("Conv", dict(shape=(1, 2, 5, 5), inputs=[constant("w", np.ones((3, 2, 3, 3)), np.float32)], auto_pad="SAME_UPPER"), ["conv"]),
    ("GlobalAveragePool", dict(shape=(1, 2, 5, 5)), ["reduce"]),
    ("MaxPool", dict(shape=(1, 2, 5, 5), kernel_shape=[2, 2], ceil_mode=1, strides=[2, 2]), ["pool"]),
    ("Gelu", dict(domain="com.microsoft"), ["gelu"]),
    ("QuickGelu", dict(domain="com.microsoft"), ["gelu"]),
    ("BiasGelu", dict(domain="com.microsoft", inputs=[constant("b", [1, 1, 1], np.float32)]), ["add", "gelu"]),
    ("Einsum", dict(shape=(2, 3), equation="ij->ji"), ["transpose"]),
    ("Einsum", dict(shape=(2, 3), equation="ij->i"), ["reduce"]),
    ("Einsum", dict(shape=(2, 3), equation="ij,jk->ik", inputs=[constant("w", np.ones((3, 4)), np.float32)]), ["matmul"]),
    ("DFT", dict(opset=17, shape=(2, 8, 1), axis=1), ["reshape", "matmul", "reshape"]),
    ("DFT", dict(shape=(8, 3, 2), opset=20, inputs=[constant("l", 6), constant("a", 0)]), ["slice", "transpose", "reshape", "matmul", "reshape", "transpose"]),
    ("STFT", dict(opset=17, shape=(1, 64, 1), inputs=[constant("s", 8), None, constant("f", 16)]), ["transpose", "conv", "reshape", "transpose"]),
    ("Resize", dict(shape=(1, 1, 8, 8), inputs=[None, constant("s", [1, 1, 0.5, 2], np.float32)], mode="linear", antialias=1), ["gather", "reshape", "mul", "reduce", "resize"]),
    ("Resize", dict(shape=(1, 1, 8, 8), inputs=[None, constant("s", [1, 1, 0.5, 0.5], np.float32)], antialias=1), ["resize"]),
]


@pytest.mark.parametrize("operator, keywords, expected", FORMS, ids=[f"{f[0]}-{i}" for i, f in enumerate(FORMS)])
def test_form(importer, operator, keywords, expected):
    assert importer.operations(one(operator, **keywords)) == expected


def test_ceil_mode_is_resolved(importer):
    # (5 - 2) / 2 rounded up, plus 1: 3, the last window half outside.
    ir = importer.ir(one("MaxPool", shape=(1, 1, 5, 5), kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1))
    assert "-> tensor<1x1x3x3xf32>" in ir


def test_same_pads_are_resolved(importer):
    # ceil(5 / 2) = 3 windows of 3 with stride 2 span 7: two pads, one each side.
    w = constant("w", np.ones((1, 1, 3, 3)), np.float32)
    ir = importer.ir(one("Conv", shape=(1, 1, 5, 5), inputs=[w], auto_pad="SAME_LOWER", strides=[2, 2]))
    assert "pads = array<i64: 1, 1, 1, 1>" in ir and "-> tensor<1x1x3x3xf32>" in ir


def test_conv_over_a_dynamic_length(importer):
    # (n + 2 - 3) floordiv 2 + 1
    w = constant("w", np.ones((4, 1, 3)), np.float32)
    ir = importer.ir(one("Conv", shape=(1, 1, "n"), inputs=[w], pads=[1, 1], strides=[2]))
    assert "(n - 1) floordiv 2 + 1" in ir


def test_conv_demands_room_for_its_window(importer):
    w = constant("w", np.ones((4, 1, 10)), np.float32)
    assert "n = array<i64: 10, -1>" in importer.ir(one("Conv", shape=(1, 1, "n"), inputs=[w]))


def attention(opset=23, **attributes):
    q, k = value("q", [1, 4, 6, 8]), value("k", [1, 2, 6, 8])
    return model(
        [node("Attention", ["q", "k", "v"], ["y"], **attributes)], [q, k, value("v", [1, 2, 6, 8])], ["y"], opset=opset
    )


def test_attention_is_one_operation(importer):
    ir = importer.ir(attention(is_causal=1, softcap=5.0))
    assert importer.operations(attention(is_causal=1)) == ["attention"]
    assert "causal = true" in ir and "softcap = 5.0" in ir and "scale = 0.3535533" in ir


def test_attention_window_is_an_attribute(importer):
    # Positions p - 3 to p: the last four.
    assert "window = 4" in importer.ir(attention(opset=25, is_causal=1, left_window_size=3))


def test_layer_norm_keeps_axis_and_epsilon(importer):
    ones = constant("g", [1, 1, 1], np.float32)
    ir = importer.ir(one("LayerNormalization", inputs=[ones], axis=1, epsilon=0.5))
    assert "mm.layer_norm" in ir and "axis = 1" in ir and "epsilon = 5.000000e-01" in ir


def test_quantised_values_are_one_operation_or_exact_arithmetic(importer):
    scale, byte, word = constant("s", 0.5, np.float32), constant("z", 3, np.uint8), constant("z", 3, np.uint16)
    assert importer.operations(one("QuantizeLinear", inputs=[scale, byte])) == ["cast", "quantize"]
    assert importer.operations(one("QuantizeLinear", inputs=[scale, word])) == ["cast", "div", "round", "add", "max", "min", "cast"]
    # Activations: arithmetic that fuses. Weights: the numbers stay.
    x = dict(dtype=TensorProto.INT8, inputs=[scale])
    assert importer.operations(one("DequantizeLinear", **x)) == ["cast", "mul"]
    nodes = [node("DequantizeLinear", ["w", "s"], ["r"]), node("MatMul", ["x", "r"], ["y"])]
    weight = constant("w", np.ones((3, 4)), np.int8)
    assert importer.operations(model(nodes, [value("x", [2, 3], F32)], ["y"], [weight, scale])) == ["reshape", "dequantize", "matmul"]


def test_packed_weights_keep_their_numbers(importer):
    tensors = [constant("b", np.full((4, 2, 8), 0x7F), np.uint8), constant("s", np.ones(8), np.float32)]
    layer = one("MatMulNBits", (2, 32), tensors, domain="com.microsoft", K=32, N=4, bits=4, block_size=16)
    assert importer.operations(layer) == ["reshape", "dequantize", "transpose", "matmul"]
    # Low half first, less 8.
    assert 'dense<"0x07FF07FF' in importer.ir(layer) and "tensor<4x32xi8>" in importer.ir(layer)


def test_topk_has_two_results(importer):
    ir = importer.ir(one("TopK", inputs=[constant("k", [2])], outputs=2))
    assert "mm.topk" in ir and "tensor<2x2xi64>" in ir


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE, I64, TensorProto.UINT8])
def test_element_types(importer, dtype):
    spelled = {10: "f16", 16: "bf16", 11: "f64", 7: "i64", 2: "ui8"}[dtype]
    assert f"tensor<2x3x{spelled}>" in importer.ir(one("Abs", dtype=dtype))


# What has another meaning is refused


@pytest.mark.parametrize(
    "operator, keywords, reason",
    [
        ("BatchNormalization", dict(shape=(1, 1, 2), inputs=[constant(c, [1], np.float32) for c in "abcd"], training_mode=1, opset=15), "training mode"),
        ("MaxPool", dict(shape=(1, 1, 4), kernel_shape=[2], outputs=2), "output 1"),
        ("Cast", dict(to=TensorProto.STRING), "type STRING is not supported"),
        ("Reshape", dict(inputs=[constant("t", [7])]), "changes the number of elements"),
        ("Transpose", dict(perm=[0, 0]), "no permutation"),
        ("Softmax", dict(axis=2), "axis 2 is outside"),
        ("Conv", dict(shape=(1, 2, 3), inputs=[constant("w", np.ones((1, 1, 4)), np.float32)]), "larger than"),
        ("Einsum", dict(equation="i,j->k"), "not well-formed"),
        ("DFT", dict(opset=17, shape=(2, 8, 1), axis=1, inverse=1), "inverse transform"),
        ("DFT", dict(opset=17, shape=(2, "n", 1), axis=1), "length is fixed"),
        ("DFT", dict(opset=17, shape=(2, 8, 3), axis=1), "neither 1 nor 2"),
        ("DFT", dict(opset=17, shape=(2, 8, 1), axis=1, inputs=[constant("l", 1 << 24)]), "not supported"),
        ("DFT", dict(opset=20, shape=(2, 8, 1), inputs=[None, constant("a", 2)]), "length is fixed"),
        ("STFT", dict(opset=17, shape=(1, 10, 1), inputs=[constant("s", 8), None, constant("f", 16)]), "shorter than a frame"),
        ("STFT", dict(opset=17, shape=(1, 10, 1), inputs=[constant("s", 0), None, constant("f", 4)]), "the step is no number"),
        ("STFT", dict(opset=17, shape=(1, 10, 1), inputs=[constant("s", 1), constant("w", np.ones(3), np.float32), constant("f", 4)]), "as long as a frame"),
        ("Resize", dict(shape=(1, 1, "n"), inputs=[None, constant("s", [1, 1, 0.5], np.float32)], mode="linear", antialias=1), "not fixed"),
        ("Resize", dict(shape=(1, 1, 8), inputs=[None, constant("s", [1, 1, 1e-9], np.float32)], mode="cubic", antialias=1), "absurdly wide"),
        ("Resize", dict(shape=(1, 1, 2, 2), inputs=[None, constant("s", [1, 1, 2, 2], np.float32)], coordinate_transformation_mode="tf_crop_and_resize"), "tf_crop_and_resize"),
    ],
)
def test_refused(importer, operator, keywords, reason):
    assert reason in importer.refusal(one(operator, **keywords))


# Functions and optional inputs


def test_functions_are_inlined_with_their_attributes(importer):
    body = [
        helper.make_node("Constant", [], ["c"]),
        helper.make_node("Mul", ["a", "c"], ["b"]),
    ]
    reference = body[0].attribute.add()
    reference.name, reference.type, reference.ref_attr_name = "value_float", 1, "factor"
    function = helper.make_function("local", "scale", ["a"], ["b"], body, [helper.make_opsetid("", 18)], attributes=["factor"])
    proto = model(
        [node("scale", ["x"], ["y"], domain="local", factor=2.5)], [value("x", [2])], ["y"], functions=[function], domains=["local"]
    )
    assert "dense<2.500000e+00>" in importer.ir(proto)
    assert importer.operations(proto) == ["mul"]


def test_a_function_input_left_out_is_absent_inside(importer):
    function = helper.make_function(
        "local", "clip", ["a", "lo", "hi"], ["b"], [node("Clip", ["a", "lo", "hi"], ["b"])], [helper.make_opsetid("", 18)]
    )
    proto = model(
        [node("clip", ["x", "", "h"], ["y"], domain="local")],
        [value("x", [2])],
        ["y"],
        [constant("h", 1, np.float32)],
        functions=[function],
        domains=["local"],
    )
    assert importer.operations(proto) == ["min"]


def test_an_initializer_that_is_also_an_input_is_a_constant(importer):
    proto = model(
        [node("Add", ["x", "w"], ["y"])], [value("x", [2]), value("w", [2])], ["y"], [constant("w", [1, 2], np.float32)]
    )
    assert importer.ir(proto).count("mm.name = ") == 2  # x and y


def test_locations_carry_node_names(importer):
    done = importer.call(model([node("Relu", ["x"], ["y"], name="layer.0/relu")], [value("x", [2])], ["y"]))
    assert 'loc("layer.0/relu"(' in done.stdout and 'loc("m.onnx")' in done.stdout
