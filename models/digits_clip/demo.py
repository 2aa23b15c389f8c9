"""Shows the compiled model at work on held-out handwriting; numpy only, but for --race.

python models/digits_clip/demo.py --run build/bin/mmcc-run --artifact model.mmcc [--count 6] [--seed 0]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from captions import DIGITS, PROMPT, pixels

SHADES = " .:-=+*#%@"


def art(raw: np.ndarray) -> list[str]:
    """[8, 8] ink from 0 to 16 as eight lines of sixteen characters."""
    return ["".join(2 * SHADES[min(int(ink) * len(SHADES) // 17, 9)] for ink in row) for row in raw]


def infer(runner: Path, artifact: Path, threads: int | None, feeds: dict) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(inputs, **feeds)
        command = [runner, artifact, "--inputs", inputs, "--outputs", outputs]
        command += ["--threads", str(threads)] if threads else []
        done = subprocess.run([str(c) for c in command], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{Path(runner).name} gave {done.returncode}: {done.stderr.strip()}")
        with np.load(outputs) as result:
            return result["logits_per_image"]


def show(chosen, images, labels, logits) -> None:
    for start in range(0, len(chosen), 3):
        row = chosen[start : start + 3]
        for lines in zip(*(art(images[i]) for i in row)):
            print("   " + "".join(f"{line:<36}" for line in lines).rstrip())
        said = [logits[i].argmax() for i in row]
        print("   " + "".join(f"{PROMPT.format(DIGITS[s]):<36}" for s in said).rstrip())
        truth = ["right" if s == labels[i] else f"wrong, it is {DIGITS[labels[i]]}" for s, i in zip(said, row)]
        odds = [np.exp(logits[i] - logits[i].max()) for i in row]
        print("   " + "".join(f"{f'{100 / o.sum():.1f} % sure, {t}':<36}" for o, t in zip(odds, truth)).rstrip())
        print()


def race(runner: Path, artifact: Path, model: Path, feeds: dict, threads: int, seconds: float = 1.0) -> str:
    """Times one image against ten captions in mmcc and in ONNX Runtime, alternating; a line of medians."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        inputs, figures = Path(folder) / "in.npz", Path(folder) / "bench.json"
        np.savez(inputs, **feeds)
        command = [runner, artifact, "--inputs", inputs, "--bench", seconds, "--json", figures, "--threads", threads]
        for _ in range(3):
            subprocess.run([str(c) for c in command], check=True)
            ours.append(json.loads(figures.read_text())["median_ms"])
            session.run(None, feeds)
            samples, start = [], time.perf_counter()
            while time.perf_counter() - start < seconds:
                begin = time.perf_counter()
                session.run(None, feeds)
                samples.append(1e3 * (time.perf_counter() - begin))
            theirs.append(float(np.median(samples)))
    mine, peer = float(np.median(ours)), float(np.median(theirs))
    return (
        f"one image against ten captions, {threads} threads: mmcc {mine:.2f} ms, "
        f"ONNX Runtime {onnxruntime.__version__} {peer:.2f} ms ({peer / mine:.1f}x)"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="the mmcc-run binary")
    parser.add_argument("--artifact", type=Path, required=True, help="model.onnx, compiled")
    parser.add_argument("--count", type=int, default=6, help="digits to draw")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--race", type=Path, metavar="MODEL.onnx", help="also time the export in ONNX Runtime")
    options = parser.parse_args()

    with np.load(Path(__file__).parent / "samples.npz") as samples:
        images, labels = samples["images"], samples["labels"]
        input_ids, reference = samples["input_ids"], samples["logits_per_image"]
    feeds = dict(pixel_values=pixels(images), input_ids=input_ids)
    logits = infer(options.run, options.artifact, options.threads, feeds)
    if logits.shape != reference.shape:
        print(f"logits are {logits.shape}, PyTorch gives {reference.shape}", file=sys.stderr)
        return 3
    chosen = np.random.default_rng(options.seed).permutation(len(labels))[: options.count]
    show(chosen, images, labels, logits)

    right = (logits.argmax(1) == labels).sum()
    same = (logits.argmax(1) == reference.argmax(1)).sum()
    print(f"{right} of {len(labels)} held-out digits right: {100 * right / len(labels):.2f} %")
    print(
        f"same answer as PyTorch on {same} of {len(labels)}; "
        f"logits differ by at most {np.abs(logits - reference).max():.1e}"
    )
    equal = np.allclose(logits, reference, rtol=1e-3, atol=1e-4)
    if not equal:
        print("logits are not equal to PyTorch's within rtol 1e-3, atol 1e-4", file=sys.stderr)
    if options.race:
        one = dict(feeds, pixel_values=feeds["pixel_values"][:1])
        print(race(options.run, options.artifact, options.race, one, options.threads or 2))
    return 0 if equal else 3


if __name__ == "__main__":
    sys.exit(main())
