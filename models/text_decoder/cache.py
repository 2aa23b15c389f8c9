"""Names and shapes of past and present, without torch: what a model takes and gives beside the text."""

import numpy as np

LAYERS, PAIRS, SIZE = 4, 2, 32  # PAIRS: heads of keys and of values, each of SIZE
PARTS = [f"{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")]
PAST = [f"past_key_values.{part}" for part in PARTS]
PRESENT = [f"present.{part}" for part in PARTS]


def no_past(batch: int) -> dict[str, np.ndarray]:
    """[batch, PAIRS, 0, SIZE] each."""
    return {name: np.zeros((batch, PAIRS, 0, SIZE), np.float32) for name in PAST}


def past_of(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The present of one call as the past of the next."""
    return {past: outputs[present] for past, present in zip(PAST, PRESENT)}
