"""One exported file, opened for proof: whatever its format, it scores rows."""

from collections.abc import Callable
from dataclasses import dataclass

from serve_runtime.budgets import Float32

Score = Callable[[Float32], tuple[Float32, Float32]]
"""Rows (n, d), C-contiguous float32, to logits and probabilities (n,) float32."""


@dataclass(frozen=True)
class Artifact:
    """A file of a bundle as its own runtime sees it."""

    name: str
    """The file's name."""
    card: str
    """The text of the card that it carries."""
    weight: Float32
    """(d,)"""
    bias: Float32
    """(1,)"""
    score: Score
