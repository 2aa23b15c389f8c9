"""Writes ONNX's own node tests as files that the runner reads.

    python test/conformance/generate.py FOLDER

A case is FOLDER/<name>.onnx with <name>.<set>.in.npz and <name>.<set>.out.npz, arrays named as in the graph.
FOLDER/cases.txt has a line a case: name, number of sets, rtol, atol, operators of the graph joined by commas.
Does nothing if FOLDER holds the cases of the installed onnx already.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx.backend.test.case.node import collect_testcases

BITS = {1: np.uint8, 2: np.uint16}


def plain(array) -> np.ndarray:
    """As numpy can store it: narrow floats as their bits, integers below 8 bits as (u)int8."""
    if hasattr(array, "SerializeToString"):
        array = onnx.numpy_helper.to_array(array)
    array = np.asarray(array)
    if array.dtype == object:
        return array.astype(str)
    if array.dtype.isbuiltin == 1:
        return array
    name = array.dtype.name
    if name.startswith(("int", "uint")):
        return array.astype(np.int8 if name.startswith("int") else np.uint8)
    return array.view(BITS[array.dtype.itemsize])


def named(values, names) -> dict:
    arrays = {}
    for name, value in zip(names, values):
        if value is None or not name:
            continue
        if isinstance(value, (list, tuple)):
            arrays |= {f"{name}.{i}": plain(item) for i, item in enumerate(value)}
        else:
            arrays[name] = plain(value)
    return arrays


def main(folder: Path) -> int:
    manifest = folder / "cases.txt"
    head = f"# onnx {onnx.__version__}, format 2"
    if manifest.exists() and manifest.read_text().startswith(head + "\n"):
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for case in sorted(collect_testcases(None), key=lambda case: case.name):
        if case.model is None or not case.data_sets:
            continue
        path = folder / f"{case.name}.onnx"
        path.write_bytes(case.model.SerializeToString())
        graph = case.model.graph
        for index, (inputs, outputs) in enumerate(case.data_sets):
            np.savez(folder / f"{case.name}.{index}.in.npz", **named(inputs, [v.name for v in graph.input]))
            np.savez(folder / f"{case.name}.{index}.out.npz", **named(outputs, [v.name for v in graph.output]))
        operators = ",".join(sorted({node.op_type for node in graph.node})) or "-"
        lines.append(f"{case.name} {len(case.data_sets)} {case.rtol} {case.atol} {operators}")
    # Written last: its presence says that all is there.
    manifest.write_text("\n".join([head, *lines]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
