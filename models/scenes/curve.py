"""Accuracy against speed of the scene model, over token merging; numpy only.

    python models/scenes/curve.py [--bin build/bin] [--scenes 4096] [--threads 2]

Compiles the model without merging, with r tokens a layer, and with what the compiler itself finds under a bound of
half a point on scenes of one half of the held-out digits; classifies scenes of the other half, which neither the model
nor the search has seen, and times batches of 16. Prints a Markdown table.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from scenes import halves, scenes

HERE = Path(__file__).parent
BATCH = 16


def call(*command) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True)


def measure(tools: Path, artifact: Path, folder: Path, images, labels, threads: int) -> tuple[float, float]:
    """Accuracy in percent, and milliseconds a scene."""
    np.savez(folder / "all.npz", pixel_values=images)
    call(tools / "mmcc-run", artifact, "--inputs", folder / "all.npz", "--outputs", folder / "out.npz")
    with np.load(folder / "out.npz") as outputs:
        accuracy = 100 * (outputs["logits"].argmax(1) == labels).mean()
    np.savez(folder / "few.npz", pixel_values=images[:BATCH])
    timing = ["--bench", 0.5, "--json", folder / "time.json", "--threads", threads]
    call(tools / "mmcc-run", artifact, "--inputs", folder / "few.npz", *timing)
    return accuracy, json.loads((folder / "time.json").read_text())["median_ms"] / BATCH


def calibration(folder: Path, seed: int, count: int) -> Path:
    samples = folder / "samples"
    samples.mkdir()
    images, labels = scenes(seed, count, *halves()[0])
    for i in range(0, count, 128):
        np.savez(samples / f"{i:05}.npz", pixel_values=images[i : i + 128], label=labels[i : i + 128])
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=HERE.parents[1] / "build" / "bin")
    parser.add_argument("--scenes", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    images, labels = scenes(1, options.scenes, *halves()[1])
    print("| tokens merged by layer | held-out accuracy | ms a scene | speed |")
    print("| --- | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        artifact = folder / "m.mmcc"
        bound = ["--max-drop=0.5", f"--calibrate={calibration(folder, 2, 1024)}"]
        rules = [["--tome=off"], *([f"--tome=r={r}"] for r in (4, 8, 12, 16, 20, 24)), bound]
        plain = None
        for rule in rules:
            call(options.bin / "mmcc", "compile", HERE / "model.onnx", "-o", artifact, "--target=cpu:native", *rule)
            accuracy, took = measure(options.bin, artifact, folder, images, labels, options.threads)
            plain = plain or took
            name = rule[0].removeprefix("--tome=")
            if rule is bound:
                notes = json.loads(call(options.bin / "mmcc", "inspect", artifact, "--json").stdout)["notes"]
                name = f"{notes['tome']} (found under 0.5 points)"
            print(f"| {name} | {accuracy:.2f} % | {took:.3f} | {plain / took:.2f} |", flush=True)


if __name__ == "__main__":
    main()
