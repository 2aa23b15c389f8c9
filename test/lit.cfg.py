"""Tests in IR and on command lines: the RUN lines of .mlir and .test files say what runs."""

import os

import lit.formats

config.name = "mmcc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.mmcc_test_dir

# mmcc, mmcc-opt, FileCheck, not, split-file are found by name.
config.environment["PATH"] = os.pathsep.join(
    [config.mmcc_tools_dir, config.llvm_tools_dir, os.environ["PATH"]]
)
config.substitutions.append(("%models", os.path.join(config.test_source_root, "..", "models")))
