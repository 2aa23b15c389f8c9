"""Captions as token ids, and images as the pixels the model sees; numpy only, shared by training and demo."""

from pathlib import Path

import numpy as np

DIGITS = "zero one two three four five six seven eight nine".split()
PROMPT = "a photo of a handwritten {}"
UNSEEN = "an image of the number {} written by hand"  # never trained on
TEMPLATES = [
    PROMPT,
    "a handwritten {}",
    "a scan of the digit {}",
    "a small picture of the number {}",
    "the numeral {} in pen",
    "this is a blurry {}",
    "a drawing of a {}",
    "the figure {} in handwriting",
    "an image of the character {}",
    "a digit written by hand {}",
]
LENGTH = 12
SIDE = 32
WORDS = (Path(__file__).parent / "vocabulary.txt").read_text().split()
IDS = {word: i for i, word in enumerate(WORDS)}


def tokenise(caption: str) -> np.ndarray:
    """[LENGTH] int64: <start> words <end>, filled up with <pad>. Raises KeyError for a word not in the vocabulary."""
    ids = [IDS["<start>"], *(IDS[word] for word in caption.split()), IDS["<end>"]]
    if len(ids) > LENGTH:
        raise ValueError(f"more than {LENGTH - 2} words: {caption}")
    return np.array(ids + [IDS["<pad>"]] * (LENGTH - len(ids)), np.int64)


def prompts(template: str = PROMPT) -> np.ndarray:
    """[10, LENGTH] int64, one caption for each digit."""
    return np.stack([tokenise(template.format(word)) for word in DIGITS])


def resampling(source: int, target: int) -> np.ndarray:
    """[target, source] weights of linear interpolation between pixel centres, edges held."""
    at = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    low = np.minimum(at.astype(int), source - 2)
    weights = np.zeros((target, source), np.float32)
    weights[np.arange(target), low] = 1 - (at - low)
    weights[np.arange(target), low + 1] = at - low
    return weights


def pixels(raw: np.ndarray) -> np.ndarray:
    """[n, 8, 8] ink from 0 to 16 -> [n, 3, SIDE, SIDE] float32 from -1 to 1."""
    weights = resampling(raw.shape[-1], SIDE)
    ink = weights @ (raw.astype(np.float32) / 16) @ weights.T
    return np.repeat((2 * ink - 1)[:, None], 3, axis=1)
