"""One engine, one model, one process: loads, infers, repeats, and prints one JSON line.

    engine_process.py onnxruntime|openvino-f32 MODEL.onnx REF.npz --seconds S --threads N --spawned UNIX_TIME

Times in ms: import_ms (library), load_ms (file to ready session), first_ms (first inference),
start_ms (process start to first output, Python included), samples. Memory in bytes.
"""

import argparse
import json
import time

import numpy as np

from reference import errors, read


def onnxruntime_session(path: str, threads: int):
    import onnxruntime

    def load():
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [o.name for o in session.get_outputs()]
        return lambda inputs: dict(zip(names, session.run(None, inputs)))

    return onnxruntime.__version__, load


def openvino_session(path: str, threads: int):
    import openvino

    def load():
        core = openvino.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",  # the default takes bf16 where the machine has it
        }
        compiled = core.compile_model(core.read_model(path), "CPU", settings)
        request = compiled.create_infer_request()

        def run(inputs):
            request.infer(inputs, share_inputs=True, share_outputs=True)
            return {name: request.get_tensor(o).data for o in compiled.outputs for name in o.get_names()}

        return run

    return openvino.__version__.split("-")[0], load


SESSIONS = {"onnxruntime": onnxruntime_session, "openvino-f32": openvino_session}


def peak_resident() -> int:
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=SESSIONS)
    parser.add_argument("model")
    parser.add_argument("reference")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--spawned", type=float, required=True)
    options = parser.parse_args()
    inputs, wanted = read(options.reference)
    before_import = time.perf_counter()
    version, load = SESSIONS[options.engine](options.model, options.threads)
    before_load = time.perf_counter()
    run = load()
    before_first = time.perf_counter()
    got = run(inputs)
    after_first, now = time.perf_counter(), time.time()
    peak = peak_resident()
    relative, equal = errors(got, wanted)
    for _ in range(2):
        run(inputs)
    samples, started = [], time.perf_counter()
    while len(samples) < 5 or time.perf_counter() - started < options.seconds:
        begin = time.perf_counter()
        run(inputs)
        samples.append((time.perf_counter() - begin) * 1e3)
    print(
        json.dumps(
            dict(
                version=version,
                import_ms=(before_load - before_import) * 1e3,
                load_ms=(before_first - before_load) * 1e3,
                first_ms=(after_first - before_first) * 1e3,
                start_ms=(now - options.spawned) * 1e3,
                peak_rss_bytes=max(peak, peak_resident()),
                relative_error=relative,
                equal=equal,
                median_ms=float(np.median(samples)),
                min_ms=min(samples),
                runs=len(samples),
            )
        )
    )


if __name__ == "__main__":
    main()
