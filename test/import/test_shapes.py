"""Shape arithmetic disappears into the types, whatever the exporter wrote."""

import numpy as np
import pytest
from onnx import helper
from onnx_models import BOOL, F32, I64, constant, model, value

node = helper.make_node


def test_shape_gather_concat_reshape_leaves_one_reshape(importer):
    # x [batch, 197, 768] -> [batch, 197, 12, 64], as torch's older exporter writes it.
    proto = model(
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["b"], axis=0),
            node("Unsqueeze", ["b", "axes"], ["b1"]),
            node("Concat", ["b1", "rest"], ["target"], axis=0),
            node("Reshape", ["x", "target"], ["y"]),
        ],
        [value("x", ["batch", 197, 768])],
        ["y"],
        [constant("zero", 0), constant("axes", [0]), constant("rest", [197, 12, 64])],
    )
    ir = importer.ir(proto)
    assert importer.operations(proto) == ["reshape"]
    assert "#mm.dims<[batch, 197, 12, 64]>" in ir
    assert "mm.symbols = {batch = array<i64: 1, -1>}" in ir


def test_reshape_minus_one_divides_symbolically(importer):
    # [b, s, 12, 64] -> [b, s, -1]: -1 is 12 * 64; [-1, 64]: b * s * 12.
    x = value("x", ["b", "s", 12, 64])
    assert "[b, s, 768]" in importer.ir(
        model([node("Reshape", ["x", "t"], ["y"])], [x], ["y"], [constant("t", [0, 0, -1])])
    )
    assert "[b * s * 12, 64]" in importer.ir(
        model([node("Reshape", ["x", "t"], ["y"])], [x], ["y"], [constant("t", [-1, 64])])
    )


def test_reshape_minus_one_that_is_no_integer_is_refused(importer):
    proto = model([node("Reshape", ["x", "t"], ["y"])], [value("x", ["s"])], ["y"], [constant("t", [-1, 7])])
    assert "is not an integer for all sizes" in importer.refusal(proto)


def test_expand_with_where_equal_minus_one_is_decided(importer):
    # Where(shape == -1, ones, shape): sizes are positive, so no element is -1.
    proto = model(
        [
            node("Shape", ["x"], ["s"]),
            node("Equal", ["s", "minus"], ["e"]),
            node("ConstantOfShape", ["two"], ["ones"], value=constant("v", [1])),
            node("Where", ["e", "ones", "s"], ["target"]),
            node("Expand", ["c", "target"], ["y"]),
        ],
        [value("x", ["b", 4])],
        ["y"],
        [constant("minus", -1), constant("two", [2]), constant("c", [[1.0]], np.float32)],
    )
    assert importer.operations(proto) == ["broadcast"]


def test_range_over_a_size_becomes_iota(importer):
    proto = model(
        [
            node("Shape", ["x"], ["s"], start=1, end=2),
            node("Squeeze", ["s", "axes"], ["n"]),
            node("Range", ["zero", "n", "one"], ["y"]),
        ],
        [value("x", [1, "seq"])],
        [value("y", None, I64)],
        [constant("axes", [0]), constant("zero", 0), constant("one", 1)],
    )
    ir = importer.ir(proto)
    assert "mm.iota <[0]> step 1 : tensor<?xi64, #mm.dims<[seq]>>" in ir


def test_sizes_as_data_become_one_operation(importer):
    proto = model([node("Shape", ["x"], ["y"])], [value("x", ["b", 3])], [value("y", None, I64)])
    assert importer.operations(proto) == ["sizes"]
    assert "mm.sizes <[b, 3]>" in importer.ir(proto)


def test_floor_of_a_scaled_size(importer):
    # Floor(float(h) * 0.5) as a size.
    proto = model(
        [
            node("Shape", ["x"], ["s"]),
            node("Cast", ["s"], ["f"], to=F32),
            node("Mul", ["f", "half"], ["m"]),
            node("Floor", ["m"], ["g"]),
            node("Cast", ["g"], ["t"], to=I64),
            node("ConstantOfShape", ["t"], ["y"]),
        ],
        [value("x", ["h"])],
        ["y"],
        [constant("half", [0.5], np.float32)],
    )
    assert "#mm.dims<[h floordiv 2]>" in importer.ir(proto)


def test_successive_divisions_of_a_size_meet(importer):
    # (n / 5 / 2) and n / 10 are one size: the sum of both needs no demand.
    proto = model(
        [
            node("Shape", ["x"], ["s"]),
            node("Div", ["s", "five"], ["a"]),
            node("Div", ["a", "two"], ["b"]),
            node("Div", ["s", "ten"], ["c"]),
            node("ConstantOfShape", ["b"], ["p"]),
            node("ConstantOfShape", ["c"], ["q"]),
            node("Add", ["p", "q"], ["y"]),
        ],
        [value("x", ["n"])],
        ["y"],
        [constant("five", [5]), constant("two", [2]), constant("ten", [10])],
    )
    assert "#mm.dims<[n floordiv 10]>" in importer.ir(proto)


# What a model demands of its input sizes


def test_two_names_that_must_be_equal_become_one(importer):
    proto = model([node("Add", ["a", "b"], ["y"])], [value("a", ["n"]), value("b", ["m"])], ["y"])
    ir = importer.ir(proto)
    assert ir.count("#mm.dims<[n]>") >= 3 and "[m]" not in ir


def test_a_sum_in_dim_param_is_read_as_one(importer):
    proto = model(
        [node("Concat", ["cache", "new"], ["all"], axis=1), node("Mul", ["all", "mask"], ["y"])],
        [value("cache", [1, "past"]), value("new", [1, 1]), value("mask", [1, "past + 1"])],
        ["y"],
    )
    assert "#mm.dims<[1, past + 1]>" in importer.ir(proto)


def test_a_name_with_a_sign_that_names_no_sizes_is_a_name(importer):
    proto = model([node("Relu", ["x"], ["y"])], [value("x", ["batch-size"])], ["y"])
    assert '#mm.dims<["batch-size"]>' in importer.ir(proto)


def test_a_table_of_fixed_length_bounds_the_size(importer):
    # positions[:, :seq] of a table of 512.
    proto = model(
        [
            node("Shape", ["x"], ["s"]),
            node("Slice", ["table", "zero", "s", "zero"], ["p"]),
            node("Add", ["x", "p"], ["y"]),
        ],
        [value("x", ["seq"])],
        ["y"],
        [constant("table", np.arange(512), np.float32), constant("zero", [0])],
    )
    assert "seq = array<i64: 1, 512>" in importer.ir(proto)


def test_a_slice_whose_end_may_lie_inside_is_refused_until_bounded(importer):
    proto = model(
        [node("Slice", ["x", "zero", "end"], ["y"])],
        [value("x", ["seq"])],
        ["y"],
        [constant("zero", [0]), constant("end", [100])],
    )
    assert "--dim" in importer.refusal(proto)
    assert importer.operations(proto, "--dim", "seq=1..100") == []
    assert importer.operations(proto, "--dim", "seq=101..200") == ["slice"]


# --dim


def test_dim_fixes_a_size(importer):
    proto = model([node("Relu", ["x"], ["y"])], [value("x", ["batch", 3])], ["y"])
    ir = importer.ir(proto, "--dim", "batch=4")
    assert "tensor<4x3xf32>" in ir and "mm.symbols" not in ir


def test_dim_gives_a_range(importer):
    proto = model([node("Relu", ["x"], ["y"])], [value("x", ["batch", 3])], ["y"])
    assert "batch = array<i64: 2, 8>" in importer.ir(proto, "--dim", "batch=2..8")


def test_dim_of_an_unknown_name_is_a_fault(importer):
    proto = model([node("Relu", ["x"], ["y"])], [value("x", ["batch", 3])], ["y"])
    assert "bacth" in importer.refusal(proto, "--dim", "bacth=2")


# Branches whose condition import knows


@pytest.mark.parametrize("rank_is_two, operation", [(2, "relu"), (3, "neg")])
def test_if_on_a_known_condition_is_its_branch(importer, rank_is_two, operation):
    branch = lambda op: helper.make_graph([node(op, ["x"], ["b"])], op, [], [value("b", None)])
    proto = model(
        [
            node("Shape", ["x"], ["s"]),
            node("Size", ["s"], ["r"]),
            node("Equal", ["r", "two"], ["c"]),
            node("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Neg")),
        ],
        [value("x", [2] * rank_is_two)],
        ["y"],
        [constant("two", 2)],
    )
    assert importer.operations(proto) == [operation]


def test_if_on_data_is_refused(importer):
    branch = lambda op: helper.make_graph([node(op, ["x"], ["b"])], op, [], [value("b", None)])
    proto = model(
        [node("If", ["c"], ["y"], name="choice", then_branch=branch("Relu"), else_branch=branch("Neg"))],
        [value("x", [2]), value("c", [], BOOL)],
        ["y"],
    )
    assert "node 'choice' (If, opset 18): the condition is not known before the run" in importer.refusal(proto)
