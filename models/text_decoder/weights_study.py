"""What quantized weights cost the decoder: perplexity by method, bits and group, by the PyTorch of models/quantization.

    python models/text_decoder/weights_study.py [--bits 8 4 3] [--groups 32 64 128] [--windows 64] [--head]

The 28 linear layers of the blocks are quantized, and with --head the product behind them too, as the compiler does; the
table of embeddings, which has the head's weights, and all activations stay float32.
Layers are calibrated on windows of text: block by block, each on the inputs that it has when all blocks before
it are quantized, or on those of the float32 model. AWQ scales what a norm or the gated product gives (queries, keys and
values share one scale, gate and widen another); values cannot take a scale for merge, since two query heads share them.
Perplexity is that of perplexity.py. Prints a Markdown table, and where 8 is among the bits another: int8 weights
with int8 activations in the blocks, plain and with SmoothQuant where AWQ scales.
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from characters import HERE, tokenise, windows
from corpus import calibration_text, test_text
from decoder import Decoder, no_past
from export import load
from train import mean_loss

sys.path.insert(0, str(HERE.parent / "quantization"))
from awq import ALPHAS, awq  # noqa: E402
from gptq import gptq  # noqa: E402
from rtn import Quantized, Scheme, rtn  # noqa: E402
from smoothquant import SmoothQuant, smooth, smoothquant  # noqa: E402

ATTENTION = ("attention.queries", "attention.keys", "attention.values")
READERS = [ATTENTION, ("attention.merge",), ("gate", "widen"), ("narrow",)]  # layers of a block that read the same input
AWQ_SAMPLES = 2048  # inputs that AWQ searches on; GPTQ takes them all

Layers = dict[str, torch.Tensor]  # weights [out, in] of layers with one input
Method = Callable[[Layers, torch.Tensor, Scheme], Layers]


def by_rtn(layers: Layers, x: torch.Tensor, scheme: Scheme) -> Layers:
    return {name: rtn(w, scheme).weights() for name, w in layers.items()}


def by_gptq(layers: Layers, x: torch.Tensor, scheme: Scheme) -> Layers:
    return {name: gptq(w, x, scheme).weights() for name, w in layers.items()}


def by_gptq_in_order(layers: Layers, x: torch.Tensor, scheme: Scheme) -> Layers:
    return {name: gptq(w, x, scheme, act_order=True).weights() for name, w in layers.items()}


def by_awq(layers: Layers, x: torch.Tensor, scheme: Scheme) -> Layers:
    alphas = [0.0] if any(name.endswith("merge") for name in layers) else ALPHAS
    some = x[:: max(len(x) // AWQ_SAMPLES, 1)]
    together = awq(torch.cat(list(layers.values())), some, scheme, alphas=alphas).weights()
    return dict(zip(layers, together.split([len(w) for w in layers.values()])))


# Column of the table: method, symmetric, whether inputs are those behind quantized blocks.
COLUMNS: dict[str, tuple[Method, bool, bool]] = {
    "RTN symmetric": (by_rtn, True, False),
    "RTN": (by_rtn, False, False),
    "GPTQ symmetric": (by_gptq, True, True),
    "GPTQ": (by_gptq, False, True),
    "GPTQ act. order": (by_gptq_in_order, False, True),
    "GPTQ, f32 inputs": (by_gptq, False, False),
    "AWQ": (by_awq, False, True),
}


def inputs_of(model: Decoder, ids: torch.Tensor, layers: list[torch.nn.Module]) -> list[torch.Tensor]:
    """[windows, tokens] ids -> what each of some layers reads, [samples, in]."""
    seen: list[list[torch.Tensor]] = [[] for _ in layers]
    hooks = []
    for layer, to in zip(layers, seen):
        hooks.append(layer.register_forward_pre_hook(lambda _, x, to=to: to.append(x[0].flatten(0, -2))))
    with torch.no_grad():
        for part in ids.split(16):
            model(part, no_past(len(part)))
    for hook in hooks:
        hook.remove()
    return [torch.cat(parts) for parts in seen]


def readers_of(model: Decoder, part: str) -> list[list[str]]:
    """Names of layers of a part, `blocks.0` or `head`, those with one input together."""
    return [["head"]] if part == "head" else [[f"{part}.{name}" for name in names] for names in READERS]


def quantized(
    model: Decoder, ids: torch.Tensor, method: Method, scheme: Scheme, sequential: bool, head: bool = False
) -> Decoder:
    changed = copy.deepcopy(model)
    for part in [f"blocks.{i}" for i in range(len(model.blocks))] + ["head"] * head:
        readers = readers_of(model, part)
        read = [torch.empty(0)] * len(readers)
        if method is not by_rtn:
            source = changed if sequential else model
            read = inputs_of(source, ids, [source.get_submodule(names[0]) for names in readers])
        for names, x in zip(readers, read):
            layers = {name: changed.get_submodule(name).weight.data for name in names}
            for name, w in method(layers, x, scheme).items():
                changed.get_submodule(name).weight = torch.nn.Parameter(w.to(torch.float32))
    return changed


class IntegerLinear(torch.nn.Module):
    """Some rows of layers that were quantized as one."""

    def __init__(self, whole: SmoothQuant, rows: slice):
        super().__init__()
        q = whole.quantized
        self.part = replace(whole, quantized=Quantized(q.integers[rows], q.scales[rows], q.zeros[rows], q.scheme))

    def forward(self, x):
        return self.part.outputs(x.flatten(0, -2)).to(torch.float32).unflatten(0, x.shape[:-1])


def integer(model: Decoder, ids: torch.Tensor, smoothing: bool, static: bool) -> Decoder:
    """int8 weights and activations, calibrated on the float32 model."""
    changed = copy.deepcopy(model)
    for original, block in zip(model.blocks, changed.blocks):
        read = inputs_of(model, ids, [original.get_submodule(names[0]) for names in READERS])
        for names, x in zip(READERS, read):
            weights = [block.get_submodule(name).weight.data for name in names]
            together, first = torch.cat(weights), 0
            if smoothing and names != ("attention.merge",):
                whole = smoothquant(together, x, static)
            else:
                whole = smooth(together, x, None, static)
            for name, w in zip(names, weights):
                parent, _, own = name.rpartition(".")
                setattr(block.get_submodule(parent), own, IntegerLinear(whole, slice(first, first + len(w))))
                first += len(w)
    return changed


def table_of_integers(model: Decoder, ids: torch.Tensor, test: np.ndarray) -> None:
    print("\n| int8 weights and activations | a scale a token | one scale |\n| --- | --: | --: |")
    for name, smoothing in (("plain", False), ("SmoothQuant", True)):
        row = [np.exp(mean_loss(integer(model, ids, smoothing, static), test)) for static in (False, True)]
        print(f"| {name} | " + " | ".join(f"{perplexity:.4f}" for perplexity in row) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=HERE / "model.onnx")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4, 3])
    parser.add_argument("--groups", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--windows", type=int, default=64, help="to calibrate on")
    parser.add_argument("--head", action="store_true", help="quantize the last product too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load(options.model)
    ids = torch.from_numpy(windows(tokenise(calibration_text()))[0][: options.windows])
    test, started = tokenise(test_text()), time.time()
    print(f"float32: perplexity {np.exp(mean_loss(model, test)):.4f}\n")
    print("| bits | group | " + " | ".join(COLUMNS) + " |")
    print("| --: | --: |" + " --: |" * len(COLUMNS))
    for bits in options.bits:
        for group in options.groups:
            row = []
            for method, symmetric, sequential in COLUMNS.values():
                changed = quantized(model, ids, method, Scheme(bits, group, symmetric), sequential, options.head)
                row.append(f"{np.exp(mean_loss(changed, test)):.4f}")
            print(f"| {bits} | {group} | " + " | ".join(row) + " |", flush=True)
    if 8 in options.bits:
        table_of_integers(model, ids, test)
    print(f"\n{time.time() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
