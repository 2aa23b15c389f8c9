"""The small models with what PyTorch made of them, as gpu-pack lays them out and gpu runs them.

    cases/<model>.mmcc            cubins for the architectures asked for
    cases/<case>.in.npz, .out.npz    arrays by the names of inputs and outputs
    pack.json                     which artifact and which mode each case is for
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

# Each kind of kernel that lowering makes of f32 models is in one of these: they run under compute-sanitizer.
SANITIZED = ("bert_base.dyn", "convnext_t", "qwen2_decode.dyn", "w2v2_conformer.legacy", "resnet50", "swin_t")
SANITIZED += ("tome.vit.r=8", "prune.llava.4", "bank.10")
# Of models with an image beside the text: where it is must be said.
IMAGE = {"blip": ",at=image_embeds"}


class Model(NamedTuple):
    path: Path
    archives: list[Path]
    options: list[str] = []
    made: str = "out"  # before the names of what PyTorch made


def sources(root: Path) -> dict[str, Model]:
    """By name, each committed model with arrays of `in:` and `out:`: the tiny exports and those that ship; then with fewer tokens."""
    models = {p.stem: p for p in sorted((root / "models/tiny").glob("*.onnx"))}
    models |= {f"external.{p.stem}": p for p in sorted((root / "models/tiny/external").glob("*.onnx"))}
    models |= {p.parent.name: p for p in sorted((root / "models").glob("*/model.onnx"))}
    found = {}
    for name, model in models.items():
        arrays = [p for p in (model.with_suffix(".npz"), model.with_suffix(".2.npz")) if p.exists()]
        if arrays:
            found[name] = Model(model, arrays)
    return found | fewer_tokens(root / "models", "tome") | fewer_tokens(root / "models", "prune")


def fewer_tokens(models: Path, kind: str) -> dict[str, Model]:
    """Tokens that merge (--tome) or are left out (--prune): arrays of `<schedule>:`, by name of model and schedule."""
    found = {}
    for archive in sorted((models / kind).glob("*.npz")):
        stem = archive.name.split(".")[0]
        with np.load(archive) as arrays:
            schedules = sorted({k.split(":")[0] for k in arrays.files} - {"in", "out"})
        for schedule in schedules:
            name = f"{kind}.{stem}.{schedule.replace('/', '-').replace(',', '-')}"
            asked = schedule if kind == "tome" else f"keep={schedule}{IMAGE.get(stem, '')}"
            model = Model(models / kind / f"{stem}.onnx", [], [f"--{kind}={asked}", f"--{kind}-map"], schedule)
            found.setdefault(name, model).archives.append(archive)
    return found


def split(archive: Path, folder: Path, name: str, made: str) -> None:
    """mmcc-run takes arrays by the inputs' own names. Not compressed: the folder is, as a whole."""
    with np.load(archive) as arrays:
        for prefix, suffix in (("in:", ".in.npz"), (f"{made}:", ".out.npz")):
            part = {k[len(prefix) :]: arrays[k] for k in arrays.files if k.startswith(prefix)}
            np.savez(folder / f"{name}{suffix}", **part)


def of_model(name: str, model: Model, folder: Path, entries: list[str]) -> list[dict]:
    """Writes the arrays; what pack.json says of each case. A decoder runs with its past as a state, too."""
    made = []
    for number, archive in enumerate(model.archives):
        case = name if number == 0 else f"{name}.{number + 1}"
        split(archive, folder, case, model.made)
        made.append(dict(name=case, artifact=f"{name}.mmcc", arrays=case, state=False))
        if any(entry.endswith(".state") for entry in entries):
            made.append(dict(name=f"{case} (state)", artifact=f"{name}.mmcc", arrays=case, state=True))
    return made
