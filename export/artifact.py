"""One exported file, opened for proof: whatever its format, it scores rows."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

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


def torch_score(module: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]) -> Score:
    """Score with a torch module that answers (logit, probability), each (n, 1)."""

    @torch.no_grad()
    def score(rows: Float32) -> tuple[Float32, Float32]:
        logit, probability = module(torch.from_numpy(rows))
        return logit.numpy().reshape(-1), probability.numpy().reshape(-1)

    return score
