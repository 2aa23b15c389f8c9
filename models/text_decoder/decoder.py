"""A decoder in LLaMA's form: RMS norms, rotary positions, grouped-query attention, SwiGLU, tied embeddings, no biases."""

import torch
from torch import nn
from torch.nn import functional as F

from cache import LAYERS, PAIRS, SIZE

WIDTH, HEADS, HIDDEN = 128, 4, 384
BASE = 10000.0  # of the rotations' wavelengths


class RmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.gain


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """[batch, heads, tokens, SIZE] by angles [tokens, SIZE], given as cos and sin; element i pairs with i + SIZE / 2."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.queries = nn.Linear(WIDTH, HEADS * SIZE, bias=False)
        self.keys = nn.Linear(WIDTH, PAIRS * SIZE, bias=False)
        self.values = nn.Linear(WIDTH, PAIRS * SIZE, bias=False)
        self.merge = nn.Linear(HEADS * SIZE, WIDTH, bias=False)

    def forward(self, x, cos, sin, mask, past):
        """x [batch, tokens, WIDTH], mask [tokens, all], past (keys, values) [batch, PAIRS, all - tokens, SIZE]."""
        batch, tokens, _ = x.shape
        q, k, v = (f(x).view(batch, tokens, -1, SIZE).transpose(1, 2) for f in (self.queries, self.keys, self.values))
        k, v = torch.cat((past[0], rotate(k, cos, sin)), 2), torch.cat((past[1], v), 2)
        shared = (t[:, :, None].expand(-1, -1, HEADS // PAIRS, -1, -1).flatten(1, 2) for t in (k, v))
        mixed = F.scaled_dot_product_attention(rotate(q, cos, sin), *shared, attn_mask=mask)
        return self.merge(mixed.transpose(1, 2).reshape(batch, tokens, WIDTH)), k, v


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before_attention, self.before_mlp = RmsNorm(), RmsNorm()
        self.attention = Attention()
        self.gate = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.widen = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.narrow = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x, cos, sin, mask, past):
        mixed, k, v = self.attention(self.before_attention(x), cos, sin, mask, past)
        x = x + mixed
        y = self.before_mlp(x)
        return x + self.narrow(F.silu(self.gate(y)) * self.widen(y)), k, v


class Decoder(nn.Module):
    """input_ids [batch, tokens] behind a past of any length, also none -> logits [batch, tokens, vocabulary] and the
    keys and values of all tokens. Past and present are [key 0, value 0, key 1, ...], [batch, PAIRS, positions, SIZE]."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.last_norm = RmsNorm()
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("frequencies", BASE ** (-torch.arange(0, SIZE, 2) / SIZE), persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                into_stream = name.endswith(("merge.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * LAYERS) ** 0.5 if into_stream else 0.02)

    def forward(self, input_ids, past: list[torch.Tensor]):
        before, tokens = past[0].shape[2], input_ids.shape[1]
        at = torch.arange(before + tokens, device=input_ids.device)
        mask = at[None] <= at[before:, None]
        angles = (at[before:, None] * self.frequencies).repeat(1, 2)
        cos, sin = angles.cos(), angles.sin()
        x, present = self.embed(input_ids), []
        for block, pair in zip(self.blocks, zip(past[::2], past[1::2])):
            x, *pair = block(x, cos, sin, mask, pair)
            present += pair
        return self.head(self.last_norm(x)), *present


def no_past(batch: int) -> list[torch.Tensor]:
    return [torch.zeros(batch, PAIRS, 0, SIZE) for _ in range(2 * LAYERS)]
