"""Writes models/tiny: a narrow two-layer export of every architecture, with PyTorch's outputs.

    python models/export_tiny.py [NAME…]

<name><form>.onnx holds its weights; .npz beside it has `in:<input>` and `out:<output>` arrays (eager fp32).
Forms: none (torch.export, opset 18), .legacy (TorchScript, opset 17), .op23 (opset 23), .dyn (a dynamic
axis; .npz and .2.npz are two sizes). tiny/external holds one model with its weights in a second file.
index.json lists them all. Every file is checked against ONNX Runtime before it counts.
"""

import json
import sys
import traceback
from pathlib import Path

import torch

from recipes import FULL_ONLY, RECIPES, onnx_file, variants

HERE = Path(__file__).parent / "tiny"
EXTERNAL = "clip_text"
LIMIT = 20_000_000  # bytes, all of models/tiny


def write(recipe, name: str, form: str, folder: Path) -> dict:
    torch.manual_seed(0)
    case = recipe(True)
    path = folder / f"{name}{form}.onnx"
    record = onnx_file.export(case, path, form, external=False)
    onnx_file.without_metadata(path)
    record["bytes"] = path.stat().st_size
    del record["seconds"]  # so that the same versions write the same bytes
    stem = folder / f"{name}{form}"
    worst = onnx_file.write_reference(case, case.size, path, Path(f"{stem}.npz"))
    if ".dyn" in form:
        worst = max(worst, onnx_file.write_reference(case, case.other_size, path, Path(f"{stem}.2.npz")))
    return record | dict(onnxruntime_error=float(f"{worst:.1e}"))


def write_external() -> None:
    """The same model as tiny/<EXTERNAL>.onnx, so only the way of storing weights differs."""
    import onnx

    folder = HERE / "external"
    folder.mkdir(exist_ok=True)
    path = folder / f"{EXTERNAL}.onnx"
    Path(f"{path}.data").unlink(missing_ok=True)
    model = onnx.load(HERE / f"{EXTERNAL}.onnx")
    onnx.save_model(model, path, save_as_external_data=True, location=path.name + ".data", size_threshold=256)
    Path(f"{path}.data").chmod(0o644)
    case = RECIPES[EXTERNAL](True)
    onnx_file.write_reference(case, case.size, path, folder / f"{EXTERNAL}.npz")


def main(wanted: list[str]) -> int:
    HERE.mkdir(exist_ok=True)
    index = HERE / "index.json"
    records = json.loads(index.read_text()) if index.exists() else {}
    failed = 0
    for name in wanted or [r for r in RECIPES if r not in FULL_ONLY]:
        for form in variants(name):
            key = name + form
            try:
                records[key] = write(RECIPES[name], name, form, HERE)
                r = records[key]
                print(
                    f"{key:26s} {r['nodes']:5d} nodes {r['bytes']:9,d} bytes  {r['onnxruntime_error']:.1e}", flush=True
                )
            except Exception as error:
                failed += 1
                print(f"{key:26s} FAILED {type(error).__name__}: {str(error)[:300]}", flush=True)
                traceback.print_exc(limit=-3)
    if not wanted or EXTERNAL in wanted:
        write_external()
    index.write_text(json.dumps(dict(sorted(records.items())), indent=1) + "\n")
    total = sum(p.stat().st_size for p in HERE.rglob("*") if p.is_file())
    print(f"{total:,d} bytes in {HERE.name}/")
    return 1 if failed or total > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
