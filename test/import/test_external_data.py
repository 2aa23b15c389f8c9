"""External data stays inside the model's folder, and every length is checked."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import F32, model, value

node = helper.make_node
WEIGHT = np.arange(6, dtype=np.float32)


def external(**entries):
    tensor = TensorProto(name="w", data_type=F32, dims=[6], data_location=TensorProto.EXTERNAL)
    for key, content in entries.items():
        tensor.external_data.add(key=key, value=str(content))
    return tensor


def adding(tensor):
    return model([node("Add", ["x", "w"], ["y"])], [value("x", [6])], ["y"], [tensor])


@pytest.fixture
def folder(importer):
    (importer.folder / "w.bin").write_bytes(b"\0" * 8 + WEIGHT.tobytes() + b"\0" * 8)
    (importer.folder / "sub").mkdir()
    (importer.folder / "sub" / "v.bin").write_bytes(WEIGHT.tobytes())
    return importer.folder


PRINTED = "dense<[0.000000e+00, 1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 5.000000e+00]>"


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "w.bin", "offset": 8, "length": 24},
        {"location": "w.bin", "offset": 8},
        {"location": "./w.bin", "offset": 8, "checksum": "da39a3ee"},
        {"location": "sub/v.bin"},
    ],
)
def test_data_in_the_folder(importer, folder, entries):
    assert PRINTED in importer.ir(adding(external(**entries)))


@pytest.mark.parametrize(
    "entries, message",
    [
        ({"location": "/etc/passwd"}, "is an absolute path"),
        ({"location": "../w.bin"}, "leaves the model's folder"),
        ({"location": "sub/../../w.bin"}, "leaves the model's folder"),
        ({"location": "sub/../w.bin"}, "leaves the model's folder"),
        ({"location": ""}, "is empty"),
        ({}, "is empty"),
        ({"location": "w.bin\0.txt"}, "zero byte"),
        ({"location": "."}, "names no file"),
        ({"location": "sub"}, "is not a regular file"),
        ({"location": "missing.bin"}, "No such file"),
        ({"location": "w.bin/x"}, "passes through"),
        ({"location": "w.bin", "offset": -8}, "which is no size"),
        ({"location": "w.bin", "offset": "0x10"}, "which is no size"),
        ({"location": "w.bin", "offset": "1e3"}, "which is no size"),
        ({"location": "w.bin", "offset": 2**64}, "which is no size"),
        ({"location": "w.bin", "offset": 2**64 - 8}, "which has 40"),
        ({"location": "w.bin", "offset": 17}, "which has 40"),
        ({"location": "w.bin", "length": 23}, "needs 24 bytes where external_data gives 23"),
        ({"location": "w.bin", "length": 2**63}, "needs 24 bytes"),
        ({"location": "w.bin", "__class__": "x"}, "unknown external_data key '__class__'"),
    ],
)
def test_data_elsewhere_or_of_other_length(importer, folder, entries, message):
    assert message in importer.refusal(adding(external(**entries)))


def test_a_key_given_twice(importer, folder):
    tensor = external(location="w.bin", offset=8)
    tensor.external_data.add(key="location", value="sub/v.bin")
    assert "twice" in importer.refusal(adding(tensor))


def test_a_symbolic_link_as_file_and_on_the_way(importer, folder):
    os.symlink("w.bin", folder / "link.bin")
    os.symlink("sub", folder / "alias")
    assert "passes through a symbolic link" in importer.refusal(adding(external(location="link.bin", offset=8)))
    assert "passes through a symbolic link" in importer.refusal(adding(external(location="alias/v.bin")))


def test_a_hard_link(importer, folder):
    os.link(folder / "w.bin", folder / "second.bin")
    assert "has more than one hard link" in importer.refusal(adding(external(location="second.bin", offset=8)))


def test_a_pipe_is_not_waited_for(importer, folder):
    os.mkfifo(folder / "pipe")
    assert "is not a regular file" in importer.refusal(adding(external(location="pipe")))


def test_the_model_itself_may_be_reached_by_a_link(importer, folder):
    path = importer.save(adding(external(location="w.bin", offset=8)))
    os.symlink(path, folder / "link.onnx")
    assert PRINTED in importer.ir(folder / "link.onnx")


# The same door for tensors that are no initialisers


def escaping():
    return external(location="../w.bin")


def test_a_constant_node(importer, folder):
    proto = model(
        [node("Constant", [], ["w"], value=escaping()), node("Add", ["x", "w"], ["y"])], [value("x", [6])], ["y"]
    )
    assert "leaves the model's folder" in importer.refusal(proto)


def sparse(values):
    values.dims[0] = 6
    indices = helper.make_tensor("i", TensorProto.INT64, [6], range(6))
    return onnx.SparseTensorProto(values=values, indices=indices, dims=[6])


def test_a_sparse_constant_and_a_sparse_initializer(importer, folder):
    constant = model(
        [node("Constant", [], ["w"], sparse_value=sparse(escaping())), node("Add", ["x", "w"], ["y"])],
        [value("x", [6])],
        ["y"],
    )
    assert "leaves the model's folder" in importer.refusal(constant)
    initializer = model([node("Add", ["x", "w"], ["y"])], [value("x", [6])], ["y"])
    initializer.graph.sparse_initializer.append(sparse(escaping()))
    assert "leaves the model's folder" in importer.refusal(initializer)


def test_a_function_body(importer, folder):
    function = helper.make_function(
        "local",
        "f",
        ["a"],
        ["b"],
        [node("Constant", [], ["w"], value=escaping()), node("Add", ["a", "w"], ["b"])],
        [helper.make_opsetid("", 18)],
    )
    proto = model([node("f", ["x"], ["y"], domain="local")], [value("x", [6])], ["y"], functions=[function], domains=["local"])
    assert "leaves the model's folder" in importer.refusal(proto)


def test_data_beyond_two_gigabytes(importer, folder):
    # A file with a hole: its size is nominal, nothing of it is read but the end.
    offset = 5 << 30
    with open(folder / "large.bin", "wb") as file:
        file.seek(offset)
        file.write(WEIGHT.tobytes())
    assert PRINTED in importer.ir(adding(external(location="large.bin", offset=offset)))
