"""Models that a JSON file connects: one artifact, one call, equal to the single artifacts in sequence."""

import json

import numpy as np
import pytest
from conftest import ROOT, assert_close, case_arrays
from small_models import decoder, describe, encoder, image_and_text

TINY = ROOT / "models" / "tiny"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Folder of image.onnx (64 wide), projector.onnx (a real export, 64 to 128) and decoder.onnx (128 wide)."""
    folder = tmp_path_factory.mktemp("parts")
    encoder(folder / "image.onnx", batch=1)
    (folder / "projector.onnx").write_bytes((TINY / "llava_proj.dyn.onnx").read_bytes())
    decoder(folder / "decoder.onnx", width=128)
    encoder(folder / "narrow.onnx")
    decoder(folder / "reader.onnx")
    for name in ("image", "text"):
        export = {"image": "clip_b32.dyn", "text": "clip_text.dyn"}[name]
        (folder / f"clip_{name}.onnx").write_bytes((TINY / f"{export}.onnx").read_bytes())
    return folder


CHAIN = {
    "entries": {"decoder": "decoder.onnx", "image": "image.onnx", "projector": "projector.onnx"},
    "connect": [["image.features", "projector.image_features"], ["projector.projected", "decoder.image"]],
}
PAIR = {
    "entries": {"image": "narrow.onnx", "decoder": "reader.onnx"},
    "connect": [["image.features", "decoder.image"]],
}


def qualified(**groups) -> dict:
    return {f"{entry}.{name}": array for entry, arrays in groups.items() for name, array in arrays.items()}


def test_a_chain_equals_its_parts(tools, parts, tmp_path):
    tools.compile(describe(parts / "chat.json", **CHAIN), tmp_path / "chat.mmcc")
    for seq in (5, 9):
        pixels, ids = image_and_text(seed=seq, batch=1, seq=seq)
        whole = tools.run(tmp_path / "chat.mmcc", qualified(image=pixels, decoder=ids), tmp_path, "--entry", "chat")
        value = pixels["pixels"]
        for entry, name in (("image", "pixels"), ("projector", "image_features")):
            (value,) = tools.run(tmp_path / "chat.mmcc", {name: value}, tmp_path, "--entry", entry).values()
        alone = tools.run(tmp_path / "chat.mmcc", {"image": value, **ids}, tmp_path, "--entry", "decoder")
        assert whole["decoder.logits"].shape == (1, 16 + seq, 50)
        np.testing.assert_allclose(whole["decoder.logits"], alone["logits"], rtol=1e-5, atol=1e-5)
        for threads in (2, 3):
            again = tools.run(
                tmp_path / "chat.mmcc", qualified(image=pixels, decoder=ids), tmp_path, "--entry", "chat", "--threads", threads
            )
            assert again["decoder.logits"].tobytes() == whole["decoder.logits"].tobytes()


def test_towers_side_by_side_equal_pytorch(tools, parts, tmp_path):
    content = {
        "entries": {"image": "clip_image.onnx", "text": "clip_text.onnx"},
        "outputs": ["text.text_embeds", "image.image_embeds"],
    }
    tools.compile(describe(parts / "clip.json", **content), tmp_path / "clip.mmcc")
    for case in ("", ".2"):
        image, text = (case_arrays(TINY / f"clip_{name}.dyn{case}.npz") for name in ("b32", "text"))
        both = tools.run(tmp_path / "clip.mmcc", qualified(image=image[0], text=text[0]), tmp_path, "--entry", "clip")
        assert list(both) == content["outputs"]
        assert_close(both, qualified(text=text[1], image=image[1]))
        for threads in (1, 2, 3, 5):
            again = tools.run(
                tmp_path / "clip.mmcc", qualified(image=image[0], text=text[0]), tmp_path, "--entry", "clip", "--threads", threads
            )
            assert all(again[name].tobytes() == both[name].tobytes() for name in both)
    assert "feature   streams" in tools.call("mmcc", "inspect", tmp_path / "clip.mmcc").stdout


def test_weights_of_a_connected_entry_are_stored_once(tools, parts, tmp_path):
    def weights(content) -> int:
        tools.compile(describe(parts / "sized.json", **content), tmp_path / "sized.mmcc")
        np.savez(tmp_path / "in.npz", pixels=image_and_text(seed=1, batch=1)[0]["pixels"])
        options = ["--entry", "image", "--inputs", tmp_path / "in.npz", "--bench", 0.01, "--json", tmp_path / "figures.json"]
        done = tools.call("mmcc-run", tmp_path / "sized.mmcc", *options)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "figures.json").read_text())["weights_bytes"]

    alone, connected = weights({"entries": CHAIN["entries"]}), weights(CHAIN)
    assert alone > 100_000
    assert connected - alone < 4096, "the connected entry reads the constants of the single ones"


def test_fusion_works_across_the_border(tools, parts):
    """The projector's last product writes into the concatenation: no launch copies image tokens."""
    path = describe(parts / "chat.json", **CHAIN)
    done = tools.call("mmcc", "compile", path, "--stop-after=schedule", "--target=cpu:x86-64-v3")
    assert done.returncode == 0, done.stderr

    def launches(entry: str) -> int:
        body = done.stdout.split(f"plan.entry @{entry} ")[1].split("plan.entry @")[0]
        return body.count("plan.dispatch")

    assert launches("chat") < sum(launches(entry) for entry in CHAIN["entries"])


def test_equal_names_of_sizes_are_apart_until_connected(tools, parts):
    """Both models say `batch`; of the towers that no connection joins each keeps its own."""
    pair = tools.call("mmcc", "compile", describe(parts / "pair.json", **PAIR), "--stop-after=import").stdout
    main = pair.split("func.func @pair(")[1].split("attributes")[0]
    assert "image.batch" in main and "decoder.batch" not in main and "decoder.seq" in main
    apart = {"entries": PAIR["entries"], "outputs": ["image.features", "decoder.logits"]}
    apart = tools.call("mmcc", "compile", describe(parts / "apart.json", **apart), "--stop-after=import").stdout
    main = apart.split("func.func @apart(")[1].split("attributes")[0]
    assert "image.batch" in main and "decoder.batch" in main


def test_diff_knows_connected_models(tools, parts, tmp_path):
    path = describe(parts / "pair.json", **PAIR, missing={"image": "zero"})
    tools.compile(path, tmp_path / "pair.mmcc")
    pixels, ids = image_and_text(seed=2)
    np.savez(tmp_path / "in.npz", **qualified(image=pixels, decoder=ids))
    done = tools.call("mmcc", "diff", path, tmp_path / "pair.mmcc", "--inputs", tmp_path / "in.npz")
    assert done.returncode == 0, done.stderr
    np.savez(tmp_path / "out.npz", **{"decoder.logits": np.zeros((2, 21, 50), np.float32)})
    options = ["--inputs", tmp_path / "in.npz", "--reference", tmp_path / "out.npz"]
    assert tools.call("mmcc", "diff", path, tmp_path / "pair.mmcc", *options).returncode == 3


@pytest.mark.parametrize("dim, both", [("batch=2", True), ("image.batch=2", False)])
def test_a_size_is_fixed_in_all_models_or_in_one(dim, both, tools, parts):
    path = describe(parts / "pair.json", **PAIR)
    text = tools.call("mmcc", "compile", path, "--stop-after=import", "--dim", dim).stdout
    signature = {name: text.split(f"func.func @{name}(")[1].split(") attributes")[0] for name in ("image", "decoder", "pair")}
    assert "tensor<2x16x12xf32>" in signature["image"] and "tensor<2x16x12xf32>" in signature["pair"]
    assert ("[batch" in signature["decoder"]) != both


def test_same_bytes_in_two_folders(tools, parts, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    for name in (*PAIR["entries"].values(), "pair.json"):
        describe(parts / "pair.json", **PAIR)
        (other / name).write_bytes((parts / name).read_bytes())
    tools.compile(parts / "pair.json", tmp_path / "a.mmcc")
    tools.compile(other / "pair.json", tmp_path / "b.mmcc")
    assert (tmp_path / "a.mmcc").read_bytes() == (tmp_path / "b.mmcc").read_bytes()
    assert "narrow.onnx" in tools.call("mmcc", "inspect", tmp_path / "a.mmcc").stdout
