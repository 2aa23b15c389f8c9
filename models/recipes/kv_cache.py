"""Key/value caches as flat lists of tensors, which is what an exported graph takes and gives."""

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer


def from_flat(flat: list[torch.Tensor]) -> DynamicCache:
    """[key 0, value 0, key 1, …], each [batch, heads, positions, head size]."""
    cache = DynamicCache()
    for keys, values in zip(flat[::2], flat[1::2]):
        layer = DynamicLayer()
        layer.keys, layer.values = keys, values
        layer.dtype, layer.device = keys.dtype, keys.device
        layer.is_initialized = True
        cache.layers.append(layer)
    return cache


def to_flat(cache: DynamicCache) -> list[torch.Tensor]:
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]


def random_flat(layers: int, heads: int, positions: int, width: int, seed: int) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(1, heads, positions, width, generator=rng) for _ in range(2 * layers)]
