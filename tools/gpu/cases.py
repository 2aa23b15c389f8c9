"""The small models with what PyTorch made of them, as gpu-pack lays them out and gpu runs them.

    cases/<model>.mmcc            cubins for the architectures asked for
    cases/<case>.in.npz, .out.npz    arrays by the names of inputs and outputs
    pack.json                     which artifact and which mode each case is for
"""

from pathlib import Path

import numpy as np

# Each kind of kernel that lowering makes of f32 models is in one of these: they run under compute-sanitizer.
SANITIZED = ("bert_base.dyn", "convnext_t", "qwen2_decode.dyn", "w2v2_conformer.legacy", "resnet50", "swin_t")


def sources(root: Path) -> dict[str, tuple[Path, list[Path]]]:
    """By name, each committed model with arrays of `in:` and `out:`: the tiny exports and those that ship."""
    models = {p.stem: p for p in sorted((root / "models/tiny").glob("*.onnx"))}
    models |= {f"external.{p.stem}": p for p in sorted((root / "models/tiny/external").glob("*.onnx"))}
    models |= {p.parent.name: p for p in sorted((root / "models").glob("*/model.onnx"))}
    found = {}
    for name, model in models.items():
        arrays = [p for p in (model.with_suffix(".npz"), model.with_suffix(".2.npz")) if p.exists()]
        if arrays:
            found[name] = (model, arrays)
    return found


def split(archive: Path, folder: Path, name: str) -> None:
    """mmcc-run takes arrays by the inputs' own names. Not compressed: the folder is, as a whole."""
    with np.load(archive) as arrays:
        for prefix, suffix in (("in:", ".in.npz"), ("out:", ".out.npz")):
            part = {k[len(prefix) :]: arrays[k] for k in arrays.files if k.startswith(prefix)}
            np.savez(folder / f"{name}{suffix}", **part)


def of_model(name: str, archives: list[Path], folder: Path, entries: list[str]) -> list[dict]:
    """Writes the arrays; what pack.json says of each case. A decoder runs with its past as a state, too."""
    made = []
    for number, archive in enumerate(archives):
        case = name if number == 0 else f"{name}.{number + 1}"
        split(archive, folder, case)
        made.append(dict(name=case, artifact=f"{name}.mmcc", arrays=case, state=False))
        if any(entry.endswith(".state") for entry in entries):
            made.append(dict(name=f"{case} (state)", artifact=f"{name}.mmcc", arrays=case, state=True))
    return made
