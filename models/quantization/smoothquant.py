"""SmoothQuant: G. Xiao et al., 2022, arXiv 2211.10438. Outliers of activations move into the weights, then both are int8.

    Y = (X / s) (W s)^T
    s_j = max|X_j|^alpha / max|W_j|^(1 - alpha)          1 where either maximum is 0

over samples for X [samples, in] and over outputs for W [out, in]. Weights are symmetric, one scale an output; activations
are symmetric, with one scale

    a token (dynamic)    a_t = max_j |X_tj / s_j| / 127
    or for all (static)  a = max_tj |X_tj / s_j| / 127, from the samples

    qx = clamp(round(X / s / a), -127, 127)       w_o = max_j |W_oj s_j| / 127       qw = clamp(round(W s / w_o), -127, 127)
    Y' = a w_o sum_j qx_tj qw_oj

alpha is the first of 0.00, 0.05, .. 1.00 with the least mean squared Y' - Y over the samples. A scale of nothing but zeros
is 1. Layers with one input share s: their rows are given as one W. (The paper sets alpha by hand, 0.5 for most models.)
"""

from dataclasses import dataclass

import torch

from rtn import Quantized, Scheme, rtn

ALPHAS = [i / 20 for i in range(21)]
ROWS = Scheme(bits=8, group=None, symmetric=True)


@dataclass
class SmoothQuant:
    alpha: float | None  # None: s is 1
    losses: torch.Tensor  # [21] of the alphas; of the one where it was given
    input_scales: torch.Tensor  # s, [in]
    quantized: Quantized  # of W s
    activation_scale: torch.Tensor | None  # a; None: each token has its own

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """[samples, in] -> [samples, out], as integers would give it."""
        smoothed = x.to(torch.float64) / self.input_scales
        if self.activation_scale is None:
            integers = rtn(smoothed, ROWS)
            activations, scales = integers.integers, integers.scales
        else:
            scales = self.activation_scale
            activations = torch.round(smoothed / scales).clamp(-127, 127).to(torch.int64)
        sums = activations.to(torch.float64) @ self.quantized.integers.to(torch.float64).T  # exact: below 2^53
        return sums * scales * self.quantized.scales.T


def scales_of(w: torch.Tensor, x: torch.Tensor, alpha: float) -> torch.Tensor:
    """s [in]."""
    of_x, of_w = x.abs().amax(0), w.abs().amax(0)
    return torch.where((of_x > 0) & (of_w > 0), of_x.pow(alpha) / of_w.pow(1 - alpha), 1.0)


def smooth(w: torch.Tensor, x: torch.Tensor, alpha: float | None, static: bool) -> SmoothQuant:
    """With a given alpha, or with None as it is."""
    w, x = w.to(torch.float64), x.to(torch.float64)
    s = torch.ones_like(x[0]) if alpha is None else scales_of(w, x, alpha)
    largest = (x / s).abs().max()
    activation_scale = torch.where(largest > 0, largest / 127, 1.0) if static else None
    result = SmoothQuant(alpha, torch.zeros(1), s, rtn(w * s, ROWS), activation_scale)
    result.losses = (result.outputs(x) - x @ w.T).pow(2).mean()[None]
    return result


def smoothquant(w: torch.Tensor, x: torch.Tensor, static: bool = False) -> SmoothQuant:
    """w [out, in], x [samples, in]; alpha is searched."""
    tried = [smooth(w, x, alpha, static) for alpha in ALPHAS]
    losses = torch.cat([t.losses for t in tried])
    best = tried[losses.tolist().index(losses.min().item())]
    best.losses = losses
    return best
