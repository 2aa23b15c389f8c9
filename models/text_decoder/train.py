"""Trains the decoder on the text of corpus.py and exports it; about twenty minutes on one core.

    python models/text_decoder/train.py [--steps 4000] [--minutes 35] [--checkpoint FILE] [--seed 0]

The rate of learning rises over 100 steps, stays, and falls to nothing over the last third of the steps or of the
minutes, whichever ends first. With a checkpoint, weights are kept in FILE as it goes on, and another run begins from
them; give it another seed, which chooses the windows of text. More steps make a better model. Writes model.onnx, and
what PyTorch makes of two texts: model.npz without a past, model.2.npz on top of it.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from characters import CHARACTERS, HERE, WINDOW, tokenise, windows
from corpus import test_text, text_of
from decoder import Decoder, no_past
from export import export

BATCH, RATE, WARM_UP, FALL = 8, 3e-3, 100, 1 / 3


def mean_loss(model: Decoder, ids: np.ndarray) -> float:
    """Mean negative log likelihood of windows of text, in nats a character."""
    inputs, labels = (torch.from_numpy(part) for part in windows(ids))
    with torch.no_grad():
        losses = [
            F.cross_entropy(model(x, no_past(len(x)))[0].flatten(0, 1), y.flatten(), reduction="sum").item()
            for x, y in zip(inputs.split(32), labels.split(32))
        ]
    return sum(losses) / labels.numel()


def optimiser_of(model: Decoder) -> torch.optim.Optimizer:
    """Matrices decay, gains do not."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() == 1]
    groups = [dict(params=matrices, weight_decay=0.1), dict(params=gains, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95))


def train(model: Decoder, options: argparse.Namespace) -> None:
    ids, held = torch.from_numpy(tokenise(text_of("training"))), tokenise(text_of("validation"))
    optimiser, rng = optimiser_of(model), np.random.default_rng(options.seed)
    started, progress, step, recent = time.time(), 0.0, 0, 4.5
    while progress < 1:
        rate = RATE * min((step + 1) / WARM_UP, (1 - progress) / FALL, 1)
        for group in optimiser.param_groups:
            group["lr"] = rate
        first = torch.from_numpy(rng.integers(0, len(ids) - WINDOW, BATCH))
        rows = ids[first[:, None] + torch.arange(WINDOW + 1)]
        loss = F.cross_entropy(model(rows[:, :-1], no_past(BATCH))[0].flatten(0, 1), rows[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step, recent = step + 1, 0.98 * recent + 0.02 * loss.item()
        progress = max(step / options.steps, (time.time() - started) / (60 * options.minutes))
        if step % 500 == 0 or progress >= 1:
            seen = f"{step} steps, {time.time() - started:.0f} s: training {recent:.3f}"
            print(f"{seen}, validation {mean_loss(model, held):.4f} nats a character", flush=True)
            if options.checkpoint:
                torch.save(model.state_dict(), options.checkpoint)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--checkpoint", type=Path, metavar="FILE")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    model = Decoder(len(CHARACTERS))
    if options.checkpoint and options.checkpoint.exists():
        model.load_state_dict(torch.load(options.checkpoint))
    train(model, options)
    export(model.eval(), HERE / "model.onnx")
    loss = mean_loss(model, tokenise(test_text()))
    print(f"test text: perplexity {np.exp(loss):.4f}, {loss / np.log(2):.4f} bits a character")


if __name__ == "__main__":
    main()
