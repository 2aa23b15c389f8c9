"""Attention alone: mmcc beside PyTorch's scaled_dot_product_attention and ONNX Runtime's MultiHeadAttention, f32.

    python tools/bench/attention.py [--seconds 0.4] [--patterns [--plot FILE.svg]]      with MMCC_BENCH_PYTHON's packages

Keys, values and queries are [1, heads, tokens, dim], as encoders have them; every point times the three in turn, in
one run, with as many threads each. --patterns instead shows how the time of sliding and sparse attention grows from
1k to 16k tokens, beside dense attention, and that of masks which models bring along. Prints Markdown.
"""

import argparse
import json
import math
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from plot import plot
from stopwatch import median

ROOT = Path(__file__).resolve().parents[2]
# tokens, heads, dim: CLIP B/32, ViT-B/16, ViT-L/14, ViT-L/16 at 384, Whisper, long ones, other head sizes.
POINTS = [
    (50, 12, 64), (197, 12, 64), (257, 16, 64), (577, 16, 64), (1024, 12, 64), (1500, 8, 64), (4096, 8, 64),
    (50, 8, 128), (197, 8, 128), (1024, 8, 128), (4096, 4, 128), (197, 12, 32), (1024, 12, 32), (4096, 8, 32),
]  # fmt: skip


def model(tokens: int, heads: int, dim: int, contrib: bool, keep: np.ndarray | None = None) -> bytes:
    """q, k, v -> y; as one contrib operator on [1, tokens, heads * dim], or as the products that exporters write.

    `keep` [tokens, tokens] says which pairs take part.
    """
    if contrib:
        shape = [1, tokens, heads * dim]
        nodes = [helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["y"], domain="com.microsoft", num_heads=heads)]
    else:
        shape = [1, heads, tokens, dim]
        scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [dim**-0.5])
        nodes = [
            helper.make_node("Constant", [], ["scale"], value=scale),
            helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
            helper.make_node("MatMul", ["q", "kt"], ["s"]),
            helper.make_node("Mul", ["s", "scale"], ["scaled"]),
            helper.make_node("Softmax", ["scaled" if keep is None else "masked"], ["p"], axis=-1),
            helper.make_node("MatMul", ["p", "v"], ["y"]),
        ]
        if keep is not None:
            mask = numpy_helper.from_array(np.where(keep, 0, -np.inf).astype(np.float32))
            nodes.insert(0, helper.make_node("Constant", [], ["mask"], value=mask))
            nodes.insert(-2, helper.make_node("Add", ["scaled", "mask"], ["masked"]))
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "qkvy"]
    graph = helper.make_graph(nodes, "attention", values[:3], values[3:])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def ours(
    tools: Path, folder: Path, shape: tuple, feeds: dict, seconds: float, threads: int, *options: str, keep: np.ndarray | None = None
) -> float:
    (folder / "m.onnx").write_bytes(model(*shape, contrib=False, keep=keep))
    np.savez(folder / "in.npz", **feeds)
    subprocess.run(
        [tools / "mmcc", "compile", folder / "m.onnx", "-o", folder / "m.mmcc", "--target=cpu:native", *options],
        check=True,
    )
    subprocess.run(
        [tools / "mmcc-run", folder / "m.mmcc", "--inputs", folder / "in.npz", "--threads", str(threads)]
        + ["--bench", str(seconds), "--json", folder / "out.json"],
        check=True,
    )
    return json.loads((folder / "out.json").read_text())["median_ms"]


def feeds_of(shape: tuple) -> dict:
    tokens, heads, dim = shape
    random = np.random.default_rng(0)
    return {n: random.standard_normal((1, heads, tokens, dim), dtype=np.float32) for n in "qkv"}


def peers(shape: tuple, feeds: dict, seconds: float, threads: int) -> tuple[float, float]:
    """PyTorch's and ONNX Runtime's milliseconds."""
    q, k, v = (torch.from_numpy(feeds[n]) for n in "qkv")
    with torch.no_grad():
        sdpa = median(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v), seconds)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model(*shape, contrib=True), options, providers=["CPUExecutionProvider"])
    tokens, heads, dim = shape
    flat = {n: x.transpose(0, 2, 1, 3).reshape(1, tokens, heads * dim) for n, x in feeds.items()}
    return sdpa, median(lambda: session.run(None, flat), seconds)


def mean(ratios: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


def compare(options, folder: Path) -> None:
    print("| tokens | heads | dim | mmcc ms | GFLOP/s | SDPA ms | ONNX Runtime ms | × SDPA | × ONNX Runtime |")
    print("| --: | --: | --: | --: | --: | --: | --: | --: | --: |")
    ratios = []
    for shape in POINTS:
        feeds = feeds_of(shape)
        mine = ours(options.mmcc, folder, shape, feeds, options.seconds, options.threads)
        sdpa, runtime = peers(shape, feeds, options.seconds, options.threads)
        tokens, heads, dim = shape
        speed = 4e-6 * heads * tokens**2 * dim / mine
        ratios.append((sdpa / mine, runtime / mine))
        figures = f"{mine:.3f} | {speed:.0f} | {sdpa:.3f} | {runtime:.3f} | {sdpa / mine:.2f} | {runtime / mine:.2f}"
        print(f"| {tokens} | {heads} | {dim} | {figures} |", flush=True)
    for name, column in zip(("SDPA", "ONNX Runtime"), zip(*ratios)):
        print(f"\n{name}: geometric mean {mean(column):.2f}, worst {min(column):.2f}")


def patterns(options, folder: Path) -> None:
    window, stride = 128, 128
    print(f"Window of {window} on each side, every {stride}th key; 4 heads of 64. Ratio: time / (dense time x density).\n")
    print("| tokens | dense ms | sliding ms | density | ratio | sparse ms | density | ratio |")
    print("| --: | --: | --: | --: | --: | --: | --: | --: |")
    lines = {"dense": [], f"sliding, window {window}": [], f"sparse, every {stride}th too": []}
    for tokens in (1024, 2048, 4096, 8192, 16384):
        shape = (tokens, 4, 64)
        feeds = feeds_of(shape)
        i = np.arange(tokens)
        near = np.minimum(i + window, tokens - 1) - np.maximum(i - window, 0) + 1
        far = np.array([len(range(0, tokens, stride)) - len([j for j in range(0, tokens, stride) if abs(j - x) <= window]) for x in i])
        line = [tokens]
        dense = ours(options.mmcc, folder, shape, feeds, options.seconds, options.threads)
        line.append(f"{dense:.2f}")
        for rule, keys in ((f"window={window}", near), (f"sparse={window},{stride}", near + far)):
            density = keys.sum() / tokens**2
            took = ours(options.mmcc, folder, shape, feeds, options.seconds, options.threads, f"--attention={rule}")
            line += [f"{took:.2f}", f"{density:.4f}", f"{took / dense / density:.2f}"]
        for points, took in zip(lines.values(), (line[1], line[2], line[5])):
            points.append((tokens, float(took)))
        print("| " + " | ".join(map(str, line)) + " |", flush=True)
    if options.plot:
        options.plot.write_text(plot(lines, "tokens", "ms, 4 heads of 64"))
    masks(options, folder)


def masks(options, folder: Path) -> None:
    """Constant masks without a pattern, of which blocks of 64 x 32 pairs are skipped."""
    tokens = 4096
    shape, feeds = (tokens, 4, 64), feeds_of((tokens, 4, 64))
    place = np.arange(tokens)
    images = np.searchsorted([576, 1500, 2048, 2100, 3000], place, side="right")
    blocks = abs(np.subtract.outer(np.arange(64), np.arange(64))) <= 1
    blocks |= np.random.default_rng(0).random(blocks.shape) < 3 / 64
    blocks[[0, -1]] = blocks[:, [0, -1]] = True
    print(f"\nMasks of the model, {tokens} tokens, 4 heads of 64.\n\n| mask | ms | density | time / (dense time x density) |")
    print("| --- | --: | --: | --: |")
    seconds, threads = options.seconds, options.threads
    dense = ours(options.mmcc, folder, shape, feeds, seconds, threads)
    for name, keep in (
        ("six images packed into a row", images[:, None] == images),
        ("BigBird: neighbours, first, last and three random blocks of 64", np.kron(blocks, np.ones((64, 64), dtype=bool))),
    ):
        took = ours(options.mmcc, folder, shape, feeds, seconds, threads, keep=keep)
        print(f"| {name} | {took:.2f} | {keep.mean():.4f} | {took / dense / keep.mean():.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mmcc", type=Path, default=ROOT / "build/bin", help="folder of mmcc and mmcc-run")
    parser.add_argument("--seconds", type=float, default=0.4, help="of timed runs for each engine and point")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patterns", action="store_true")
    parser.add_argument("--plot", type=Path, help="where to draw what --patterns measures")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        (patterns if options.patterns else compare)(options, Path(folder))


if __name__ == "__main__":
    main()
