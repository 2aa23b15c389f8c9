"""Fewer image tokens before a decoder, against a plain PyTorch rendering (models/recipes/prune.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, machine_levels

FOLDER = ROOT / "models" / "prune"
TINY = ROOT / "models" / "tiny"
# Beside text, not joined with it: where the image is must be said.
AT = {"blip": ",at=image_embeds"}


def model_of(reference: Path) -> str:
    return reference.name.split(".")[0]


def read(reference: Path, prefix: str) -> dict:
    with np.load(reference) as arrays:
        return {k[len(prefix) + 1 :]: arrays[k] for k in arrays.files if k.startswith(prefix + ":")}


def keeps(reference: Path) -> list[str]:
    with np.load(reference) as arrays:
        return sorted({k.split(":")[0] for k in arrays.files} - {"in", "out"})


CASES = [(r, k) for r in sorted(FOLDER.glob("*.npz")) for k in keeps(r)]


def test_there_are_models():
    assert {model_of(r) for r, _ in CASES} == {"llava", "llava_among", "blip"}


@pytest.mark.parametrize("reference, keep", CASES, ids=[f"{r.stem}-{k}" for r, k in CASES])
def test_equals_pytorch(reference, keep, tools, tmp_path):
    name = model_of(reference)
    tools.compile(FOLDER / f"{name}.onnx", tmp_path / "m.mmcc", f"--prune=keep={keep}{AT.get(name, '')}", "--prune-map")
    inputs, expected = read(reference, "in"), read(reference, keep)
    for isa in machine_levels():
        one = tools.run(tmp_path / "m.mmcc", inputs, tmp_path, "--isa", isa, "--threads", 1)
        assert np.array_equal(one["prune_map"], expected["prune_map"])
        for output in expected:
            np.testing.assert_allclose(one[output], expected[output], rtol=1e-3, atol=1e-4)
        three = tools.run(tmp_path / "m.mmcc", inputs, tmp_path, "--isa", isa, "--threads", 3)
        assert all(three[output].tobytes() == one[output].tobytes() for output in one)


@pytest.mark.parametrize("name, size", [("llava", 5), ("llava_among", 8), ("blip", 7)])
def test_all_tokens_are_the_model_itself(name, size, tools, tmp_path):
    reference = FOLDER / f"{name}.{size}.npz"
    tools.compile(FOLDER / f"{name}.onnx", tmp_path / "m.mmcc", f"--prune=ratio=1{AT.get(name, '')}")
    got = tools.run(tmp_path / "m.mmcc", read(reference, "in"), tmp_path)
    for output, expected in read(reference, "out").items():
        np.testing.assert_allclose(got[output], expected, rtol=1e-3, atol=1e-4)


def test_models_that_a_file_connects(tools, tmp_path):
    for part in ("llava_image.onnx", "llava_decoder.onnx"):
        (tmp_path / part).write_bytes((FOLDER / part).read_bytes())
    program = {
        "entries": {"image": "llava_image.onnx", "decoder": "llava_decoder.onnx"},
        "connect": [["image.tokens", "decoder.image_embeds"]],
    }
    (tmp_path / "chat.json").write_text(json.dumps(program))
    tools.compile(tmp_path / "chat.json", tmp_path / "chat.mmcc", "--prune=ratio=0.25")
    for size in (5, 9):
        reference = FOLDER / f"llava.{size}.npz"
        inputs = read(reference, "in")
        named = {"image.pixel_values": inputs["pixel_values"], "decoder.input_ids": inputs["input_ids"]}
        got = tools.run(tmp_path / "chat.mmcc", named, tmp_path, "--entry", "chat")
        np.testing.assert_allclose(got["decoder.logits"], read(reference, "4")["logits"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "model, option, reason",
    [
        (TINY / "vit_b16.onnx", "keep=4", "joined with embedded text"),
        (TINY / "bert_base.onnx", "keep=4", "joined with embedded text"),
        (FOLDER / "llava.onnx", "keep=17", "cannot keep 17 of 16 image tokens"),
        (FOLDER / "llava.onnx", "keep=4,at=nowhere", "no input or node is called 'nowhere'"),
        (FOLDER / "llava.onnx", "keep=4,at=input_ids", "'input_ids' is not f32 [batch, tokens, dim]"),
        # The positions of patches stand between them and the class token.
        (FOLDER / "llava.onnx", "keep=1,at=pixel_values", "is not f32 [batch, tokens, dim]"),
    ],
)
def test_what_cannot_be_pruned_is_refused_with_the_reason(model, option, reason, tools, tmp_path):
    done = tools.call("mmcc", "compile", model, "-o", tmp_path / "m.mmcc", f"--prune={option}")
    assert done.returncode == 1
    assert "--prune" in done.stderr and reason in done.stderr
    assert not (tmp_path / "m.mmcc").exists()


@pytest.mark.parametrize(
    "options", [["--prune=4"], ["--prune=keep=0"], ["--prune=ratio=1.5"], ["--prune=keep=4,at="], ["--prune-map"],
                ["--prune=keep=4", "-O0"], ["--prune=keep=4,at=}"]]
)  # fmt: skip
def test_what_does_not_parse_is_an_error_of_the_command_line(options, tools, tmp_path):
    done = tools.call("mmcc", "compile", FOLDER / "llava.onnx", "-o", tmp_path / "m.mmcc", *options)
    assert done.returncode == 2 and "--prune" in done.stderr


def test_the_difference_is_measured_and_recorded(tools, tmp_path):
    (tmp_path / "samples").mkdir()
    for size in (5, 9):
        np.savez(tmp_path / "samples" / f"{size}.npz", **read(FOLDER / f"llava.{size}.npz", "in"))
    options = ["--prune=keep=4", f"--calibrate={tmp_path / 'samples'}"]
    tools.compile(FOLDER / "llava.onnx", tmp_path / "m.mmcc", *options)
    notes = json.loads(tools.call("mmcc", "inspect", tmp_path / "m.mmcc", "--json").stdout)["notes"]
    assert notes["prune"] == "keep=4" and notes["accuracy.metric"] == "top-1 agreement"
    # What PyTorch loses on these four rows.
    agree = [
        (read(FOLDER / f"llava.{size}.npz", "4")["logits"].argmax(-1) == read(FOLDER / f"llava.{size}.npz", "out")["logits"].argmax(-1))
        for size in (5, 9)
    ]
    assert float(notes["accuracy.after"]) == 100 * np.mean(agree)
    done = tools.call("mmcc", "compile", FOLDER / "llava.onnx", "-o", tmp_path / "n.mmcc", *options, "--max-drop=0")
    assert done.returncode == (0 if np.all(agree) else 3)
