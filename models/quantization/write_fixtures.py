"""Writes what the quantizers of this folder make of one small layer, and asks them some questions first.

    python models/quantization/write_fixtures.py

layer.npz has w [24, 256] and x [160, 256], float32. The others hold one set of arrays a configuration, named
`b4.g32.symmetric:integers`; README.md lists them.
"""

from pathlib import Path

import numpy as np
import torch

from awq import SHRINKS, Awq, awq
from gptq import DAMPING, gptq, hessian
from rtn import Quantized, Scheme, grid, output_error, rtn, to_grid
from smoothquant import SmoothQuant, smoothquant

HERE = Path(__file__).parent
SEED, OUTPUTS, INPUTS, SAMPLES = 0, 24, 256, 160
FLOATS = [Scheme(8, group, True, floats) for floats in (torch.float8_e4m3fn, torch.float8_e5m2) for group in (32, None)]
OUTLIERS, DEAD = (3, 70, 71, 200, 255), 17  # columns of x


def layer() -> tuple[torch.Tensor, torch.Tensor]:
    """Correlated inputs, some columns 10 to 40 times as large and one of zeros; weights with a group of zeros."""
    rng = np.random.default_rng(SEED)
    causes = rng.standard_normal((SAMPLES, 48))
    x = causes @ rng.standard_normal((48, INPUTS)) / 7 + 0.5 * rng.standard_normal((SAMPLES, INPUTS))
    x *= np.exp(0.5 * rng.standard_normal(INPUTS))
    x[:, OUTLIERS] *= np.linspace(10, 40, len(OUTLIERS))
    x[:, DEAD] = 0
    w = 0.05 * rng.standard_t(5, (OUTPUTS, INPUTS))
    w[5, 64:96] = 0
    w[6, 96:128] = np.abs(w[6, 96:128])
    halves = (array.astype(np.float16).astype(np.float32) for array in (w, x))  # a short mantissa packs well
    return tuple(torch.from_numpy(array) for array in halves)


def schemes(bits: tuple[int, ...], groups: tuple[int | None, ...], symmetries: tuple[bool, ...] = (True, False)):
    return [Scheme(b, g, s) for b in bits for g in groups for s in symmetries]


def arrays_of(quantized: Quantized, name: str) -> dict[str, np.ndarray]:
    numbers = quantized.integers.to(torch.float32) if quantized.scheme.floats else quantized.integers
    arrays = {f"{name}:integers": numbers.numpy(), f"{name}:scales": quantized.scales.numpy()}
    if not quantized.scheme.symmetric:
        arrays[f"{name}:zeros"] = quantized.zeros.numpy()
    return arrays


def awq_arrays(result: Awq, name: str) -> dict[str, np.ndarray]:
    arrays = arrays_of(result.quantized, name) | {f"{name}:alpha": np.float64(result.alpha)}
    arrays |= {f"{name}:losses": result.losses.numpy(), f"{name}:input_scales": result.input_scales.numpy()}
    if result.shrinks is not None:
        arrays[f"{name}:factors"] = np.array(SHRINKS)[result.shrinks.numpy()]
    return arrays


def smoothquant_arrays(result: SmoothQuant, name: str) -> dict[str, np.ndarray]:
    arrays = arrays_of(result.quantized, name) | {f"{name}:alpha": np.float64(result.alpha)}
    arrays |= {f"{name}:losses": result.losses.numpy(), f"{name}:input_scales": result.input_scales.numpy()}
    if result.activation_scale is not None:
        arrays[f"{name}:activation_scale"] = result.activation_scale.numpy()
    return arrays


def packed(array: np.ndarray) -> np.ndarray:
    """Integers in a byte where they fit."""
    if array.dtype != np.int64:
        return array
    return array.astype(np.uint8 if array.min() >= 0 else np.int8)


def write(name: str, arrays: dict[str, np.ndarray]) -> None:
    np.savez_compressed(HERE / f"{name}.npz", **{key: packed(np.asarray(array)) for key, array in arrays.items()})
    print(f"{name}.npz: {(HERE / f'{name}.npz').stat().st_size:,d} bytes")


def column_by_column(w: torch.Tensor, x: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """GPTQ by its definition: whatever is not yet rounded is solved for anew behind each column. For a grid of whole rows."""
    w, h = w.to(torch.float64), hessian(x)
    h = h + DAMPING * h.diagonal().mean() * torch.eye(len(h), dtype=h.dtype)
    scale, zero = grid(w, scheme)
    meant = w.clone()
    for i in range(w.shape[1]):
        q = to_grid(meant[:, i : i + 1], scale, zero, scheme) - zero[:, None]
        meant[:, i] = q[:, 0] * scale
        # The least of (meant - w) H (meant - w)^T over the columns behind i, those up to i given.
        done = meant[:, : i + 1] - w[:, : i + 1]
        if i + 1 < w.shape[1]:
            meant[:, i + 1 :] = w[:, i + 1 :] - torch.linalg.solve(h[i + 1 :, i + 1 :], h[i + 1 :, : i + 1] @ done.T).T
    return meant


def question(w: torch.Tensor, x: torch.Tensor) -> None:
    """What must hold whatever the numbers are."""
    for scheme in schemes((3, 4), (32, 128, None)):
        plain = rtn(w, scheme)
        steps = torch.cat([plain.scales[:, i, None].expand(-1, c.stop - c.start) for i, c in enumerate(scheme.columns(INPUTS))], 1)
        assert ((plain.weights() - w).abs() <= steps * (0.5 if scheme.symmetric else 1) + 1e-12).all(), scheme
        compensated, eager = gptq(w, x, scheme), gptq(w, x, scheme, block=1)
        assert torch.equal(compensated.integers, eager.integers), scheme
        assert output_error(w, compensated.weights(), x) < output_error(w, plain.weights(), x), scheme
        assert output_error(w, gptq(w, x, scheme, act_order=True).weights(), x) < output_error(w, plain.weights(), x), scheme
        scaled, clipped = awq(w, x, scheme, clipping=False), awq(w, x, scheme)
        assert scaled.losses.min() <= scaled.losses[0] == output_error(w, plain.weights(), x), scheme
        for i, columns in enumerate(scheme.columns(INPUTS)):
            part, parts = slice(columns.start, columns.stop), (r.weights()[:, columns] for r in (clipped, scaled))
            ours, theirs = ((x[:, part].to(torch.float64) @ (p - w[:, part]).T).pow(2).mean(0) for p in parts)
            assert (ours <= theirs * (1 + 1e-9)).all(), (scheme, i)
    alive = x[:, [j for j in range(64) if j != DEAD]]
    some = w[:, : alive.shape[1]]
    for scheme in schemes((3, 4), (None,)):
        assert torch.allclose(gptq(some, alive, scheme).weights(), column_by_column(some, alive, scheme), atol=1e-9), scheme
    for static in (False, True):
        found = smoothquant(w, x, static)
        exact = x.to(torch.float64) @ w.to(torch.float64).T
        assert torch.allclose((found.outputs(x) - exact).pow(2).mean(), found.losses.min()), static


def main() -> None:
    torch.set_num_threads(1)
    w, x = layer()
    question(w, x)
    write("layer", {"w": w.numpy(), "x": x.numpy()})
    write("rtn", {k: v for s in schemes((3, 4, 8), (32, 128, None)) for k, v in arrays_of(rtn(w, s), s.name).items()})
    arrays = {}
    for scheme in schemes((3, 4), (32, 128, None)):
        arrays |= arrays_of(gptq(w, x, scheme), scheme.name)
        arrays |= arrays_of(gptq(w, x, scheme, act_order=True), f"{scheme.name}.act_order")
    write("gptq", arrays)
    arrays = {}
    for scheme in schemes((3, 4), (32, 128), (False,)) + [Scheme(4, 32, True)]:
        arrays |= awq_arrays(awq(w, x, scheme, clipping=False), f"{scheme.name}.scaled")
        arrays |= awq_arrays(awq(w, x, scheme), f"{scheme.name}.clipped")
    write("awq", arrays)
    arrays = {}
    for scheme in FLOATS:
        arrays |= arrays_of(gptq(w, x, scheme), f"{scheme.name}.gptq")
        arrays |= arrays_of(gptq(w, x, scheme, act_order=True), f"{scheme.name}.gptq.act_order")
        arrays |= awq_arrays(awq(w, x, scheme), f"{scheme.name}.awq")
    write("float8", arrays)
    arrays = {}
    for static in (False, True):
        arrays |= smoothquant_arrays(smoothquant(w, x, static), "static" if static else "dynamic")
    write("smoothquant", arrays)
    for method in ("rtn", "gptq", "awq", "smoothquant"):
        print(method, report(method, w, x))


def report(method: str, w: torch.Tensor, x: torch.Tensor) -> str:
    """Mean squared error of the outputs, relative to the outputs' mean square, where the method is at 4 bits in groups of 32."""
    scheme = Scheme(4, 32, False)
    energy = (x.to(torch.float64) @ w.to(torch.float64).T).pow(2).mean()
    if method == "smoothquant":
        results = [smoothquant(w, x, static) for static in (False, True)]
        return ", ".join(f"alpha {r.alpha:.2f} {r.losses.min() / energy:.2e}" for r in results)
    weights = {"rtn": lambda: rtn(w, scheme), "gptq": lambda: gptq(w, x, scheme), "awq": lambda: awq(w, x, scheme)}[method]()
    return f"{output_error(w, weights.weights(), x) / energy:.2e}"


if __name__ == "__main__":
    main()
