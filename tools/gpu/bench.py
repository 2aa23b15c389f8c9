"""The full-size models: made and compiled on the spot, timed beside the peers, each model within its share of the time."""

import json
import statistics
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from correct import errors
from models import LABELS

HERE = Path(__file__).resolve().parent
PRECISIONS = ("f32", "bf16")
# GPUs by compute capability, and the code that mmcc makes for them.
ARCHITECTURES = {"8.0": "sm_80", "8.6": "sm_86", "8.9": "sm_89", "9.0": "sm_90a", "10.0": "sm_100"}
# Of the largest output. f32 has the contract of reference.py; bf16 has none, and beyond this it is no rounding.
BF16_ERROR = 0.05
PREPARE_LIMIT_S, COMPILE_LIMIT_S = 120, 90
# Of a model's time, for one run of ours: what hangs must not take the peers' time, or the next model's.
RUN_SHARE = 0.2
BENCH_S = "0.7"


def architecture(gpu: dict, rows: list[dict]) -> str | None:
    """By the driver's word, else what the small models' artifacts were run as."""
    known = ARCHITECTURES.get(gpu.get("compute_cap", ""))
    return known or next((r["isa"] for r in rows if r.get("isa", "")), None)


class Preparation:
    """Exports on the processor, while the GPU is busy with the small models."""

    def __init__(self, names: list[str], work: Path, clock):
        self.work, self.clock = work, clock
        self.pool = ThreadPoolExecutor(3)
        self.exported: dict[str, Future] = {n: self.pool.submit(self.export, n) for n in names}

    def export(self, name: str) -> dict:
        folder = self.work / name
        done = self.clock.run([sys.executable, HERE / "prepare.py", name, folder], PREPARE_LIMIT_S)
        if done.code != 0:
            return dict(message=done.message)
        return json.loads((folder / "ready.json").read_text())

    def compile_all(self, mmcc: Path, target: str) -> dict[tuple[str, str], dict]:
        """Seconds and bytes, or a message, of each model and precision."""

        def one(job: tuple[str, str]) -> dict:
            name, precision = job
            if "message" in (exported := self.exported[name].result()):
                return dict(message=f"not exported: {exported['message']}")
            artifact = self.work / name / f"{precision}.mmcc"
            options = [f"--target=cuda:{target}", f"--precision={precision}"]
            command = [mmcc, "compile", self.work / name / "model.onnx", "-o", artifact, *options]
            done = self.clock.run(command, COMPILE_LIMIT_S, {"MMCC_CACHE": str(self.work / "cache")})
            if done.code != 0:  # in f32 all of these have compiled; other precisions may have gaps
                failed = precision == "f32" and done.code is not None
                return dict(message=f"mmcc compile: {done.message.replace(str(self.work) + '/', '')}", failed=failed)
            return dict(compile_s=round(done.seconds, 1), artifact_bytes=artifact.stat().st_size)

        jobs = [(n, p) for p in PRECISIONS for n in self.exported]
        with ThreadPoolExecutor(3) as pool:
            return dict(zip(jobs, pool.map(one, jobs)))

    def stop(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)


class Ours:
    """One artifact: outputs, rounds of fresh processes, a profile."""

    def __init__(self, runner: Path, folder: Path, precision: str, limit: float, clock):
        self.folder, self.precision, self.limit, self.clock = folder, precision, limit, clock
        self.command = [runner, folder / f"{precision}.mmcc", "--device", "cuda", "--inputs", folder / "in.npz"]
        self.rounds: list[dict] = []
        self.figures: dict = {}

    def round(self) -> None:
        """The first one is judged, too."""
        if "message" in self.figures:
            return
        outputs = self.folder / f"{self.precision}.out.npz"
        done = self.clock.run([*self.command, "--outputs", outputs, "--bench", BENCH_S], self.limit)
        if done.code != 0:
            said = done.message.replace(f"{self.folder.parent}/", "")
            self.figures = dict(message=f"mmcc-run: {said}", failed=done.code is not None)
            return
        self.rounds.append(json.loads(done.stdout))
        if len(self.rounds) == 1:
            self.judge(outputs)
        medians = [r["median_ms"] for r in self.rounds]
        self.figures |= dict(
            median_ms=statistics.median(medians),
            spread=(max(medians) - min(medians)) / statistics.median(medians),
            **{k: self.rounds[0][k] for k in ("min_ms", "p90_ms", "load_ms", "first_ms", "launches", "arena_bytes", "isa")},
        )

    def judge(self, outputs: Path) -> None:
        with np.load(outputs) as got, np.load(self.folder / "out.npz") as want:
            worst, equal = errors({k: got[k] for k in got.files}, {k: want[k] for k in want.files})
        self.figures |= dict(error=worst, equal=equal if self.precision == "f32" else worst <= BF16_ERROR)
        outputs.unlink()

    def profile(self) -> None:
        """The time of each kernel alone, and of all: what a graph's replay is measured against."""
        if "message" in self.figures:
            return
        done = self.clock.run([*self.command, "--profile"], self.limit)
        if done.code != 0:
            self.figures |= dict(profile_message=done.message)
            return
        lines = done.stdout.splitlines()
        rows = [line.split(None, 4) for line in lines[1:] if line.strip()]
        self.figures |= dict(profile=lines, kernels_ms=sum(float(r[0]) for r in rows) / 1e3)


def peers(name: str, folder: Path, seconds: float, clock) -> list[dict]:
    """What peers.py said in its time; what it was stopped in is a row, too."""
    done = clock.run([sys.executable, HERE / "peers.py", name, folder], seconds)
    rows = []
    for line in done.stdout.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # others print as well
            continue
    if done.code != 0:
        said = {(r["engine"], r["precision"]) for r in rows}
        expected = [(e, p) for p in PRECISIONS for e in ("eager", "sdpa", "compile")]
        missing = [job for job in expected if job not in said] or [("PyTorch", "f32")]
        rows += [dict(engine=e, precision=p, message=done.message) for e, p in missing]
    return rows


def measure(name: str, runner: Path, preparation: Preparation, compiled: dict, seconds: float, clock) -> dict:
    """Ours before and after the peers, so that drift of clocks meets both."""
    end = clock.left() - seconds
    folder = preparation.work / name
    exported = preparation.exported[name].result()
    row = dict(label=LABELS[name], export=exported, engines=[])
    if "message" in exported:
        return row
    ours = []
    for precision in PRECISIONS:
        own = Ours(runner, folder, precision, RUN_SHARE * seconds, clock)
        own.figures = dict(compiled[name, precision])
        ours.append(own)
    for own in ours:
        own.round()
        own.round()
        own.profile()
    row["engines"] = peers(name, folder, clock.left() - end - 8, clock)
    for own in ours:
        own.round()
        row["engines"].append(dict(engine="mmcc", precision=own.precision) | own.figures)
    for path in folder.glob("*.mmcc"):
        path.unlink()
    return row


def ratio(row: dict, precision: str) -> float | None:
    """The best peer's time of that precision over ours."""
    times = {e["engine"]: e["median_ms"] for e in row["engines"] if e["precision"] == precision and "median_ms" in e}
    own = times.pop("mmcc", None)
    return min(times.values()) / own if own and times else None
