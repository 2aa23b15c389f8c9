"""Characters as token ids, and text in windows; numpy only, shared by training and measurement."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
WINDOW = 256  # characters that the model is trained to see at once
LINES = (HERE / "vocabulary.txt").read_text("utf-8").splitlines()  # a character each; a new line is written \n
CHARACTERS = "".join("\n" if line == "\\n" else line for line in LINES)
TYPOGRAPHY = {"’": "'", "‘": "'", "“": '"', "”": '"', "…": "...", "—": "--", "–": "-", "\t": "    "}


def plain(text: str) -> str:
    """Typographic marks as ASCII; other characters outside the vocabulary are dropped."""
    for mark, ascii_mark in TYPOGRAPHY.items():
        text = text.replace(mark, ascii_mark)
    return "".join(c for c in text if c in CHARACTERS)


def tokenise(text: str) -> np.ndarray:
    """[characters] int64: places in the vocabulary. Raises KeyError for a character that is not in it."""
    places = {c: i for i, c in enumerate(CHARACTERS)}
    return np.array([places[c] for c in text], np.int64)


def windows(ids: np.ndarray, length: int = WINDOW) -> tuple[np.ndarray, np.ndarray]:
    """[n] -> inputs and labels, both [windows, length]: each window starts without a past, and a label is the character
    behind its input. What does not fill the last window is left out."""
    count = (len(ids) - 1) // length
    return ids[: count * length].reshape(count, length), ids[1 : count * length + 1].reshape(count, length)


def log_probabilities(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[..., vocabulary] logits and [...] labels -> [...] natural logarithms of what the labels were given, float64."""
    logits = logits.astype(np.float64)
    top = logits.max(-1, keepdims=True)
    chosen = np.take_along_axis(logits, labels[..., None], -1)
    return (chosen - top - np.log(np.exp(logits - top).sum(-1, keepdims=True)))[..., 0]
