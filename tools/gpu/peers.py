"""PyTorch and ONNX Runtime on one model and the GPU; a process of its own, which may be stopped at any time.

    peers.py NAME FOLDER [--seconds S] [--device cuda]

FOLDER is prepare.py's. One JSON line for each result, as soon as it is there:
{"engine", "precision", "median_ms", "resident_ms", "spread", "error"} or {"engine", "precision", "message"}.
median_ms is from arrays of the host to arrays of the host, as mmcc-run measures; resident_ms with both on the GPU.
"""

import argparse
import json
import statistics
import sys
import time
import warnings
from pathlib import Path

import models
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from reference import errors  # noqa: E402

ROUNDS = 3


def say(engine: str, precision: str, **figures) -> None:
    print(json.dumps(dict(engine=engine, precision=precision) | figures), flush=True)


def timed(run, seconds: float) -> list[float]:
    """Medians of rounds, ms; `run` returns when its work is done."""
    for _ in range(3):
        run()
    medians = []
    for _ in range(ROUNDS):
        times, end = [], time.perf_counter() + seconds / ROUNDS
        while time.perf_counter() < end or len(times) < 3:
            begin = time.perf_counter()
            run()
            times.append((time.perf_counter() - begin) * 1e3)
        medians.append(statistics.median(times))
    return medians


def spread(medians: list[float]) -> float:
    return (max(medians) - min(medians)) / statistics.median(medians)


class Torch:
    """A module of one precision with its inputs, on the host and on the GPU."""

    def __init__(self, case, device: str, precision: torch.dtype, wanted: dict):
        self.case, self.device, self.precision, self.wanted = case, device, precision, wanted
        self.module = case.module.to(device, precision)
        self.host = [self.cast(t) for t in case.feeds(case.size).values()]
        self.resident = [t.to(device) for t in self.host]

    def cast(self, tensor):
        return tensor.to(self.precision) if tensor.is_floating_point() else tensor

    def wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()

    def measure(self, module, engine: str, precision: str, seconds: float) -> None:
        def outputs(arguments):
            got = module(*arguments)
            return [got] if torch.is_tensor(got) else list(got)

        def resident():
            outputs(self.resident)
            self.wait()

        def whole():
            got = outputs([t.to(self.device) for t in self.host])
            return [t.cpu() for t in got]

        with torch.inference_mode():
            got = {k: t.float().numpy() for k, t in zip(self.case.outputs, whole())}
            worst, _ = errors(got, self.wanted)
            medians, inside = timed(whole, seconds), timed(resident, seconds / 2)
        say(engine, precision, median_ms=statistics.median(medians), resident_ms=statistics.median(inside),
            spread=spread(medians), error=worst)  # fmt: skip


def choose_attention(module, name: str) -> None:
    for part in module.modules():
        if hasattr(getattr(part, "config", None), "_attn_implementation"):
            part.config._attn_implementation = name


def sdpa_calls(peer: Torch) -> int:
    """How often one call uses SDPA: whether it is what it is called."""
    original, calls = torch.nn.functional.scaled_dot_product_attention, []

    def counted(*arguments, **options):
        calls.append(1)
        return original(*arguments, **options)

    torch.nn.functional.scaled_dot_product_attention = counted
    try:
        with torch.inference_mode():
            peer.module(*peer.resident)
    finally:
        torch.nn.functional.scaled_dot_product_attention = original
    return len(calls)


def attempt(engine: str, precision: str, work) -> None:
    try:
        work()
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        say(engine, precision, message=f"{type(error).__name__}: {lines[0][:250]}")


def eager(peer: Torch, precision: str, seconds: float) -> None:
    choose_attention(peer.module, "eager")
    if sdpa_calls(peer):
        raise RuntimeError("its attention cannot be switched to eager")
    peer.measure(peer.module, "eager", precision, seconds)


def sdpa(peer: Torch, precision: str, seconds: float) -> None:
    choose_attention(peer.module, "sdpa")
    if not sdpa_calls(peer):
        raise RuntimeError("its attention cannot be switched to SDPA")
    peer.measure(peer.module, "sdpa", precision, seconds)


def compiled(peer: Torch, precision: str, seconds: float) -> None:
    choose_attention(peer.module, "sdpa")
    torch._dynamo.reset()
    began = time.time()
    module = torch.compile(peer.module, mode="max-autotune")
    with torch.inference_mode():
        for _ in range(3):  # the second and third record CUDA graphs
            module(*peer.resident)
    peer.wait()
    print(f"torch.compile {precision}: {time.time() - began:.0f} s", file=sys.stderr, flush=True)
    peer.measure(module, "compile", precision, seconds)


def onnx_runtime(folder: Path, wanted: dict, seconds: float, device: str) -> None:
    try:
        import onnxruntime
    except ImportError:
        return say("onnxruntime", "f32", message="absent")
    provider = "CUDAExecutionProvider" if device != "cpu" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        return say("onnxruntime", "f32", message="absent: it has no CUDA here")
    options = [(provider, {"use_tf32": 0})] if device != "cpu" else [provider]
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=options)
    if session.get_providers()[0] != provider:
        raise RuntimeError("its CUDA does not start")
    with np.load(folder / "in.npz") as arrays:
        inputs = {k: arrays[k] for k in arrays.files}
    worst, _ = errors(dict(zip(wanted, session.run(list(wanted), inputs))), wanted)
    medians = timed(lambda: session.run(None, inputs), seconds)
    say("onnxruntime", "f32", median_ms=statistics.median(medians), spread=spread(medians), error=worst)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0, help="of timed calls for each result")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    # f32 means f32, as for mmcc.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    with np.load(options.folder / "out.npz") as arrays:
        wanted = {k: arrays[k] for k in arrays.files}
    peers = {}
    for precision, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        make = lambda: peers.__setitem__(precision, Torch(models.case(options.name), options.device, dtype, wanted))
        attempt("PyTorch", precision, make)
        if precision in peers:
            attempt("eager", precision, lambda: eager(peers[precision], precision, options.seconds))
            attempt("sdpa", precision, lambda: sdpa(peers[precision], precision, options.seconds))
    attempt("onnxruntime", "f32", lambda: onnx_runtime(options.folder, wanted, options.seconds, options.device))
    # Last, since it takes as long as it likes.
    for precision, peer in peers.items():
        attempt("compile", precision, lambda: compiled(peer, precision, options.seconds))


if __name__ == "__main__":
    main()
