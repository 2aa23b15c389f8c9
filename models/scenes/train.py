"""Trains a small vision transformer on scenes of handwritten digits and exports it; about half an hour on one core.

    python models/scenes/train.py

Writes model.onnx (opset 18, dynamic batch) and model.npz (two scenes with PyTorch's logits). 144 patch tokens of
8 x 8 pixels and a class token; the patches come from three convolutions (Xiao et al., Early Convolutions Help
Transformers See Better, 2021), since a plain projection learns too slowly from so few digits.
"""

import math
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

from scenes import SIDE, held_out, scenes

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from recipes.onnx_file import without_metadata  # noqa: E402

DIM, DEPTH, HEADS, TOKENS = 64, 6, 4, (SIDE // 8) ** 2
SEED, STEPS, BATCH, RATE = 0, 1500, 48, 2e-3


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv, self.proj = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.mlp = nn.Sequential(nn.Linear(DIM, 2 * DIM), nn.GELU(), nn.Linear(2 * DIM, DIM))

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, DIM))
        return x + self.mlp(self.norm2(x))


class SceneViT(nn.Module):
    def __init__(self):
        super().__init__()
        widths = (1, 16, 32, DIM)
        self.stem = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
                for a, b in zip(widths, widths[1:])
            )
        )
        self.cls = nn.Parameter(torch.randn(1, 1, DIM) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, 1 + TOKENS, DIM) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm, self.head = nn.LayerNorm(DIM), nn.Linear(DIM, 10)

    def forward(self, pixel_values):
        x = self.stem(pixel_values).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls.expand(x.shape[0], -1, -1), x), 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def accuracy(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    with torch.no_grad():
        guesses = torch.cat([model(part).argmax(1) for part in torch.from_numpy(images).split(128)])
    return 100 * (guesses.numpy() == labels).mean()


def train(glyphs: np.ndarray, labels: np.ndarray, check) -> SceneViT:
    torch.manual_seed(SEED)
    model = SceneViT()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min((s + 1) / 100, 0.5 + 0.5 * math.cos(math.pi * s / STEPS))
    )
    started = time.time()
    for step in range(STEPS):
        x, y = map(torch.from_numpy, scenes(SEED + 1 + step, BATCH, glyphs, labels))
        loss = F.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            model.eval()
            print(f"{step + 1}: loss {loss.item():.3f}, {check(model):.1f} %, {time.time() - started:.0f} s", flush=True)
            model.train()
    return model.eval()


def export(model: SceneViT, images: np.ndarray) -> None:
    path, x = HERE / "model.onnx", torch.from_numpy(images)
    torch.onnx.export(
        model,
        (x,),
        str(path),
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch", max=4096)},),
        opset_version=18,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    without_metadata(path)
    with torch.no_grad():
        logits = model(x).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"pixel_values": images})
    np.testing.assert_allclose(got, logits, rtol=1e-3, atol=1e-4)
    np.savez_compressed(HERE / "model.npz", **{"in:pixel_values": images, "out:logits": logits})


def training_digits() -> tuple[np.ndarray, np.ndarray]:
    """Those of scikit-learn's digits that are not among the held-out ones."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = data.images.astype(np.uint8)
    held = {image.tobytes() for image in held_out()[0]}
    rest = np.array([image.tobytes() not in held for image in images])
    return images[rest], data.target[rest]


def main() -> None:
    glyphs, labels = training_digits()
    seen = scenes(10**6, 512, *held_out())
    model = train(glyphs, labels, lambda m: accuracy(m, *seen))
    export(model, scenes(10**6 + 1, 2, *held_out())[0])
    final = scenes(10**6 + 2, 4096, *held_out())
    print(f"{sum(p.numel() for p in model.parameters()):,d} parameters, {accuracy(model, *final):.2f} % of 4096 held-out scenes")


if __name__ == "__main__":
    main()
