"""Random graphs, compiled with and without optimisation, against ONNX Runtime.

    python test/random/random_graphs.py [--count 10000] [--first 0] [--keep FOLDER]

Prints what did not pass, with its seed; a graph that is refused counts as a failure, since all its operators are
supported. Graphs whose outputs change much with a tiny change of their inputs are left out: nobody's rounding is
right there.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).parent))
from graphs import build  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
RTOL, ATOL = 1e-3, 1e-4
LARGEST = 1e4


def reference(model: bytes, feeds: dict) -> dict | None:
    """ONNX Runtime's outputs, or nothing where they say little."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    exact = session.run(names, feeds)
    moved = session.run(names, {k: (v * (1 + 2e-6)).astype(v.dtype) for k, v in feeds.items()})
    for a, b in zip(exact, moved):
        if not np.isfinite(a).all() or np.abs(a).max(initial=0) > LARGEST:
            return None
        if not np.allclose(a, b, rtol=RTOL / 10, atol=ATOL / 10):
            return None
    return dict(zip(names, exact))


def write_cases(folder: Path, first: int, count: int) -> int:
    """Returns the seed after the last one used."""
    lines, seed = ["# random graphs, format 1"], first
    while len(lines) <= count:
        graph = build(seed)
        name, seed = f"seed_{seed}", seed + 1
        if not graph.nodes:
            continue
        model = graph.model().SerializeToString()
        expected = reference(model, graph.feeds)
        if expected is None:
            continue
        (folder / f"{name}.onnx").write_bytes(model)
        np.savez(folder / f"{name}.0.in.npz", **graph.feeds)
        np.savez(folder / f"{name}.0.out.npz", **expected)
        operators = ",".join(sorted({node.op_type for node in graph.nodes}))
        lines.append(f"{name} 1 {RTOL} {ATOL} {operators}")
    (folder / "cases.txt").write_text("\n".join(lines) + "\n")
    return seed


def failures(runner: Path, folder: Path, jobs: int, *options: str) -> list[str]:
    done = subprocess.run(
        [str(runner), str(folder), "--jobs", str(jobs), *options], capture_output=True, text=True, errors="replace"
    )
    lines = done.stdout.splitlines()
    wanted = len((folder / "cases.txt").read_text().splitlines()) - 1
    if done.returncode or len(lines) != wanted:
        lines.append(f"crashed runner: {len(lines)} of {wanted} results, exit {done.returncode} {done.stderr}")
    return [f"{' '.join(options)} {line}".strip() for line in lines if not line.startswith("pass ")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--keep", type=Path, help="write the cases there and leave them")
    options = parser.parse_args()
    runner = options.build / "bin" / "case_runner"
    seed, left, failed = options.first, options.count, 0
    while left > 0:
        batch = min(left, 500)
        with tempfile.TemporaryDirectory() as temporary:
            folder = options.keep or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            seed = write_cases(folder, seed, batch)
            for arguments in ([], ["-O0"]):
                for line in failures(runner, folder, options.jobs, *arguments):
                    print(line, flush=True)
                    failed += 1
        left -= batch
        print(f"{options.count - left} graphs, seeds below {seed}, {failed} failures", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
