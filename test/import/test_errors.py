"""What is at fault is said in one run, with node, operator and opset; nothing crashes."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import F32, constant, model, value

node = helper.make_node


def test_all_blockers_are_listed_and_their_users_are_not(importer):
    proto = model(
        [
            node("Det", ["x"], ["d"], name="first"),
            node("NonZero", ["x"], ["z"], name="second"),
            node("Relu", ["d"], ["r"], name="follows"),
            node("Cast", ["z"], ["c"], to=F32, name="follows_too"),
            node("Add", ["r", "c"], ["y"], name="last"),
        ],
        [value("x", [2, 2])],
        ["y"],
    )
    lines = importer.refusal(proto).strip().splitlines()
    assert [line.split("m.onnx: ")[1] for line in lines] == [
        "node 'first' (Det, opset 18): the operator is not supported",
        "node 'second' (NonZero, opset 18): the size of the result depends on data",
    ]


def test_nodes_without_effect_block_nothing(importer):
    proto = model([node("Det", ["x"], ["d"]), node("Relu", ["x"], ["y"])], [value("x", [2, 2])], ["y"])
    assert importer.operations(proto) == ["relu"]


@pytest.mark.parametrize("operator", ["Loop", "Scan", "SequenceEmpty", "StringConcat", "NoSuchOperator"])
def test_operators_without_a_meaning_here(importer, operator):
    proto = model([node(operator, ["x"], ["y"], name="n")], [value("x", [2])], ["y"])
    assert f"node 'n' ({operator}, opset 18): the operator is not supported" in importer.refusal(proto)


def test_a_domain_of_somebody_else_is_named(importer):
    proto = model([node("Foo", ["x"], ["y"], domain="my.ops")], [value("x", [2])], ["y"], domains=["my.ops"])
    assert "(domain 'my.ops')" in importer.refusal(proto)


def test_an_attribute_that_nobody_reads_is_refused(importer):
    proto = model([node("Relu", ["x"], ["y"], slope=0.5)], [value("x", [2])], ["y"])
    assert "attribute 'slope' is not supported" in importer.refusal(proto)


def test_an_attribute_of_the_wrong_type(importer):
    proto = model([node("Softmax", ["x"], ["y"], axis="1")], [value("x", [2, 3])], ["y"])
    assert "attribute 'axis' has the wrong type" in importer.refusal(proto)


def test_an_input_that_nobody_reads_is_refused(importer):
    proto = model([node("Relu", ["x", "x"], ["y"])], [value("x", [2])], ["y"])
    assert "input 1 is not supported" in importer.refusal(proto)


def test_sizes_that_do_not_broadcast(importer):
    proto = model([node("Add", ["a", "b"], ["y"])], [value("a", [2]), value("b", [3])], ["y"])
    assert "sizes 2 and 3 do not broadcast" in importer.refusal(proto)


def test_an_index_outside(importer):
    proto = model([node("Gather", ["x", "i"], ["y"])], [value("x", [3])], ["y"], [constant("i", [3])])
    assert "index 3 is outside of a dimension of 3" in importer.refusal(proto)


# Structure


def test_a_cycle(importer):
    proto = model(
        [node("Relu", ["b"], ["a"], name="n"), node("Relu", ["a"], ["b"])], [value("x", [2])], ["a"]
    )
    assert "node 'n' (Relu, opset 18): input 'b' is not defined" in importer.refusal(proto)


def test_an_undefined_output(importer):
    proto = model([node("Relu", ["x"], ["y"])], [value("x", [2])], ["z"])
    assert "output 'z' is not defined" in importer.refusal(proto)


def test_a_name_defined_twice(importer):
    proto = model([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])], [value("x", [2])], ["y"])
    assert "output 'y' is already defined" in importer.refusal(proto)


def test_an_input_without_a_shape(importer):
    proto = model([node("Relu", ["x"], ["y"])], [value("x", None)], ["y"])
    assert "input 'x' has no declared shape" in importer.refusal(proto)


def test_an_element_type_without_a_meaning_here(importer):
    proto = model([node("Identity", ["x"], ["y"])], [value("x", [2], TensorProto.STRING)], ["y"])
    assert "elements of type STRING" in importer.refusal(proto)


def test_a_declared_output_type_that_is_wrong(importer):
    proto = model([node("Shape", ["x"], ["y"])], [value("x", [2])], [value("y", None, F32)])
    assert "output 'y' is declared FLOAT but computed as INT64" in importer.refusal(proto)


@pytest.mark.parametrize("opset", [6, 99])
def test_an_opset_outside(importer, opset):
    proto = model([node("Relu", ["x"], ["y"])], [value("x", [2])], ["y"], opset=opset)
    assert f"opset {opset} is not supported" in importer.refusal(proto)


# Lengths


def weight(**fields):
    tensor = TensorProto(name="w", data_type=F32, dims=[2, 2], raw_data=np.zeros(4, np.float32).tobytes())
    for name, content in fields.items():
        if name == "dims":
            del tensor.dims[:]
            tensor.dims.extend(content)
        else:
            setattr(tensor, name, content)
    return model([node("Add", ["x", "w"], ["y"])], [value("x", [2, 2])], ["y"], [tensor])


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"raw_data": b"\0" * 15}, "needs 16 bytes but holds 15"),
        ({"raw_data": b"\0" * 17}, "needs 16 bytes but holds 17"),
        ({"raw_data": b""}, "needs 16 bytes but holds 0"),
        ({"dims": [-1, 2]}, "has the negative size -1"),
        ({"dims": [2**40, 2**40]}, "has an absurdly large shape"),
        ({"dims": [2**63 - 1]}, "has an absurdly large shape"),
        ({"dims": [2**39]}, "needs 2199023255552 bytes but holds 16"),
        ({"dims": [1] * 40}, "has 40 dimensions"),
        ({"data_type": 8}, "elements of type STRING"),
        ({"data_type": 1000}, "data type 1000"),
    ],
)
def test_weights_that_lie(importer, fields, message):
    assert message in importer.refusal(weight(**fields))


def test_typed_data_of_the_wrong_length(importer):
    tensor = TensorProto(name="w", data_type=F32, dims=[3], float_data=[1.0])
    proto = model([node("Add", ["x", "w"], ["y"])], [value("x", [3])], ["y"], [tensor])
    assert "holds 1 elements where its shape needs 3" in importer.refusal(proto)


# Files


@pytest.mark.parametrize("content", [b"", b"\x00", b"not a model", b"\xff" * 100, b"\x3a\x80\x80\x80\x80\x08"])
def test_files_that_are_no_models(importer, content):
    assert "m.onnx" in importer.refusal(content)


def test_every_truncation_is_refused_or_imports(importer):
    data = model(
        [node("Gemm", ["x", "w"], ["y"], transB=1)], [value("x", [1, 4])], ["y"], [constant("w", np.ones((3, 4)), np.float32)]
    ).SerializeToString()
    for length in range(0, len(data), 7):
        done = importer.call(data[:length])
        assert done.returncode == 1, (length, done.returncode, done.stderr)


def test_messages_that_nest_without_end(importer):
    # graph { node { attribute { g { node { ... } } } } }, 200 times.
    inner = b""
    for _ in range(200):
        for key in (b"\x32", b"\x2a", b"\x0a"):  # attribute.g, node.attribute, graph.node, from the inside out
            length, size = len(inner), b""
            while length >= 0x80:
                size += bytes([length & 0x7F | 0x80])
                length >>= 7
            inner = key + size + bytes([length]) + inner
    length, size = len(inner), b""
    while length >= 0x80:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    assert "nest deeper" in importer.refusal(b"\x3a" + size + bytes([length]) + inner)


def test_a_folder_and_a_missing_file(importer):
    assert "is not a regular file" in importer.refusal(importer.folder)
    assert "No such file" in importer.refusal(importer.folder / "missing.onnx")


# Functions that expand without end


def test_functions_that_double(importer):
    functions = []
    for level in range(40):
        callee = ("Relu", "") if level == 0 else (f"f{level - 1}", "local")
        functions.append(
            helper.make_function(
                "local",
                f"f{level}",
                ["a"],
                ["c"],
                [node(callee[0], ["a"], ["b"], domain=callee[1]), node(callee[0], ["b"], ["c"], domain=callee[1])],
                [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)],
            )
        )
    proto = model(
        [node("f39", ["x"], ["y"], domain="local")], [value("x", [2])], ["y"], functions=functions, domains=["local"]
    )
    assert "expands to more than" in importer.refusal(proto)


def test_a_function_that_calls_itself(importer):
    function = helper.make_function(
        "local", "f", ["a"], ["b"], [node("f", ["a"], ["b"], domain="local")], [helper.make_opsetid("local", 1)]
    )
    proto = model([node("f", ["x"], ["y"], domain="local")], [value("x", [2])], ["y"], functions=[function], domains=["local"])
    assert "too deeply" in importer.refusal(proto)


def test_messages_name_the_file_only_once_each(importer):
    proto = onnx.ModelProto(ir_version=8)
    assert importer.refusal(proto).count("m.onnx") == 1
