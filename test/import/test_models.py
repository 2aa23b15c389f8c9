"""Every tiny export imports; both exporters leave no shape arithmetic behind."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted((ROOT / "models" / "tiny").glob("*.onnx"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_imports(importer, path):
    operations = importer.operations(path)
    assert operations
    # Sizes as data: position ids and masks may need them, shape arithmetic may not.
    assert operations.count("sizes") <= 2


def test_the_same_bytes_in_another_folder(importer):
    path = ROOT / "models" / "tiny" / "vit_b16.dyn.onnx"
    here = importer.call(path).stdout
    copy = importer.folder / path.name
    copy.write_bytes(path.read_bytes())
    assert importer.call(copy).stdout == here
