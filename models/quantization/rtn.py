"""Rounding to nearest, and the grids that all of these quantizers round to.

A layer computes Y = X W^T, W [out, in]. Each row of W is cut into groups of g neighbouring inputs (the last may be
shorter; without g a row is one group), and each group has one scale and one zero point. For b bits:

    symmetric    scale = max|w| / (2^(b-1) - 1)     zero = 0
                 q = clamp(round(w / scale), -(2^(b-1) - 1), 2^(b-1) - 1)
    asymmetric   lo = min(0, min w)   hi = max(0, max w)
                 scale = (hi - lo) / (2^b - 1)      zero = round(-lo / scale)
                 q = clamp(round(w / scale) + zero, 0, 2^b - 1)

    what q means: (q - zero) scale

With 8-bit floats instead of integers q is such a float, e4m3 (at most 448) or e5m2 (57,344), and the nearest to w / scale:

    symmetric    scale = max|w| / the largest float      zero = 0

The lowest integer of two's complement, -8 of 4 bits, is never used. A group of zeros has scale 1 and zero 0. Ties are
rounded to even. Everything is computed in float64.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Scheme:
    bits: int
    group: int | None  # None: a group is a whole row
    symmetric: bool
    floats: torch.dtype | None = None  # of 8 bits

    @property
    def lowest(self) -> float:
        if self.floats:
            return -self.highest
        return -(2 ** (self.bits - 1) - 1) if self.symmetric else 0

    @property
    def highest(self) -> float:
        if self.floats:
            return torch.finfo(self.floats).max
        return 2 ** (self.bits - 1) - 1 if self.symmetric else 2**self.bits - 1

    @property
    def name(self) -> str:
        group = "row" if self.group is None else f"g{self.group}"
        if self.floats:
            return f"{'e4m3' if self.floats == torch.float8_e4m3fn else 'e5m2'}.{group}"
        return f"b{self.bits}.{group}.{'symmetric' if self.symmetric else 'asymmetric'}"

    def columns(self, inputs: int) -> list[slice]:
        """The columns of each group."""
        size = self.group or inputs
        return [slice(first, min(first + size, inputs)) for first in range(0, inputs, size)]


@dataclass
class Quantized:
    integers: torch.Tensor  # [out, in] int64, or float64 where these are floats
    scales: torch.Tensor  # [out, groups] float64
    zeros: torch.Tensor  # [out, groups] int64, 0 where symmetric
    scheme: Scheme

    def weights(self) -> torch.Tensor:
        """[out, in] float64, what the integers mean."""
        groups = self.scheme.columns(self.integers.shape[1])
        parts = [(self.integers[:, c] - self.zeros[:, i, None]) * self.scales[:, i, None] for i, c in enumerate(groups)]
        return torch.cat(parts, dim=1)


def grid(w: torch.Tensor, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights of one group, [out, n] -> scale [out] float64 and zero [out] int64."""
    if scheme.symmetric:
        scale = w.abs().amax(1) / scheme.highest
        scale = torch.where(scale > 0, scale, 1.0)
        return scale, torch.zeros_like(scale, dtype=torch.int64)
    lo, hi = w.amin(1).clamp(max=0), w.amax(1).clamp(min=0)
    scale = (hi - lo) / scheme.highest
    scale = torch.where(scale > 0, scale, 1.0)
    return scale, torch.round(-lo / scale).to(torch.int64)


def to_grid(w: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """[out, n] -> integers [out, n] int64, or floats as float64; scale and zero [out]."""
    if scheme.floats:
        inside = (w / scale[:, None]).clamp(scheme.lowest, scheme.highest)
        return inside.to(torch.float32).to(scheme.floats).to(torch.float64)
    rounded = torch.round(w / scale[:, None]).to(torch.int64) + zero[:, None]
    return rounded.clamp(scheme.lowest, scheme.highest)


def rtn(w: torch.Tensor, scheme: Scheme) -> Quantized:
    """w [out, in]."""
    w = w.to(torch.float64)
    groups = scheme.columns(w.shape[1])
    grids = [grid(w[:, c], scheme) for c in groups]
    integers = torch.cat([to_grid(w[:, c], *g, scheme) for c, g in zip(groups, grids)], dim=1)
    scales, zeros = (torch.stack(part, dim=1) for part in zip(*grids))
    return Quantized(integers, scales, zeros, scheme)


def output_error(w: torch.Tensor, quantized: torch.Tensor, x: torch.Tensor) -> float:
    """Mean squared difference of the layer's outputs; both weights [out, in], x [samples, in]."""
    return float((x.to(torch.float64) @ (quantized - w.to(torch.float64)).T).pow(2).mean())
