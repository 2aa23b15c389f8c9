"""Makes a full-size model on the machine where it is measured; a process of its own.

    prepare.py NAME FOLDER        FOLDER/model.onnx, in.npz, out.npz (PyTorch on the processor, f32), ready.json
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

import models


def export(case, path: Path) -> str:
    """By TorchScript, which needs nothing but torch and onnx; the newer exporter needs onnxscript."""
    tensors = case.tensors(case.size)
    feeds = tuple(case.feeds(case.size).values())
    names = dict(input_names=list(tensors), output_names=case.outputs)
    try:
        torch.onnx.export(case.module, feeds, str(path), dynamo=False, opset_version=17, **names)
        return "torchscript"
    except Exception as error:
        first = f"{type(error).__name__}: {error}"
    try:
        torch.onnx.export(case.module, feeds, str(path), dynamo=True, opset_version=18, external_data=True, **names)
    except Exception as error:
        raise RuntimeError(f"no exporter takes it: {first[:120]}; {type(error).__name__}: {str(error)[:120]}") from error
    return "dynamo"


def kept_inputs(path: Path) -> set[str]:
    """TorchScript drops inputs that no node reads."""
    import onnx

    return {i.name for i in onnx.load(path, load_external_data=False).graph.input}


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    warnings.filterwarnings("ignore")
    began = time.time()
    folder.mkdir(parents=True, exist_ok=True)
    case = models.case(name)
    exporter = export(case, folder / "model.onnx")
    kept = kept_inputs(folder / "model.onnx")
    np.savez(folder / "in.npz", **{k: t.numpy() for k, t in case.tensors(case.size).items() if k in kept})
    outputs = case.reference(case.size)
    np.savez(folder / "out.npz", **{k: t.contiguous().numpy() for k, t in outputs.items()})
    about = dict(
        exporter=exporter,
        parameters=sum(p.numel() for p in case.module.parameters()),
        seconds=round(time.time() - began, 1),
    )
    (folder / "ready.json").write_text(json.dumps(about))


if __name__ == "__main__":
    main()
