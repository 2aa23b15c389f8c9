"""Calls that leave an input out: the policy of the JSON file stands in, and the encoder launches nothing."""

import json

import numpy as np
import pytest
from conftest import machine_levels
from onnx import TensorProto, helper
from small_models import decoder, describe, encoder, image_and_text, imputer, save, tensor

PAIR = {"entries": {"image": "image.onnx", "decoder": "decoder.onnx"}, "connect": [["image.features", "decoder.image"]]}
LEARNED = {"token": tensor((1, 1, 64), 5), "tokens": tensor((16, 64), 6)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("missing")
    encoder(folder / "image.onnx")
    encoder(folder / "audio.onnx", patch=20, tokens=7)
    decoder(folder / "decoder.onnx")
    decoder(folder / "blind.onnx", blind=True)
    imputer(folder / "imputer.onnx")
    for name, array in LEARNED.items():
        np.savez(folder / f"{name}.npz", features=array)
    return folder


@pytest.fixture(scope="module")
def artifact(tools, folder):
    made = {}

    def get(policy: str):
        if policy not in made:
            made[policy] = folder / f"{len(made)}.mmcc"
            tools.compile(describe(folder / "chat.json", **PAIR, missing={"image": policy}), made[policy])
        return made[policy]

    return get


def launches(tools, artifact, entry: str, inputs: dict, folder) -> int:
    np.savez(folder / "in.npz", **inputs)
    options = ["--entry", entry, "--inputs", folder / "in.npz", "--bench", 0.01, "--json", folder / "figures.json"]
    done = tools.call("mmcc-run", artifact, *options)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "figures.json").read_text())["launches"]


def stand_in(policy: str, ids: np.ndarray, tools, folder) -> np.ndarray:
    """What the decoder is to read in the image's place, by numpy or by the imputing model alone."""
    batch = ids.shape[0]
    if policy == "zero":
        return np.zeros((batch, 16, 64), np.float32)
    if policy.startswith("learned"):
        return np.ascontiguousarray(np.broadcast_to(LEARNED[policy[8:-4]], (batch, 16, 64)))
    tools.compile(folder / "imputer.onnx", folder / "imputer.mmcc")
    return tools.run(folder / "imputer.mmcc", {"decoder.ids": ids}, folder)["features"]


@pytest.mark.parametrize("isa", machine_levels())
@pytest.mark.parametrize("policy", ["zero", "skip", "learned:token.npz", "learned:tokens.npz", "impute:imputer.onnx"])
def test_equals_the_policy_bit_for_bit(policy, isa, tools, folder, artifact, tmp_path):
    path = artifact(policy)
    pixels, ids = image_and_text(seed=3)
    options = ["--entry", "chat", "--isa", isa]
    missing = tools.run(path, {"decoder.ids": ids["ids"]}, tmp_path, *options)["decoder.logits"]
    if policy == "skip":
        tools.compile(folder / "blind.onnx", tmp_path / "blind.mmcc")
        expected = tools.run(tmp_path / "blind.mmcc", ids, tmp_path, "--isa", isa)["logits"]
    else:
        given = {"image": stand_in(policy, ids["ids"], tools, folder)}
        expected = tools.run(path, {**given, **ids}, tmp_path, "--entry", "decoder", "--isa", isa)["logits"]
    assert missing.tobytes() == expected.tobytes()
    # With the image it is another answer, and the right one.
    full = tools.run(path, {"image.pixels": pixels["pixels"], "decoder.ids": ids["ids"]}, tmp_path, *options)["decoder.logits"]
    features = tools.run(path, pixels, tmp_path, "--entry", "image", "--isa", isa)["features"]
    alone = tools.run(path, {"image": features, **ids}, tmp_path, "--entry", "decoder", "--isa", isa)["logits"]
    np.testing.assert_allclose(full, alone, rtol=1e-5, atol=1e-5)
    assert full.shape[1] == 21 and not np.array_equal(full[:, :16], missing[:, :16])


@pytest.mark.parametrize("policy", ["zero", "skip", "learned:token.npz"])
def test_an_absent_encoder_launches_nothing(policy, tools, artifact, tmp_path):
    path = artifact(policy)
    pixels, ids = image_and_text(seed=4)
    text = {"decoder.ids": ids["ids"]}
    full = launches(tools, path, "chat", {"image.pixels": pixels["pixels"], **text}, tmp_path)
    without = launches(tools, path, "chat", text, tmp_path)
    image = launches(tools, path, "image", pixels, tmp_path)
    alone = launches(tools, path, "decoder", {"image": np.zeros((2, 16, 64), np.float32), **ids}, tmp_path)
    assert image >= 3
    # At most the decoder's own; of the full call's, none of the encoder's but
    # the one that also puts its result into the concatenation.
    assert without <= alone and full - without >= image - 1


def test_the_artifact_tells_what_may_be_missing(tools, artifact):
    text = tools.call("mmcc", "inspect", artifact("zero")).stdout
    assert "feature   absences" in text
    assert "image.pixels: f32 [image.batch, 16, 12], may be left out" in text
    entries = json.loads(tools.call("mmcc", "inspect", "--json", artifact("zero")).stdout)["entries"]
    chat = next(entry for entry in entries if entry["name"] == "chat")
    assert chat["absences"] == {"chat-without-image": ["image.pixels"]}


def test_what_is_not_optional_is_asked_for(tools, artifact, tmp_path):
    pixels, _ = image_and_text(seed=5)
    np.savez(tmp_path / "in.npz", **{"image.pixels": pixels["pixels"]})
    done = tools.call(
        "mmcc-run", artifact("zero"), "--entry", "chat", "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz"
    )
    assert done.returncode == 1 and "decoder.ids" in done.stderr


def summing(path) -> None:
    """image [batch, 16, 64], audio [batch, 7, 64], ids -> concatenation of all, normalised."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["text"]),
        helper.make_node("Concat", ["image", "audio", "text"], ["all"], axis=1),
        helper.make_node("LayerNormalization", ["all", "gain"], ["states"], axis=-1),
    ]
    inputs = {
        "image": (TensorProto.FLOAT, ["batch", "image_tokens", 64]),
        "audio": (TensorProto.FLOAT, ["batch", "audio_tokens", 64]),
        "ids": (TensorProto.INT64, ["batch", "seq"]),
    }
    weights = {"table": tensor((50, 64), 31), "gain": np.ones(64, np.float32)}
    save(path, nodes, inputs, {"states": (TensorProto.FLOAT, ["batch", "all", 64])}, weights)


def test_two_modalities_in_all_combinations(tools, folder, tmp_path):
    summing(folder / "summing.onnx")
    content = {
        "entries": {"image": "image.onnx", "audio": "audio.onnx", "reader": "summing.onnx"},
        "connect": [["image.features", "reader.image"], ["audio.features", "reader.audio"]],
        "missing": {"image": "skip", "audio": "learned:token.npz"},
    }
    tools.compile(describe(folder / "three.json", **content), tmp_path / "three.mmcc")
    pixels, ids = image_and_text(seed=6)
    given = {"image.pixels": pixels["pixels"], "audio.pixels": tensor((2, 7, 20), 7, 1.0)}
    text = {"reader.ids": ids["ids"]}
    whole = tools.run(tmp_path / "three.mmcc", {**given, **text}, tmp_path, "--entry", "three")["reader.states"]
    assert whole.shape == (2, 16 + 7 + 5, 64)
    learned = LEARNED["token"]
    norm = (learned - learned.mean(-1)) / np.sqrt(learned.var(-1) + 1e-5)
    for left_out in ({"image"}, {"audio"}, {"image", "audio"}):
        some = {k: v for k, v in given.items() if k.split(".")[0] not in left_out}
        states = tools.run(tmp_path / "three.mmcc", {**some, **text}, tmp_path, "--entry", "three")["reader.states"]
        image, audio = whole[:, :16], whole[:, 16:23]
        if "audio" in left_out:
            audio = np.broadcast_to(norm, audio.shape)
        parts = [audio, whole[:, 23:]] if "image" in left_out else [image, audio, whole[:, 23:]]
        np.testing.assert_allclose(states, np.concatenate(parts, axis=1), rtol=1e-4, atol=1e-4)


def test_a_combination_that_cannot_be_is_refused_at_the_call(tools, folder, tmp_path):
    """Without both there is nothing that tells the batch: a warning, and a message at the call."""
    content = {
        "entries": {"image": "image.onnx", "audio": "audio.onnx", "sum": "sum.onnx"},
        "connect": [["image.features", "sum.a"], ["audio.features", "sum.b"]],
        "missing": {"image": "zero", "audio": "zero"},
    }
    nodes = [
        helper.make_node("ReduceMean", ["a"], ["x"], axes=[1]),
        helper.make_node("ReduceMean", ["b"], ["y"], axes=[1]),
        helper.make_node("Add", ["x", "y"], ["z"]),
    ]
    inputs = {n: (TensorProto.FLOAT, ["batch", t, 64]) for n, t in (("a", 16), ("b", 7))}
    save(folder / "sum.onnx", nodes, inputs, {"z": (TensorProto.FLOAT, ["batch", 1, 64])}, {})
    done = tools.call("mmcc", "compile", describe(folder / "both.json", **content), "-o", tmp_path / "both.mmcc")
    assert done.returncode == 0 and "a call without image and audio will be refused" in done.stderr, done.stderr
    pixels = {"image.pixels": tensor((2, 16, 12), 8), "audio.pixels": tensor((2, 7, 20), 9)}
    for name, array in pixels.items():
        assert tools.run(tmp_path / "both.mmcc", {name: array}, tmp_path, "--entry", "both")["sum.z"].shape == (2, 1, 64)
    np.savez(tmp_path / "none.npz", nothing=np.zeros(1))
    options = ["--entry", "both", "--inputs", tmp_path / "none.npz", "--outputs", tmp_path / "out.npz"]
    done = tools.call("mmcc-run", tmp_path / "both.mmcc", *options)
    assert done.returncode == 1 and "cannot leave out 'image.pixels', 'audio.pixels'" in done.stderr, done.stderr


def test_a_decoder_with_static_sizes_skips_too(tools, tmp_path):
    encoder(tmp_path / "image.onnx", batch=1)
    decoder(tmp_path / "decoder.onnx", batch=1, image_tokens=16)
    path = describe(tmp_path / "chat.json", **PAIR, missing={"image": "skip"})
    tools.compile(path, tmp_path / "chat.mmcc")
    _, ids = image_and_text(seed=10, batch=1)
    states = tools.run(tmp_path / "chat.mmcc", {"decoder.ids": ids["ids"]}, tmp_path, "--entry", "chat")
    assert states["decoder.logits"].shape == (1, 5, 50)
