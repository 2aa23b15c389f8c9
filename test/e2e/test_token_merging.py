"""Token merging on unmodified exports, against a plain PyTorch rendering of the paper (models/recipes/tome.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, machine_levels

FOLDER = ROOT / "models" / "tome"
DIGITS = ROOT / "models" / "digits_clip"
REFERENCES = sorted(FOLDER.glob("*.npz"))


def schedules(reference: Path) -> list[str]:
    with np.load(reference) as arrays:
        return sorted({k.split(":")[0] for k in arrays.files} - {"in"})


def model_of(reference: Path) -> Path:
    return FOLDER / f"{reference.name.split('.')[0]}.onnx"


CASES = [(r, tome) for r in REFERENCES for tome in schedules(r)]


def test_there_are_encoders():
    assert {r.name.split(".")[0] for r in REFERENCES} >= {"vit", "deit", "vit_mean", "vit_registers", "whisper"}


@pytest.mark.parametrize("reference, tome", CASES, ids=[f"{r.stem}-{t}" for r, t in CASES])
def test_equals_pytorch(reference, tome, tools, tmp_path):
    tools.compile(model_of(reference), tmp_path / "m.mmcc", f"--tome={tome}", "--tome-map")
    with np.load(reference) as arrays:
        inputs = {k[3:]: arrays[k] for k in arrays.files if k.startswith("in:")}
        expected = {k[len(tome) + 1 :]: arrays[k] for k in arrays.files if k.startswith(tome + ":")}
    for isa in machine_levels():
        one = tools.run(tmp_path / "m.mmcc", inputs, tmp_path, "--isa", isa, "--threads", 1)
        assert np.array_equal(one["tome_map"], expected["tome_map"])
        for name in expected:
            np.testing.assert_allclose(one[name], expected[name], rtol=1e-3, atol=1e-4)
        three = tools.run(tmp_path / "m.mmcc", inputs, tmp_path, "--isa", isa, "--threads", 3)
        assert all(three[name].tobytes() == one[name].tobytes() for name in one)


def test_no_merging_is_the_model_itself(tools, tmp_path):
    tools.compile(FOLDER / "vit.onnx", tmp_path / "plain.mmcc")
    tools.compile(FOLDER / "vit.onnx", tmp_path / "none.mmcc", "--tome=r=0")
    with np.load(FOLDER / "vit.npz") as arrays:
        inputs = {"pixel_values": arrays["in:pixel_values"]}
    plain = tools.run(tmp_path / "plain.mmcc", inputs, tmp_path)
    none = tools.run(tmp_path / "none.mmcc", inputs, tmp_path)
    assert plain["logits"].tobytes() == none["logits"].tobytes()


@pytest.mark.parametrize(
    "model, reason",
    [
        ("swin_t.onnx", "windows or other groups of tokens"),
        ("bert_base.onnx", "mask"),
        ("clip_text.onnx", "causal"),
        ("qwen2vl_vision.legacy.onnx", "rotates each token by its position"),
        ("resnet50.onnx", "no self-attention"),
        ("bert_base.dyn.onnx", "--dim fixes a dimension"),
    ],
)
def test_what_cannot_merge_is_refused_with_the_reason(model, reason, tools, tmp_path):
    source = ROOT / "models" / "tiny" / model
    done = tools.call("mmcc", "compile", source, "-o", tmp_path / "m.mmcc", "--tome=r=2")
    assert done.returncode == 1
    assert "--tome" in done.stderr and reason in done.stderr
    assert not (tmp_path / "m.mmcc").exists()


def test_text_tokens_before_an_image_are_protected(tools):
    vilt = ROOT / "models" / "tiny" / "vilt.onnx"
    done = tools.call("mmcc", "compile", vilt, "--tome=r=2", "--stop-after=optimize")
    # Eight of text and the class token of the image.
    assert done.returncode == 0 and "{merged = 2 : i64, protect = 9 : i64}" in done.stdout


#
# The accuracy contract
#


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """Handwritten digits of the trained model's held-out set: half to calibrate with, half to measure again."""
    import sys

    sys.path.insert(0, str(DIGITS))
    from captions import pixels

    with np.load(DIGITS / "samples.npz") as samples:
        images, labels, texts = samples["images"], samples["labels"], samples["input_ids"]
    folders = {}
    for name, part in (("calibration", slice(0, 180)), ("held_out", slice(180, 359))):
        folders[name] = tmp_path_factory.mktemp(name)
        for i in range(part.start, part.stop, 60):
            rows = slice(i, min(i + 60, part.stop))
            arrays = dict(pixel_values=pixels(images[rows]).astype(np.float32), input_ids=texts, label=labels[rows])
            np.savez(folders[name] / f"{i:03}.npz", **arrays)
    return folders


def accuracy(tools, artifact, folder, tmp_path) -> float:
    right = rows = 0
    for sample in sorted(folder.glob("*.npz")):
        with np.load(sample) as arrays:
            feeds, label = {k: arrays[k] for k in arrays.files if k != "label"}, arrays["label"]
        logits = tools.run(artifact, feeds, tmp_path)["logits_per_image"]
        right += (logits.argmax(1) == label).sum()
        rows += len(label)
    return 100 * right / rows


def notes(tools, artifact) -> dict:
    return json.loads(tools.call("mmcc", "inspect", artifact, "--json").stdout)["notes"]


def test_search_keeps_its_bound(tools, digits, tmp_path):
    model, artifact = DIGITS / "model.onnx", tmp_path / "auto.mmcc"
    options = ["--max-drop=0.5", f"--calibrate={digits['calibration']}"]
    tools.compile(model, artifact, *options)
    recorded = notes(tools, artifact)
    assert recorded["accuracy.metric"] == "top-1 accuracy" and recorded["accuracy.rows"] == "180"
    assert float(recorded["accuracy.drop"]) <= 0.5
    # It found something, and what it recorded is so.
    assert sum(int(r) for r in recorded["tome"][2:].split("/")) >= 32
    measured = accuracy(tools, artifact, digits["calibration"], tmp_path)
    assert measured == pytest.approx(float(recorded["accuracy.after"]), abs=0.01)
    tools.compile(model, tmp_path / "plain.mmcc")
    before = accuracy(tools, tmp_path / "plain.mmcc", digits["held_out"], tmp_path)
    after = accuracy(tools, artifact, digits["held_out"], tmp_path)
    assert before - after <= 2.0  # four of 179 digits it was not chosen on
    # The same samples choose the same schedule and give the same bytes.
    tools.compile(model, tmp_path / "again.mmcc", *options)
    assert (tmp_path / "again.mmcc").read_bytes() == artifact.read_bytes()


def images_of(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    with np.load(FOLDER / "vit.3.npz") as arrays:
        np.savez(folder / "one.npz", pixel_values=arrays["in:pixel_values"])
    return folder


@pytest.fixture
def images(tmp_path):
    return images_of(tmp_path)


@pytest.mark.parametrize("tome", ["--tome=r=16", "--tome=auto"])
def test_impossible_bound_is_a_broken_contract(tome, tools, images, tmp_path):
    # Without logits in the name of an output, any merging moves the cosine.
    model = FOLDER / "whisper.onnx"
    with np.load(FOLDER / "whisper.npz") as arrays:
        np.savez(images / "one.npz", features=arrays["in:features"])
    options = [tome, "--max-drop=0", f"--calibrate={images}"]
    done = tools.call("mmcc", "compile", model, "-o", tmp_path / "m.mmcc", *options)
    assert done.returncode == 3 and "--max-drop=0" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "m.mmcc").exists()


def test_measured_without_a_bound(tools, images, tmp_path):
    tools.compile(FOLDER / "vit.onnx", tmp_path / "m.mmcc", "--tome=r=8", f"--calibrate={images}")
    recorded = notes(tools, tmp_path / "m.mmcc")
    assert recorded["accuracy.metric"] == "top-1 agreement" and "accuracy.max_drop" not in recorded


@pytest.mark.parametrize(
    "arrays, message",
    [
        (None, "holds no .npz file"),
        (dict(pixel_values=np.zeros((1, 3, 8, 8), np.float32)), "pixel_values"),
        (dict(other=np.zeros(3, np.float32)), "no array for input 'pixel_values'"),
        (dict(pixel_values=np.zeros((2, 3, 64, 64), np.float32), label=np.zeros(3, np.int64)), "'label' has 3 entries"),
        (dict(pixel_values=np.zeros((1, 3, 64, 64), np.float32), label=np.zeros(1, np.float32)), "must hold integers"),
    ],
)
def test_bad_samples_are_named(arrays, message, tools, tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    if arrays:
        np.savez(folder / "bad.npz", **arrays)
    options = ["--tome=r=4", f"--calibrate={folder}"]
    done = tools.call("mmcc", "compile", FOLDER / "vit.onnx", "-o", tmp_path / "m.mmcc", *options)
    assert done.returncode == 1 and message in done.stderr and str(folder) in done.stderr
    assert not (tmp_path / "m.mmcc").exists()


def test_a_folder_that_is_not_there(tools, tmp_path):
    options = ["--tome=r=4", f"--calibrate={tmp_path / 'nowhere'}"]
    done = tools.call("mmcc", "compile", FOLDER / "vit.onnx", "-o", tmp_path / "m.mmcc", *options)
    assert done.returncode == 1 and "nowhere" in done.stderr


#
# Scenes: 145 tokens, most of them paper
#


def scene_samples(folder, seed: int, count: int, half: int, size: int = 128):
    import sys

    sys.path.insert(0, str(ROOT / "models" / "scenes"))
    import scenes

    images, labels = scenes.scenes(seed, count, *scenes.halves()[half])
    folder.mkdir()
    for i in range(0, count, size):
        np.savez(folder / f"{i:05}.npz", pixel_values=images[i : i + size], label=labels[i : i + size])
    return folder


def test_scenes_equal_pytorch(tools, tmp_path):
    model = ROOT / "models" / "scenes"
    tools.compile(model / "model.onnx", tmp_path / "m.mmcc")
    with np.load(model / "model.npz") as arrays:
        got = tools.run(tmp_path / "m.mmcc", {"pixel_values": arrays["in:pixel_values"]}, tmp_path)
        np.testing.assert_allclose(got["logits"], arrays["out:logits"], rtol=1e-3, atol=1e-4)


def scenes_right(tools, tmp_path, names: list[str]) -> dict[str, float]:
    """Per cent of 1,024 held-out scenes that artifacts read right."""
    right, samples = {}, sorted(scene_samples(tmp_path / "held-out", 1, 1024, half=1).glob("*.npz"))
    for name in names:
        count = 0
        for sample in samples:
            with np.load(sample) as arrays:
                logits = tools.run(tmp_path / f"{name}.mmcc", {"pixel_values": arrays["pixel_values"]}, tmp_path)["logits"]
                count += (logits.argmax(1) == arrays["label"]).sum()
        right[name] = 100 * count / 1024
    return right


def test_the_bound_holds_on_handwriting_it_was_not_searched_on(tools, tmp_path):
    model = ROOT / "models" / "scenes" / "model.onnx"
    options = ["--max-drop=0.5", f"--calibrate={scene_samples(tmp_path / 'samples', 2, 512, half=0)}"]
    tools.compile(model, tmp_path / "auto.mmcc", *options)
    tools.compile(model, tmp_path / "plain.mmcc")
    merged = sum(int(r) for r in notes(tools, tmp_path / "auto.mmcc")["tome"][2:].split("/"))
    assert merged >= 72  # half of the tokens and more
    right = scenes_right(tools, tmp_path, ["plain", "auto"])
    assert right["plain"] > 95
    # Half a point, and two standard deviations of a difference of that size on 1,024 scenes.
    assert right["plain"] - right["auto"] <= 0.5 + 0.9


def test_tokens_and_bits_share_a_bound(tools, tmp_path):
    model, samples = ROOT / "models" / "scenes" / "model.onnx", scene_samples(tmp_path / "samples", 2, 256, half=0)
    options = ["--tome=auto", "--quantize=auto", f"--calibrate={samples}"]
    done = tools.call("mmcc", "compile", model, "-o", tmp_path / "both.mmcc", *options, "--max-drop=1")
    assert done.returncode == 0, done.stderr
    recorded = notes(tools, tmp_path / "both.mmcc")
    assert float(recorded["accuracy.drop"]) <= 1 and recorded["accuracy.rows"] == "256"
    assert sum(int(r) for r in recorded["tome"][2:].split("/")) >= 72
    assert "a8" in recorded["quantize.plan"] and "layer.0" in recorded
    # Merged layers were weighed against those that nothing merges, and cost less.
    costs = {line.split(" layers cost ")[0].split("calibrate: ")[1]: float(line.split()[-2]) for line in done.stderr.splitlines() if " layers cost " in line}
    assert costs["without merging"] == 1 and min(costs.values()) == costs[f"--tome={recorded['tome']}"] < 0.9
    tools.compile(model, tmp_path / "plain.mmcc")
    right = scenes_right(tools, tmp_path, ["plain", "both"])
    assert right["plain"] - right["both"] <= 1 + 0.9
    done = tools.call("mmcc", "compile", FOLDER / "vit.onnx", "-o", tmp_path / "no.mmcc", *options[:2], f"--calibrate={images_of(tmp_path)}", "--max-drop=0")
    assert done.returncode == 3 and "no choice of tokens and bits that was tried keeps --max-drop=0" in done.stderr, done.stderr
    assert not (tmp_path / "no.mmcc").exists()
