"""Writes models/tome: small encoders as any exporter writes them, and what token merging makes of them.

    python models/export_tome.py

<model>.onnx is the unmodified encoder. <model>.npz and <model>.3.npz, for batches of one and three, hold `in:<input>`
and for each text of mmcc's option --tome `<text>:<output>` and `<text>:tome_map`, as recipes/tome.py computes them in
PyTorch. The weights are seeded; a seed is passed over when some choice between tokens is closer than 1e-4, so that
rounding cannot turn it.
"""

import sys
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

from recipes import onnx_file, tome
from recipes.case import Case, image, normal, seeded
from recipes.speech import WHISPER_BASE, WHISPER_TINY, HiddenStates

HERE = Path(__file__).parent / "tome"
MARGIN = 1e-4
BATCHES = (1, 3)
SIDE, PATCH = 64, 8
NARROW = dict(img_size=SIDE, patch_size=PATCH, embed_dim=24, depth=4, num_heads=3, num_classes=10)


def vit(**options) -> nn.Module:
    return timm.models.vision_transformer.VisionTransformer(**NARROW, **options)


def distilled() -> nn.Module:
    return timm.models.deit.VisionTransformerDistilled(**NARROW)


def whisper() -> nn.Module:
    from transformers import WhisperConfig, WhisperModel

    sizes = WHISPER_BASE | WHISPER_TINY | dict(d_model=24, encoder_layers=3, encoder_ffn_dim=48)
    return HiddenStates(WhisperModel(WhisperConfig(**sizes)).encoder)


def even(r: int, layers: int) -> list[int]:
    return [r] * layers


# Model: how it is made, its rendering, input, output, protected tokens, and by option what each layer merges.
# ratio=0.5: ceil(0.5 * 64 / 4) = 8 in every layer. r=12..0: 12, 8, 4, 0. Of 50 frames no more than half can go.
ENCODERS = {
    "vit": (vit, tome.vit, "pixel_values", "logits", 1,
            {"r=8": even(8, 4), "r=12..0": [12, 8, 4, 0], "ratio=0.5": even(8, 4), "r=3/0/20": [3, 0, 20, 20]}),
    "deit": (distilled, tome.vit, "pixel_values", "logits", 2, {"r=9": even(9, 4)}),
    "vit_registers": (lambda: vit(class_token=False, reg_tokens=3, global_pool="avg", fc_norm=False),
                      tome.vit, "pixel_values", "logits", 3, {"r=10": even(10, 4)}),
    "vit_mean": (lambda: vit(class_token=False, global_pool="avg", fc_norm=True),
                 tome.vit, "pixel_values", "logits", 0, {"r=11": even(11, 4)}),
    "whisper": (whisper, lambda m, x, merging: tome.whisper_encoder(m.model, x, merging),
                "features", "last_hidden_state", 0,
                {"r=7": even(7, 3), "r=7,neighbours": even(7, 3)}),
}  # fmt: skip


def feeds(name: str, batch: int) -> torch.Tensor:
    return image(batch, SIDE) if name == "pixel_values" else normal(batch, 80, 100)


def render(encoder: str, module: nn.Module, batch: int) -> tuple[dict, float]:
    """The arrays of one reference file, and its closest choice."""
    _, forward, source, output, protect, schedules = ENCODERS[encoder]
    x = feeds(source, batch)
    arrays, margin = {f"in:{source}": x.numpy()}, float("inf")
    for option, counts in schedules.items():
        merging = tome.Merging(counts, protect, "neighbours" in option)
        with torch.no_grad():
            arrays[f"{option}:{output}"] = forward(module, x, merging).numpy()
        arrays[f"{option}:tome_map"] = merging.map.numpy()
        margin = min(margin, merging.margin)
    return arrays, margin


def unmerged_is_the_module(encoder: str, module: nn.Module) -> None:
    """The rendering without merging must be the module itself."""
    make, forward, source, _, protect, schedules = ENCODERS[encoder]
    layers = len(next(iter(schedules.values())))
    x = feeds(source, 2)
    with torch.no_grad():
        rendered = forward(module, x, tome.Merging(even(0, layers), protect))
        torch.testing.assert_close(rendered, module(x), rtol=1e-4, atol=1e-5)


def write(encoder: str) -> None:
    make, _, source, output, _, _ = ENCODERS[encoder]
    for seed in range(100):
        torch.manual_seed(0)
        module = seeded(make(), seed)
        unmerged_is_the_module(encoder, module)
        rendered = [render(encoder, module, batch) for batch in BATCHES]
        if min(margin for _, margin in rendered) > MARGIN:
            break
    else:
        raise SystemExit(f"{encoder}: no seed keeps choices {MARGIN} apart")
    batch = torch.export.Dim("batch", max=64)
    case = Case(module, lambda n: {source: feeds(source, n)}, [output], dynamic={source: {0: batch}})
    path = HERE / f"{encoder}.onnx"
    onnx_file.export(case, path, ".dyn", external=False)
    onnx_file.without_metadata(path)
    for suffix, (arrays, _) in zip(("", ".3"), rendered):
        np.savez_compressed(HERE / f"{encoder}{suffix}.npz", **arrays)
    print(f"{encoder}: seed {seed}, {path.stat().st_size:,d} bytes")


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name in sys.argv[1:] or ENCODERS:
        write(name)
