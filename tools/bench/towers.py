"""Times two encoders in one entry beside what one can do without: one after the other, and a process each.

    python tools/bench/towers.py IMAGE.onnx IMAGE.npz TEXT.onnx TEXT.npz [--threads 2] [--seconds 1] [--rounds 3]

The npz files are those of models/ (arrays `in:NAME`). "One after the other" adds the medians of two runs with
all threads; "side by side" is the slower of two runs at the same time with half of the processors each. With
--realtime every process gets real-time priority (as root), so that other work on the machine does not count.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np

BIN = Path(__file__).resolve().parents[2] / "build" / "bin"


def prepare(folder: Path, options) -> None:
    both = {}
    for name, model, case in (("image", options.image, options.image_npz), ("text", options.text, options.text_npz)):
        (folder / name).mkdir()
        for file in model.parent.glob(model.name + "*"):  # with its external data
            shutil.copy(file, folder / name)
        with np.load(case) as arrays:
            inputs = {key[3:]: arrays[key] for key in arrays.files if key.startswith("in:")}
        np.savez(folder / f"{name}.npz", **inputs)
        both |= {f"{name}.{key}": array for key, array in inputs.items()}
    np.savez(folder / "towers.npz", **both)
    entries = {"image": f"image/{options.image.name}", "text": f"text/{options.text.name}"}
    outputs = [f"{name}.{output}" for name, output in zip(entries, options.outputs)]
    (folder / "towers.json").write_text(json.dumps({"entries": entries, "outputs": outputs}))
    subprocess.run([BIN / "mmcc", "compile", folder / "towers.json", "-o", folder / "towers.mmcc"], check=True)


def start(folder: Path, entry: str, threads: int, options, processors: str | None = None):
    figures = folder / f"{entry}.json"
    command = ["chrt", "-f", "10"] if options.realtime else []
    command += ["taskset", "-c", processors] if processors else []
    command += [BIN / "mmcc-run", folder / "towers.mmcc", "--entry", entry, "--inputs", folder / f"{entry}.npz"]
    command += ["--bench", options.seconds, "--json", figures, "--threads", threads]
    return subprocess.Popen([str(c) for c in command]), figures


def median_ms(*runs) -> list[float]:
    for process, _ in runs:
        if process.wait() != 0:
            raise SystemExit("mmcc-run failed")
    return [json.loads(figures.read_text())["median_ms"] for _, figures in runs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("image", "image_npz", "text", "text_npz"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--outputs", nargs=2, default=["image_embeds", "text_embeds"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--realtime", action="store_true")
    options = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))[: options.threads]
    half = len(processors) // 2
    halves = [",".join(map(str, part)) for part in (processors[:half], processors[half:])]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        prepare(folder, options)
        for _ in range(options.rounds):
            one_entry = median_ms(start(folder, "towers", options.threads, options))[0]
            in_turn = sum(median_ms(start(folder, name, options.threads, options))[0] for name in ("image", "text"))
            pair = [start(folder, name, half, options, part) for name, part in zip(("image", "text"), halves)]
            rows.append((one_entry, in_turn, max(median_ms(*pair))))
            print("one entry {:.4f} ms, one after the other {:.4f} ms, side by side {:.4f} ms".format(*rows[-1]), flush=True)
    one_entry, *others = (statistics.median(column) for column in zip(*rows))
    print(f"one entry takes {one_entry / min(others):.3f} of the better of the others")


if __name__ == "__main__":
    main()
