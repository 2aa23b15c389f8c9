"""Times narrow weights and activations beside our f32 and beside ONNX Runtime, which rounds to int8 dynamically itself.

    python models/export_full.py FOLDER qwen2_decode bert_base
    python tools/bench/narrow.py FOLDER/bert_base FOLDER/qwen2_decode [--threads 2] [--seconds 2] [--rounds 3]
        [--openvino PYTHON] [--forms int8,w4]

A folder holds model.onnx and ref.npz (arrays `in:NAME`). Engines take turns, each a process; printed are the median of the
rounds' medians in milliseconds, and the spread. The scheme `auto` is calibrated on that input, with --max-drop=10. ONNX
Runtime's int8: quantize_dynamic with signed weights by channel.
PYTHON has OpenVINO and NNCF: then those race, too, in these forms (openvino_narrow.py).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

from stopwatch import median

BIN = Path(__file__).resolve().parents[2] / "build" / "bin"


def in_mmcc(artifact: Path, inputs: Path, options) -> float:
    figures = artifact.with_suffix(".json")
    command = [BIN / "mmcc-run", artifact, "--inputs", inputs, "--bench", options.seconds, "--json", figures]
    subprocess.run([str(c) for c in [*command, "--threads", options.threads]], check=True, stdout=subprocess.DEVNULL)
    return json.loads(figures.read_text())["median_ms"]


def in_onnx_runtime(model: Path, inputs: Path, options) -> float:
    """In a process of its own: this script, called for one figure."""
    command = [sys.executable, __file__, model, "--time", inputs, "--threads", options.threads, "--seconds", options.seconds]
    return float(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout)


def time_onnx_runtime(model: Path, options) -> float:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
    session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    with np.load(options.time) as arrays:
        feeds = dict(arrays)
    return median(lambda: session.run(None, feeds), options.seconds)


def in_openvino(model: Path, inputs: Path, form: str, options) -> float:
    script = Path(__file__).with_name("openvino_narrow.py")
    command = [options.openvino, script, model, inputs, form, "--threads", options.threads, "--seconds", options.seconds]
    said = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout
    return float(said.split("milliseconds")[-1])


def race(source: Path, folder: Path, options) -> None:
    with np.load(source / "ref.npz") as arrays:
        np.savez(folder / "in.npz", **{key[3:]: arrays[key] for key in arrays.files if key.startswith("in:")})
    inputs, model, engines = folder / "in.npz", source / "model.onnx", {}
    samples = folder / "samples"
    samples.mkdir()
    (samples / "in.npz").write_bytes(inputs.read_bytes())
    for scheme in options.schemes.split(","):
        artifact = folder / f"{scheme}.mmcc"
        chosen = [f"--precision={scheme}" if scheme in ("f32", "bf16", "f16") else f"--quantize={scheme}"]
        if scheme == "auto":
            chosen += ["--max-drop=10", f"--calibrate={samples}"]
        command = [BIN / "mmcc", "compile", model, "-o", artifact, *chosen, "--target=cpu:native"]
        subprocess.run([str(c) for c in command], check=True)
        engines[f"mmcc {scheme}, {artifact.stat().st_size / 1e6:.0f} MB"] = lambda path=artifact: in_mmcc(path, inputs, options)
    engines["ONNX Runtime f32"] = lambda: in_onnx_runtime(model, inputs, options)
    narrow = folder / "int8.onnx"
    try:
        quantize_dynamic(model, narrow, weight_type=QuantType.QInt8, per_channel=True)
        engines["ONNX Runtime int8 dynamic"] = lambda: in_onnx_runtime(narrow, inputs, options)
    except ValueError as error:  # a weight that is computed, as wav2vec2's
        print(f"{source.name:<14} ONNX Runtime int8 dynamic: {error}")
    for form in options.forms.split(",") if options.openvino else ():
        engines[f"OpenVINO {form}"] = lambda form=form: in_openvino(model, inputs, form, options)
    rounds = [{name: run() for name, run in engines.items()} for _ in range(options.rounds)]
    for name in engines:
        times = [figures[name] for figures in rounds]
        middle = statistics.median(times)
        print(f"{source.name:<14} {name:<32} {middle:8.2f} ms  ±{50 * (max(times) - min(times)) / middle:.0f} %", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--schemes", default="f32,w8a8-dynamic,w8a16,w4a16,w4a8,fp8,bf16,f16", help="of mmcc")
    parser.add_argument("--openvino", metavar="PYTHON", help="an interpreter with OpenVINO and NNCF")
    parser.add_argument("--forms", default="f32,int8,w4", help="of OpenVINO")
    parser.add_argument("--time", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        print(time_onnx_runtime(options.folders[0], options))
        return
    for source in options.folders:
        with tempfile.TemporaryDirectory() as folder:
            race(source, Path(folder), options)


if __name__ == "__main__":
    main()
