"""Graphs of ONNX Runtime's attention operators (domain com.microsoft), as its optimiser and its model builder write them."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEADS, GROUPS, TOKENS, PAST = 16, 2, 1, 12, 6
HEAD = WIDTH // HEADS
FLOAT, INT32 = TensorProto.FLOAT, TensorProto.INT32


class Graph:
    """One node, its constants and its feeds; arrays are drawn in the order in which they are named."""

    def __init__(self, operator: str, outputs: list[str], **attributes):
        self.rng = np.random.default_rng(0)
        self.operator, self.outputs, self.attributes = operator, outputs, attributes
        self.names, self.constants, self.feeds, self.declared = [], [], {}, []

    def constant(self, name: str, *shape: int, scale: float = 1.0):
        array = (self.rng.standard_normal(shape) * scale).astype(np.float32)
        return self.exactly(name, array)

    def exactly(self, name: str, array: np.ndarray):
        self.names.append(name)
        self.constants.append(numpy_helper.from_array(array, name))
        return self

    def feed(self, name: str, *shape: int, symbols: tuple = ()):
        return self.given(name, self.rng.standard_normal(shape).astype(np.float32), symbols)

    def given(self, name: str, array: np.ndarray, symbols: tuple = ()):
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.names.append(name)
        self.feeds[name] = array
        self.declared.append(helper.make_tensor_value_info(name, kind, symbols or array.shape))
        return self

    def absent(self, count: int = 1):
        self.names += [""] * count
        return self

    def model(self) -> onnx.ModelProto:
        node = helper.make_node(self.operator, self.names, self.outputs, domain="com.microsoft", **self.attributes)
        results = [helper.make_tensor_value_info(name, FLOAT, None) for name in self.outputs]
        graph = helper.make_graph([node], "graph", self.declared, results, self.constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def attention(**attributes) -> Graph:
    """Attention: the product with the joint weights is part of it."""
    graph = Graph("Attention", ["y"], num_heads=HEADS, **attributes)
    graph.feed("x", 2, TOKENS, WIDTH).constant("w", WIDTH, 3 * WIDTH, scale=WIDTH**-0.5)
    return graph.constant("b", 3 * WIDTH, scale=0.1)


def attention_padded() -> Graph:
    mask = np.ones((2, TOKENS), np.int32)
    mask[1, -3:] = 0
    return attention().given("mask", mask)


def attention_biased() -> Graph:
    return attention(scale=0.3).absent(2).feed("bias", 1, HEADS, TOKENS, TOKENS)


def attention_causal() -> Graph:
    return attention(unidirectional=1)


def multi_head() -> Graph:
    """MultiHeadAttention with the projections' bias, a key padding mask and a relative bias; fewer queries than keys."""
    graph = Graph("MultiHeadAttention", ["y"], num_heads=HEADS)
    graph.feed("q", 2, 5, WIDTH, symbols=(2, "queries", WIDTH))
    graph.feed("k", 2, TOKENS, WIDTH).feed("v", 2, TOKENS, WIDTH).constant("b", 3 * WIDTH, scale=0.1)
    mask = np.ones((2, TOKENS), np.int32)
    mask[1, -3:] = 0
    return graph.given("mask", mask).feed("bias", 1, HEADS, 5, TOKENS, symbols=(1, HEADS, "queries", TOKENS))


def multi_head_past() -> Graph:
    """MultiHeadAttention of one token over a cache."""
    graph = Graph("MultiHeadAttention", ["y", "present_key", "present_value"], num_heads=HEADS, scale=0.25)
    graph.feed("q", 2, 1, WIDTH).feed("k", 2, 1, WIDTH).feed("v", 2, 1, WIDTH).absent(3)
    cache = (2, HEADS, PAST, HEAD)
    symbols = (2, HEADS, "past", HEAD)
    return graph.feed("past_key", *cache, symbols=symbols).feed("past_value", *cache, symbols=symbols)


def grouped(batch: int, tokens: int, past: int, packed: bool = False, **attributes) -> Graph:
    """GroupQueryAttention with its own rotary embedding."""
    graph = Graph("GroupQueryAttention", ["y", "present_key", "present_value"], num_heads=HEADS,
                  kv_num_heads=GROUPS, do_rotary=1, **attributes)  # fmt: skip
    head = 16  # the least that ONNX Runtime rotates
    if packed:
        graph.feed("qkv", batch, tokens, (HEADS + 2 * GROUPS) * head).absent(2)
    else:
        graph.feed("q", batch, tokens, HEADS * head)
        graph.feed("k", batch, tokens, GROUPS * head).feed("v", batch, tokens, GROUPS * head)
    if past:
        cache = (batch, GROUPS, past, head)
        symbols = (batch, GROUPS, "past", head)
        graph.feed("past_key", *cache, symbols=symbols).feed("past_value", *cache, symbols=symbols)
    else:
        graph.absent(2)
    graph.given("seqlens", np.full(batch, past + tokens - 1, np.int32))
    graph.given("total", np.array(past + tokens, np.int32))
    angles = np.arange(32)[:, None] * 1e4 ** -(np.arange(head // 2) * 2 / head)
    graph.exactly("cos", np.cos(angles).astype(np.float32)).exactly("sin", np.sin(angles).astype(np.float32))
    return graph


def grouped_prompt() -> Graph:
    return grouped(2, TOKENS, 0)


def grouped_step() -> Graph:
    return grouped(1, 1, PAST, packed=True)


def grouped_window() -> Graph:
    return grouped(1, TOKENS, 0, local_window_size=5, softcap=5.0, rotary_interleaved=1)


GRAPHS = {
    f.__name__: f
    for f in (
        attention_padded,
        attention_biased,
        attention_causal,
        multi_head,
        multi_head_past,
        grouped_prompt,
        grouped_step,
        grouped_window,
    )
}


def write(name: str, folder: Path) -> None:
    graph = GRAPHS[name]()
    path = folder / f"contrib.{name}.onnx"
    onnx.save(graph.model(), path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs = dict(zip(graph.outputs, session.run(graph.outputs, graph.feeds)))
    arrays = {f"in:{k}": v for k, v in graph.feeds.items()} | {f"out:{k}": v for k, v in outputs.items()}
    np.savez(path.with_suffix(".npz"), **arrays)
    print(f"contrib.{name:18s} {path.stat().st_size:9,d} bytes", flush=True)
