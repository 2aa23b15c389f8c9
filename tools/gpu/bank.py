"""A bank that is searched, as gpu-pack makes it: 20,000 vectors of small whole numbers.

Products of such numbers are exact in f32 in whatever order they are summed, so that the best are known with their places;
of equal ones the first is better.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cases import Model

VECTORS, WIDTH = 20_000, 24
# Searched in a kernel of its own, with few and with many of the best, and through scores that are written.
BEST = (10, 60, 200)
QUERIES = (1, 45)


def model(bank: np.ndarray, best: int) -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "bank"], ["scores"]),
        helper.make_node("TopK", ["scores", "k"], ["values", "places"]),
    ]
    tensors = [numpy_helper.from_array(bank, "bank"), numpy_helper.from_array(np.array([best]), "k")]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", len(bank)])]
    outputs = [
        helper.make_tensor_value_info("values", TensorProto.FLOAT, ["batch", best]),
        helper.make_tensor_value_info("places", TensorProto.INT64, ["batch", best]),
    ]
    graph = helper.make_graph(nodes, "bank", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def sources(folder: Path) -> dict[str, Model]:
    """Writes models and arrays to `folder`."""
    random, found = np.random.default_rng(0), {}
    bank = random.integers(-9, 10, (WIDTH, VECTORS)).astype(np.float32)
    for best in BEST:
        name = f"bank.{best}"
        onnx.save(model(bank, best), folder / f"{name}.onnx")
        archives = []
        for queries in QUERIES:
            x = random.integers(-9, 10, (queries, WIDTH)).astype(np.float32)
            scores = x.astype(np.int64) @ bank.astype(np.int64)
            places = np.argsort(-scores, axis=1, kind="stable")[:, :best]
            values = np.take_along_axis(scores, places, 1).astype(np.float32)
            archives.append(folder / f"{name}.{queries}.npz")
            np.savez(archives[-1], **{"in:x": x, "out:values": values, "out:places": places})
        found[name] = Model(folder / f"{name}.onnx", archives)
    return found
