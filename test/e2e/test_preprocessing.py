"""What stands before an encoder: a log-mel spectrogram, an image made smaller and normalised; on processors and on a GPU that this CPU plays."""

import re
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import machine_levels
from gpu import fake_gpu  # noqa: F401
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from test_cuda import TOOLKIT, cache, compiler, on_cuda  # noqa: F401

node = helper.make_node
FRAME, STEP, BANDS, RATE = 64, 24, 10, 8000


def model(nodes: list, given: tuple, made: str, constants: dict, opset: int = 20) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    inputs = [helper.make_tensor_value_info(*given)]
    outputs = [helper.make_tensor_value_info(made, TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "before", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def log_mel(length) -> onnx.ModelProto:
    """As Whisper's: windows, power, bands, logarithm."""
    nodes = [
        node("HannWindow", ["frame"], ["window"]),
        node("STFT", ["signal", "step", "window"], ["spectrum"]),
        node("ReduceSumSquare", ["spectrum", "last"], ["power"], keepdims=0),
        node("MelWeightMatrix", ["bands", "frame", "rate", "low", "high"], ["filters"]),
        node("MatMul", ["power", "filters"], ["energies"]),
        node("Max", ["energies", "least"], ["some"]),
        node("Log", ["some"], ["mel"]),
    ]
    whole = {k: np.int64(v) for k, v in dict(frame=FRAME, step=STEP, bands=BANDS, rate=RATE).items()}
    reals = {k: np.float32(v) for k, v in dict(low=20, high=3900, least=1e-10).items()}
    return model(nodes, ("signal", TensorProto.FLOAT, ["batch", length]), "mel", whole | reals | dict(last=np.array([-1])))


def image(sizes: list[int], mode: str, **attributes) -> onnx.ModelProto:
    """Bytes, channels last, to what a vision encoder takes."""
    nodes = [
        node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2]),
        node("Resize", ["planes", "", "", "sizes"], ["small"], mode=mode, antialias=1, **attributes),
        node("Sub", ["small", "mean"], ["centred"]),
        node("Div", ["centred", "deviation"], ["pixels"]),
    ]
    mean, deviation = (np.array(v, np.float32).reshape(3, 1, 1) * 255 for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    constants = dict(sizes=np.array([2, 3, *sizes]), mean=mean, deviation=deviation)
    return model(nodes, ("image", TensorProto.UINT8, [2, 24, 20, 3]), "pixels", constants)


SMALLER = {
    "linear": image([9, 7], "linear"),
    "cubic": image([9, 7], "cubic"),
    "outside": image([11, 8], "cubic", exclude_outside=1, cubic_coeff_a=-0.5),
    "corners": image([10, 10], "linear", coordinate_transformation_mode="align_corners"),
    # Longer one way: there it has no filter.
    "both ways": image([9, 33], "linear", coordinate_transformation_mode="pytorch_half_pixel"),
}


def everywhere(proto: onnx.ModelProto, inputs: dict, tools, folder) -> list[dict]:
    onnx.save(proto, folder / "m.onnx")
    tools.compile(folder / "m.onnx", folder / "cpu.mmcc")
    made = [tools.run(folder / "cpu.mmcc", inputs, folder, "--isa", isa) for isa in machine_levels()]
    return made + [on_cuda(folder / "m.onnx", inputs, tools, folder)]


@pytest.mark.parametrize("length", [500, "n"])
def test_a_log_mel_spectrogram_is_onnx_runtimes(length, tools, tmp_path, fake_gpu):
    signal = np.random.default_rng(1).standard_normal((2, 500)).astype(np.float32)
    proto = log_mel(length)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (want,) = session.run(None, dict(signal=signal))
    assert want.shape == (2, (500 - FRAME) // STEP + 1, BANDS)
    for got in everywhere(proto, dict(signal=signal), tools, tmp_path):
        np.testing.assert_allclose(got["mel"], want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SMALLER)
def test_an_image_made_smaller_is_onnxs(name, tools, tmp_path, fake_gpu):
    pixels = np.random.default_rng(2).integers(0, 256, (2, 24, 20, 3), dtype=np.uint8)
    (want,) = ReferenceEvaluator(SMALLER[name]).run(None, dict(image=pixels))
    for got in everywhere(SMALLER[name], dict(image=pixels), tools, tmp_path):
        np.testing.assert_allclose(got["pixels"], want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("operator, term", [("HannWindow", (0.5, 0.5, 0)), ("HammingWindow", (25 / 46, 21 / 46, 0)), ("BlackmanWindow", (0.42, 0.5, 0.08))])
@pytest.mark.parametrize("periodic", [0, 1])
def test_windows(operator, term, periodic, tools, tmp_path):
    nodes = [node(operator, ["size"], ["w"], periodic=periodic), node("Mul", ["x", "w"], ["y"])]
    onnx.save(model(nodes, ("x", TensorProto.FLOAT, [30]), "y", dict(size=np.int64(30))), tmp_path / "m.onnx")
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc")
    angle = 2 * np.pi * np.arange(30) / (30 if periodic else 29)
    want = term[0] - term[1] * np.cos(angle) + term[2] * np.cos(2 * angle)
    got = tools.run(tmp_path / "m.mmcc", dict(x=np.ones(30, np.float32)), tmp_path)["y"]
    np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("name, rows", [("mel", {"conv_f32", "gemm_f32"}), ("linear", {"loops"})])
def test_nvcc_compiles_them(name, rows, tools, tmp_path):
    """Of a spectrogram what costs time is a convolution and a product: kernels that GPUs have."""
    onnx.save(log_mel("n") if name == "mel" else SMALLER[name], tmp_path / "m.onnx")
    tools.compile(tmp_path / "m.onnx", tmp_path / "m.mmcc", "--target=cuda:sm_80", f"--dump-code={tmp_path}")
    cubins = list((tmp_path / "cuda-sm_80").glob("*.cubin"))
    assert {re.sub(r"_\d+$", "", c.stem) for c in cubins} >= rows
    for cubin in cubins:
        said = subprocess.run([TOOLKIT / "cuobjdump", "--dump-resource-usage", cubin], capture_output=True, text=True, check=True)
        assert "LOCAL:0" in said.stdout
