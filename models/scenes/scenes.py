"""Scenes of real handwritten digits; numpy only, shared by training, measuring and tests.

A scene is 96 x 96 pixels, dark ink on noisy paper. One digit is drawn large (about 40 pixels), three others small
(about 16), somewhere and without touching each other. The task: which digit is the large one?
"""

from pathlib import Path

import numpy as np

SIDE, LARGE, SMALL, OTHERS = 96, 40, 16, 3
HELD_OUT = Path(__file__).parent.parent / "digits_clip" / "samples.npz"


def held_out() -> tuple[np.ndarray, np.ndarray]:
    """Images [359, 8, 8] (ink from 0 to 16) and labels of digits that no training has seen."""
    with np.load(HELD_OUT) as samples:
        return samples["images"], samples["labels"].astype(np.int64)


def halves() -> tuple[tuple, tuple]:
    """The held-out digits in two parts that share no handwriting: to calibrate with, and to measure with."""
    images, labels = held_out()
    half = len(labels) // 2
    return (images[:half], labels[:half]), (images[half:], labels[half:])


def enlarged(glyph: np.ndarray, side: int) -> np.ndarray:
    """[8, 8] -> [side, side] by linear interpolation between pixel centres."""
    at = np.clip((np.arange(side) + 0.5) * 8 / side - 0.5, 0, 7)
    low = np.minimum(at.astype(int), 6)
    weights = np.zeros((side, 8), np.float32)
    weights[np.arange(side), low] = 1 - (at - low)
    weights[np.arange(side), low + 1] = at - low
    return weights @ (glyph.astype(np.float32) / 16) @ weights.T


def scene(rng: np.random.Generator, glyphs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, int]:
    """[SIDE, SIDE] float32, about -1 (paper) to 1 (ink), and the label of the large digit."""
    paper = rng.normal(0, 0.08, (SIDE, SIDE)).astype(np.float32)
    taken, answer = [], -1
    for number in range(1 + OTHERS):
        middle = SMALL if number else LARGE
        side = int(rng.integers(middle - middle // 8, middle + middle // 8 + 1))
        for _ in range(50):
            top, left = rng.integers(0, SIDE - side + 1, 2)
            if all(
                top + side <= t or t + s <= top or left + side <= x or x + s <= left for t, x, s in taken
            ):
                break
        else:
            continue
        taken.append((top, left, side))
        chosen = int(rng.integers(len(labels)))
        if number == 0:
            answer = int(labels[chosen])
        paper[top : top + side, left : left + side] += enlarged(glyphs[chosen], side)
    return 2 * paper - 1, answer


def scenes(seed: int, count: int, glyphs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images [count, 1, SIDE, SIDE] float32 and labels [count] int64; one seed, one set of scenes."""
    rng = np.random.default_rng(seed)
    made = [scene(rng, glyphs, labels) for _ in range(count)]
    return np.stack([image for image, _ in made])[:, None], np.array([label for _, label in made], np.int64)
