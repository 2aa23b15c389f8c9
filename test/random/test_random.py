"""300 random graphs with fixed seeds, against ONNX Runtime; random_graphs.py makes as many as one likes."""

import os

from random_graphs import failures, write_cases

COUNT = 300


def test_random_graphs_equal_onnx_runtime(tools, tmp_path):
    write_cases(tmp_path, 0, COUNT)
    runner, jobs = tools.binaries / "case_runner", os.cpu_count() or 1
    failed = failures(runner, tmp_path, jobs) + failures(runner, tmp_path, jobs, "-O0")
    assert not failed, "\n".join(failed)
