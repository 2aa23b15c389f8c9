"""What stands behind encoders: retrieval from a bank, top-k alone, the contrastive head; beside ONNX Runtime and PyTorch, f32.

    python tools/bench/heads.py [--seconds 1] [--rounds 2]      with MMCC_BENCH_PYTHON's packages

Every round times all engines in turn, in one run, with as many threads each. Prints Markdown: the medians of the
rounds, and how far apart they are.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from stopwatch import median

ROOT = Path(__file__).resolve().parents[2]


def model(nodes: list, inputs: dict, outputs: dict, constants: dict) -> bytes:
    def values(named):
        return [helper.make_tensor_value_info(n, t, s) for n, (t, s) in named.items()]

    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "head", values(inputs), values(outputs), tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[0]).standard_normal(shape, dtype=np.float32)


def retrieval(batch: int, bank: int, width: int, k: int):
    weights = normal(bank, width)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    nodes = [
        helper.make_node("MatMul", ["x", "bank"], ["s"]),
        helper.make_node("TopK", ["s", "k"], ["values", "places"]),
    ]
    outputs = dict(values=(TensorProto.FLOAT, [batch, k]), places=(TensorProto.INT64, [batch, k]))
    constants = dict(bank=np.ascontiguousarray(weights.T), k=np.array([k]))
    onnx = model(nodes, dict(x=(TensorProto.FLOAT, [batch, width])), outputs, constants)
    table = torch.from_numpy(constants["bank"])
    return onnx, dict(x=normal(batch, width)), lambda f: torch.topk(f["x"] @ table, k)


def top_k(rows: int, n: int, k: int):
    outputs = dict(values=(TensorProto.FLOAT, [rows, k]), places=(TensorProto.INT64, [rows, k]))
    nodes = [helper.make_node("TopK", ["x", "k"], ["values", "places"])]
    onnx = model(nodes, dict(x=(TensorProto.FLOAT, [rows, n])), outputs, dict(k=np.array([k])))
    return onnx, dict(x=normal(rows, n)), lambda f: torch.topk(f["x"], k)


def contrast(images: int, texts: int, width: int):
    nodes = []
    for name in ("image", "text"):
        nodes += [
            helper.make_node("ReduceL2", [name, "axis"], [f"{name}_length"], keepdims=1),
            helper.make_node("Div", [name, f"{name}_length"], [f"{name}_unit"]),
        ]
    nodes += [
        helper.make_node("Transpose", ["text_unit"], ["columns"], perm=[1, 0]),
        helper.make_node("MatMul", ["image_unit", "columns"], ["cosines"]),
        helper.make_node("Mul", ["cosines", "temperature"], ["logits"]),
    ]
    inputs = dict(image=(TensorProto.FLOAT, [images, width]), text=(TensorProto.FLOAT, [texts, width]))
    constants = dict(axis=np.array([1]), temperature=np.float32(14.3))
    onnx = model(nodes, inputs, dict(logits=(TensorProto.FLOAT, [images, texts])), constants)

    def torches(f):
        unit = {n: x / x.norm(dim=1, keepdim=True) for n, x in f.items()}
        return unit["image"] @ unit["text"].T * 14.3

    return onnx, dict(image=normal(images, width), text=normal(texts, width)), torches


CASES = {
    "best 10 of 100,000 x 512, 1 query": lambda: retrieval(1, 100_000, 512, 10),
    "best 10 of 100,000 x 512, 32 queries": lambda: retrieval(32, 100_000, 512, 10),
    "top 10 of 1,000,000": lambda: top_k(1, 1_000_000, 10),
    "top 50 of 50,000, 8 rows": lambda: top_k(8, 50_000, 50),
    "top 2 of 64, 1,024 rows": lambda: top_k(1024, 64, 2),
    "contrastive, 1 image, 1,000 texts of 512": lambda: contrast(1, 1000, 512),
    "contrastive, 64 images, 64 texts of 512": lambda: contrast(64, 64, 512),
}


def ours(tools: Path, folder: Path, onnx: bytes, feeds: dict, seconds: float, threads: int) -> float:
    if not (folder / "m.onnx").exists() or (folder / "m.onnx").read_bytes() != onnx:
        (folder / "m.onnx").write_bytes(onnx)
        np.savez(folder / "in.npz", **feeds)
        subprocess.run([tools / "mmcc", "compile", folder / "m.onnx", "-o", folder / "m.mmcc", "--target=cpu:native"], check=True)
    command = [tools / "mmcc-run", folder / "m.mmcc", "--inputs", folder / "in.npz", "--threads", str(threads)]
    subprocess.run([*command, "--bench", str(seconds), "--json", folder / "out.json"], check=True)
    return json.loads((folder / "out.json").read_text())["median_ms"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mmcc", type=Path, default=ROOT / "build/bin", help="folder of mmcc and mmcc-run")
    parser.add_argument("--seconds", type=float, default=1.0, help="of timed runs for each engine, case and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    print("| | mmcc ms | ONNX Runtime ms | PyTorch ms | × the better peer | spread |\n| --- | --: | --: | --: | --: | --: |")
    for name, make in CASES.items():
        onnx, feeds, torches = make()
        session = onnxruntime.InferenceSession(onnx, settings, providers=["CPUExecutionProvider"])
        tensors = {n: torch.from_numpy(x) for n, x in feeds.items()}
        rounds = []
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            for _ in range(options.rounds):
                rounds.append(
                    (
                        ours(options.mmcc, Path(folder), onnx, feeds, options.seconds, options.threads),
                        median(lambda: session.run(None, feeds), options.seconds),
                        median(lambda: torches(tensors), options.seconds),
                    )
                )
        mine, runtime, torch_ms = (statistics.median(column) for column in zip(*rounds))
        spread = max((max(c) - min(c)) / statistics.median(c) / 2 for c in zip(*rounds))
        print(f"| {name} | {mine:.4f} | {runtime:.4f} | {torch_ms:.4f} | {min(runtime, torch_ms) / mine:.2f} | ±{100 * spread:.0f} % |", flush=True)


if __name__ == "__main__":
    main()
