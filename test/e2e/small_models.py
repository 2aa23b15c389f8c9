"""Small graphs of a multimodal model's parts, with fixed weights: image encoder, decoder and what imputes."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, VOCABULARY = 64, 50


def tensor(shape, seed: int, scale: float = 0.2) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def save(path, nodes, inputs: dict, outputs: dict, weights: dict) -> None:
    """Inputs and outputs: name to (element type, shape)."""
    values = [[helper.make_tensor_value_info(n, t, s) for n, (t, s) in side.items()] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, path.stem, *values, [numpy_helper.from_array(a, n) for n, a in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def encoder(path, batch="batch", tokens=16, patch=12, width=WIDTH, layers=2) -> None:
    """pixels [batch, tokens, patch] -> features [batch, tokens, width], mask [batch, tokens]."""
    node = helper.make_node
    nodes, weights = [node("MatMul", ["pixels", "w0"], ["h0"])], {"w0": tensor((patch, width), 1)}
    for i in range(layers):
        weights[f"w{i + 1}"] = tensor((width, width), 2 + i)
        nodes += [node("Relu", [f"h{i}"], [f"r{i}"]), node("MatMul", [f"r{i}", f"w{i + 1}"], [f"h{i + 1}"])]
    nodes += [node("Tanh", [f"h{layers}"], ["features"])]
    inputs = {"pixels": (TensorProto.FLOAT, [batch, tokens, patch])}
    save(path, nodes, inputs, {"features": (TensorProto.FLOAT, [batch, tokens, width])}, weights)


def decoder(path, batch="batch", image_tokens="image_tokens", width=WIDTH, mean=False, blind=False) -> None:
    """[image tokens, text tokens] -> norm -> logits. With `mean` the image is reduced to one token, `blind` has none."""
    node = helper.make_node
    nodes = [node("Gather", ["table", "ids"], ["words"]), node("Mul", ["words", "scale"], ["text"])]
    if mean:
        nodes += [node("ReduceMean", ["image"], ["mean"], axes=[1], keepdims=1)]
    image_part = "mean" if mean else "image"
    nodes += [
        *([] if blind else [node("Concat", [image_part, "text"], ["all"], axis=1)]),
        node("LayerNormalization", ["text" if blind else "all", "gain", "shift"], ["normed"], axis=-1),
        node("MatMul", ["normed", "head"], ["logits"]),
    ]
    weights = {
        "table": tensor((VOCABULARY, width), 11),
        "gain": np.ones(width, np.float32),
        "shift": tensor((width,), 12),
        "head": tensor((width, VOCABULARY), 13),
        "scale": np.float32(0.5),
    }
    inputs = {"image": (TensorProto.FLOAT, [batch, image_tokens, width]), "ids": (TensorProto.INT64, [batch, "seq"])}
    if blind:
        del inputs["image"]
    save(path, nodes, inputs, {"logits": (TensorProto.FLOAT, [batch, "all", VOCABULARY])}, weights)


def imputer(path, source="decoder.ids", tokens=16, width=WIDTH) -> None:
    """The text's mean embedding, repeated: ids [batch, seq] -> features [batch, tokens, width]."""
    node = helper.make_node
    nodes = [
        node("Gather", ["table", source], ["text"]),
        node("ReduceMean", ["text"], ["mean"], axes=[1], keepdims=1),
        node("Mul", ["mean", "ones"], ["features"]),
    ]
    weights = {"table": tensor((VOCABULARY, width), 21), "ones": np.ones((1, tokens, 1), np.float32)}
    inputs = {source: (TensorProto.INT64, ["batch", "seq"])}
    save(path, nodes, inputs, {"features": (TensorProto.FLOAT, ["batch", tokens, width])}, weights)


def describe(path, **content):
    path.write_text(json.dumps(content))
    return path


def image_and_text(seed: int, batch=2, tokens=16, patch=12, seq=5) -> tuple[dict, dict]:
    pixels = tensor((batch, tokens, patch), seed, 1.0)
    ids = np.random.default_rng(seed + 1).integers(0, VOCABULARY, (batch, seq))
    return {"pixels": pixels}, {"ids": ids}


def attending_decoder(path, batch="batch", image_tokens="image_tokens", width=WIDTH, heads=4) -> None:
    """[image tokens, text tokens] -> attention over them and a past -> logits, and the past with them."""
    node, head = helper.make_node, width // heads
    nodes = [node("Gather", ["table", "ids"], ["words"]), node("Concat", ["image", "words"], ["all"], axis=1)]
    for name in "qkv":
        nodes += [
            node("MatMul", ["all", f"w{name}"], [f"{name}0"]),
            node("Reshape", [f"{name}0", "apart"], [f"{name}1"]),
            node("Transpose", [f"{name}1"], [name], perm=[0, 2, 1, 3]),
        ]
    nodes += [
        node("Concat", ["past_k", "k"], ["present_k"], axis=2),
        node("Concat", ["past_v", "v"], ["present_v"], axis=2),
        node("Transpose", ["present_k"], ["columns"], perm=[0, 1, 3, 2]),
        node("MatMul", ["q", "columns"], ["products"]),
        node("Mul", ["products", "scale"], ["scores"]),
        node("Softmax", ["scores"], ["weights"], axis=-1),
        node("MatMul", ["weights", "present_v"], ["mixed"]),
        node("Transpose", ["mixed"], ["turned"], perm=[0, 2, 1, 3]),
        node("Reshape", ["turned", "joined"], ["hidden"]),
        node("MatMul", ["hidden", "head"], ["logits"]),
    ]
    weights = {
        "table": tensor((VOCABULARY, width), 31, 1.0),
        "head": tensor((width, VOCABULARY), 32),
        "apart": np.array([0, -1, heads, head]),
        "joined": np.array([0, -1, width]),
        "scale": np.float32(head**-0.5),
    } | {f"w{name}": tensor((width, width), 33 + i) for i, name in enumerate("qkv")}
    past = {f"past_{n}": (TensorProto.FLOAT, [batch, heads, "past", head]) for n in "kv"}
    inputs = {"image": (TensorProto.FLOAT, [batch, image_tokens, width]), "ids": (TensorProto.INT64, [batch, "seq"])}
    outputs = {"logits": (TensorProto.FLOAT, [batch, "new", VOCABULARY])}
    outputs |= {f"present_{n}": (TensorProto.FLOAT, [batch, heads, "all", head]) for n in "kv"}
    save(path, nodes, inputs | past, outputs, weights)
