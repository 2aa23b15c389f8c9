"""One model to export: the module, how to feed it, and which axis may vary."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class Case:
    """A seeded module with everything an export and its reference outputs need.

    feeds(size) gives the arguments of forward in order; a list of tensors is a key/value cache,
    alternating keys and values by layer. `size` is the extent of the axis named in `dynamic`.
    """

    module: nn.Module
    feeds: Callable[[int], dict]
    outputs: list[str]
    size: int = 1
    other_size: int = 3
    dynamic: dict = field(default_factory=dict)  # argument -> {axis: torch.export.Dim}

    def __post_init__(self):
        # The TorchScript exporter puts the outermost module's mode back on all of it, dropout included.
        self.module.eval()

    def tensors(self, size: int) -> dict[str, torch.Tensor]:
        """The same feeds by ONNX input name, caches spread out as <argument>.key.0, <argument>.value.0, …"""
        flat = {}
        for name, value in self.feeds(size).items():
            if isinstance(value, list):
                flat |= zip(cache_names(name, len(value) // 2), value)
            else:
                flat[name] = value
        return flat

    def reference(self, size: int) -> dict[str, torch.Tensor]:
        """Eager fp32 outputs by ONNX output name."""
        with torch.no_grad():
            got = self.module(*self.feeds(size).values())
        got = [got] if torch.is_tensor(got) else list(got)
        assert len(got) == len(self.outputs), (len(got), self.outputs)
        return dict(zip(self.outputs, got))


def cache_names(prefix: str, layers: int) -> list[str]:
    return [f"{prefix}.{part}.{layer}" for layer in range(layers) for part in ("key", "value")]


def seeded(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights that keep activations near one.

    The stock initialisers leave biases, gains and layer scales at 0 or 1, where a compiler that
    drops them would still look right; here each of them moves the output.
    """
    rng = torch.Generator().manual_seed(seed)
    tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    with torch.no_grad():
        for name, p in module.named_parameters():
            if id(p) in tables:
                p.normal_(0, 0.1, generator=rng)
            elif p.ndim > 1:
                fan_in = p[0].numel() if len(p) > 1 else p.shape[-1]
                p.normal_(0, fan_in**-0.5, generator=rng)
            else:
                centre = 0.0 if "bias" in name else 0.5 if "gamma" in name else 1.0
                p.normal_(centre, 0.1, generator=rng)
        for name, b in module.named_buffers():
            if name.endswith("running_mean"):
                b.normal_(0, 0.1, generator=rng)
            elif name.endswith("running_var"):
                b.uniform_(0.5, 1.5, generator=rng)
    return module.eval()


def normal(*shape: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def image(batch: int, side: int) -> torch.Tensor:
    """[batch, 3, side, side], standard normal as after the usual mean/std preprocessing."""
    return normal(batch, 3, side, side, seed=1)


def token_ids(count: int, vocabulary: int) -> torch.Tensor:
    """[1, count] int64; the first three ids and the last are left to special tokens."""
    rng = torch.Generator().manual_seed(3)
    return torch.randint(3, vocabulary - 1, (1, count), generator=rng)


def batch_axis(argument: str = "pixel_values") -> dict:
    return {argument: {0: torch.export.Dim("batch", max=64)}}
