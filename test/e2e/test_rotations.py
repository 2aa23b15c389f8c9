"""Shifted windows without attention, against ONNX Runtime: norm, roll, partition, product, reverse, roll back,
residual. Images that are not square, batches, shifts that differ by axis, values that others read too."""

import numpy as np
import onnxruntime
import pytest
from conftest import machine_levels
from onnx import TensorProto, helper, numpy_helper

CASES = [
    # batch, height, width, window, shift of each axis, whether what is rolled is wanted itself
    (2, 8, 12, (4, 3), (2, 1), False),
    (1, 6, 10, (3, 5), (5, 0), False),
    (3, 4, 6, (2, 2), (0, 5), False),
    (2, 8, 12, (4, 3), (2, 1), True),
    ("batch", 4, 6, (2, 3), (1, 2), False),
]
CHANNELS = 24


def rolled(nodes: list, name: str, axis: int, shift: int) -> str:
    """torch.roll by -shift, as exporters write it: two slices, exchanged."""
    if shift == 0:
        return name
    tail, head, out = f"{name}_t{axis}", f"{name}_h{axis}", f"{name}_r{axis}"
    nodes.append(helper.make_node("Slice", [name, f"i{shift}", "i9999", f"i{axis}"], [tail]))
    nodes.append(helper.make_node("Slice", [name, "i0", f"i{shift}", f"i{axis}"], [head]))
    nodes.append(helper.make_node("Concat", [tail, head], [out], axis=axis))
    return out


@pytest.mark.parametrize("optimise", [[], ["-O0"]], ids=["", "O0"])
@pytest.mark.parametrize("batch, height, width, window, shift, wanted", CASES)
def test_equals_onnx_runtime(batch, height, width, window, shift, wanted, optimise, tools, tmp_path):
    random = np.random.default_rng(1)
    (wh, ww), (sh, sw), c = window, shift, CHANNELS
    constants = dict(
        scale=random.standard_normal(c, dtype=np.float32),
        bias=random.standard_normal(c, dtype=np.float32),
        w=random.standard_normal((c, c), dtype=np.float32),
        split=np.array([-1, height // wh, wh, width // ww, ww, c]),
        tokens=np.array([-1, wh * ww, c]),
        windows=np.array([-1, height // wh, width // ww, wh, ww, c]),
        image=np.array([-1, height, width, c]),
    )
    for value in {0, 1, 2, 9999, sh, sw, height - sh, width - sw}:
        constants[f"i{value}"] = np.array([value])
    nodes = [helper.make_node("LayerNormalization", ["x", "scale", "bias"], ["n"], axis=-1)]
    there = rolled(nodes, rolled(nodes, "n", 1, sh), 2, sw)
    nodes += [
        helper.make_node("Reshape", [there, "split"], ["s"]),
        helper.make_node("Transpose", ["s"], ["p"], perm=[0, 1, 3, 2, 4, 5]),
        helper.make_node("Reshape", ["p", "tokens"], ["t"]),
        helper.make_node("MatMul", ["t", "w"], ["m"]),
        helper.make_node("Add", ["m", "bias"], ["a"]),
        helper.make_node("Reshape", ["a", "windows"], ["b"]),
        helper.make_node("Transpose", ["b"], ["q"], perm=[0, 1, 3, 2, 4, 5]),
        helper.make_node("Reshape", ["q", "image"], ["back"]),
    ]
    back = rolled(nodes, "back", 1, (height - sh) % height)
    back = rolled(nodes, back, 2, (width - sw) % width)
    nodes.append(helper.make_node("Add", ["x", back], ["y"]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, height, width, c])
    outputs = ["y", "n", "back"] if wanted else ["y"]
    graph = helper.make_graph(
        nodes,
        "g",
        [x],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    rows = 2 if batch == "batch" else batch
    feeds = dict(x=random.standard_normal((rows, height, width, c), dtype=np.float32))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = dict(zip(outputs, session.run(outputs, feeds)))
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", *optimise)
    for isa in machine_levels():
        got = tools.run(tmp_path / "m.mmcc", feeds, tmp_path, "--isa", isa)
        for name in outputs:
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-4, atol=1e-4)
