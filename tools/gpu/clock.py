"""One clock for everything: no step may outlive it, and what a step has said by then is kept."""

import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Outcome:
    """A finished step. `code` is None where it had no time to finish."""

    code: int | None
    stdout: str
    stderr: str
    seconds: float

    @property
    def message(self) -> str:
        """Why it failed, in a line; the last one, where Python and compilers put it. Of a long one both ends tell most."""
        lines = [line for line in (self.stderr or self.stdout).strip().splitlines() if line.strip()]
        last = lines[-1].strip() if lines else ""
        if len(last) > 300:
            last = f"{last[:140]} … {last[-150:]}"
        if self.code is None:
            return f"stopped after {self.seconds:.0f} s" + (f" ({last})" if last else "")
        how = f"signal {-self.code}" if self.code < 0 else f"exit {self.code}"
        return f"{how}: {last}" if last else how


class Clock:
    def __init__(self, seconds: float):
        self.end = time.monotonic() + seconds
        self.total = seconds

    def left(self) -> float:
        return self.end - time.monotonic()

    def run(self, command: list, limit: float, environment: dict | None = None) -> Outcome:
        """Output goes to files, so that it survives a child that is killed; with it go its own children."""
        limit = min(limit, self.left())
        if limit <= 0:
            return Outcome(None, "", "no time was left", 0)
        began = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                child = subprocess.Popen(
                    [str(c) for c in command],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env={**os.environ, **(environment or {})},
                    start_new_session=True,
                )
            except OSError as error:
                return Outcome(127, "", str(error), 0)
            try:
                code = child.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                kill_group(child)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        return Outcome(code, *texts, time.monotonic() - began)


def kill_group(child: subprocess.Popen) -> None:
    """The child and what it started: compilers of kernels would go on taking processors."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def write_whole(path: Path, text: str) -> None:
    """Never half a file, even where the machine is taken away meanwhile."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)
