"""What narrow numbers cost the models that ship: points of accuracy on held-out images, perplexity on held-out text."""

import sys

import numpy as np
import pytest
from conftest import ROOT

DIGITS, TEXT = ROOT / "models" / "digits_clip", ROOT / "models" / "text_decoder"
sys.path[:0] = [str(DIGITS), str(TEXT)]
import captions  # noqa: E402
from corpus import text_of  # noqa: E402
from perplexity import in_mmcc, in_onnxruntime, perplexity, write_samples  # noqa: E402

STATIC = {"w8a8", "fp8-static"}  # their scales come from samples
CHARACTERS = 8193  # 32 windows and the last one's label


@pytest.fixture(scope="module")
def digits() -> tuple[dict, np.ndarray, np.ndarray]:
    """Inputs, labels, and PyTorch's logits for held-out images."""
    with np.load(DIGITS / "samples.npz") as samples:
        feeds = {"pixel_values": captions.pixels(samples["images"]), "input_ids": samples["input_ids"]}
        return feeds, samples["labels"], samples["logits_per_image"]


@pytest.fixture(scope="module")
def images(digits, tmp_path_factory):
    """Some of the images to calibrate on; what is calibrated sees no label."""
    folder = tmp_path_factory.mktemp("images")
    feeds, _, _ = digits
    for i in range(4):
        np.savez(folder / f"{i}.npz", pixel_values=feeds["pixel_values"][i::32], input_ids=feeds["input_ids"])
    return folder


@pytest.mark.parametrize(
    "scheme, method, points",
    [
        ("w8a8-dynamic", "rtn", 0.2),
        ("w8a8-dynamic", "smoothquant", 0.2),
        ("w8a8", "rtn", 0.2),
        ("w8a8", "smoothquant", 0.2),
        ("w8a16", "rtn", 0.2),
        ("w4a16", "rtn", 0.5),
        ("w4a16", "gptq", 0.5),
        ("w4a16", "awq", 0.5),
        ("w4a8", "rtn", 0.5),
        ("w4a8", "gptq", 0.5),
        ("fp8", "gptq", 0.2),
        ("fp8", "awq", 0.2),
        ("fp8-e5m2", "gptq", 0.2),
        ("fp8-dynamic", "gptq", 0.2),
        ("fp8-dynamic", "awq", 0.2),
        ("fp8-static", "gptq", 0.2),
    ],
)
def test_handwriting_is_read_as_well(scheme, method, points, digits, images, tools, tmp_path):
    feeds, labels, reference = digits
    options = [f"--quantize={scheme}", f"--method={method}"]
    if method != "rtn" or scheme in STATIC:
        options.append(f"--calibrate={images}")
    tools.compile(DIGITS / "model.onnx", tmp_path / "m.mmcc", *options)
    logits = tools.run(tmp_path / "m.mmcc", feeds, tmp_path)["logits_per_image"]
    accuracy = [100 * (x.argmax(1) == labels).mean() for x in (logits, reference)]
    assert accuracy[0] >= accuracy[1] - points


@pytest.fixture(scope="module")
def held_out() -> str:
    return text_of("test", CHARACTERS)


@pytest.fixture(scope="module")
def in_float(held_out) -> float:
    return perplexity(in_onnxruntime(TEXT / "model.onnx"), held_out)


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows")
    write_samples(folder, text_of("validation", CHARACTERS), count=32)
    return folder


@pytest.fixture(scope="module")
def rise(tools, held_out, in_float, windows, tmp_path_factory):
    """By how much of float32's perplexity a compilation's is above it."""
    folder, known = tmp_path_factory.mktemp("decoder"), {}

    def measure(*options: str) -> float:
        if options not in known:
            calibrate = [f"--calibrate={windows}"] if any("method" in o or o.removeprefix("--quantize=") in STATIC for o in options) else []
            tools.compile(TEXT / "model.onnx", folder / "m.mmcc", "--dim", "past=0..4096", *options, *calibrate)
            known[options] = perplexity(in_mmcc(tools.binaries / "mmcc-run", folder / "m.mmcc", folder), held_out) / in_float - 1
        return known[options]

    return measure


@pytest.mark.parametrize("scheme", ["w3a16", "w4a16"])
@pytest.mark.parametrize("grid", [(), ("--asymmetric",)], ids=["symmetric", "asymmetric"])
@pytest.mark.parametrize("method", [("--method=gptq",), ("--method=gptq", "--act-order"), ("--method=awq",)], ids=" ".join)
def test_methods_beat_rounding_where_bits_are_scarce(scheme, grid, method, rise):
    plain = rise(f"--quantize={scheme}", *grid)
    assert rise(f"--quantize={scheme}", *grid, *method) < 0.8 * plain


@pytest.mark.parametrize(
    "options, limit",
    [
        (["w8a16"], 0.001),
        (["w8a8-dynamic"], 0.003),
        (["w8a8", "--method=smoothquant"], 0.005),
        (["w4a8", "--method=gptq"], 0.03),
        (["fp8-dynamic"], 0.006),
        (["fp8-dynamic", "--method=gptq"], 0.003),
        (["fp8-static"], 0.006),
        (["fp8-static", "--method=gptq"], 0.003),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_text_is_foretold_as_well(options, limit, rise):
    scheme, *rest = options
    assert rise(f"--quantize={scheme}", *rest) < limit
