"""The time of a call within this process."""

import statistics
import time
from collections.abc import Callable


def median(run: Callable, seconds: float) -> float:
    """Milliseconds, of as many runs as take `seconds`, and three at least; the first one does not count."""
    run()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)
