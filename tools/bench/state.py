"""One token of a decoder on top of a long past: past handed in as tensors, and kept as state; beside ONNX Runtime.

    python models/export_full.py FOLDER qwen2_chat --forms .dyn       with MMCC_BENCH_PYTHON's packages
    python tools/bench/state.py FOLDER/qwen2_chat.dyn/model.onnx [--past 512 4096] [--seconds 2] [--rounds 2]

Each round times all in turn, a fresh process each. Prints Markdown: medians of the rounds in ms, how far apart they
are, and what the state takes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

ROOT = Path(__file__).resolve().parents[2]
KINDS = ["f32", "f16", "int8", "fp8"]
# Runs in a process of its own: the model, an npz, threads, seconds.
PEER = """
import sys, time, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[3])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
inputs, times, end = dict(numpy.load(sys.argv[2])), [], time.time() + float(sys.argv[4])
while time.time() < end or len(times) < 5:
    start = time.perf_counter()
    session.run(None, inputs)
    times.append(time.perf_counter() - start)
print(sorted(times[2:])[len(times[2:]) // 2] * 1e3)
"""


def step(model: Path, past: int) -> dict:
    """A token, and random keys and values before it."""
    rng, arrays = np.random.default_rng(past), {}
    for value in onnx.load(model, load_external_data=False).graph.input:
        if value.name.startswith("past."):
            _, heads, _, width = (d.dim_value for d in value.type.tensor_type.shape.dim)
            arrays[value.name] = rng.standard_normal((1, heads, past, width), dtype=np.float32)
    return arrays | dict(
        input_ids=np.array([[7]]),
        attention_mask=np.ones((1, past + 1), np.int64),
        position_ids=np.array([[past]]),
    )


def time_ours(artifact: Path, inputs: Path, options: argparse.Namespace, *more: str) -> dict:
    report = inputs.with_suffix(".json")
    command = [ROOT / "build/bin/mmcc-run", artifact, "--inputs", inputs, "--bench", options.seconds, "--json", report]
    subprocess.run([str(c) for c in [*command, "--threads", options.threads, *more]], check=True)
    return json.loads(report.read_text())


def time_peer(model: Path, inputs: Path, options: argparse.Namespace) -> dict:
    command = [sys.executable, "-c", PEER, model, inputs, options.threads, options.seconds]
    return dict(median_ms=float(subprocess.run([str(c) for c in command], check=True, capture_output=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--past", type=int, nargs="+", default=[512, 4096])
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kv in KINDS:
            command = [ROOT / "build/bin/mmcc", "compile", options.model, "-o", folder / f"{kv}.mmcc", f"--kv={kv}"]
            subprocess.run([str(c) for c in command] + ["--target=cpu:native"], check=True)
        print("| past | " + " | ".join(["ONNX Runtime", "tensors", *(f"state {kv}" for kv in KINDS)]) + " |")
        print("| --: " * (3 + len(KINDS)) + "|")
        for past in options.past:
            inputs = folder / f"{past}.npz"
            np.savez(inputs, **step(options.model, past))
            timings = {}
            for _ in range(options.rounds):
                found = {"peer": time_peer(options.model, inputs, options)}
                found["tensors"] = time_ours(folder / "f32.mmcc", inputs, options)
                for kv in KINDS:
                    found[kv] = time_ours(folder / f"{kv}.mmcc", inputs, options, "--state")
                for key, value in found.items():
                    timings.setdefault(key, []).append(value)
            cells = []
            for runs in timings.values():
                times = [run["median_ms"] for run in runs]
                middle = statistics.median(times)
                held = runs[0].get("state_bytes", 0) / 1e6
                cells.append(f"{middle:.1f} (±{(max(times) - min(times)) / middle * 50:.0f} %)")
                cells[-1] += f", {held:.0f} MB" if held else ""
            print(f"| {past:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
