"""Each architecture's tiny export, compiled and run by the tools, against PyTorch's outputs."""

from pathlib import Path

import pytest
from conftest import ROOT, assert_close, case_arrays, machine_levels

TINY = ROOT / "models" / "tiny"
MODELS = sorted(str(p.relative_to(TINY))[: -len(".onnx")] for p in TINY.rglob("*.onnx"))
# One of each family, for what need not be asked of all.
SOME = ["bert_base", "clip_b32.dyn", "qwen2_decode.dyn", "resnet50", "swin_t.legacy", "wav2vec2"]


def cases(model: str) -> list[Path]:
    """One size, or two for exports with a dynamic dimension."""
    return [p for p in (TINY / f"{model}.npz", TINY / f"{model}.2.npz") if p.exists()]


@pytest.fixture(scope="session")
def artifact(tools, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts")
    made = {}

    def get(model: str) -> Path:
        if model not in made:
            path = folder / f"{model.replace('/', '_')}.mmcc"
            tools.compile(TINY / f"{model}.onnx", path)
            made[model] = path
        return made[model]

    return get


def test_there_are_models_and_levels():
    assert len(MODELS) > 40 and set(SOME) <= set(MODELS)
    assert machine_levels(), "the tests need a machine with AVX2 and FMA"


@pytest.mark.parametrize("isa", machine_levels())
@pytest.mark.parametrize("model", MODELS)
def test_equals_pytorch(model, isa, tools, artifact, tmp_path):
    path = artifact(model)
    assert cases(model)
    for case in cases(model):
        inputs, expected = case_arrays(case)
        one = tools.run(path, inputs, tmp_path, "--isa", isa, "--threads", 1)
        assert_close(one, expected)
        for threads in (2, 3):
            several = tools.run(path, inputs, tmp_path, "--isa", isa, "--threads", threads)
            for name in one:
                assert several[name].tobytes() == one[name].tobytes(), f"{name} changes with {threads} threads"


@pytest.mark.parametrize("model", MODELS)
def test_unoptimised_equals_pytorch(model, tools, tmp_path):
    level = machine_levels()[-1]
    tools.compile(TINY / f"{model}.onnx", tmp_path / "o0.mmcc", "-O0", f"--target=cpu:{level}")
    for case in cases(model):
        inputs, expected = case_arrays(case)
        assert_close(tools.run(tmp_path / "o0.mmcc", inputs, tmp_path), expected)


@pytest.mark.parametrize("model", SOME)
def test_same_bytes_in_two_folders(model, tools, artifact, tmp_path):
    source = TINY / f"{model}.onnx"
    other = tmp_path / "elsewhere" / "deeper"
    other.mkdir(parents=True)
    (other / source.name).write_bytes(source.read_bytes())
    tools.compile(other / source.name, tmp_path / "again.mmcc")
    assert (tmp_path / "again.mmcc").read_bytes() == artifact(model).read_bytes()


@pytest.mark.parametrize("stage", ["import", "simplify", "optimize", "quantize", "lower", "schedule"])
@pytest.mark.parametrize("model", ["bert_base.dyn", "bert_base.legacy"])  # its weights are called onnx::MatMul_368
def test_printed_ir_is_taken_up_again(model, stage, tools, artifact, tmp_path):
    printed = tools.call("mmcc", "compile", TINY / f"{model}.onnx", f"--stop-after={stage}")
    assert printed.returncode == 0 and printed.stderr == ""
    (tmp_path / "ir.mlir").write_text(printed.stdout)
    tools.compile(tmp_path / "ir.mlir", tmp_path / "out.mmcc", f"--from={stage}")
    inputs, _ = case_arrays(cases(model)[0])
    resumed = tools.run(tmp_path / "out.mmcc", inputs, tmp_path)
    direct = tools.run(artifact(model), inputs, tmp_path)
    for name in direct:
        assert resumed[name].tobytes() == direct[name].tobytes()


def test_a_fixed_dimension_is_static(tools, tmp_path):
    model = TINY / "bert_base.dyn.onnx"
    tools.compile(model, tmp_path / "fixed.mmcc", "--dim", "seq=16")
    small, large = (case_arrays(c) for c in cases("bert_base.dyn"))
    assert_close(tools.run(tmp_path / "fixed.mmcc", small[0], tmp_path), small[1])
    with pytest.raises(AssertionError, match="input_ids"):
        tools.run(tmp_path / "fixed.mmcc", large[0], tmp_path)


def test_several_models_make_one_artifact(tools, tmp_path):
    names = ["llava_proj", "clip_text"]
    tools.compile(TINY / "llava_proj.onnx", tmp_path / "two.mmcc", TINY / "clip_text.onnx")
    for name in names:
        inputs, expected = case_arrays(TINY / f"{name}.npz")
        assert_close(tools.run(tmp_path / "two.mmcc", inputs, tmp_path, "--entry", name), expected)
