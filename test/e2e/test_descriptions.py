"""JSON files that are at fault: one message with the file and the field, exit code 1, nothing written."""

import json
import os

import numpy as np
import pytest
from small_models import decoder, describe, encoder, imputer, save, tensor
from onnx import TensorProto, helper


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The JSON files lie in a folder of their own, inside of one that holds more."""
    inner = tmp_path_factory.mktemp("outer") / "inner"
    inner.mkdir()
    encoder(inner / "image.onnx")
    encoder(inner / "small.onnx", width=32)
    encoder(inner / "static.onnx", batch=1, tokens=8)
    encoder(inner / "many.onnx", tokens="patches")
    decoder(inner / "decoder.onnx")
    decoder(inner / "fixed.onnx", batch=1, image_tokens=16)
    decoder(inner / "mean.onnx", mean=True)
    imputer(inner / "imputer.onnx")
    imputer(inner / "short.onnx", tokens=4)
    imputer(inner / "nameless.onnx", source="ids")
    imputer(inner / "circle.onnx", source="second.features")
    encoder(inner / "second.onnx", patch=64)
    encoder(inner / "after.onnx", tokens="tokens", patch=50)
    encoder(inner.parent / "outside.onnx")
    os.symlink(inner.parent / "outside.onnx", inner / "link.onnx")
    nodes = [helper.make_node("ReduceMean", ["pixels"], ["features"], axes=[1], keepdims=0)]
    save(inner / "pooled.onnx", nodes, {"pixels": (TensorProto.FLOAT, ["batch", 16, 64])}, {"features": (TensorProto.FLOAT, ["batch", 64])}, {})
    np.savez(inner / "learned.npz", features=tensor((1, 1, 64), 5))
    np.savez(inner / "wide.npz", features=tensor((1, 1, 65), 5))
    np.savez(inner / "double.npz", features=tensor((1, 1, 64), 5).astype(np.float64))
    np.savez(inner / "other.npz", something=tensor((1, 1, 64), 5))
    (inner / "broken.npz").write_bytes(b"PK\x03\x04 nothing more")
    (inner / "broken.onnx").write_bytes(b"\x08\x09\xff\xff")
    return inner


PAIR = {"image": "image.onnx", "decoder": "decoder.onnx"}
LINK = [["image.features", "decoder.image"]]


def connected(**more) -> dict:
    return {"entries": PAIR, "connect": LINK, **more}


def missing(policy, image="image.onnx", reader="decoder.onnx") -> dict:
    return {"entries": {"image": image, "decoder": reader}, "connect": LINK, "missing": {"image": policy}}


TEXTS = {
    "empty": ("", "unexpected end"),
    "not json": ("{entries}", "syntax error"),
    "two values": ("{} {}", "syntax error"),
    "not utf-8": ('{"entries": {"a": "\\udead"}}', "surrogate"),
    "deep": ("[" * 100000, "nested too deeply"),
    "deep objects": ('{"entries":' * 9 + "1" + "}" * 9, "nested too deeply"),
    "a key twice": ('{"entries": {"a": "x.onnx", "a": "y.onnx"}}', "the key 'a' is given twice"),
    "large": (" " * (1 << 20) + "{}", "1 MiB"),
    "an array": ("[]", "must be an object"),
    "a number": ("12345678901234567890123", "must be an object"),
}
CONTENTS = {
    "unknown key": ({"entries": PAIR, "conect": []}, "'conect'"),
    "no entries": ({"connect": []}, "entries"),
    "empty entries": ({"entries": {}}, "entries"),
    "entries of numbers": ({"entries": {"a": 1}}, "entries.'a'"),
    "entry of an object": ({"entries": {"a": {"b": {}}}}, "entries.'a'"),
    "a name with a dot": ({"entries": {"a.b": "image.onnx"}}, "entries.'a.b'"),
    "a name of control characters": ({"entries": {"\n\x1b[31m": "image.onnx"}}, "entries.'\\0A\\1B[31m'"),
    "a long name": ({"entries": {"a" * 5000: "image.onnx"}}, "at most 64"),
    "many entries": ({"entries": {f"e{i}": "image.onnx" for i in range(65)}}, "more than 64"),
    "no such file": ({"entries": {"image": "absent.onnx"}}, "entries.'image': 'absent.onnx' No such file"),
    "outside": ({"entries": {"image": "../outside.onnx"}}, "entries.'image': '../outside.onnx' leaves"),
    "absolute": ({"entries": {"image": "/etc/passwd"}}, "absolute"),
    "through a link": ({"entries": {"image": "link.onnx"}}, "symbolic link"),
    "a zero byte": ({"entries": {"image": "image.onnx\0"}}, "zero byte"),
    "no model": ({"entries": {"image": "broken.onnx"}}, "broken.onnx"),
    "connect of an object": ({"entries": PAIR, "connect": {}}, "connect: must be an array"),
    "connect of texts": ({"entries": PAIR, "connect": ["image.features"]}, "connect[0]"),
    "connect of three": ({"entries": PAIR, "connect": [["a.b", "c.d", "e.f"]]}, "connect[0]"),
    "connect of numbers": ({"entries": PAIR, "connect": [["image.features", 3]]}, "connect[0]"),
    "no dot": ({"entries": PAIR, "connect": [["image", "decoder.image"]]}, "connect[0]: 'image' is not of the form"),
    "unknown entry": ({"entries": PAIR, "connect": [["audio.x", "decoder.image"]]}, "connect[0]: there is no entry 'audio'"),
    "unknown output": ({"entries": PAIR, "connect": [["image.x", "decoder.image"]]}, "connect[0]: 'image' has no output 'x'"),
    "unknown input": ({"entries": PAIR, "connect": [["image.features", "decoder.x"]]}, "no input 'x'"),
    "an input as output": ({"entries": PAIR, "outputs": ["image.nothing"]}, "outputs[0]: 'image' has no output 'nothing'"),
    "itself": ({"entries": PAIR, "connect": [["image.features", "image.pixels"]]}, "with itself"),
    "a target twice": (connected(connect=LINK + LINK), "connect[1]: 'decoder.image' is already connected by connect[0]"),
    "a circle": (
        {"entries": {**PAIR, "x": "image.onnx"}, "connect": [*LINK, ["decoder.logits", "x.pixels"], ["x.features", "image.pixels"]]},
        "in a circle",
    ),
    "shapes": ({"entries": {**PAIR, "image": "small.onnx"}, "connect": LINK}, "does not fit"),
    "static shapes": ({"entries": {"image": "static.onnx", "decoder": "fixed.onnx"}, "connect": LINK}, "in dimension 1"),
    "types": ({"entries": PAIR, "connect": [["image.features", "decoder.ids"]]}, "the element types differ"),
    "ranks": ({"entries": {**PAIR, "image": "pooled.onnx"}, "connect": LINK}, "the numbers of dimensions differ"),
    "outputs of a text": (connected(outputs="decoder.logits"), "outputs: must be an array"),
    "an output twice": (connected(outputs=["decoder.logits"] * 2), "outputs[1]"),
    "the file's own name": ({"entries": {"it": "image.onnx", "d": "decoder.onnx"}, "outputs": ["it.features"]}, "entries.'it'"),
    "missing of an array": (connected(missing=[]), "missing: must be an object"),
    "missing of what is not there": (connected(missing={"audio": "zero"}), "missing.'audio'"),
    "missing of a number": (connected(missing={"image": 0}), "missing.'image'"),
    "missing of what is not connected": ({"entries": PAIR, "missing": {"image": "zero"}}, "not connected"),
    "missing of what reads nothing": (
        {"entries": {**PAIR, "x": "after.onnx"}, "connect": [*LINK, ["decoder.logits", "x.pixels"]], "missing": {"x": "zero"}},
        "missing.x: all of its inputs are connected",
    ),
    "unknown policy": (missing("random"), "'random' is none of"),
    "learned without a file": (missing("learned"), "'learned' is none of"),
    "zero with a file": (missing("zero:learned.npz"), "is none of"),
    "learned outside": (missing("learned:../x.npz"), "leaves the model's folder"),
    "learned of nothing": (missing("learned:absent.npz"), "missing.image: 'absent.npz' No such file"),
    "learned of a broken file": (missing("learned:broken.npz"), "missing.image: broken.npz"),
    "learned of another name": (missing("learned:other.npz"), "output 'features' has no array of this name"),
    "learned of another type": (missing("learned:double.npz"), "its array is numpy <f8, not <f4"),
    "learned of another width": (missing("learned:wide.npz"), "missing.image: output 'features'"),
    "imputing another shape": (missing("impute:short.onnx"), "short.onnx"),
    "imputing from a nameless input": (missing("impute:nameless.onnx"), "input 'ids' of 'nameless.onnx'"),
    "skip of one vector": (missing("skip", image="pooled.onnx", reader="decoder.onnx"), "connect[0]"),
    "skip of what is needed": (missing("skip", reader="mean.onnx"), "needs"),
    "zeros of unknown number": (missing("zero", image="many.onnx"), "--dim"),
}


def check(tools, path, word: str) -> None:
    output = path.parent / "out.mmcc"
    done = tools.call("mmcc", "compile", path, "-o", output)
    assert done.returncode == 1, done.stderr
    assert done.stdout == "" and not output.exists()
    assert len(done.stderr.splitlines()) == 1 and len(done.stderr) < 1000, done.stderr
    assert word in done.stderr and path.name in done.stderr, done.stderr
    assert done.stderr.isprintable() or done.stderr[:-1].isprintable()


@pytest.mark.parametrize("text, word", TEXTS.values(), ids=TEXTS)
def test_texts_at_fault(text, word, tools, folder):
    (folder / "it.json").write_text(text)
    check(tools, folder / "it.json", word)


@pytest.mark.parametrize("content, word", CONTENTS.values(), ids=CONTENTS)
def test_contents_at_fault(content, word, tools, folder):
    check(tools, describe(folder / "it.json", **content), word)


def test_imputing_in_a_circle(tools, folder):
    content = {
        "entries": {"image": "image.onnx", "second": "second.onnx", "decoder": "decoder.onnx"},
        "connect": [["image.features", "second.pixels"], *LINK],
        "missing": {"image": "impute:circle.onnx"},
    }
    check(tools, describe(folder / "it.json", **content), "missing.image: 'circle.onnx' needs what itself needs 'image'")


def test_unknown_dimensions(tools, folder):
    path = describe(folder / "it.json", **connected())
    done = tools.call("mmcc", "compile", path, "-o", folder / "out.mmcc", "--dim", "no.such=3")
    assert done.returncode == 1 and "--dim no.such: no input has a size of this name" in done.stderr


def test_a_description_stands_alone(tools, folder):
    path = describe(folder / "it.json", **connected())
    done = tools.call("mmcc", "compile", path, folder / "image.onnx", "-o", folder / "out.mmcc")
    assert done.returncode == 2 and "it.json" in done.stderr


def test_a_described_program_has_no_blockers(tools, folder):
    path = describe(folder / "it.json", **connected())
    done = tools.call("mmcc", "doctor", path)
    assert done.returncode == 0, done.stderr
    bare = json.loads(path.read_text())
    bare["entries"]["image"] = "absent.onnx"
    assert tools.call("mmcc", "doctor", describe(path, **bare)).returncode == 1
