"""Decoders that keep their past as state, step by step, against ONNX Runtime's run of the plain export."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import ROOT, machine_levels
from small_models import attending_decoder, describe, encoder, image_and_text

TINY = ROOT / "models" / "tiny"
CHATS = ["qwen2_chat.dyn", "gpt2_chat.dyn"]
VOCABULARY = 100
# How far from ONNX Runtime's logits, of their largest, a state of a type may lead.
DISTANCE = {"f32": 1e-5, "f16": 2e-3, "int8": 3e-2, "fp8": 8e-2}
# Lengths around the ends of blocks: a prompt, then the tokens of each step.
BORDERS = [60, 1, 1, 1, 1, 1, 1, 58, 1, 1, 1, 5, 1]


class Reference:
    """The plain export, with the past handed in and taken back."""

    def __init__(self, model: str):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(TINY / f"{model}.onnx", options, providers=["CPUExecutionProvider"])

    def empty(self, batch: int) -> dict:
        return {
            i.name: np.zeros((batch, i.shape[1], 0, i.shape[3]), np.float32)
            for i in self.session.get_inputs()
            if i.name.startswith("past.")
        }

    def step(self, inputs: dict, past: dict) -> tuple[np.ndarray, dict]:
        names = [o.name for o in self.session.get_outputs()]
        got = dict(zip(names, self.session.run(None, inputs | past)))
        return got["logits"], {n.replace("present", "past"): a for n, a in got.items() if n.startswith("present.")}


def turns(lengths: list[int], batch: int = 1, seed: int = 0) -> list[dict]:
    rng, past, made = np.random.default_rng(seed), 0, []
    for tokens in lengths:
        made.append(
            dict(
                input_ids=rng.integers(3, VOCABULARY - 1, (batch, tokens)),
                attention_mask=np.ones((batch, past + tokens), np.int64),
                position_ids=np.tile(np.arange(past, past + tokens), (batch, 1)),
            )
        )
        past += tokens
    return made


@pytest.fixture(scope="session")
def artifact(tools, tmp_path_factory):
    folder = tmp_path_factory.mktemp("states")
    made = {}

    def get(model: str, kv: str = "f32"):
        if (model, kv) not in made:
            made[model, kv] = folder / f"{model}.{kv}.mmcc"
            tools.compile(TINY / f"{model}.onnx", made[model, kv], f"--kv={kv}")
        return made[model, kv]

    return get


def call(tools, path, steps: list[dict], folder, *options):
    arguments = []
    for i, step in enumerate(steps):
        np.savez(folder / f"step{i}.npz", **step)
        arguments += ["--inputs", folder / f"step{i}.npz"]
    return tools.call("mmcc-run", path, "--state", *arguments, "--outputs", folder / "out.npz", *options)


def run(tools, path, steps: list[dict], folder, *options) -> dict:
    done = call(tools, path, steps, folder, *options)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as outputs:
        return dict(outputs)


def expect_logits(got: np.ndarray, wanted: np.ndarray, kv: str) -> None:
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    assert np.abs(got - wanted).max() <= DISTANCE[kv] * np.abs(wanted).max()


@pytest.mark.parametrize("kv", DISTANCE)
@pytest.mark.parametrize("isa", machine_levels())
@pytest.mark.parametrize("model", CHATS)
def test_every_step_equals_onnx_runtime(model, isa, kv, tools, artifact, tmp_path):
    """From an empty state: each prefix of the steps is a run of its own, whose last logits count."""
    path, reference = artifact(model, kv), Reference(model)
    steps, past = turns(BORDERS), reference.empty(1)
    for i, step in enumerate(steps):
        wanted, past = reference.step(step, past)
        got = run(tools, path, steps[: i + 1], tmp_path, "--isa", isa, "--threads", 2)
        assert got.keys() == {"logits"}
        expect_logits(got["logits"], wanted, kv)


@pytest.mark.parametrize("kv", DISTANCE)
def test_threads_do_not_change_a_bit(kv, tools, artifact, tmp_path):
    steps = turns([100, 1, 1, 70, 1, 1])
    one = run(tools, artifact("qwen2_chat.dyn", kv), steps, tmp_path, "--threads", 1)["logits"]
    for threads in (2, 3):
        several = run(tools, artifact("qwen2_chat.dyn", kv), steps, tmp_path, "--threads", threads)["logits"]
        assert several.tobytes() == one.tobytes()


@pytest.mark.parametrize("kv", DISTANCE)
@pytest.mark.parametrize("model", CHATS)
def test_a_past_under_the_exports_names_fills_the_state(model, kv, tools, artifact, tmp_path):
    reference = Reference(model)
    first, second, third = turns([70, 1, 3])
    _, past = reference.step(first, reference.empty(1))
    _, longer = reference.step(second, past)
    wanted, _ = reference.step(third, longer)
    got = run(tools, artifact(model, kv), [second | past, third], tmp_path)
    expect_logits(got["logits"], wanted, kv)


def test_an_empty_past_is_an_empty_state(tools, artifact, tmp_path):
    reference = Reference(CHATS[0])
    (prompt,) = turns([5])
    filled = run(tools, artifact(CHATS[0]), [prompt | reference.empty(1)], tmp_path)["logits"]
    plain = run(tools, artifact(CHATS[0]), [prompt], tmp_path)["logits"]
    assert filled.tobytes() == plain.tobytes()


def test_part_of_a_past_is_refused(tools, artifact, tmp_path):
    (prompt,) = turns([5])
    done = call(tools, artifact(CHATS[0]), [prompt | {"past.key.0": np.zeros((1, 2, 3, 8), np.float32)}], tmp_path)
    assert done.returncode == 1 and "for some states, but not for all" in done.stderr


def test_the_plain_entry_stays_and_needs_no_name(tools, artifact, tmp_path):
    reference = Reference(CHATS[0])
    first, second = turns([9, 4])
    _, past = reference.step(first, reference.empty(1))
    wanted, present = reference.step(second, past)
    got = tools.run(artifact(CHATS[0]), second | past, tmp_path)
    expect_logits(got.pop("logits"), wanted, "f32")
    assert {n.replace("present", "past") for n in got} == present.keys()


def test_a_mask_of_the_wrong_length_is_noticed(tools, tmp_path):
    tools.compile(TINY / "qwen2_decode.dyn.onnx", tmp_path / "m.mmcc")
    step = dict(
        input_ids=np.array([[7]]), attention_mask=np.ones((1, 1), np.int64), position_ids=np.zeros((1, 1), np.int64)
    )
    assert run(tools, tmp_path / "m.mmcc", [step], tmp_path)["logits"].shape == (1, 1, 200)
    done = call(tools, tmp_path / "m.mmcc", [step, step], tmp_path)
    assert done.returncode == 1
    assert "input 'attention_mask': dimension 1 is 1, but must be past + 1 = 2" in done.stderr


@pytest.mark.parametrize("batch", [2, 3])
def test_a_state_is_for_one_batch(batch, tools, artifact, tmp_path):
    done = call(tools, artifact(CHATS[0]), [turns([4])[0], turns([4], batch)[0]], tmp_path)
    assert done.returncode == 1
    assert f"the state is for a batch of 1, the call's is {batch}" in done.stderr
    reference, past = Reference(CHATS[0]), Reference(CHATS[0]).empty(batch)
    steps = turns([66, 1, 2], batch)
    for step in steps:
        wanted, past = reference.step(step, past)
    got = run(tools, artifact(CHATS[0]), steps, tmp_path)
    expect_logits(got["logits"], wanted, "f32")


def test_capacity_is_an_error_and_not_a_crash(tools, artifact, tmp_path):
    assert call(tools, artifact(CHATS[0]), turns([60, 4]), tmp_path, "--capacity", 64).returncode == 0
    done = call(tools, artifact(CHATS[0]), turns([60, 5]), tmp_path, "--capacity", 64)
    assert done.returncode == 4
    assert "the state holds 60 of at most 64 tokens and has no room for 5 more" in done.stderr


def test_bench_repeats_the_last_step(tools, artifact, tmp_path):
    options = ["--bench", "0.05", "--json", tmp_path / "j.json"]
    run(tools, artifact(CHATS[0]), turns([60, 1]), tmp_path, *options)
    measured = json.loads((tmp_path / "j.json").read_text())
    assert measured["runs"] > 1 and measured["state_tokens"] == 61
    # Two layers' keys and values in one block of 64 tokens of two heads of 8.
    assert measured["state_bytes"] == 4 * 64 * 2 * 8 * 4


@pytest.mark.parametrize(
    "options, message",
    [
        (["--inputs", "twice.npz"], "several --inputs and --capacity go with --state"),
        (["--entry", "qwen2_chat.dyn.state"], "keeps state: give --state"),
    ],
)
def test_state_is_asked_for(options, message, tools, artifact, tmp_path):
    np.savez(tmp_path / "in.npz", **turns([4])[0])
    done = tools.call(
        "mmcc-run", artifact(CHATS[0]), "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "o.npz", *options
    )
    assert done.returncode == 2 and message in done.stderr


def test_a_model_without_past_keeps_no_state(tools, tmp_path):
    tools.compile(TINY / "clip_text.onnx", tmp_path / "m.mmcc")
    done = call(tools, tmp_path / "m.mmcc", [{}], tmp_path)
    assert done.returncode == 1 and "no entry that keeps state" in done.stderr
    done = tools.call("mmcc", "compile", TINY / "clip_text.onnx", "-o", tmp_path / "n.mmcc", "--kv=fp8")
    assert done.returncode == 1 and "--kv=fp8: no entry takes past keys and values" in done.stderr
    assert not (tmp_path / "n.mmcc").exists()
    tools.compile(TINY / f"{CHATS[0]}.onnx", tmp_path / "off.mmcc", "--kv=off")
    assert call(tools, tmp_path / "off.mmcc", [{}], tmp_path).returncode == 1


def test_weights_are_stored_once_and_inspect_tells_the_states(tools, artifact, tmp_path):
    tools.compile(TINY / f"{CHATS[0]}.onnx", tmp_path / "off.mmcc", "--kv=off")
    told = {}
    for name, path in (("off", tmp_path / "off.mmcc"), ("on", artifact(CHATS[0], "int8"))):
        told[name] = json.loads(tools.call("mmcc", "inspect", path, "--json").stdout)
    assert told["on"]["weights_bytes"] == told["off"]["weights_bytes"]
    plain, kept = told["on"]["entries"][:2]
    assert not plain["states"] and kept["plain"] == plain["name"]
    assert [s["name"] for s in kept["states"]] == [f"past.{p}.{i}" for i in (0, 1) for p in ("key", "value")]
    assert {(s["dtype"], s["token"], s["scaled"]) for s in kept["states"]} == {("i8", "[batch, 2, 8]", True)}
    text = tools.call("mmcc", "inspect", artifact(CHATS[0], "int8")).stdout
    assert "state    past.key.0: i8 [batch, 2, 8] a token, in blocks of 64, a scale for each token and head" in text


def test_whisper_keeps_its_cross_attention_as_inputs(tools, tmp_path):
    """Of its four kinds of past only those that grow are pairs."""
    model = TINY / "whisper_step.dyn.onnx"
    tools.compile(model, tmp_path / "m.mmcc")
    rng = np.random.default_rng(1)
    values = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in onnx.load(model).graph.input}
    cross = {n: rng.standard_normal(s).astype(np.float32) for n, s in values.items() if n.startswith("cross.")}
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    past = {n: rng.standard_normal((1, 4, 3, 12)).astype(np.float32) for n in values if n.startswith("past.")}
    steps = []
    for i in range(3):
        step = dict(input_ids=np.array([[11 + i]]), position_ids=np.array([[3 + i]])) | cross
        steps.append(step | (past if i == 0 else {}))
        got = dict(zip(names, session.run(None, step | past)))
        past = {n.replace("present", "past"): a for n, a in got.items() if n.startswith("present.")}
    expect_logits(run(tools, tmp_path / "m.mmcc", steps, tmp_path)["logits"], got["logits"], "f32")


def test_narrow_weights_and_a_narrow_state_go_together(tools, artifact, tmp_path):
    """Weights of eight bits have their own error: the same entry with an f32 state is the judge."""
    steps, got = turns([70, 1, 1]), {}
    for kv in ("f32", "int8"):
        tools.compile(TINY / f"{CHATS[0]}.onnx", tmp_path / "m.mmcc", "--quantize=w8a16", "--group-size=0", f"--kv={kv}")
        got[kv] = run(tools, tmp_path / "m.mmcc", steps, tmp_path)["logits"]
    expect_logits(got["int8"], got["f32"], "int8")


@pytest.mark.parametrize("kv", ["f32", "int8"])
def test_a_conversation_is_shown_its_image_once(kv, tools, tmp_path):
    """The prompt has an image; the steps after it leave it out, on the same state."""
    encoder(tmp_path / "image.onnx")
    attending_decoder(tmp_path / "decoder.onnx")
    pair = {"entries": {"image": "image.onnx", "decoder": "decoder.onnx"}, "connect": [["image.features", "decoder.image"]]}
    path = describe(tmp_path / "chat.json", **pair, missing={"image": "skip"})
    tools.compile(path, tmp_path / "chat.mmcc", f"--kv={kv}")
    pixels, ids = image_and_text(3, batch=1, seq=60)
    prompt = {"image.pixels": pixels["pixels"], "decoder.ids": ids["ids"]}
    steps = [{"decoder.ids": np.array([[token]])} for token in (7, 9, 11)]

    def judge(model: str, inputs: dict) -> list[np.ndarray]:
        return onnxruntime.InferenceSession(tmp_path / f"{model}.onnx", providers=["CPUExecutionProvider"]).run(None, inputs)

    features = judge("image", pixels)[0]
    past = {f"past_{n}": np.zeros((1, 4, 0, 16), np.float32) for n in "kv"}
    for inputs in ({"image": features} | ids, *({"image": features[:, :0], "ids": s["decoder.ids"]} for s in steps)):
        logits, k, v = judge("decoder", inputs | past)
        past = {"past_k": k, "past_v": v}
    assert k.shape[2] == 16 + 60 + 3
    got = run(tools, tmp_path / "chat.mmcc", [prompt, *steps], tmp_path, "--entry", "chat")
    expect_logits(got["decoder.logits"], logits, kv)
