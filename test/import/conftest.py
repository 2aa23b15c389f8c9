import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from onnx_models import Importer  # noqa: E402


@pytest.fixture
def importer(tools, tmp_path):
    return Importer(tools, tmp_path)
