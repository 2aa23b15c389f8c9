"""What the numbers were measured on: names, limits, and how busy it was with something else."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).parent
DISTURBED = 0.15  # CPUs that others used while a process was timed


def cpu() -> str:
    """Model, family and stepping (hypervisors often hide the name), with the widest vector extensions."""
    info = {}
    for line in open("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        info.setdefault(key.strip(), value.strip())
    flags = set(info.get("flags", "").split())
    wide = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16") if f in flags]
    numbers = f"family {info.get('cpu family')} model {info.get('model')} stepping {info.get('stepping')}"
    return f"{info.get('model name', 'unknown')} ({numbers}), {os.cpu_count()} CPUs, {' '.join(wide)}"


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def measure_peak(folder: Path, threads: int) -> dict:
    """Builds and runs peak.cpp; {'error': …} where that is not possible.

    Gives the best ever seen on this machine, kept in folder/peak.json: other work slows a burst and never
    speeds it up, and a limit measured too low would flatter every engine.
    """
    root, binary, kept = HERE.parents[1], folder / "peak", folder / "peak.json"
    sources = [HERE / "peak.cpp", root / "compiler/report/MachineRoof.cpp"]
    try:
        if not binary.exists() or binary.stat().st_mtime < max(s.stat().st_mtime for s in sources):
            compiler = next(filter(None, map(shutil.which, ("clang++-19", "clang++", "g++"))), None)
            if not compiler:
                return dict(error="no C++ compiler for peak.cpp")
            subprocess.run([compiler, "-std=c++17", "-O2", "-pthread", f"-I{root}", *sources, "-o", binary], check=True)
        done = subprocess.run([binary, str(threads)], check=True, capture_output=True, text=True)
        found, seen = json.loads(done.stdout), json.loads(kept.read_text()) if kept.exists() else {}
        key = f"{cpu()}, {threads} threads"
        best = {k: max(v, seen.get(key, {}).get(k, v)) for k, v in found.items()}
        kept.write_text(json.dumps(seen | {key: best}, indent=1) + "\n")
        return best
    except (subprocess.CalledProcessError, ValueError) as error:
        return dict(error=str(error))


def fma_peak(peak: dict) -> float | None:
    """GFLOP/s of the wider vector registers, whichever is faster here."""
    return max((v for k, v in peak.items() if k.endswith("_fma_gflops")), default=None)


def busy_seconds() -> tuple[float, float]:
    """CPU seconds the whole machine has worked, and those that the hypervisor gave to others."""
    ticks = os.sysconf("SC_CLK_TCK")
    user, nice, system, _, _, irq, softirq, steal = map(int, open("/proc/stat").readline().split()[1:9])
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


def wait_quiet(limit: float, share: float = 0.1) -> None:
    """Returns once others use less than `share` of a CPU, or after `limit` seconds."""
    end = time.time() + limit
    while time.time() < end:
        before = busy_seconds()[0]
        time.sleep(0.4)
        if (busy_seconds()[0] - before) / 0.4 < share:
            return


class Watched:
    """A finished child process: output, seconds, memory, and what others took of the machine meanwhile."""

    def __init__(self, command: list, timeout: float, environment: dict | None = None):
        busy, steal = busy_seconds()
        began = time.time()
        child = subprocess.Popen(
            [str(c) for c in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        before = resource_of_children()
        try:
            self.stdout, self.stderr = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            self.stdout, self.stderr = "", f"no answer in {timeout:.0f} s"
        self.seconds = time.time() - began
        self.code = child.returncode
        busy_after, steal_after = busy_seconds()
        own = resource_of_children() - before
        self.foreign = max(0.0, busy_after - busy - own) / max(self.seconds, 1e-3)
        self.stolen = (steal_after - steal) / max(self.seconds, 1e-3)

    def complaint(self) -> str:
        lines = (self.stderr or self.stdout).strip().splitlines()
        return f"exit {self.code}: {lines[-1][:300]}" if lines else f"exit {self.code}"


def resource_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system
