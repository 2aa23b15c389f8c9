"""What the numbers are of: GPU, driver, clocks, compiler, packages."""

import ctypes
import datetime
import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path

GPU = ("name", "driver_version", "memory.total", "compute_cap", "power.limit", "clocks.max.sm", "clocks.max.mem")
CLOCKS = ("clocks.sm", "clocks.mem", "temperature.gpu", "power.draw", "clocks_event_reasons.active")
PACKAGES = ("torch", "triton", "transformers", "onnx", "onnxruntime-gpu", "onnxruntime", "numpy")


def query(clock, fields) -> dict:
    """nvidia-smi's answers for the first GPU. Where it knows a field not, each is asked for alone."""
    done = clock.run(["nvidia-smi", "-i", "0", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"], 20)
    values = [v.strip() for v in done.stdout.strip().split(",")]
    if done.code == 0 and len(values) == len(fields):
        return dict(zip(fields, values))
    if len(fields) == 1 or done.code == 127:
        return {}
    return {k: v for field in fields for k, v in query(clock, (field,)).items()}


def versions() -> dict:
    """None for what is absent."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def nvcc(clock) -> str:
    program = os.environ.get("MMCC_NVCC") or shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if not program:
        return ""
    lines = [line for line in clock.run([program, "--version"], 20).stdout.splitlines() if line.strip()]
    return next((line.strip() for line in lines if "release" in line), lines[-1].strip() if lines else "")


def cublaslt() -> str:
    """The library that mmcc-run may use for products: as told, or what PyTorch or a toolkit brings along; empty if there is none."""
    if told := os.environ.get("MMCC_CUBLASLT"):
        return told
    packages = [Path(p) / "nvidia" / part / "lib" for p in sys.path for part in ("cu13", "cublas")]
    for folder in (*packages, Path("/usr/local/cuda/lib64")):
        if (folder / "libcublasLt.so.13").exists():
            return str(folder / "libcublasLt.so.13")
    return ""


def cublaslt_version(library: str) -> str:
    try:
        version = ctypes.CDLL(library).cublasLtGetVersion if library else None
    except OSError:
        return ""
    if version is None:
        return ""
    version.restype = ctypes.c_size_t
    return f"{version() // 10000}.{version() // 100 % 100}.{version() % 100}"


def processor() -> str:
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return f"{line.split(':', 1)[1].strip()}, {os.cpu_count()} CPUs"
    return f"{platform.machine()}, {os.cpu_count()} CPUs"


def all_of_them(clock) -> dict:
    return dict(
        date=datetime.date.today().isoformat(),
        time=datetime.datetime.now().strftime("%H:%M"),
        gpu=query(clock, GPU),
        clocks_before=query(clock, CLOCKS),
        nvcc=nvcc(clock),
        cublaslt=cublaslt_version(cublaslt()),
        processor=processor(),
        python=platform.python_version(),
        packages=versions(),
    )
