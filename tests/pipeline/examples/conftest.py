from pathlib import Path

import pytest

from pipeline.docs.documented import prepare


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """patients.csv and bundles/breast-cancer, as `make run` leaves them."""
    return prepare(tmp_path_factory.mktemp("examples"))
