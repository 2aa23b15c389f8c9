"""Compiles with mmcc, runs mmcc-run, and gives the same fields as engine_process.py."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from machine import Watched
from reference import errors, read

TIME = shutil.which("time")  # GNU time, for the peak memory of the compiler


def compile_model(binaries: Path, model: Path, artifact: Path, arguments: list, timeout: float) -> dict:
    """Compiles when the artifact is missing or older than compiler or model.

    Returns {} when nothing was to be done, {'error': …}, or seconds and peak memory. The figures of the
    last compilation stay beside the artifact in <artifact>.json.
    """
    compiler, record = binaries / "mmcc", Path(f"{artifact}.json")
    if not compiler.exists():
        return dict(error="mmcc is not built")
    newest = max(p.stat().st_mtime for p in (compiler, model))
    if artifact.exists() and record.exists() and artifact.stat().st_mtime >= newest:
        known = json.loads(record.read_text())
        if known.get("arguments") == arguments:
            return known
    artifact.parent.mkdir(parents=True, exist_ok=True)
    artifact.unlink(missing_ok=True)
    command = [compiler, "compile", model, "-o", artifact, *arguments]
    peak = None
    if TIME:
        with tempfile.NamedTemporaryFile("r", suffix=".kb") as kilobytes:
            done = Watched([TIME, "-f", "%M", "-o", kilobytes.name, *command], timeout)
            figures = kilobytes.read().split()
            peak = int(figures[-1]) * 1024 if figures and figures[-1].isdigit() else None
    else:
        done = Watched(["sh", "-c", PEAK_SHELL, "sh", *command], timeout)
        marks = [line for line in done.stderr.splitlines() if line.startswith("VmHWM:")]
        peak = int(marks[-1].split()[1]) * 1024 if marks else None
    if done.code or not artifact.exists():
        return dict(error=f"mmcc compile: {done.complaint()}")
    result = dict(
        arguments=arguments,
        seconds=round(done.seconds, 2),
        peak_rss_bytes=peak,
        artifact_bytes=artifact.stat().st_size,
        foreign=round(done.foreign, 2),
    )
    record.write_text(json.dumps(result) + "\n")
    return result


# Without GNU time: looks at the high-water mark four times a second, which may miss the last quarter.
PEAK_SHELL = """"$@" & child=$!
while kill -0 $child 2>/dev/null; do mark=$(grep VmHWM: /proc/$child/status 2>/dev/null) && last=$mark; sleep 0.25; done
wait $child; code=$?
echo "$last" >&2
exit $code"""


def run_once(binaries: Path, artifact: Path, reference: Path, seconds: float, threads: int, timeout: float) -> dict:
    """A single inference in a fresh process for start-up time and error, then a timed process."""
    runner = binaries / "mmcc-run"
    if not runner.exists():
        return dict(error="mmcc-run is not built")
    inputs, wanted = read(reference)
    with tempfile.TemporaryDirectory() as folder:
        feeds, outputs, report = (Path(folder) / n for n in ("in.npz", "out.npz", "out.json"))
        np.savez(feeds, **inputs)
        base = [runner, artifact, "--inputs", feeds, "--threads", threads]
        first = Watched([*base, "--outputs", outputs], timeout)
        if first.code:
            return dict(error=f"mmcc-run: {first.complaint()}")
        with np.load(outputs) as arrays:
            relative, equal = errors({k: arrays[k] for k in arrays.files}, wanted)
        timed = Watched([*base, "--bench", seconds, "--json", report], timeout)
        if timed.code:
            return dict(error=f"mmcc-run --bench: {timed.complaint()}")
        result = json.loads(report.read_text())
    return result | dict(
        # Includes reading the inputs, writing the outputs and leaving: a little more than the first output.
        start_ms=first.seconds * 1e3,
        relative_error=relative,
        equal=equal,
        foreign=timed.foreign,
        stolen=timed.stolen,
    )
