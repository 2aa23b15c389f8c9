"""Token merging in plain PyTorch, as the judge of the compiler's pass.

Bolya et al., Token Merging: Your ViT But Faster (2022). One token set at a time and with loops where the
paper has tensors, so that it can be read beside the paper:

* In each layer, between attention and MLP, r tokens merge. Their metric is the mean of the keys over heads.
* Tokens at even positions (A) look for the nearest token at an odd position (B), by cosine. The r of A that are
  nearest to their partner become one with it. The first `protect` tokens are in neither set.
* A token is the mean of those it is made of; its size is their number. Attention adds log(size) to its scores.
* What is left stands in the order: protected tokens, A, B. With `neighbours` (audio) a partner must stand beside,
  and the order of positions stays.

`tome_map` [batch, tokens] says for each original token which one it became part of.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Merging:
    """Tokens on their way through the layers of one encoder."""

    counts: list[int]  # how many tokens each layer merges
    protect: int = 0
    neighbours: bool = False
    size: torch.Tensor | None = None  # [batch, tokens]
    map: torch.Tensor | None = None  # [batch, original tokens]
    margin: float = float("inf")  # the closest decision between two different choices
    layer: int = 0

    def bias(self) -> torch.Tensor | float:
        """What attention adds to its scores [batch, heads, queries, tokens]."""
        return 0.0 if self.size is None else self.size.log()[:, None, None, :]

    def merge(self, x: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """x [batch, tokens, dim], keys [batch, heads, tokens, head dim] -> [batch, tokens left, dim]."""
        count = self.counts[self.layer]
        self.layer += 1
        size = torch.ones(x.shape[:2]) if self.size is None else self.size
        if count == 0:
            return x
        metric = F.normalize(keys.mean(1), dim=-1)
        successor = torch.stack([self.match(m, count) for m in metric])
        left = x.shape[1] - count
        self.size = torch.zeros(len(x), left).scatter_add_(1, successor, size)
        total = torch.zeros(len(x), left, x.shape[2])
        total.scatter_add_(1, successor[:, :, None].expand_as(x), x * size[:, :, None])
        self.map = successor if self.map is None else successor.gather(1, self.map)
        return total / self.size[:, :, None]

    def match(self, metric: torch.Tensor, count: int) -> torch.Tensor:
        """Successor of each token, from unit vectors [tokens, dim]."""
        tokens = len(metric)
        a = [p for p in range(self.protect, tokens) if p % 2 == 0]
        b = [p for p in range(self.protect, tokens) if p % 2 == 1]
        cosine = metric @ metric.T
        partner, nearness = {}, {}
        for p in a:
            allowed = [q for q in b if not self.neighbours or abs(p - q) == 1]
            ranked = sorted(allowed, key=lambda q: (-cosine[p, q].item(), q))
            partner[p], nearness[p] = ranked[0], cosine[p, ranked[0]].item()
            if len(ranked) > 1:
                self.margin = min(self.margin, nearness[p] - cosine[p, ranked[1]].item())
        order = sorted(a, key=lambda p: (-nearness[p], p))
        gone = set(order[:count])
        if count < len(order):
            self.margin = min(self.margin, nearness[order[count - 1]] - nearness[order[count]])
        kept = [p for p in a if p not in gone] + b
        if self.neighbours:
            kept.sort()
        kept = list(range(self.protect)) + kept
        return torch.tensor([kept.index(partner[p] if p in gone else p) for p in range(tokens)])

    def give_back(self, x: torch.Tensor) -> torch.Tensor:
        """Every original token gets the one that it became part of."""
        if self.map is None:
            return x
        return x.gather(1, self.map[:, :, None].expand(-1, -1, x.shape[2]))


def attend(q, k, v, bias) -> torch.Tensor:
    """[batch, heads, tokens, dim] each -> [batch, tokens, heads * dim]."""
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def vit(model: nn.Module, pixels: torch.Tensor, merging: Merging) -> torch.Tensor:
    """timm's VisionTransformer; its head sees all tokens, so that whatever it reads is what the compiler must give."""
    x = model.norm_pre(model._pos_embed(model.patch_embed(pixels)))
    for block in model.blocks:
        heads = block.attn.num_heads
        qkv = block.attn.qkv(block.norm1(x)).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + block.ls1(block.attn.proj(attend(*qkv, merging.bias())))
        x = merging.merge(x, qkv[1])
        x = x + block.ls2(block.mlp(block.norm2(x)))
    return model.forward_head(merging.give_back(model.norm(x)))


def whisper_encoder(model: nn.Module, features: torch.Tensor, merging: Merging) -> torch.Tensor:
    """Hugging Face's WhisperEncoder."""
    x = F.gelu(model.conv2(F.gelu(model.conv1(features)))).transpose(1, 2)
    x = x + model.embed_positions.weight
    for layer in model.layers:
        attention = layer.self_attn
        h = layer.self_attn_layer_norm(x)
        q, k, v = (
            project(h).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        x = x + attention.out_proj(attend(q, k, v, merging.bias()))
        x = merging.merge(x, k)
        x = x + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(x))))
    return merging.give_back(model.layer_norm(x))
