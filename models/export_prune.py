"""Writes models/prune: small models of image and text as any exporter writes them, and what is left after pruning.

    python models/export_prune.py

<model>.onnx is unmodified. <model>.<text tokens>.npz holds `in:<input>`, `out:<output>` and, for each number of image
tokens that stay, `<keep>:<output>` and `<keep>:prune_map`, as recipes/prune.py computes them in PyTorch. The parts of
llava are there one by one as well. The weights are seeded; a seed is passed over when some choice between tokens is
closer than 1e-4, so that rounding cannot turn it.
"""

from pathlib import Path

import numpy as np
import torch

from recipes import onnx_file, prune
from recipes.case import Case, image, normal

HERE = Path(__file__).parent / "prune"
MARGIN = 1e-4


def render(name: str, module: torch.nn.Module, size: int) -> tuple[dict, float]:
    """The arrays of one reference file, and its closest choice."""
    _, feeds, output, _, keeps = prune.MODELS[name]
    inputs, margin = feeds(size), float("inf")
    arrays = {f"in:{key}": value.numpy() for key, value in inputs.items()}
    with torch.no_grad():
        arrays[f"out:{output}"] = module(*inputs.values()).numpy()
        for keep in keeps:
            pruning = prune.Pruning(keep)
            arrays[f"{keep}:{output}"] = module.pruned(*inputs.values(), pruning).numpy()
            arrays[f"{keep}:prune_map"] = pruning.map.numpy()
            margin = min(margin, pruning.margin)
    return arrays, margin


def write_onnx(case: Case, name: str) -> None:
    path = HERE / f"{name}.onnx"
    onnx_file.export(case, path, ".dyn" if case.dynamic else "", external=False)
    onnx_file.without_metadata(path)
    print(f"{name}: {path.stat().st_size:,d} bytes")


def write_parts(whole: torch.nn.Module) -> None:
    text = {1: torch.export.Dim("text", max=64)}
    write_onnx(Case(whole.image, lambda n: dict(pixel_values=image(2, prune.SIDE)), ["tokens"]), "llava_image")
    feeds = lambda n: dict(input_ids=prune.texts(2, n), image_embeds=normal(2, prune.PATCHES, prune.WIDTH))
    write_onnx(Case(whole.decoder, feeds, ["logits"], size=5, dynamic=dict(input_ids=text, image_embeds=None)), "llava_decoder")


def write(name: str) -> None:
    sizes = prune.MODELS[name][3]
    for seed in range(100):
        case = prune.case(name, seed)
        rendered = {size: render(name, case.module, size) for size in sizes}
        if min(margin for _, margin in rendered.values()) > MARGIN:
            break
    else:
        raise SystemExit(f"{name}: no seed keeps choices {MARGIN} apart")
    write_onnx(case, name)
    for size, (arrays, _) in rendered.items():
        np.savez_compressed(HERE / f"{name}.{size}.npz", **arrays)
    if name == "llava":
        write_parts(case.module)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for model in prune.MODELS:
        write(model)
