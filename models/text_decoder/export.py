"""The decoder as ONNX with past and present, checked against PyTorch in ONNX Runtime."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from cache import PAIRS, PAST, PRESENT, SIZE
from characters import CHARACTERS, tokenise
from decoder import Decoder, no_past

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes.onnx_file import without_metadata  # noqa: E402

EXAMPLES = ["Give the name of every file that", "If the second argument is None, "]


def with_names(path: Path, model: Decoder) -> None:
    """Gives the exporter's transposed weights, val_51 and the like, the name of what they are the transpose of."""
    graph = onnx.load(path)
    names = {w.detach().T.contiguous().numpy().tobytes(): f"{n}.T" for n, w in model.named_parameters() if w.dim() == 2}
    renamed = {i.name: names[i.raw_data] for i in graph.graph.initializer if i.raw_data in names}
    for initializer in graph.graph.initializer:
        initializer.name = renamed.get(initializer.name, initializer.name)
    for node in graph.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    onnx.save_model(graph, path)


def load(path: Path) -> Decoder:
    """The trained decoder from its export."""
    found = {i.name: torch.from_numpy(onnx.numpy_helper.to_array(i).copy()) for i in onnx.load(path).graph.initializer}
    found["embed.weight"] = found["head.weight"]  # one table, which the exporter names so
    model = Decoder(len(CHARACTERS))
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    model.load_state_dict({n: found[n] if n in found else found[f"{n}.T"].T for n in names})
    return model.eval()


def check(model: Decoder, session: onnxruntime.InferenceSession, ids: torch.Tensor, past: list[torch.Tensor]) -> dict:
    """in: and out: arrays of a call, after ONNX Runtime gave the same."""
    with torch.no_grad():
        outputs = [t.numpy() for t in model(ids, past)]
    feeds = dict(zip(["input_ids", *PAST], [ids.numpy(), *(t.numpy() for t in past)]))
    names = ["logits", *PRESENT]
    for key, want, got in zip(names, outputs, session.run(names, feeds)):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4, err_msg=key)
    return {f"in:{k}": v for k, v in feeds.items()} | {f"out:{k}": v for k, v in zip(names, outputs)}


def write_calls(model: Decoder, path: Path) -> None:
    """Writes two .npz beside `path`: .npz a first call without a past, .2.npz one on top of it."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ids = torch.from_numpy(np.stack([tokenise(text) for text in EXAMPLES]))
    first = check(model, session, ids[:, :24], no_past(2))
    past = [torch.from_numpy(first[f"out:{name}"]) for name in PRESENT]
    np.savez(path.with_suffix(".npz"), **first)
    np.savez(path.with_suffix(".2.npz"), **check(model, session, ids[:, 24:], past))


def export(model: Decoder, path: Path) -> None:
    """Writes `path`, and calls of it beside."""
    batch, tokens = (torch.export.Dim(name, max=4096) for name in ("batch", "sequence"))
    past = torch.export.Dim("past", min=0, max=4096)
    example = [torch.randn(2, PAIRS, 7, SIZE) for _ in PAST]
    torch.onnx.export(
        model,
        (torch.zeros(2, 5, dtype=torch.int64), example),
        str(path),
        input_names=["input_ids", *PAST],
        output_names=["logits", *PRESENT],
        dynamic_shapes=({0: batch, 1: tokens}, [{0: batch, 2: past} for _ in PAST]),
        opset_version=18,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    without_metadata(path)
    with_names(path, model)
    onnx.checker.check_model(str(path))
    write_calls(model, path)
