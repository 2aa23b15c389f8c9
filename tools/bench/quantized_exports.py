"""Times models that come quantized beside ONNX Runtime on the same file.

    python tools/bench/quantized_exports.py [--threads 2] [--seconds 2] [--rounds 3]

Two encoder layers of BERT-base's size, 128 tokens, random weights: in f32, after quantize_dynamic (signed weights by channel), after
quantize_static (QDQ around products with weights, two types of activations). And MatMulNBits, 4 bits in blocks of 32, 4096 x 11008.
Engines take turns, each a process; printed are the median of the rounds' medians in milliseconds, and the spread.
"""

import argparse
import logging
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from narrow import BIN, in_mmcc, in_onnx_runtime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

TOKENS, WIDTH, INNER, HEADS = 128, 768, 3072, 12
DEPTH, COLUMNS, BLOCK = 4096, 11008, 32
node = helper.make_node


class Layers:
    """Nodes and tensors of an encoder; each method gives the name of what it computes."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes, self.tensors = [], []

    def constant(self, array) -> str:
        self.tensors.append(numpy_helper.from_array(np.asarray(array), f"c{len(self.tensors)}"))
        return self.tensors[-1].name

    def add(self, operator: str, *inputs: str, **attributes) -> str:
        self.nodes.append(node(operator, list(inputs), [f"v{len(self.nodes)}"], **attributes))
        return self.nodes[-1].output[0]

    def linear(self, x: str, depth: int, columns: int) -> str:
        weight = self.constant((self.random.standard_normal((depth, columns)) * 0.03).astype(np.float32))
        bias = self.constant(self.random.standard_normal(columns).astype(np.float32))
        return self.add("Add", self.add("MatMul", x, weight), bias)

    def norm(self, x: str) -> str:
        return self.add("LayerNormalization", x, self.constant(np.ones(WIDTH, np.float32)), axis=-1)

    def heads(self, x: str, order) -> str:
        return self.add("Transpose", self.add("Reshape", x, self.constant([1, TOKENS, HEADS, WIDTH // HEADS])), perm=order)

    def layer(self, x: str) -> str:
        q, k, v = (self.linear(x, WIDTH, WIDTH) for _ in range(3))
        scores = self.add("MatMul", self.heads(q, [0, 2, 1, 3]), self.heads(k, [0, 2, 3, 1]))
        shares = self.add("Softmax", self.add("Div", scores, self.constant(np.float32((WIDTH // HEADS) ** 0.5))), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", shares, self.heads(v, [0, 2, 1, 3])), perm=[0, 2, 1, 3])
        mixed = self.add("Reshape", mixed, self.constant([1, TOKENS, WIDTH]))
        x = self.norm(self.add("Add", x, self.linear(mixed, WIDTH, WIDTH)))
        inner = self.linear(self.add("Gelu", self.linear(x, WIDTH, INNER)), INNER, WIDTH)
        return self.norm(self.add("Add", x, inner))


def save(nodes, output: str, shapes, tensors, path: Path) -> None:
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in zip(("x", output), shapes, strict=True)]
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=9), path)


class OneSample(CalibrationDataReader):
    def __init__(self, x: np.ndarray) -> None:
        self.samples = iter([{"x": x}])

    def get_next(self):
        return next(self.samples, None)


def encoders(folder: Path):
    """Name, model and inputs of each variant."""
    layers, x = Layers(), np.random.default_rng(1).standard_normal((1, TOKENS, WIDTH)).astype(np.float32)
    output = layers.layer(layers.layer("x"))
    save(layers.nodes, output, [x.shape] * 2, layers.tensors, folder / "f32.onnx")
    np.savez(folder / "x.npz", x=x)
    signed, unsigned = QuantType.QInt8, QuantType.QUInt8
    quantize_dynamic(folder / "f32.onnx", folder / "dynamic.onnx", weight_type=signed, per_channel=True)
    for name, kind in (("QDQ s8s8", signed), ("QDQ u8s8", unsigned)):
        options = {"activation_type": kind, "weight_type": signed, "per_channel": True, "op_types_to_quantize": ["MatMul"]}
        options["extra_options"] = {"MatMulConstBOnly": True}
        quantize_static(folder / "f32.onnx", folder / f"{name}.onnx", OneSample(x), quant_format=QuantFormat.QDQ, **options)
    for name in ("f32", "dynamic", "QDQ s8s8", "QDQ u8s8"):
        yield f"encoder, {name}", folder / f"{name}.onnx", folder / "x.npz"


def packed_products(folder: Path):
    random = np.random.default_rng(2)
    blocks = DEPTH // BLOCK
    tensors = [
        numpy_helper.from_array(random.integers(0, 256, (COLUMNS, blocks, BLOCK // 2), np.uint8), "w"),
        numpy_helper.from_array(random.uniform(0.01, 0.1, COLUMNS * blocks).astype(np.float32), "s"),
    ]
    sizes = {"K": DEPTH, "N": COLUMNS, "bits": 4, "block_size": BLOCK}
    product = node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", **sizes)
    save([product], "y", [("rows", DEPTH), ("rows", COLUMNS)], tensors, folder / "packed.onnx")
    for rows in (1, 128):
        inputs = folder / f"{rows}.npz"
        np.savez(inputs, x=random.standard_normal((rows, DEPTH)).astype(np.float32))
        yield f"MatMulNBits, {rows} rows", folder / "packed.onnx", inputs


def race(name: str, model: Path, inputs: Path, options) -> None:
    artifact = model.with_suffix(".mmcc")
    subprocess.run([str(BIN / "mmcc"), "compile", str(model), "-o", str(artifact), "--target=cpu:native"], check=True)
    rounds = [(in_mmcc(artifact, inputs, options), in_onnx_runtime(model, inputs, options)) for _ in range(options.rounds)]
    for engine, times in zip(("mmcc", "ONNX Runtime"), zip(*rounds, strict=True), strict=True):
        middle = statistics.median(times)
        print(f"{name:<24} {engine:<14} {middle:8.2f} ms  ±{50 * (max(times) - min(times)) / middle:.0f} %", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        for case in (*encoders(Path(folder)), *packed_products(Path(folder))):
            race(*case, options)


if __name__ == "__main__":
    main()
