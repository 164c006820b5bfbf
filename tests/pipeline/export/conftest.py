"""A run and a bundle that the export tests share; each test that damages one copies it first."""

import shutil
from pathlib import Path

import pytest
from making import make_run

from export.bundle import export_bundle


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "five", width=5)


@pytest.fixture(scope="session")
def pristine(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp("bundles") / "five"
    export_bundle(run_folder, bundle)
    return bundle


@pytest.fixture
def bundle(pristine: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / "bundle"))
