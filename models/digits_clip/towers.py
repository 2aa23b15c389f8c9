"""The two towers."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.before_mlp = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x, causal: bool):
        batch, tokens, width = x.shape
        qkv = self.qkv(self.before_attention(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        x = x + self.merge(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.narrow(F.gelu(self.widen(self.before_mlp(x))))


class ImageTower(nn.Module):
    """[batch, 3, 32, 32] pixels -> [batch, embed] of length one."""

    def __init__(self, width=96, layers=4, heads=3, patch=4, side=32, embed=64):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.first = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, (side // patch) ** 2 + 1, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.last_norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, embed, bias=False)

    def forward(self, pixel_values):
        x = self.patches(pixel_values).flatten(2).transpose(1, 2)
        x = torch.cat((self.first.expand(x.shape[0], -1, -1), x), dim=1) + self.positions
        for block in self.blocks:
            x = block(x, causal=False)
        return F.normalize(self.project(self.last_norm(x[:, 0])), dim=-1)


class TextTower(nn.Module):
    """[texts, length] token ids -> [texts, embed] of length one, read at <end>, the highest id."""

    def __init__(self, vocabulary: int, length: int, width=64, layers=2, heads=2, embed=64):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(length, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.last_norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, embed, bias=False)

    def forward(self, input_ids):
        x = self.words(input_ids) + self.positions
        for block in self.blocks:
            x = block(x, causal=True)
        end = input_ids.argmax(dim=-1)
        x = self.last_norm(x)[torch.arange(x.shape[0]), end]
        return F.normalize(self.project(x), dim=-1)


class TwoTowers(nn.Module):
    """Similarities [batch, texts], scaled as trained."""

    def __init__(self, vocabulary: int, length: int):
        super().__init__()
        self.image = ImageTower()
        self.text = TextTower(vocabulary, length)
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, pixel_values, input_ids):
        return self.log_scale.exp() * self.image(pixel_values) @ self.text(input_ids).T
