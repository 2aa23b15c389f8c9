"""Fixtures of all pytest tests: the built tools, as a user calls them."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("MMCC_BUILD_DIR", ROOT / "build")).resolve()

# A tool that takes longer hangs; a crash of a tool is a return code below 0.
TIMEOUT_S = 300


class Tools:
    binaries = BUILD / "bin"
    build = BUILD
    models = ROOT / "models"

    def call(self, tool: str, *arguments, **options) -> subprocess.CompletedProcess:
        command = [self.binaries / tool, *arguments]
        return subprocess.run(
            [str(c) for c in command], capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace", **options
        )

    def compile(self, model, artifact, *options) -> None:
        done = self.call("mmcc", "compile", model, "-o", artifact, *options)
        assert done.returncode == 0, done.stderr

    def run(self, artifact, inputs: dict, folder: Path, *options) -> dict:
        """The outputs as arrays by name."""
        np.savez(folder / "in.npz", **inputs)
        done = self.call("mmcc-run", artifact, "--inputs", folder / "in.npz", "--outputs", folder / "out.npz", *options)
        assert done.returncode == 0, done.stderr
        with np.load(folder / "out.npz") as outputs:
            return dict(outputs)


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools()


def machine_levels() -> list[str]:
    """The levels with kernels that this machine can run."""
    flags = set()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            flags = set(line.split())
            break
    levels = []
    if flags >= {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe"}:
        levels.append("x86-64-v3")
        if "avx_vnni" in flags:
            levels.append("x86-64-v3-avxvnni")
        if flags >= {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}:
            levels.append("x86-64-v4")
            if flags >= {"avx512_vnni", "avx512_bf16"}:
                levels.append("x86-64-v4-vnni-bf16")
                if flags >= {"amx_tile", "amx_int8", "amx_bf16"}:
                    levels.append("x86-64-v4-amx")
    return levels


def case_arrays(path: Path) -> tuple[dict, dict]:
    """Inputs and expected outputs of a models/ archive."""
    with np.load(path) as archive:
        named = {prefix: {k[len(prefix) :]: archive[k] for k in archive.files if k.startswith(prefix)} for prefix in ("in:", "out:")}
    return named["in:"], named["out:"]


def assert_close(actual: dict, expected: dict, rtol: float = 1e-3, atol: float = 1e-4) -> None:
    assert actual.keys() == expected.keys()
    for name in expected:
        assert actual[name].dtype == expected[name].dtype, name
        np.testing.assert_allclose(actual[name], expected[name], rtol=rtol, atol=atol, err_msg=name)
