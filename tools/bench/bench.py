"""Measures mmcc beside ONNX Runtime and OpenVINO (f32), in one run.

    tools/dev bench [MODEL…]          names of models/export_full.py, or files X.onnx with X.npz or ref.npz beside

Every round runs each engine in a fresh process, in turn, never two at once, so that drift of the machine
meets all of them. Prints a Markdown table; all figures go to build/bench/results.json. Missing exports are
made (seeded random weights; needs the packages of models/requirements.txt).
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import machine
import mmcc_engine
import summary
import table

ROOT = Path(__file__).resolve().parents[2]
PEERS = ("onnxruntime", "openvino-f32")
MODELS = """clip_b32 vit_b16 bert_base minilm_l6 whisper_enc whisper_step swin_t resnet50
            convnext_t wav2vec2 qwen2_prefill qwen2_decode""".split()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--mmcc", type=Path, default=ROOT / "build/bin", help="folder of mmcc and mmcc-run")
    parser.add_argument(
        "--models-dir", type=Path, help="folder of full-size exports; $MMCC_BENCH_MODELS or build/bench/models"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "build/bench", help="artifacts and results")
    parser.add_argument("--python", type=Path, help="Python with the peers; $MMCC_BENCH_PYTHON or build/bench/venv")
    parser.add_argument("--engines", default="mmcc,onnxruntime,openvino-f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of timed inference in each process")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one process")
    parser.add_argument(
        "--quiet", type=float, default=20, help="seconds to wait for a quiet machine before each process"
    )
    parser.add_argument(
        "--compile-arg", action="append", default=[], help="passed on to mmcc compile, e.g. --target=cpu:native"
    )
    parser.add_argument(
        "--reuse-peers", action="store_true", help="take the peers' figures from an earlier run on this machine"
    )
    parser.add_argument("--json", type=Path, help="results file; build/bench/results.json")
    parser.add_argument("--markdown", type=Path, help="also write the table here")
    options = parser.parse_args()
    options.models_dir = options.models_dir or Path(os.environ.get("MMCC_BENCH_MODELS", options.work / "models"))
    options.json = options.json or options.work / "results.json"
    options.engines = options.engines.split(",")
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def peer_python(options) -> Path:
    """The Python that has the peers and PyTorch: given, or an environment made once under build/bench."""
    given = options.python or os.environ.get("MMCC_BENCH_PYTHON")
    if given:
        return Path(given)
    python = options.work / "venv/bin/python"
    wanted, stamp = ROOT / "models/requirements.txt", options.work / "venv/installed-requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return python
    print("installing models/requirements.txt into build/bench/venv", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", options.work / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", wanted], check=True)
    stamp.write_text(wanted.read_text())
    return python


def locate(name: str, options, python: Path) -> dict:
    """Model, reference, artifact and record (GFLOP, parameters) of a name or file; 'error' where it cannot be had."""
    if name.endswith(".onnx"):
        model = Path(name).resolve()
        reference = next((p for p in (model.with_suffix(".npz"), model.parent / "ref.npz") if p.exists()), None)
        if not model.exists() or not reference:
            return dict(error=f"{name}: no such file, or no .npz with in:/out: arrays beside it")
        index = model.parent / "index.json"
        record = json.loads(index.read_text()).get(model.stem, {}) if index.exists() else {}
        label = model.parent.name if model.stem == "model" else model.stem
    else:
        folder = options.models_dir / name
        if not (folder / "ref.npz").exists():
            print(f"exporting {name}", file=sys.stderr, flush=True)
            base, dot, form = name.partition(".")
            command = [
                python,
                ROOT / "models/export_full.py",
                options.models_dir,
                base,
                f"--forms={dot + form or 'static'}",
            ]
            done = machine.Watched(command, 1800)
            if done.code or not (folder / "ref.npz").exists():
                return dict(error=f"models/export_full.py: {done.complaint()}")
        model, reference, label = folder / "model.onnx", folder / "ref.npz", name
        record = json.loads((options.models_dir / "exports.json").read_text()).get(name, {})
    return dict(
        label=label,
        model=model,
        reference=reference,
        record=record,
        artifact=options.work / "artifacts" / f"{label}.mmcc",
    )


def warm_page_cache(model: Path) -> None:
    for path in (model, Path(f"{model}.data")):
        if path.exists():
            with open(path, "rb") as file:
                while file.read(1 << 24):
                    pass


def one_process(engine: str, place: dict, options, python: Path) -> dict:
    machine.wait_quiet(options.quiet)
    if engine == "mmcc":
        return mmcc_engine.run_once(
            options.mmcc, place["artifact"], place["reference"], options.seconds, options.threads, options.timeout
        )
    command = [python, Path(__file__).parent / "engine_process.py", engine, place["model"], place["reference"],
               "--seconds", options.seconds, "--threads", options.threads, "--spawned", repr(time.time())]  # fmt: skip
    done = machine.Watched(command, options.timeout, dict(OMP_NUM_THREADS=str(options.threads)))
    if done.code:
        return dict(error=done.complaint())
    return json.loads(done.stdout.splitlines()[-1]) | dict(foreign=done.foreign, stolen=done.stolen)


def measure(place: dict, engines: list, options, python: Path) -> dict:
    """Rounds of fresh processes in turn, the first engine of a round moving on; a summary by engine."""
    rounds, failed = {}, {}
    for r in range(options.rounds):
        shift = r % len(engines) if engines else 0
        for engine in engines[shift:] + engines[:shift]:
            if engine in failed:
                continue
            for _ in range(2):  # a round that others disturbed is taken once more
                one = one_process(engine, place, options, python)
                if one.get("foreign", 0) < machine.DISTURBED:
                    break
            if "error" in one:
                failed[engine] = one
            else:
                rounds.setdefault(engine, []).append(one)
    return failed | {e: summary.of_rounds(found) for e, found in rounds.items() if e not in failed}


def cache_key(peer: str, place: dict, result: dict) -> str:
    size = place["model"].stat().st_size
    return f"{result['machine']} | {result['threads']} threads | {peer} | {place['label']} | {size} bytes"


def main() -> int:
    options = arguments()
    peers = [e for e in options.engines if e != "mmcc"]
    unknown = set(peers) - set(PEERS)
    if unknown:
        print(f"bench: no engine named {' '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    python = peer_python(options)
    result = dict(
        machine=machine.cpu(),
        memory_gib=machine.memory_gib(),
        date=datetime.date.today().isoformat(),
        threads=options.threads,
        rounds=options.rounds,
        seconds=options.seconds,
        compile_arguments=options.compile_arg,
        peak=machine.measure_peak(options.work, options.threads),
        models={},
    )
    cache_file = options.work / "peers.json"
    cache = json.loads(cache_file.read_text()) if cache_file.exists() else {}
    for name in options.models or MODELS:
        place = locate(name, options, python)
        if "error" in place:
            result["models"][name] = place
            print(f"{name}: {place['error']}", file=sys.stderr, flush=True)
            continue
        row = dict(place["record"])
        engines = list(options.engines)
        warm_page_cache(place["model"])
        if "mmcc" in engines:
            row["compile"] = mmcc_engine.compile_model(
                options.mmcc, place["model"], place["artifact"], options.compile_arg, options.timeout
            )
            if "error" in row["compile"]:
                engines.remove("mmcc")
        keys = {p: cache_key(p, place, result) for p in peers}
        reused = {p: cache[keys[p]] for p in peers if options.reuse_peers and keys[p] in cache}
        found = measure(place, [e for e in engines if e not in reused], options, python) | reused
        if "error" in row.get("compile", {}):
            found["mmcc"] = row["compile"]
        fresh = {p: found[p] for p in peers if p in found and p not in reused}
        cache |= {keys[p]: f for p, f in fresh.items() if "error" not in f and f["foreign"] < machine.DISTURBED}
        cache_file.write_text(json.dumps(cache, indent=1) + "\n")
        row["engines"] = found
        row["ratio_to_better_peer"] = summary.ratio(found)
        result["models"][place["label"]] = row
        for engine, figures in found.items():
            print(summary.line(place["label"], engine, figures, engine in reused), file=sys.stderr, flush=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    result["peak"] = machine.measure_peak(options.work, options.threads)  # before and after: the better counts
    options.json.write_text(json.dumps(result, indent=1) + "\n")
    text = table.markdown(result)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")
    return 1 if any("error" in e for m in result["models"].values() for e in [m, *m.get("engines", {}).values()]) else 0


if __name__ == "__main__":
    sys.exit(main())
