"""Writes a corpus for import_fuzzer: one small node test of ONNX for each operator.

    python test/fuzz/import_seeds.py FOLDER
"""

import shutil
import sys
import warnings
from pathlib import Path

from onnx.backend.test.case.node import collect_testcases

LARGEST_BYTES = 4096


def main(folder: Path) -> int:
    # What an earlier run of the fuzzer kept would change what this one tries.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    warnings.simplefilter("ignore")  # numpy's, while ONNX computes its expectations
    seen = set()
    for case in sorted(collect_testcases(None), key=lambda case: case.name):
        operators = frozenset(node.op_type for node in case.model.graph.node)
        data = case.model.SerializeToString(deterministic=True)
        if operators in seen or len(data) > LARGEST_BYTES:
            continue
        seen.add(operators)
        (folder / f"{case.name}.onnx").write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
