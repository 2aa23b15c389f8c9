"""All that is to be known about a GPU in one command, and in under nine minutes.

    tools/dev gpu [FOLDER] [--only correctness,sanitizer,benchmark]     FOLDER: gpu-pack's; default build/gpu-pack

Runs the folder's small models, compute-sanitizer on some, and the benchmark beside the peers that are
installed, and writes docs/benchmarks/<date>-<gpu>.md and .json after every step ($OUT gets them, too): what
fails or runs out of time is a line in them. Exit code 1 if an output was wrong or a run failed.
Needs NVIDIA's driver and Python with numpy; for the benchmark also nvcc, torch, transformers and onnx.
"""

import argparse
import importlib.util
import json
import lzma
import os
import re
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import bench
import correct
import facts
import models
import record
from clock import Clock, write_whole

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("correctness", "sanitizer", "benchmark")
# At most, for all of its runs.
SANITIZER_S = 60
# To write the record and to leave.
RESERVE_S = 10


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = ROOT if (ROOT / "pack.json").exists() else ROOT / "build/gpu-pack"
    parser.add_argument("folder", nargs="?", type=Path, default=here)
    parser.add_argument("--only", default=",".join(STEPS))
    parser.add_argument("--models", default=",".join(models.NAMES), help="full-size models of the benchmark")
    parser.add_argument("--seconds", type=float, default=520, help="for everything")
    parser.add_argument("--record", type=Path, default=ROOT / "docs/benchmarks", help="where the record goes")
    options = parser.parse_args()
    options.only, options.models = options.only.split(","), options.models.split(",")
    for given, known in ((options.only, STEPS), (options.models, models.LABELS)):
        if unknown := sorted(set(given) - set(known)):
            parser.error(f"no {' '.join(unknown)}; there are {' '.join(known)}")
    return options


class Record:
    """Written again after each step, so that whatever ends this program leaves what was found."""

    def __init__(self, folder: Path, found: dict):
        self.found, self.began = found, time.monotonic()
        gpu = re.sub(r"[^a-z0-9]+", "-", found["facts"]["gpu"].get("name", "unknown gpu").lower()).strip("-")
        name = base = f"{found['facts']['date']}-{gpu}"
        number = 1
        while (folder / f"{name}.md").exists():  # an earlier one stays
            number += 1
            name = f"{base}-{number}"
        self.folders = [folder, *(Path(p) for p in [os.environ.get("OUT")] if p)]
        self.name = name

    def write(self) -> None:
        self.found["seconds"] = round(time.monotonic() - self.began, 1)
        for folder in self.folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_whole(folder / f"{self.name}.json", json.dumps(self.found, indent=1) + "\n")
                write_whole(folder / f"{self.name}.md", record.markdown(self.found))
            except OSError as error:
                print(f"gpu: cannot write to {folder}: {error}", file=sys.stderr, flush=True)


def guarded(found: dict, step: str, work) -> None:
    """A step that breaks is a line in the record; the others go on."""
    try:
        work()
    except Exception as error:
        found["problems"].append(f"{step} broke off: {type(error).__name__}: {error}")
        found["broken"] = True


def missing_for_benchmark(content: Path) -> str:
    absent = [m for m in ("torch", "transformers", "onnx") if importlib.util.find_spec(m) is None]
    if absent:
        return f"no benchmark, and no peers: {', '.join(absent)} not installed"
    return "" if (content / "bin/mmcc").exists() else "no benchmark: the folder was packed without the compiler"


def run_benchmark(options, content: Path, preparation, found: dict, kept: Record, clock: Clock) -> None:
    target = bench.architecture(found["facts"]["gpu"], found["correctness"])
    if not target:
        raise RuntimeError("neither nvidia-smi nor a run says what architecture the GPU is")
    found["architecture"] = target
    compiled = preparation.compile_all(content / "bin/mmcc", target)
    for number, name in enumerate(options.models):
        # Twice the last one's for the first of two, and so on: compiling by torch.compile takes what it gets.
        share = (clock.left() - RESERVE_S) * 2 / (len(options.models) - number + 1)
        measured = lambda: bench.measure(name, content / "bin/mmcc-run", preparation, compiled, share, clock)
        guarded(found, models.LABELS[name], lambda: found["benchmark"].update({name: measured()}))
        kept.write()
        if row := found["benchmark"].get(name):
            ratios = {p: f"{r:.2f}" for p in bench.PRECISIONS if (r := bench.ratio(row, p))}
            print(f"{row['label']:36s} × the best peer: {ratios or 'not measured'}", flush=True)


def failed(found: dict) -> bool:
    """A run of a small model that had no time was not ok; a check on top of it that had none says nothing."""
    bad = [r for r in found["correctness"] if r["status"] != "ok"]
    bad += [r for r in found["sanitizer"] if r["status"] in ("wrong", "failed")]
    bad += [e for row in found["benchmark"].values() for e in row["engines"] if e.get("failed") or not e.get("equal", True)]
    return found["broken"] or bool(bad)


def steps(options, work: Path, found: dict, kept: Record, clock: Clock) -> None:
    content = work / "content"
    with lzma.open(options.folder / "content.tar.xz") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        tar.extractall(content, filter="data")
    listed = found["pack"]["cases"]
    preparation = None
    if "benchmark" in options.only:
        if reason := missing_for_benchmark(content):
            found["problems"].append(reason)
        else:
            preparation = bench.Preparation(options.models, work / "models", clock)
    try:
        if "correctness" in options.only:
            guarded(found, "correctness", lambda: found["correctness"].extend(correct.run_all(content, listed, work, clock)))
            good = sum(r["status"] == "ok" for r in found["correctness"])
            print(f"small models: {good} of {len(found['correctness'])} runs ok", flush=True)
            kept.write()
        if "sanitizer" in options.only:
            guarded(found, "sanitizer", lambda: found["sanitizer"].extend(correct.sanitize(content, listed, work, clock, SANITIZER_S)))
            kept.write()
        if preparation:
            guarded(found, "benchmark", lambda: run_benchmark(options, content, preparation, found, kept, clock))
    finally:
        if preparation:
            preparation.stop()


def main() -> int:
    options = arguments()
    clock = Clock(options.seconds)
    try:
        pack = json.loads((options.folder / "pack.json").read_text())
    except (OSError, ValueError) as error:
        print(f"gpu: {options.folder} is no folder of tools/dev gpu-pack: {error}", file=sys.stderr)
        return 2
    found = dict(facts=facts.all_of_them(clock), pack=pack, limit=options.seconds, done=False, broken=False, problems=[])
    found |= dict(correctness=[], sanitizer=[], benchmark={})
    if library := facts.cublaslt():
        os.environ["MMCC_CUBLASLT"] = library
    kept = Record(options.record, found)
    kept.write()
    with tempfile.TemporaryDirectory(prefix="mmcc-gpu-", ignore_cleanup_errors=True) as work:
        guarded(found, "unpacking", lambda: steps(options, Path(work), found, kept, clock))
        found["facts"]["clocks_after"] = facts.query(clock, facts.CLOCKS)
        found["done"] = True
        kept.write()
    print(f"{kept.folders[0] / kept.name}.md: {'failures' if failed(found) else 'all right'}", flush=True)
    return 1 if failed(found) else 0


if __name__ == "__main__":
    sys.exit(main())
