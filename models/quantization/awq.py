"""AWQ: J. Lin et al., 2023, arXiv 2306.00978. Inputs that are large are given finer steps, then ranges are clipped.

Scales of the inputs. Y = (X / s) (W s)^T for any s [in]; W s is what is rounded, X / s is folded into what made X. Searched
over 20 values of alpha = i / 20, i = 0 .. 19:

    m_j = mean over samples of |X_j|
    s_j = max(m_j^alpha, 1e-4)
    s   = s / sqrt(max(s) min(s))
    loss = mean over samples and outputs of (X (R(W s) / s)^T - X W^T)^2

where R rounds to nearest by groups (rtn.py) and says what the integers mean. The first alpha of the least loss is taken.
Layers with one input (queries, keys and values; gate and up) share s: their rows are given as one W.

Clipping. For each row and each group on its own, with W' = W s, X' = X / s, lo and hi the least and the largest weight of
the group, f_i = 1 - i / 20, i = 0 .. 9:

    W'_i = clamp(W', lo f_i, hi f_i)
    loss = mean over samples of (sum over the group's columns of X' (R(W'_i) - W'))^2

The first i of the least loss is taken. The integers are those of R(clamp(W', lo f, hi f)).

Against the authors' code: they clip to -max|w| f and max|w| f whichever signs the weights have, do not take zero into an
asymmetric range, judge queries, keys and values by the attention's output, and do not clip queries and keys.
"""

from dataclasses import dataclass

import torch

from rtn import Quantized, Scheme, grid, output_error, rtn, to_grid

ALPHAS = [i / 20 for i in range(20)]
SHRINKS = [1 - i / 20 for i in range(10)]


@dataclass
class Awq:
    alpha: float
    losses: torch.Tensor  # [20] of the alphas
    input_scales: torch.Tensor  # s, [in]
    shrinks: torch.Tensor | None  # [out, groups] places in SHRINKS; None: not clipped
    quantized: Quantized  # of W s, clipped

    def weights(self) -> torch.Tensor:
        """[out, in] for the inputs as they were: R(W s) / s."""
        return self.quantized.weights() / self.input_scales


def scales_of(magnitudes: torch.Tensor, alpha: float) -> torch.Tensor:
    """Mean magnitudes [in] -> s [in]."""
    s = magnitudes.pow(alpha).clamp(min=1e-4)
    return s / (s.max() * s.min()).sqrt()


def search_alpha(w: torch.Tensor, x: torch.Tensor, scheme: Scheme, alphas: list[float]) -> tuple[float, torch.Tensor]:
    """The best alpha and the loss of each."""
    magnitudes = x.abs().mean(0)
    losses = []
    for alpha in alphas:
        s = scales_of(magnitudes, alpha)
        losses.append(output_error(w, rtn(w * s, scheme).weights() / s, x))
    return alphas[losses.index(min(losses))], torch.tensor(losses, dtype=torch.float64)


def search_shrinks(w: torch.Tensor, x: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """[out, groups] places in SHRINKS, for weights and inputs that are already scaled."""
    chosen = []
    for columns in scheme.columns(w.shape[1]):
        losses = []
        for f in SHRINKS:
            clipped = clip(w[:, columns], f)
            scale, zero = grid(clipped, scheme)
            meant = (to_grid(clipped, scale, zero, scheme) - zero[:, None]) * scale[:, None]
            losses.append((x[:, columns] @ (meant - w[:, columns]).T).pow(2).mean(0))
        losses = torch.stack(losses)  # [10, out]
        least = losses == losses.min(0).values
        chosen.append(least.to(torch.int64).argmax(0))  # the first of them
    return torch.stack(chosen, dim=1)


def clip(w: torch.Tensor, f: torch.Tensor | float) -> torch.Tensor:
    """Weights of one group [out, n], ends of their range times f (a number, or [out, 1])."""
    lo, hi = w.amin(1, keepdim=True), w.amax(1, keepdim=True)
    return torch.minimum(torch.maximum(w, lo * f), hi * f)


def awq(w: torch.Tensor, x: torch.Tensor, scheme: Scheme, clipping: bool = True, alphas: list[float] = ALPHAS) -> Awq:
    """w [out, in], x [samples, in]. With alphas [0.0] inputs keep their scale."""
    w, x = w.to(torch.float64), x.to(torch.float64)
    alpha, losses = search_alpha(w, x, scheme, alphas)
    s = scales_of(x.abs().mean(0), alpha)
    scaled, shrinks = w * s, None
    if clipping:
        shrinks = search_shrinks(scaled, x / s, scheme)
        factors = torch.tensor(SHRINKS, dtype=torch.float64)[shrinks]
        groups = scheme.columns(w.shape[1])
        scaled = torch.cat([clip(scaled[:, c], factors[:, i, None]) for i, c in enumerate(groups)], dim=1)
    return Awq(alpha, losses, s, shrinks, rtn(scaled, scheme))
