"""Fixtures of the proof's tests."""

from collections.abc import Callable

import pytest

from pipeline.export.bundle_files import Model


@pytest.fixture
def model(models: Callable[[int, bool], Model]) -> Model:
    return models(3, False)
