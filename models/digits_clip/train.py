"""Trains the two towers on handwritten digits and exports them; a few minutes on two cores.

    python models/digits_clip/train.py

Writes model.onnx (with a small .npz of inputs and PyTorch's outputs),
samples.npz (all held-out images with labels, prompts and PyTorch's logits) and README.md.
"""

import math
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from captions import DIGITS, LENGTH, PROMPT, TEMPLATES, UNSEEN, WORDS, pixels, prompts
from towers import TwoTowers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from recipes.onnx_file import without_metadata  # noqa: E402

SEED, EPOCHS, BATCH, RATE = 0, 60, 96, 1.5e-3
HELD_OUT = 0.2


def split():
    """Images [n, 8, 8] and labels, training and held out, the same share of each digit."""
    data = load_digits()
    order = np.random.default_rng(SEED).permutation(len(data.target))
    held = np.concatenate(
        [(of := order[data.target[order] == digit])[: round(HELD_OUT * len(of))] for digit in range(10)]
    )
    held = np.sort(held)
    rest = np.setdiff1d(order, held)
    raw = data.images.astype(np.uint8)
    return raw[rest], data.target[rest], raw[held], data.target[held]


def moved(x: torch.Tensor) -> torch.Tensor:
    """Turns by up to 10 degrees, scales and shifts by up to a tenth."""
    n = len(x)
    angle, scale = (torch.rand(n) - 0.5) * 0.35, 1 + (torch.rand(n) - 0.5) * 0.2
    shift = (torch.rand(n, 2, 1) - 0.5) * 0.2
    cos, sin = scale * angle.cos(), scale * angle.sin()
    turn = torch.stack((torch.stack((cos, -sin), 1), torch.stack((sin, cos), 1)), 1)
    grid = F.affine_grid(torch.cat((turn, shift), 2), list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1  # outside is paper, -1


def contrastive(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Both directions; captions of the same digit in a batch are all right answers."""
    same = (labels[:, None] == labels[None]).float()
    target = same / same.sum(1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def train(raw, labels) -> TwoTowers:
    torch.manual_seed(SEED)
    model = TwoTowers(len(WORDS), LENGTH)
    x, y = torch.from_numpy(pixels(raw)), torch.from_numpy(labels)
    captions = torch.from_numpy(np.stack([prompts(t) for t in TEMPLATES]))  # [template, digit, length]
    steps = EPOCHS * (len(x) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min((s + 1) / 60, 0.5 + 0.5 * math.cos(math.pi * s / steps))
    )
    for epoch in range(EPOCHS):
        total = 0.0
        for chosen in torch.randperm(len(x)).split(BATCH)[: len(x) // BATCH]:
            texts = captions[torch.randint(len(TEMPLATES), (BATCH,)), y[chosen]]
            loss = contrastive(model(moved(x[chosen]), texts), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {total / (len(x) // BATCH):.3f}", flush=True)
    return model.eval()


def export(model: TwoTowers, inputs: dict, outputs: dict, dynamic: dict, name: str) -> None:
    path = HERE / f"{name}.onnx"
    axes = tuple({0: torch.export.Dim(dynamic[i], max=4096)} for i in inputs)
    torch.onnx.export(
        model,
        tuple(inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=axes,
        opset_version=18,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    without_metadata(path)
    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds = {k: v.numpy() for k, v in inputs.items()}
    for (key, want), got in zip(outputs.items(), session.run(list(outputs), feeds)):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-3, atol=1e-4, err_msg=f"{name}: {key}")
    np.savez(
        HERE / f"{name}.npz",
        **{f"in:{k}": v for k, v in feeds.items()},
        **{f"out:{k}": v.numpy() for k, v in outputs.items()},
    )


def main() -> None:
    raw, labels, held_raw, held_labels = split()
    started = time.time()
    model = train(raw, labels)
    seconds = time.time() - started
    ids, held = torch.from_numpy(prompts()), torch.from_numpy(pixels(held_raw))
    with torch.no_grad():
        logits = model(held, ids)
        unseen = model(held, torch.from_numpy(prompts(UNSEEN)))
        few, few_ids = held[:6], ids
        both = model(few, few_ids)
    accuracy = 100 * (logits.argmax(1).numpy() == held_labels).mean()
    accuracy_unseen = 100 * (unseen.argmax(1).numpy() == held_labels).mean()
    print(f"held out: {accuracy:.2f} % of {len(held_labels)}, unseen caption {accuracy_unseen:.2f} %, {seconds:.0f} s")
    if accuracy < 95:
        sys.exit("below 95 %: not exported")
    axes = dict(pixel_values="batch", input_ids="texts")
    export(model, dict(pixel_values=few, input_ids=few_ids), dict(logits_per_image=both), axes, "model")
    np.savez(
        HERE / "samples.npz",
        images=held_raw,
        labels=held_labels.astype(np.uint8),
        input_ids=ids.numpy(),
        logits_per_image=logits.numpy(),
    )
    parameters = sum(p.numel() for p in model.parameters())
    (HERE / "README.md").write_text(
        README.format(
            accuracy=accuracy,
            unseen=accuracy_unseen,
            train=len(labels),
            held=len(held_labels),
            parameters=parameters,
            seconds=seconds,
            torch=torch.__version__.split("+")[0],
            prompt=PROMPT.format(DIGITS[7]),
            other=UNSEEN.format(DIGITS[7]),
        )
    )


README = """# digits_clip

A small CLIP: an image tower (ViT, 4 layers, patches of 4 on 32x32 pixels) and a text tower (2 causal layers over
`vocabulary.txt`), trained so that a picture of a digit and a caption such as "{prompt}" point the same way.
{parameters:,d} parameters. Written by `train.py`, with this file; do not edit by hand.

| | |
|---|---|
| images | {train} to train, {held} held out, each digit in both by the same share |
| zero-shot accuracy, held out, "{prompt}" | {accuracy:.2f} % |
| the same with a caption never trained on, "{other}" | {unseen:.2f} % |
| training | {seconds:.0f} s on the CPU, seed 0, PyTorch {torch} |

| file | inputs | outputs |
|---|---|---|
| `model.onnx` | `pixel_values` [batch, 3, 32, 32], `input_ids` [texts, 12] | `logits_per_image` [batch, texts] |

The `.npz` beside it holds `in:` and `out:` arrays by PyTorch for six images and ten captions. `samples.npz` holds every
held-out image (`images` [n, 8, 8], ink 0 to 16), `labels`, the ten captions (`input_ids`) and PyTorch's `logits_per_image`;
`captions.pixels` makes `pixel_values` of the images.

    python models/digits_clip/demo.py --run build/bin/mmcc-run --artifact model.mmcc

draws some of them and prints what the compiled model says. It needs numpy only.

The images are those of scikit-learn's `load_digits`: the test set of "Optical Recognition of Handwritten Digits",
E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, CC BY 4.0.
"""

if __name__ == "__main__":
    main()
