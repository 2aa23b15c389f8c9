"""Transposed convolution by phases, against ONNX Runtime: every combination of stride, dilation, padding and groups
takes its own set of taps."""

import numpy as np
import onnxruntime
import pytest
from conftest import machine_levels
from onnx import TensorProto, helper, numpy_helper

CASES = [
    # input, outputs per group, kernel, attributes
    ((2, 6, 5, 7), 8, (3, 3), dict(strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])),
    ((1, 4, 5, 6), 20, (2, 2), dict(strides=[2, 2])),
    ((1, 8, 4, 4), 3, (4, 4), dict(strides=[2, 2], pads=[1, 1, 1, 1])),
    ((1, 6, 5, 5), 4, (3, 2), dict(strides=[1, 3], pads=[0, 1, 2, 0])),
    ((1, 6, 7, 5), 5, (3, 3), dict(strides=[3, 2], pads=[2, 0, 1, 1], group=3)),
    ((1, 4, 6, 6), 4, (3, 3), dict(strides=[2, 1], dilations=[3, 2], pads=[2, 2, 1, 3])),
    ((1, 4, 6, 6), 4, (3, 3), dict(strides=[2, 4], dilations=[2, 2], output_padding=[1, 1])),  # phases without taps
    ((1, 3, 6, 6), 4, (2, 2), dict(strides=[5, 5])),  # more phases than are worth a launch each
    ((1, 3, 4, 4), 4, (1, 1), dict(strides=[2, 2])),  # most outputs are the bias alone
    ((2, 5, 9), 7, (4,), dict(strides=[2], pads=[1, 1])),
    ((1, 12, 9), 2, (16,), dict(strides=[8], pads=[4, 4], group=4)),
    ((1, 5, 9), 7, (5,), dict(strides=[3], dilations=[2], pads=[3, 0], output_padding=[2])),
]


@pytest.mark.parametrize("optimise", [[], ["-O0"]], ids=["", "O0"])
@pytest.mark.parametrize("shape, outputs, kernel, attributes", CASES)
def test_equals_onnx_runtime(shape, outputs, kernel, attributes, optimise, tools, tmp_path):
    random = np.random.default_rng(1)
    groups = attributes.get("group", 1)
    weights = dict(
        w=random.standard_normal((shape[1], outputs, *kernel), dtype=np.float32),
        b=random.standard_normal(outputs * groups, dtype=np.float32),
    )
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w", "b"], ["c"], kernel_shape=kernel, **attributes),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Add", ["r", "r"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape[1:]])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    constants = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    feeds = dict(x=random.standard_normal(shape, dtype=np.float32))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, feeds)
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", *optimise)
    for isa in machine_levels():
        got = tools.run(tmp_path / "m.mmcc", feeds, tmp_path, "--isa", isa)["y"]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
