"""Builds the small models of the import tests."""

import re

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, shape, dtype=F32):
    return helper.make_tensor_value_info(name, dtype, shape)


def constant(name, values, dtype=np.int64):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def model(nodes, inputs, outputs, initializers=(), opset=18, functions=(), domains=()):
    """Outputs may be names: then they are declared as float without a shape."""
    outputs = [value(o, None) if isinstance(o, str) else o for o in outputs]
    graph = helper.make_graph(nodes, "graph", list(inputs), outputs, list(initializers))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=8)


class Importer:
    """`mmcc compile --stop-after=import` on models in a folder of the test."""

    def __init__(self, tools, folder):
        self.tools, self.folder = tools, folder

    def save(self, proto, name="m.onnx"):
        path = self.folder / name
        path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
        return path

    def call(self, proto, *options):
        path = proto if not isinstance(proto, (bytes, onnx.ModelProto)) else self.save(proto)
        return self.tools.call("mmcc", "compile", path, "--stop-after=import", *options)

    def ir(self, proto, *options):
        """The printed function without locations."""
        done = self.call(proto, *options)
        assert done.returncode == 0, done.stderr
        lines = [re.sub(r" loc\((?:#loc\d*|unknown|\"[^\"]*\"\(#loc\d*\))\)", "", line) for line in done.stdout.splitlines()]
        return "\n".join(line for line in lines if not line.startswith("#"))

    def operations(self, proto, *options):
        """The names of the operations in order, constants left out."""
        found = re.findall(r"= mm\.(\w+)", self.ir(proto, *options))
        return [name for name in found if name != "constant"]

    def refusal(self, proto, *options):
        """What standard error says about a model that is at fault."""
        done = self.call(proto, *options)
        assert done.returncode == 1, (done.returncode, done.stderr)
        assert "Assertion" not in done.stderr and "Stack dump" not in done.stderr
        assert done.stdout == ""
        return done.stderr
