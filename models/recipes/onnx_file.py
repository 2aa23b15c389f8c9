"""Writes a case as ONNX with reference arrays, and checks the file against ONNX Runtime."""

import os
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from .case import Case

warnings.filterwarnings("ignore")
TOLERANCE = 1e-3  # of the largest output


def export(case: Case, path: Path, form: str, external: bool) -> dict:
    """Writes `path` (and `path`.data when external). `form` is a suffix of recipes.variants()."""
    dynamic, legacy = ".dyn" in form, ".legacy" in form
    # Two, because an extent of one would be taken for a constant of the program.
    size = max(case.size, 2) if dynamic else case.size
    names = list(case.tensors(size))
    options = dict(input_names=names, output_names=case.outputs, external_data=external)
    for stale in (path, Path(f"{path}.data")):
        stale.unlink(missing_ok=True)
    started = time.time()
    args = tuple(case.feeds(size).values())
    if legacy:
        if dynamic:
            options["dynamic_axes"] = legacy_axes(case, size)
        opset = 17
        torch.onnx.export(case.module, args, str(path), dynamo=False, opset_version=opset, **options)
    else:
        if dynamic:
            options["dynamic_shapes"] = exported_shapes(case, size)
        opset = 23 if form.startswith(".op23") else 18
        torch.onnx.export(case.module, args, str(path), dynamo=True, opset_version=opset, verbose=False, **options)
    seconds = time.time() - started
    model = onnx.load(path, load_external_data=False)
    if legacy and external:
        model = gather_external(path)
    return dict(
        exporter="torchscript" if legacy else "dynamo",
        opset=next(o.version for o in model.opset_import if o.domain == ""),
        seconds=round(seconds, 1),
        nodes=len(model.graph.node),
        bytes=sum(p.stat().st_size for p in (path, Path(f"{path}.data")) if p.exists()),
        params=sum(p.numel() for p in case.module.parameters()),
        gflop=round(gigaflop(case), 6),
        inputs={i.name: dims(i) for i in model.graph.input},
        outputs={o.name: dims(o) for o in model.graph.output},
    )


def exported_shapes(case: Case, size: int) -> tuple:
    def spec(name, value):
        axes = case.dynamic.get(name)
        return [axes] * len(value) if isinstance(value, list) else axes

    return tuple(spec(name, value) for name, value in case.feeds(size).items())


def legacy_axes(case: Case, size: int) -> dict:
    axes = {}
    for name in case.tensors(size):
        for argument, extents in case.dynamic.items():
            if name == argument or name.startswith(argument + "."):
                axes[name] = {axis: str(dim.__name__).replace(" ", "") for axis, dim in extents.items()}
    return axes


def gather_external(path: Path) -> onnx.ModelProto:
    """TorchScript writes one file per tensor; put them into one, as dynamo does."""
    model = onnx.load(path)
    for stale in path.parent.iterdir():
        stale.unlink()
    onnx.save_model(model, path, save_as_external_data=True, location=path.name + ".data")
    return onnx.load(path, load_external_data=False)


def without_metadata(path: Path) -> None:
    """Drops module names and Python stack traces: they name folders of the machine and double small files."""
    model = onnx.load(path, load_external_data=False)

    def clean(graph):
        for item in (graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
            item.ClearField("metadata_props")
            item.ClearField("doc_string")
        for node in graph.node:
            for attribute in node.attribute:
                for inner in (attribute.g, *attribute.graphs):
                    if inner.node:
                        clean(inner)

    model.ClearField("metadata_props")
    clean(model.graph)
    onnx.save_model(model, path)


def dims(value: onnx.ValueInfoProto) -> list:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def gigaflop(case: Case) -> float:
    """Products only, two operations a multiply-add, at the case's own size."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        case.module(*case.feeds(case.size).values())
    return counter.get_total_flops() / 1e9


def write_reference(case: Case, size: int, model: Path, npz: Path) -> float:
    """Writes in:/out: arrays of one size; returns the largest error of ONNX Runtime, relative to the largest output."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = int(os.environ.get("EXPORT_THREADS", "2"))
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    kept = {i.name for i in session.get_inputs()}  # TorchScript drops inputs that no node reads
    inputs = {name: t.numpy() for name, t in case.tensors(size).items() if name in kept}
    wanted = {name: t.detach().contiguous().numpy() for name, t in case.reference(size).items()}
    got = session.run(list(wanted), inputs)
    worst = 0.0
    for name, array in zip(wanted, got):
        want = wanted[name]
        if array.shape != want.shape:
            raise ValueError(f"{model.name}: {name} is {array.shape}, PyTorch gives {want.shape}")
        worst = max(worst, float(np.abs(array - want).max() / np.abs(want).max()))
        if not np.allclose(array, want, rtol=1e-3, atol=1e-4):
            raise ValueError(f"{model.name}: {name} misses rtol 1e-3, atol 1e-4")
    if not worst <= TOLERANCE:
        raise ValueError(f"{model.name}: ONNX Runtime is off by {worst:.1e}")
    np.savez(npz, **{f"in:{k}": v for k, v in inputs.items()}, **{f"out:{k}": v for k, v in wanted.items()})
    return worst
