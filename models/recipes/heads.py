"""What stands behind the encoders: contrastive heads, retrieval, positions in space and time."""

import torch
from torch import nn
from torch.nn import functional

from .case import Case, normal, seeded

WIDTH, SHARED = 24, 16


class Contrastive(nn.Module):
    """CLIP's and ALIGN's head: features of length 1, their product times exp(temperature)."""

    def __init__(self, clamped: bool):
        super().__init__()
        self.image, self.text = nn.Linear(WIDTH, SHARED, bias=False), nn.Linear(WIDTH, SHARED)
        self.temperature = nn.Parameter(torch.ones(()))
        self.clamped = clamped

    def unit(self, x):
        return functional.normalize(x, dim=-1) if self.clamped else x / x.norm(dim=-1, keepdim=True)

    def forward(self, image, text):
        image, text = self.unit(self.image(image)), self.unit(self.text(text))
        return image @ text.T * self.temperature.exp()


def contrastive(clamped):
    def recipe(tiny):
        batch = torch.export.Dim("batch", max=64)
        return Case(
            seeded(Contrastive(clamped)),
            lambda n: dict(image=normal(n, WIDTH), text=normal(5, WIDTH, seed=5)),
            ["logits"],
            size=3,
            other_size=9,
            dynamic=dict(image={0: batch}, text=None),
        )

    return recipe


contrast_norm, contrast_clamped = contrastive(False), contrastive(True)


class Retrieval(nn.Module):
    """The best of a bank of embeddings, whose lengths are known when it is compiled."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(WIDTH, SHARED, bias=False)
        self.bank = nn.Parameter(torch.ones(100, SHARED))

    def forward(self, image):
        image = functional.normalize(self.image(image), dim=-1)
        scores = image @ functional.normalize(self.bank, dim=-1).T
        return torch.topk(scores, 5, dim=-1)


def retrieval(tiny):
    batch = torch.export.Dim("batch", max=64)
    return Case(seeded(Retrieval()), lambda n: dict(image=normal(n, WIDTH)), ["scores", "places"], size=3, other_size=9,
                dynamic=dict(image={0: batch}))  # fmt: skip


class SpaceTime(nn.Module):
    """Factorised positions: x [batch, time, height * width, d] + space + time, then a layer; sinusoids computed on the way."""

    def __init__(self):
        super().__init__()
        self.patch, self.out = nn.Linear(WIDTH, SHARED), nn.Linear(SHARED, SHARED)
        self.space, self.time = nn.Parameter(torch.ones(1, 1, 6, SHARED)), nn.Parameter(torch.ones(1, 3, 1, SHARED))
        self.grid = nn.Parameter(torch.ones(1, SHARED, 2, 2))  # learned at another resolution

    def forward(self, x):
        grid = functional.interpolate(self.grid, size=(2, 3), mode="bicubic", align_corners=False)
        frequencies = 1e4 ** -(torch.arange(0, SHARED, 2) / SHARED)
        angles = torch.arange(6)[:, None] * frequencies
        sinusoids = torch.cat((angles.sin(), angles.cos()), dim=-1)
        x = self.patch(x) + self.space + self.time + grid.flatten(2).transpose(1, 2) + sinusoids
        return self.out(x)


def space_time(tiny):
    batch = torch.export.Dim("batch", max=64)
    return Case(seeded(SpaceTime()), lambda n: dict(x=normal(n, 3, 6, WIDTH)), ["y"], size=1, other_size=3,
                dynamic=dict(x={0: batch}))  # fmt: skip
