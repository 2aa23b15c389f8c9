"""The trained decoder of models/text_decoder: with and without a past, and its perplexity on text it never saw."""

import sys

import numpy as np
import pytest
from conftest import ROOT, assert_close, case_arrays, machine_levels

MODEL = ROOT / "models" / "text_decoder"
sys.path.insert(0, str(MODEL))
from corpus import part_of, text_of  # noqa: E402
from ngram import bits_by_order, count  # noqa: E402
from perplexity import in_mmcc, in_onnxruntime, perplexity, write_samples  # noqa: E402

FROM_NOTHING = ("--dim", "past=0..4096")  # else a past has one position or more
LENGTH = 8193  # 32 windows and the last one's label


@pytest.fixture(scope="module")
def artifact(tools, tmp_path_factory):
    path = tmp_path_factory.mktemp("text_decoder") / "m.mmcc"
    tools.compile(MODEL / "model.onnx", path, *FROM_NOTHING)
    return path


@pytest.fixture(scope="module")
def held_out() -> str:
    return text_of("test", LENGTH)


@pytest.fixture(scope="module")
def in_float(held_out) -> float:
    return perplexity(in_onnxruntime(MODEL / "model.onnx"), held_out)


@pytest.mark.parametrize("isa", machine_levels())
@pytest.mark.parametrize("case", ["model", "model.2"])
def test_equals_pytorch(case, isa, tools, artifact, tmp_path):
    inputs, expected = case_arrays(MODEL / f"{case}.npz")
    assert_close(tools.run(artifact, inputs, tmp_path, "--isa", isa), expected)


def test_every_attention_is_causal(tools):
    done = tools.call("mmcc", "explain", MODEL / "model.onnx", *FROM_NOTHING)
    assert done.stderr.count("attention is causal: 4 heads on 2") == 4, done.stderr


def test_documents_stay_in_their_part():
    """No version of Python has a document held out that the model learned, as long as names choose as they did."""
    parts = [part_of(name) for name in ("topic:if", "library:threading.py", "topic:yield", "library:shutil.py")]
    assert parts == ["training", "validation", "test", "test"]


@pytest.mark.parametrize("chunk", [256, 64])
def test_perplexity_is_that_of_onnxruntime(chunk, tools, artifact, held_out, in_float, tmp_path):
    """Also where windows come in pieces on top of a growing past."""
    ours = perplexity(in_mmcc(tools.binaries / "mmcc-run", artifact, tmp_path), held_out, chunk)
    assert ours == pytest.approx(in_float, rel=1e-5)


def test_it_knows_more_than_counts_of_characters(held_out, in_float):
    """A uniform distribution has perplexity 96, and counts of four characters of what it was trained on about 4."""
    counts = 2 ** bits_by_order(count(text_of("training", 100_000), 4), held_out)[-1]
    assert 2 < in_float < 0.75 * counts < 96 / 10


def test_samples_are_calls_of_the_model(tools, artifact, tmp_path):
    """What --calibrate reads: every input, and a label for each row of logits, which is the next character."""
    write_samples(tmp_path / "samples", text_of("validation", LENGTH), count=10, batch=4)
    paths = sorted((tmp_path / "samples").iterdir())
    assert len(paths) == 3
    for path in paths:
        with np.load(path) as arrays:
            inputs = dict(arrays)
        label = inputs.pop("label")
        logits = tools.run(artifact, inputs, tmp_path)["logits"]
        assert logits.shape[:2] == label.shape and (inputs["input_ids"][:, 1:] == label[:, :-1]).all()
        assert (logits.argmax(-1) == label).mean() > 0.4
