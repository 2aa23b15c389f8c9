"""The small models on the GPU against PyTorch's outputs: from a graph, launch by launch, and under compute-sanitizer."""

import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from cases import SANITIZED

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from reference import errors  # noqa: E402

# mmcc-run repeats a call for so long: the second run records a graph, later ones launch it, and the outputs are the last one's.
REPEATED_S = "0.02"
LIMIT_S = 60
SANITIZER_LIMIT_S = 40
# Exit code that compute-sanitizer is asked for when it finds something.
FOUND = 86
MODES = {"graphs": {}, "launches": {"MMCC_CUDA_NO_GRAPHS": "1"}}


def command(content: Path, case: dict, outputs: Path) -> list:
    arguments = [content / "bin/mmcc-run", content / "cases" / case["artifact"], "--device", "cuda"]
    arguments += ["--inputs", content / "cases" / f"{case['arrays']}.in.npz", "--outputs", outputs]
    return arguments + ["--state"] * case["state"]


def judge(outputs: Path, expected: Path, state: bool) -> tuple[float, str]:
    """Largest error, and what is wrong. A state keeps the present keys and values: they are no outputs there."""
    with np.load(outputs) as arrays:
        got = {k: arrays[k] for k in arrays.files}
    with np.load(expected) as arrays:
        want = {k: arrays[k] for k in arrays.files if not state or k in got}
    if not want or (not state and set(got) != set(want)):
        return float("inf"), f"outputs {', '.join(sorted(got))}"
    if types := [k for k in want if got[k].dtype != want[k].dtype]:
        return float("inf"), f"wrong element type of {', '.join(types)}"
    if places := [k for k in want if want[k].dtype.kind in "iub" and not np.array_equal(got[k], want[k])]:
        return float("inf"), f"other whole numbers in {', '.join(places)}"
    worst, equal = errors(got, want)
    return worst, "" if equal else f"largest error {worst:.1e} of the largest output"


def run_case(content: Path, case: dict, mode: str, work: Path, clock) -> dict:
    outputs = work / f"{case['name'].replace(' ', '')}.{mode}.npz"
    repeat = ["--bench", REPEATED_S] if mode == "graphs" else []
    done = clock.run(command(content, case, outputs) + repeat, LIMIT_S, MODES[mode])
    row = dict(name=case["name"], mode=mode, seconds=round(done.seconds, 2))
    if done.code != 0:
        said = done.message.replace(f"{content}/", "")
        return row | dict(status="not run" if done.code is None else "failed", message=said)
    try:
        worst, wrong = judge(outputs, content / "cases" / f"{case['arrays']}.out.npz", case["state"])
        isa = json.loads(done.stdout)["isa"] if repeat else None
    except (OSError, ValueError, KeyError) as error:
        return row | dict(status="failed", message=f"{type(error).__name__}: {error}")
    outputs.unlink()
    return row | dict(status="wrong" if wrong else "ok", error=worst, message=wrong, isa=isa)


def run_all(content: Path, listed: list[dict], work: Path, clock) -> list[dict]:
    """Several at once: most of each is starting a process and its context."""
    jobs = [(case, mode) for case in listed for mode in MODES]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda job: run_case(content, *job, work, clock), jobs))


def sanitizer() -> str | None:
    return shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")


def sanitize(content: Path, listed: list[dict], work: Path, clock, seconds: float) -> list[dict]:
    """memcheck of the models that have every kind of kernel, the checks of races and barriers of the first ones."""
    program = sanitizer()
    if not program:
        return [dict(name="compute-sanitizer", tool="", status="absent", message="it is not installed here")]
    plain = {c["name"]: c for c in listed if not c["state"]}
    chosen = [plain[n] for n in SANITIZED if n in plain] or list(plain.values())[:2]
    jobs = [("memcheck", c) for c in chosen] + [(t, c) for c in chosen[:2] for t in ("racecheck", "synccheck")]
    end, rows = clock.left() - seconds, []

    def one(job):
        tool, case = job
        outputs = work / f"{case['name']}.{tool}.npz"
        options = ["--tool", tool, "--error-exitcode", FOUND]
        limit = min(SANITIZER_LIMIT_S, clock.left() - end)
        done = clock.run([program, *options, *command(content, case, outputs)], limit, MODES["launches"])
        status = "ok" if done.code == 0 else "not run" if done.code is None else "wrong" if done.code == FOUND else "failed"
        message = "" if status == "ok" else first_finding(done.stdout) or done.message
        return dict(name=case["name"], tool=tool, status=status, message=message, seconds=round(done.seconds, 1))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        rows = list(pool.map(one, jobs))
    return rows


def first_finding(said: str) -> str:
    """compute-sanitizer's first report, without its frame of ========."""
    lines = [line.removeprefix("=========").strip() for line in said.splitlines() if line.startswith("=========")]
    reports = [line for line in lines if line and not line.startswith(("COMPUTE-SANITIZER", "ERROR SUMMARY"))]
    return "; ".join(reports[:3])[:300]
