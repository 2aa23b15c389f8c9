"""Products by cuBLASLt on the GPU that this CPU plays, with a library that this CPU plays, too (test/runtime/cuda)."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import BUILD, ROOT, case_arrays
from gpu import FAKE, fake_gpu  # noqa: F401
from onnx import TensorProto, helper, numpy_helper
from small_models import tensor

HEADER = (ROOT / "runtime" / "device" / "cuda" / "CublasLt.h").read_text()
# What gives something back does not fail; what is left behind is an error of the fake library's.
SYMBOLS = [s for s in re.findall(r'X\(\w+, "(cublasLt\w+)"', HEADER) if "Destroy" not in s]
pytestmark = pytest.mark.usefixtures("fake_gpu")

WIDTH, HIDDEN, ROWS = 64, 192, 130


@pytest.fixture(autouse=True)
def log(fake_gpu, monkeypatch, tmp_path) -> Path:  # noqa: F811
    """Gets a line for each product that the library is asked for."""
    monkeypatch.setenv("FAKE_CUBLASLT_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def perceptrons(shape=("rows", WIDTH)) -> tuple[onnx.ModelProto, dict]:
    """x [rows, WIDTH] -> tanh GELU, residual; norm, ReLU, plain; norm, erf GELU, plain."""
    node = helper.make_node
    weights = {"gain": np.ones(WIDTH, np.float32), "shift": tensor((WIDTH,), 40)}
    for i, name in enumerate("abc"):
        weights |= {f"{name}1": tensor((WIDTH, HIDDEN), 50 + i), f"{name}2": tensor((HIDDEN, WIDTH), 60 + i)}
        weights |= {f"{name}1_bias": tensor((HIDDEN,), 70 + i, 0.5), f"{name}2_bias": tensor((WIDTH,), 80 + i, 0.5)}
    nodes = [
        *(node("MatMul", ["x", "a1"], ["a_"]), node("Add", ["a_", "a1_bias"], ["a__"])),
        *(node("Gelu", ["a__"], ["a"], approximate="tanh"), node("MatMul", ["a", "a2"], ["y_"])),
        *(node("Add", ["y_", "a2_bias"], ["y__"]), node("Add", ["y__", "x"], ["y"])),
        node("LayerNormalization", ["y", "gain", "shift"], ["y_norm"], axis=-1),
        *(node("MatMul", ["y_norm", "b1"], ["b_"]), node("Add", ["b_", "b1_bias"], ["b__"])),
        *(node("Relu", ["b__"], ["b"]), node("MatMul", ["b", "b2"], ["z"])),
        node("LayerNormalization", ["z", "gain", "shift"], ["z_norm"], axis=-1),
        *(node("MatMul", ["z_norm", "c1"], ["c_"]), node("Gelu", ["c_"], ["c"])),
        node("MatMul", ["c", "c2"], ["out"]),
    ]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
    initializers = [numpy_helper.from_array(a, n) for n, a in weights.items()]
    graph = helper.make_graph(nodes, "perceptrons", [value("x")], [value(n) for n in ("y", "z", "out")], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), weights


def reference(x: np.ndarray, w: dict) -> dict:
    """The same by numpy, in f64."""
    erf = np.vectorize(__import__("math").erf)
    norm = lambda v: (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5) * w["gain"] + w["shift"]
    a = x.astype(np.float64) @ w["a1"] + w["a1_bias"]
    a = 0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)))
    y = a @ w["a2"] + w["a2_bias"] + x
    z = np.maximum(norm(y) @ w["b1"] + w["b1_bias"], 0) @ w["b2"]
    c = norm(z) @ w["c1"]
    return {"y": y, "z": z, "out": (0.5 * c * (1 + erf(c / np.sqrt(2)))) @ w["c2"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("cublaslt")
    made, weights = perceptrons()
    onnx.save(made, folder / "perceptrons.onnx")
    return folder, weights


@pytest.fixture
def artifact(model, tools) -> Path:
    path = model[0] / "perceptrons.mmcc"
    if not path.exists():
        tools.compile(model[0] / "perceptrons.onnx", path, "--precision=bf16", "--target=cuda:sm_80", "--target=cpu:x86-64-v3")
    return path


def rows(count: int) -> dict:
    return {"x": tensor((count, WIDTH), 7, 1)}


def attempt(tools, artifact, folder, count=ROWS, *options):
    np.savez(folder / "in.npz", **rows(count))
    (folder / "out.npz").unlink(missing_ok=True)
    return tools.call("mmcc-run", artifact, "--inputs", folder / "in.npz", "--outputs", folder / "out.npz", "--device", "cuda", *options)


def outputs(folder) -> dict:
    with np.load(folder / "out.npz") as arrays:
        return dict(arrays)


def assert_near(got: dict, want: dict, tolerance: float) -> None:
    assert got.keys() == want.keys()
    for name in want:
        assert np.abs(got[name] - want[name]).max() <= tolerance * np.abs(want[name]).max(), name


def without_library(monkeypatch, folder) -> None:
    """A machine with the driver alone."""
    (folder / "alone").mkdir()
    (folder / "alone" / "libcuda.so.1").symlink_to(FAKE / "libcuda.so.1")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder / "alone"))


# Rows, columns, depth, epilogue (4: bias, 2: ReLU, 32: GELU), what residuals are multiplied by, type of the result (14: bf16).
CALLS = [
    f"{ROWS} x {HIDDEN} x {WIDTH} epilogue 36 beta 0 type 14 0",
    f"{ROWS} x {WIDTH} x {HIDDEN} epilogue 4 beta 1 type 0 0",
    f"{ROWS} x {HIDDEN} x {WIDTH} epilogue 6 beta 0 type 14 0",
    f"{ROWS} x {WIDTH} x {HIDDEN} epilogue 1 beta 0 type 0 0",
    f"{ROWS} x {WIDTH} x {HIDDEN} epilogue 1 beta 0 type 0 0",
]


def test_products_of_many_rows_are_the_librarys(artifact, model, tools, tmp_path, log, monkeypatch):
    """Every epilogue, never an erf GELU; as numpy has it, and as kernels do it but for rounding."""
    done = attempt(tools, artifact, tmp_path)
    assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines() == CALLS
    got = outputs(tmp_path)
    assert_near(got, reference(rows(ROWS)["x"], model[1]), 0.02)
    # From a graph the same, bit by bit.
    assert attempt(tools, artifact, tmp_path, ROWS, "--bench", "0.01").returncode == 0
    assert all(np.array_equal(got[name], value) for name, value in outputs(tmp_path).items())
    log.unlink()
    without_library(monkeypatch, tmp_path)
    assert attempt(tools, artifact, tmp_path).returncode == 0 and not log.exists()
    assert_near(got, outputs(tmp_path), 0.01)
    # Sums are of other order, so that this would show if both were one.
    assert any(not np.array_equal(got[name], value) for name, value in outputs(tmp_path).items())


def test_products_of_f16_are_the_librarys(model, tools, tmp_path, log):
    """But for those whose input nothing bounds."""
    tools.compile(model[0] / "perceptrons.onnx", tmp_path / "m.mmcc", "--precision=f16", "--target=cuda:sm_80")
    assert attempt(tools, tmp_path / "m.mmcc", tmp_path).returncode == 0
    assert log.read_text().splitlines() == [call.replace("type 14", "type 2") for call in CALLS[2:]]
    assert_near(outputs(tmp_path), reference(rows(ROWS)["x"], model[1]), 0.003)


@pytest.mark.parametrize("count", [1, 20, 63])
def test_few_rows_are_the_kernels(count, artifact, model, tools, tmp_path, log):
    assert attempt(tools, artifact, tmp_path, count).returncode == 0 and not log.exists()
    assert_near(outputs(tmp_path), reference(rows(count)["x"], model[1]), 0.02)


def profile(tools, artifact, folder) -> tuple[str, str]:
    """What is said of the library, and the names of what has run."""
    done = attempt(tools, artifact, folder, ROWS, "--profile")
    assert done.returncode == 0, done.stderr
    said = re.search(r"^library: (.*)$", done.stdout, re.M)[1]
    return said, done.stdout


def test_profiles_say_who_it_was(artifact, tools, tmp_path, monkeypatch):
    said, names = profile(tools, artifact, tmp_path)
    assert said == "cuBLASLt 13.1.1" and names.count("cublaslt.matmul") == len(CALLS)
    assert names.count("gemm_bf16_bf16") == 1  # erf GELU
    done = attempt(tools, artifact, tmp_path, ROWS, "--bench", "0.01")
    assert '"library": "cuBLASLt 13.1.1"' in done.stdout
    without_library(monkeypatch, tmp_path)
    said, names = profile(tools, artifact, tmp_path)
    assert said.startswith("no cuBLASLt: libcublasLt.so.13: ") and names.count("gemm_bf16_bf16") == len(CALLS) + 1
    assert '"library": ""' in attempt(tools, artifact, tmp_path, ROWS, "--bench", "0.01").stdout
    # Where it lies may be said.
    monkeypatch.setenv("MMCC_CUBLASLT", str(FAKE / "libcublasLt.so.13"))
    assert profile(tools, artifact, tmp_path)[0] == "cuBLASLt 13.1.1"


@pytest.mark.parametrize("version, said", [("120903", "cuBLASLt 12.9.3 is none of 13"), ("140000", "cuBLASLt 14.0.0 is none of 13")])
def test_other_versions_are_not_used(version, said, artifact, tools, tmp_path, log, monkeypatch):
    monkeypatch.setenv("FAKE_CUBLASLT_VERSION", version)
    assert profile(tools, artifact, tmp_path)[0] == f"no cuBLASLt: {said}" and not log.exists()


def test_what_the_library_cannot_do_is_the_kernels(artifact, tools, tmp_path, log, monkeypatch):
    monkeypatch.setenv("FAKE_CUBLASLT_REFUSE", "1")
    assert attempt(tools, artifact, tmp_path, ROWS, "--bench", "0.01").returncode == 0 and not log.exists()
    refused = outputs(tmp_path)
    without_library(monkeypatch, tmp_path)
    assert attempt(tools, artifact, tmp_path).returncode == 0
    assert all(np.array_equal(refused[name], value) for name, value in outputs(tmp_path).items())


def test_a_library_that_lacks_something(artifact, tools, tmp_path, monkeypatch):
    """The driver is no cuBLASLt."""
    monkeypatch.setenv("MMCC_CUBLASLT", str(FAKE / "libcuda.so.1"))
    said = profile(tools, artifact, tmp_path)[0]
    assert said.startswith("no cuBLASLt: ") and said.endswith("has no cublasLtGetVersion")


@pytest.mark.parametrize("call", [1, 2, 7])
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_call_may_fail(symbol, call, artifact, model, tools, tmp_path, monkeypatch):
    """A message that names the node and an exit code, nothing written that is not whole, nothing left behind."""
    monkeypatch.setenv("FAKE_CUBLASLT_FAIL", f"{symbol}:{call}")
    done = attempt(tools, artifact, tmp_path, ROWS, "--bench", "0.01")
    if done.returncode:
        assert done.returncode == 4 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "Fake GPU): cuBLASLt: " in done.stderr and "CUBLAS_STATUS_ALLOC_FAILED" in done.stderr
        assert re.search(r"command \d+ \('", done.stderr), done.stderr
        return
    # Without the library itself kernels do it all; others are not called, or not so often.
    assert symbol in ("cublasLtMatmulAlgoCheck", "cublasLtCreate") or call > 1
    assert_near(outputs(tmp_path), reference(rows(ROWS)["x"], model[1]), 0.02)


@pytest.mark.parametrize("call", [1, 2, 4])
@pytest.mark.parametrize("symbol", ["cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphAddChildGraphNode", "cuStreamCreate", "cuMemAlloc_v2"])
def test_every_call_of_the_driver_may_fail(symbol, call, artifact, tools, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_CUDA_FAIL", f"{symbol}:{call}")
    done = attempt(tools, artifact, tmp_path, ROWS, "--bench", "0.01")
    assert done.returncode == 4 and done.stderr.startswith("mmcc-run: ") and len(done.stderr.splitlines()) == 1, done.stderr


def test_too_little_memory_for_a_workspace(artifact, tools, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_CUDA_MEMORY", str(3 << 20))
    done = attempt(tools, artifact, tmp_path)
    assert done.returncode == 4 and "has no memory for the library's workspace: 4194304 bytes are needed" in done.stderr


def test_batches_are_rows(model, tools, tmp_path, log):
    """Where batch and tokens show at the call: as many rows as both make."""
    made, weights = perceptrons(["batch", "tokens", WIDTH])
    onnx.save(made, tmp_path / "batches.onnx")
    tools.compile(tmp_path / "batches.onnx", tmp_path / "m.mmcc", "--precision=bf16", "--target=cuda:sm_80")
    x = rows(ROWS)["x"]
    got = tools.run(tmp_path / "m.mmcc", {"x": x.reshape(2, ROWS // 2, WIDTH)}, tmp_path, "--device", "cuda")
    assert log.read_text().splitlines() == CALLS
    assert_near({k: v.reshape(ROWS, WIDTH) for k, v in got.items()}, reference(x, weights), 0.02)


def test_a_decoder_begins_with_the_library_and_goes_on_with_kernels(tools, tmp_path, log):
    """A prompt, then steps, whose rows are few; as on the processor."""
    tools.compile(ROOT / "models/text_decoder/model.onnx", tmp_path / "m.mmcc", "--precision=bf16", "--target=cpu:x86-64-v3", "--target=cuda:sm_80")
    ids = np.random.default_rng(5).integers(0, 60, (1, 80))
    arguments, at = [], 0
    for i, count in enumerate((70, 1, 1)):
        np.savez(tmp_path / f"step{i}.npz", input_ids=ids[:, at : at + count])
        arguments += ["--inputs", tmp_path / f"step{i}.npz"]
        at += count
    logits = []
    for device in ("cpu", "cuda"):
        done = tools.call("mmcc-run", tmp_path / "m.mmcc", "--state", *arguments, "--outputs", tmp_path / "out.npz", "--device", device)
        assert done.returncode == 0, done.stderr
        logits.append(outputs(tmp_path)["logits"])
    assert np.abs(logits[1] - logits[0]).max() <= 0.03 * np.abs(logits[0]).max()
    calls = log.read_text().splitlines()
    assert calls and all(line.startswith("70 x ") for line in calls)


def test_files_and_explanations_tell(artifact, model, tools):
    told = tools.call("mmcc", "inspect", artifact, "--commands").stdout
    assert told.count("or cublaslt.matmul (") == len(CALLS), told
    assert f"or cublaslt.matmul (rows x {HIDDEN} x {WIDTH}, bias,gelu,narrow)" in told
    explained = tools.call("mmcc", "explain", model[0] / "perceptrons.onnx", "--precision=bf16", "--target=cuda:sm_80")
    assert explained.stdout.count("cublaslt.matmul (") == len(CALLS), explained.stdout
    assert "cublaslt.matmul (bias,gelu,narrow) where there is the library" in explained.stdout


@pytest.mark.parametrize("options", [["--target=cpu:x86-64-v3", "--precision=bf16"], ["--target=cuda:sm_80"]])
def test_processors_and_f32_have_no_library(options, model, tools):
    explained = tools.call("mmcc", "explain", model[0] / "perceptrons.onnx", *options)
    assert explained.returncode == 0 and "gemm_" in explained.stdout and "cublaslt" not in explained.stdout


# ---- The best of the library's ways


FASTEST = 2
MACHINE = "Fake GPU, cuBLASLt 13.1.1"
PRODUCTS = [
    f"{ROWS} x {HIDDEN} x {WIDTH}, bias,gelu,narrow",
    f"{ROWS} x {HIDDEN} x {WIDTH}, bias,relu,narrow",
    f"{ROWS} x {WIDTH} x {HIDDEN}",
    f"{ROWS} x {WIDTH} x {HIDDEN}, bias,residual",
]


@pytest.fixture
def known(model, tools) -> Path:
    path = model[0] / "known.mmcc"
    if not path.exists():
        compile_known(model, tools, path)
    return path


def compile_known(model, tools, path, *options) -> None:
    tools.compile(model[0] / "perceptrons.onnx", path, "--precision=bf16", "--target=cuda:sm_80", f"--dim=rows={ROWS}", *options)


def tune(tools, artifact, record, *options):
    return tools.call("mmcc", "tune", artifact, f"--tuning={record}", "--device=cuda", *options)


@pytest.fixture
def record(model, known, tools, monkeypatch) -> Path:
    path = model[0] / "record.json"
    if not path.exists():
        monkeypatch.setenv("FAKE_CUBLASLT_FASTEST", str(FASTEST))
        done = tune(tools, known, path)
        assert done.returncode == 0 and done.stdout.startswith(f"{MACHINE}\n"), done.stderr
        monkeypatch.delenv("FAKE_CUBLASLT_FASTEST")
    return path


def choices_run(model, tools, folder, record, log) -> list[str]:
    """Which of the library's ways did which product, with what the record says."""
    compile_known(model, tools, folder / "chosen.mmcc", f"--tuning={record}")
    log.unlink(missing_ok=True)
    assert attempt(tools, folder / "chosen.mmcc", folder).returncode == 0
    assert_near(outputs(folder), reference(rows(ROWS)["x"], model[1]), 0.02)
    return [line.split()[-1] for line in log.read_text().splitlines()]


def test_the_best_way_is_found_and_taken(record, known, model, tools, tmp_path, log):
    said = json.loads(record.read_text())["products"]
    assert said.keys() == {MACHINE} and sorted(said[MACHINE]) == PRODUCTS
    for product in said[MACHINE].values():
        # What the fake library calls its ways: their number is the second of eight.
        assert int(product["choice"][16:32], 16) == FASTEST and 0 < product["microseconds"] < 1e6
    assert choices_run(model, tools, tmp_path, record, log) == [str(FASTEST)] * len(CALLS)
    # The same record makes the same bytes; what is in it is not timed again.
    compile_known(model, tools, tmp_path / "again.mmcc", f"--tuning={record}")
    assert (tmp_path / "again.mmcc").read_bytes() == (tmp_path / "chosen.mmcc").read_bytes() != known.read_bytes()
    before = record.read_text()
    assert tune(tools, known, record).stdout == f"{MACHINE}\n" and record.read_text() == before


def test_another_version_has_other_ways(record, model, tools, tmp_path, log, monkeypatch):
    monkeypatch.setenv("FAKE_CUBLASLT_VERSION", "130200")
    assert choices_run(model, tools, tmp_path, record, log) == ["0"] * len(CALLS)


@pytest.mark.parametrize("choice, ways", [("library", "00000"), ("kernel", "0000"), ("0" * 128, "00000")])
def test_what_a_record_may_say(choice, ways, record, model, tools, tmp_path, log):
    """The library's own choice, the kernel, or what the library does not take."""
    content = json.loads(record.read_text())
    content["products"][MACHINE] = {PRODUCTS[0]: {"choice": choice, "microseconds": 1}}
    (tmp_path / "record.json").write_text(json.dumps(content))
    assert "".join(choices_run(model, tools, tmp_path, tmp_path / "record.json", log)) == ways


@pytest.mark.parametrize(
    "products, message",
    [
        ({"gpu": 3}, "'gpu' is no object"),
        ({"gpu": {"product": {"choice": "kernel"}}}, "'product' has no choice and time"),
        ({"gpu": {"product": {"choice": "fast", "microseconds": 1}}}, "'product' has no choice and time"),
        ({"gpu": {"product": {"choice": "0" * 127 + "g", "microseconds": 1}}}, "'product' has no choice and time"),
    ],
)
def test_a_record_that_is_none(products, message, known, model, tools, tmp_path):
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"version": 1, "machines": {}, "products": products}))
    assert message in tune(tools, known, record).stderr
    options = ["--precision=bf16", "--target=cuda:sm_80", f"--tuning={record}"]
    done = tools.call("mmcc", "compile", model[0] / "perceptrons.onnx", "-o", tmp_path / "m.mmcc", *options)
    assert done.returncode == 1 and message in done.stderr


def test_what_tune_refuses(artifact, known, model, tools, tmp_path, monkeypatch):
    record = tmp_path / "record.json"
    # Rows that show at the call take the library's own choice.
    done = tune(tools, artifact, record)
    assert done.returncode == 0 and done.stdout == f"{MACHINE}\n" and not record.exists()
    tools.compile(model[0] / "perceptrons.onnx", tmp_path / "f32.mmcc", "--target=cuda:sm_80")
    done = tune(tools, tmp_path / "f32.mmcc", record)
    assert done.returncode == 1 and "has no product for a library" in done.stderr
    without_library(monkeypatch, tmp_path)
    done = tune(tools, known, record)
    assert done.returncode == 4 and "no cuBLASLt: libcublasLt.so.13" in done.stderr and not record.exists()
    monkeypatch.delenv("LD_LIBRARY_PATH")
    done = tune(tools, known, record)
    assert done.returncode == 4 and "there is no CUDA driver" in done.stderr
