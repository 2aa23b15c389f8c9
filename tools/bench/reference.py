"""Reference files: `in:<input>` and `out:<output>` arrays, the outputs by PyTorch in fp32."""

import numpy as np

RTOL, ATOL = 1e-3, 1e-4


def read(path) -> tuple[dict, dict]:
    with np.load(path) as arrays:
        inputs = {k[3:]: np.ascontiguousarray(arrays[k]) for k in arrays.files if k.startswith("in:")}
        outputs = {k[4:]: arrays[k] for k in arrays.files if k.startswith("out:")}
    return inputs, outputs


def errors(got: dict, wanted: dict) -> tuple[float, bool]:
    """Largest error relative to the largest value of its output, and whether all are within RTOL and ATOL.

    A missing output, a wrong shape or a NaN counts as infinitely wrong.
    """
    worst, equal = 0.0, True
    for name, want in wanted.items():
        have = got.get(name)
        if have is None or have.shape != want.shape or not np.isfinite(have).all():
            return float("inf"), False
        want = want.astype(np.float64)
        worst = max(worst, float(np.abs(have - want).max() / max(np.abs(want).max(), 1e-30)))
        equal &= bool(np.allclose(have, want, rtol=RTOL, atol=ATOL))
    return worst, equal
