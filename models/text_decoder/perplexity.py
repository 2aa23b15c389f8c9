"""Perplexity of the decoder on held-out text, in mmcc and in ONNX Runtime, and samples to calibrate with; numpy only.

    mmcc compile models/text_decoder/model.onnx -o m.mmcc --dim past=0..4096
    python models/text_decoder/perplexity.py --run build/bin/mmcc-run --artifact m.mmcc
    python models/text_decoder/perplexity.py --model models/text_decoder/model.onnx   # in ONNX Runtime
    python models/text_decoder/perplexity.py --samples DIR                            # for mmcc compile --calibrate=DIR

The text is that of the Python that runs this (corpus.py), cut into windows of 256 characters, each begun without a past;
perplexity is e to the mean negative logarithm of what each next character was given. --chunk=N gives a window to the
model in pieces of N characters on top of a growing past, which must change nothing but rounding.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cache import no_past, past_of
from characters import HERE, WINDOW, log_probabilities, plain, tokenise, windows
from corpus import calibration_text, test_text

Arrays = dict[str, np.ndarray]
BATCH = 32


def in_mmcc(runner: Path, artifact: Path, folder: Path, options: tuple[str, ...] = ()) -> Callable[[Arrays], Arrays]:
    """Inputs to outputs by name, each call a process."""

    def call(feeds: Arrays) -> Arrays:
        inputs, outputs = folder / "in.npz", folder / "out.npz"
        np.savez(inputs, **feeds)
        command = [runner, artifact, "--inputs", inputs, "--outputs", outputs, *options]
        done = subprocess.run([str(c) for c in command], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{Path(runner).name} gave {done.returncode}: {done.stderr.strip()}")
        with np.load(outputs) as result:
            return dict(result)

    return call


def in_onnxruntime(model: Path, threads: int = 1) -> Callable[[Arrays], Arrays]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(names, feeds)))


def perplexity(call: Callable[[Arrays], Arrays], text: str, chunk: int = WINDOW) -> float:
    inputs, labels = windows(tokenise(text))
    total = 0.0
    for first in range(0, len(inputs), BATCH):
        rows, right = inputs[first : first + BATCH], labels[first : first + BATCH]
        past = no_past(len(rows))
        for at in range(0, WINDOW, chunk):
            outputs = call({"input_ids": np.ascontiguousarray(rows[:, at : at + chunk]), **past})
            total += log_probabilities(outputs["logits"], right[:, at : at + chunk]).sum()
            past = past_of(outputs)
    return float(np.exp(-total / labels.size))


def write_samples(folder: Path, text: str, count: int, batch: int = 8) -> None:
    """`count` windows as calls of `batch`: the model's inputs, and as `label` [batch, WINDOW] the next characters."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs, labels = (part[:count] for part in windows(tokenise(text)))
    for first in range(0, len(inputs), batch):
        rows = inputs[first : first + batch]
        arrays = {"input_ids": rows, "label": labels[first : first + batch], **no_past(len(rows))}
        np.savez(folder / f"{first:05}.npz", **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=HERE.parents[1] / "build" / "bin" / "mmcc-run", help="the binary")
    parser.add_argument("--artifact", type=Path, metavar="FILE.mmcc")
    parser.add_argument("--model", type=Path, metavar="FILE.onnx", help="measured in ONNX Runtime")
    parser.add_argument("--text", type=Path, metavar="FILE", help="a text of your own")
    parser.add_argument("--chunk", type=int, default=WINDOW)
    parser.add_argument("--samples", type=Path, metavar="DIR", help="write samples of text to calibrate on")
    parser.add_argument("--count", type=int, default=128, help="windows of samples")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engines = {}
        if options.artifact:
            engines["mmcc"] = in_mmcc(options.run, options.artifact, Path(folder))
        if options.model:
            engines["ONNX Runtime"] = in_onnxruntime(options.model)
        for name, call in engines.items():
            text = plain(options.text.read_text("utf-8")) if options.text else test_text()
            measured = perplexity(call, text, options.chunk)
            print(f"{name}: perplexity {measured:.5f}, {np.log2(measured):.5f} bits a character")
    if options.samples:
        write_samples(options.samples, calibration_text(), options.count)


if __name__ == "__main__":
    main()
