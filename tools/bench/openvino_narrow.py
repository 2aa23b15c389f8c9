"""A model in OpenVINO with narrow numbers, by NNCF: milliseconds of a call. For an interpreter that has both.

    python tools/bench/openvino_narrow.py MODEL.onnx IN.npz FORM [--threads 2] [--seconds 2]

FORM: f32; default (OpenVINO's own choice of precision); int8 (weights and activations, calibrated on the input); w8 and w4
(weights alone, w4 symmetric in groups of 128).
"""

import argparse

import nncf
import numpy as np
import openvino

from stopwatch import median


def narrowed(model, form: str, feeds: dict):
    modes = nncf.CompressWeightsMode
    if form == "int8":
        return nncf.quantize(model, nncf.Dataset([feeds]), subset_size=1, model_type=nncf.ModelType.TRANSFORMER)
    if form == "w8":
        return nncf.compress_weights(model, mode=modes.INT8_ASYM)
    if form == "w4":
        return nncf.compress_weights(model, mode=modes.INT4_SYM, ratio=1.0, group_size=128)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("inputs")
    parser.add_argument("form", choices=["f32", "default", "int8", "w8", "w4"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    core = openvino.Core()
    model = core.read_model(options.model)
    names = {name for value in model.inputs for name in value.get_names()}
    with np.load(options.inputs) as arrays:
        feeds = {name: arrays[name] for name in arrays.files if name in names}
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": options.threads}
    if options.form == "f32":
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    compiled = core.compile_model(narrowed(model, options.form, feeds), "CPU", settings)
    request = compiled.create_infer_request()
    print("milliseconds", median(lambda: request.infer(feeds, share_inputs=True, share_outputs=True), options.seconds))


if __name__ == "__main__":
    main()
