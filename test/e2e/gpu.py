"""A machine with a GPU, played by this CPU: test/runtime/cuda's compiler and driver."""

import os
from pathlib import Path

import pytest
from conftest import BUILD

FAKE = BUILD / "fake_cuda"


@pytest.fixture
def fake_gpu(monkeypatch, tmp_path_factory):
    """The compiler for it; setting FAKE_CUDA_... in the environment says what it is like."""
    for name in list(os.environ):
        if name.startswith(("FAKE_CU", "MMCC_CU")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MMCC_NVCC", str(FAKE / "host_nvcc"))
    monkeypatch.setenv("MMCC_CACHE", str(host_cache(tmp_path_factory)))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(FAKE))


def host_cache(tmp_path_factory) -> Path:
    """One for the whole run: models share kernels."""
    folder = tmp_path_factory.getbasetemp() / "host-kernels"
    folder.mkdir(exist_ok=True)
    return folder
