"""Random ONNX graphs of supported operators.

A graph is built node by node from a pool of values. Operators that jump (rounding, comparison, arg max) only see
values that are exact: inputs, and what data movement makes of them. In a dynamic graph the first dimension of every
value is the symbol `n`, and no operator mixes or cuts it.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
ROWS = 7  # size of `n` in the test data: a size that nothing else has


@dataclass
class Value:
    name: str
    shape: tuple
    exact: bool = False
    dtype: type = np.float32


class Graph:
    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.dynamic = bool(self.rng.random() < 0.3)
        self.nodes, self.constants, self.inputs, self.feeds = [], [], [], {}
        self.pool: list[Value] = []
        self.count = 0

    # Names, constants, nodes.

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}_{self.count}"

    def constant(self, array) -> str:
        name = self.name("c")
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape, scale: float | None = None) -> str:
        scale = scale if scale is not None else 1 / np.sqrt(max(1, np.prod(shape[:-1])))
        return self.constant((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def scalar(self, value: float) -> str:
        return self.constant(np.float32(value))

    def node(self, op: str, *inputs: str, count: int = 1, **attributes):
        outputs = [self.name(op.lower()) for _ in range(count)]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, name=outputs[0], **attributes))
        return outputs[0] if count == 1 else outputs

    def put(self, name: str, shape, exact: bool = False) -> Value:
        value = Value(name, tuple(int(s) for s in shape), exact)
        self.pool.append(value)
        return value

    # Choices.

    def pick(self, options):
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def size(self) -> int:
        return int(self.pick([1, 2, 3, 4, 5, 8, 12, 16, 17, 33]))

    def any(self, low: int = 1, high: int = 5, exact: bool = False) -> Value | None:
        fitting = [v for v in self.pool if low <= len(v.shape) <= high and (v.exact or not exact)]
        # The newest half twice as often, so that graphs grow deep.
        return self.pick(fitting + fitting[len(fitting) // 2 :]) if fitting else None

    def axis(self, value: Value) -> int | None:
        """One that is not the symbol's."""
        first = 1 if self.dynamic else 0
        return int(self.rng.integers(first, len(value.shape))) if len(value.shape) > first else None

    # Inputs and the finished model.

    def input(self) -> None:
        shape = [self.size() for _ in range(int(self.rng.integers(1, 5)))]
        if self.dynamic:
            shape[0] = ROWS
        # Multiples of 1/4 plus an offset stay away from where rounding and comparison jump.
        array = (self.rng.integers(-8, 9, shape) / 4 + 0.1).astype(np.float32)
        name = self.name("x")
        declared = ["n", *shape[1:]] if self.dynamic else shape
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, declared))
        self.feeds[name] = array
        self.put(name, shape, exact=True)

    def model(self) -> onnx.ModelProto:
        used = {name for node in self.nodes for name in node.input}
        ends = [v for v in self.pool if v.name not in used and v.name not in self.feeds] or self.pool[-1:]
        kinds = {np.float32: TensorProto.FLOAT, np.int64: TensorProto.INT64, np.bool_: TensorProto.BOOL}
        outputs = [
            helper.make_tensor_value_info(v.name, kinds[v.dtype], ["n", *v.shape[1:]] if self.dynamic else v.shape)
            for v in ends
        ]
        graph = helper.make_graph(self.nodes, "random", self.inputs, outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def build(seed: int) -> Graph:
    from operators import EMITTERS

    graph = Graph(seed)
    for _ in range(int(graph.rng.integers(1, 4))):
        graph.input()
    wanted = int(graph.rng.integers(2, 14))
    for _ in range(200):
        if len(graph.nodes) >= wanted:
            break
        graph.pick(EMITTERS)(graph)
    return graph
