import shutil
from pathlib import Path

import pytest


@pytest.fixture
def bundle(mixed: Path, tmp_path: Path) -> Path:
    """A copy of the mixed bundle that a test may damage."""
    return Path(shutil.copytree(mixed, tmp_path / "bundle"))
