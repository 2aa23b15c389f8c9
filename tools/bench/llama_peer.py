"""llama.cpp on a model of Qwen2 0.5B's shape with 4-bit weights: milliseconds of a prompt and of a step behind it.

    python tools/bench/llama_peer.py FOLDER [--type Q4_0] [--threads 2] [--rounds 3]

For an interpreter with llama-cpp-python and gguf. Weights are random; the .gguf files stay in FOLDER, where they are written
once. Printed are the medians of 128 tokens at once and of single tokens on top of 512, and the spread of the rounds.
"""

import argparse
import ctypes
import statistics
import time
from pathlib import Path

import gguf
import llama_cpp
import numpy as np

VOCABULARY, WIDTH, INNER, LAYERS, HEADS, KV_HEADS = 151936, 896, 4864, 24, 14, 2
PROMPT, PAST, STEPS = 128, 512, 64


def write_halves(path: Path) -> None:
    """The model in f16, its head tied to the embedding."""
    rng = np.random.default_rng(0)
    file = gguf.GGUFWriter(str(path), "qwen2")
    file.add_block_count(LAYERS)
    file.add_context_length(2048)
    file.add_embedding_length(WIDTH)
    file.add_feed_forward_length(INNER)
    file.add_head_count(HEADS)
    file.add_head_count_kv(KV_HEADS)
    file.add_layer_norm_rms_eps(1e-6)
    file.add_rope_freq_base(1e6)
    file.add_vocab_size(VOCABULARY)
    file.add_tokenizer_model("none")
    kv = KV_HEADS * WIDTH // HEADS

    def matrix(name: str, rows: int, columns: int) -> None:
        weight = rng.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)
        file.add_tensor(f"{name}.weight", weight.astype(np.float16))

    matrix("token_embd", VOCABULARY, WIDTH)
    file.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for i in range(LAYERS):
        block = f"blk.{i}"
        for norm in ("attn_norm", "ffn_norm"):
            file.add_tensor(f"{block}.{norm}.weight", np.ones(WIDTH, np.float32))
        for name, rows in (("attn_q", WIDTH), ("attn_k", kv), ("attn_v", kv)):
            matrix(f"{block}.{name}", rows, WIDTH)
            file.add_tensor(f"{block}.{name}.bias", np.zeros(rows, np.float32))
        matrix(f"{block}.attn_output", WIDTH, WIDTH)
        matrix(f"{block}.ffn_gate", INNER, WIDTH)
        matrix(f"{block}.ffn_up", INNER, WIDTH)
        matrix(f"{block}.ffn_down", WIDTH, INNER)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def narrow(source: Path, target: Path, kind: str) -> None:
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(settings)):
        raise SystemExit(f"llama.cpp could not write {target}")


def measure(path: Path, threads: int) -> tuple[float, float]:
    """Milliseconds of the prompt and of a step."""
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx, settings.n_batch, settings.n_ubatch = 1024, 512, 512
    settings.n_threads = settings.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, settings)
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, 1024)

    def run(first: int, count: int) -> float:
        batch = (llama_cpp.llama_token * count)(*map(int, tokens[first : first + count]))
        started = time.perf_counter()
        if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(batch, count)):
            raise SystemExit("llama.cpp could not decode")
        llama_cpp.llama_synchronize(context)
        return 1e3 * (time.perf_counter() - started)

    def prompt() -> float:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        return run(0, PROMPT)

    prompt()
    prompts = [prompt() for _ in range(5)]
    for first in range(PROMPT, PAST, PROMPT):
        run(first, PROMPT)
    steps = [run(PAST + i, 1) for i in range(STEPS)]
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    return statistics.median(prompts), statistics.median(steps[4:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--type", default="Q4_0")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    halves, model = (options.folder / f"qwen2-0.5b.{kind}.gguf" for kind in ("F16", options.type))
    if not model.exists():
        write_halves(halves)
        narrow(halves, model, options.type)
    rounds = [measure(model, options.threads) for _ in range(options.rounds)]
    for name, times in zip((f"{PROMPT} tokens at once", f"a step at {PAST} tokens of past"), zip(*rounds)):
        middle = statistics.median(times)
        print(f"llama.cpp {options.type}, {name}: {middle:.2f} ms ±{50 * (max(times) - min(times)) / middle:.0f} %")


if __name__ == "__main__":
    main()
