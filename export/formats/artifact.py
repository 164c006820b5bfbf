"""One exported file, opened for proof: whatever its format, it scores rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine

Scores = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Logits and probabilities, each (n,): float32, or float64 from an oracle of that width."""

Score = Callable[[Float32], Scores]
"""Rows (n, d), C-contiguous float32, to their scores."""


@dataclass(frozen=True)
class Artifact:
    """A file of a bundle as its own runtime sees it."""

    name: str
    """The file's name."""
    card: str
    """The text of the card that it carries."""
    affine: Affine
    """The values that it holds."""
    score: Score
