"""Writes full-size exports with seeded random weights; never committed.

    python models/export_full.py FOLDER [NAME…] [--forms static,.dyn,.legacy,…]

FOLDER/<name>/model.onnx, model.onnx.data, and ref.npz with `in:<input>` and `out:<output>` arrays
(eager fp32); FOLDER/exports.json has GFLOP, parameters, nodes and exporter of each. Without names:
the twelve that the benchmark reports. A model that is there already is left alone unless --again.
"""

import argparse
import gc
import json
import sys
from pathlib import Path

import torch

from recipes import NOT_DYNAMO, RECIPES, onnx_file

BENCHMARK = """clip_b32 vit_b16 bert_base minilm_l6 whisper_enc whisper_step swin_t resnet50
               convnext_t wav2vec2 qwen2_prefill qwen2_decode""".split()


def write(name: str, form: str, folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    case = RECIPES[name](False)
    path = folder / "model.onnx"
    record = onnx_file.export(case, path, form, external=True)
    worst = onnx_file.write_reference(case, case.size, path, folder / "ref.npz")
    return record | dict(onnxruntime_error=float(f"{worst:.1e}"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(RECIPES))
    parser.add_argument("--forms", default="static", help="static, .dyn, .legacy, .op23, .legacy.dyn")
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    unknown = set(options.names) - set(RECIPES)
    if unknown:
        parser.error(f"no recipe: {' '.join(sorted(unknown))}")
    options.folder.mkdir(parents=True, exist_ok=True)
    index = options.folder / "exports.json"
    failed = 0
    for name in options.names or BENCHMARK:
        for form in options.forms.split(","):
            form = "" if form == "static" else form
            if name in NOT_DYNAMO and not form:
                form = ".legacy"  # the only exporter that takes it
            key = name + form
            records = json.loads(index.read_text()) if index.exists() else {}
            if key in records and (options.folder / key / "ref.npz").exists() and not options.again:
                print(f"{key:24s} is there", flush=True)
                continue
            try:
                records[key] = write(name, form, options.folder / key)
                index.write_text(json.dumps(dict(sorted(records.items())), indent=1) + "\n")
                r = records[key]
                size = f"{r['gflop']:8.2f} GFLOP {r['bytes'] / 1e6:8.1f} MB"
                print(f"{key:24s} {size} {r['seconds']:6.1f} s  {r['onnxruntime_error']:.1e}", flush=True)
            except Exception as error:
                failed += 1
                print(f"{key:24s} FAILED {type(error).__name__}: {str(error)[:300]}", flush=True)
            gc.collect()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
