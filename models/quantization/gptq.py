"""GPTQ: E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh, 2022, arXiv 2210.17323.

Columns of W are rounded one after another, and what a column's rounding does to the outputs is made up for by the
columns that are not yet rounded. With X [samples, in]:

    H = 2 X^T X
    a column j with H_jj = 0 is dead: H_jj = 1, W[:, j] = 0
    H = H + 0.01 mean(diag H) I                           (the mean after dead columns are set to 1)
    U = upper Cholesky factor of H^-1, H^-1 = U^T U

    for each column i, from the first:
        at the first column of a group: its scale and zero by rtn.grid, from the group's weights as they are now
        q_i = W_i rounded to the grid
        e   = (W_i - q_i) / U_ii
        W_j = W_j - e U_ij   for all j >= i

Columns come in blocks of 128: inside a block each column is brought up to date at once, and those behind it when the block
is done, in one product. The result is that of one column at a time, since a group either lies in one block or begins with
one; other sizes are refused. (The authors' code finds the scales of a group inside a block from weights that lack the
updates of this same block; here they are up to date.)

With act_order, columns are taken by falling H_jj (before damping; equal ones in their own order). Groups remain neighbours
in the original order, and their scales come from the original weights with dead columns at zero, before anything is
rounded ("static groups").
"""

import torch

from rtn import Quantized, Scheme, grid, to_grid

DAMPING = 0.01
BLOCK = 128


def hessian(x: torch.Tensor) -> torch.Tensor:
    """[samples, in] -> [in, in] float64."""
    x = x.to(torch.float64)
    return 2 * x.T @ x


def inverse_factor(h: torch.Tensor) -> torch.Tensor:
    """U with (H + damping)^-1 = U^T U, upper triangular."""
    h = h + DAMPING * h.diagonal().mean() * torch.eye(len(h), dtype=h.dtype)
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)


def gptq(w: torch.Tensor, x: torch.Tensor, scheme: Scheme, act_order: bool = False, block: int = BLOCK) -> Quantized:
    """w [out, in], x [samples, in]."""
    w, h = w.to(torch.float64).clone(), hessian(x)
    outputs, inputs = w.shape
    size = scheme.group or inputs
    if size < inputs and size % block and block % size:
        raise ValueError(f"groups of {size} and blocks of {block} overlap")
    dead = h.diagonal() == 0
    h[dead, dead] = 1
    w[:, dead] = 0

    groups = scheme.columns(inputs)
    grids = [grid(w[:, c], scheme) for c in groups]  # replaced when a group begins, unless act_order
    order = torch.argsort(h.diagonal(), descending=True, stable=True) if act_order else torch.arange(inputs)
    u = inverse_factor(h[order][:, order])
    w = w[:, order]

    integers = torch.zeros(outputs, inputs, dtype=torch.float64 if scheme.floats else torch.int64)
    for first in range(0, inputs, block):
        last = min(first + block, inputs)
        errors = torch.zeros(outputs, last - first, dtype=torch.float64)
        for i in range(first, last):
            column = int(order[i])
            group = column // size
            if not act_order and column % size == 0:
                grids[group] = grid(w[:, groups[group]], scheme)
            scale, zero = grids[group]
            q = to_grid(w[:, i : i + 1], scale, zero, scheme)[:, 0]
            integers[:, column] = q
            errors[:, i - first] = (w[:, i] - (q - zero) * scale) / u[i, i]
            w[:, i:last] -= errors[:, i - first, None] * u[i, i:last]
        w[:, last:] -= errors @ u[first:last, last:]

    scales, zeros = (torch.stack(part, dim=1) for part in zip(*grids))
    return Quantized(integers, scales, zeros, scheme)
