"""What the tests of pictures share."""

from collections.abc import Callable
from functools import cache

import pytest

from docs.pictures.cli import PICTURES, Drawing
from docs.pictures.experiments import Experiments


@pytest.fixture(scope="session")
def experiments() -> Experiments:
    return Experiments()


@pytest.fixture(scope="session")
def picture(experiments) -> Callable[[str], Drawing]:
    """A picture by name, drawn when it is first asked for."""
    return cache(lambda name: PICTURES[name](experiments))
