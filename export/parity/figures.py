"""The figures of a proof: the worst errors of each scorer, overall and by range of the logit."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from export.errors import ParityError
from serve_runtime.arrays import Float64

EDGES: Final = (-104.0, -88.7, -87.0, -18.0, -8.0, 0.0, 8.0, 18.0, 88.7, 104.0)
"""Between these, figures are kept apart by the exact logit: [-8, 0), [0, 8), …"""

RANGES: Final = (
    *(f"[{low:g}, {high:g})" for low, high in pairwise((-np.inf, *EDGES, np.inf))),
    "any, bound ≥ 1",
)
"""Their names. The last is of rows whose logit float32 cannot promise to 1, whatever it is."""

_LOOSE = len(EDGES) + 1

_SIZES = np.array([0, 1, 2, 4, 5, 6])
"""Figures that are no shares of a budget; of loose rows they say nothing."""


@dataclass(frozen=True)
class Errors:
    """The largest errors of one kind of score."""

    absolute: float
    relative: float
    ulp: float
    share: float
    """Of the row's own budget; 1 is the limit."""


@dataclass(frozen=True)
class Figures:
    """The worst that was seen of one subject, in one range of logits or in all.

    Over all ranges, sizes are of the rows whose logit bound is below 1, shares of every row.
    """

    rows: int
    logit: Errors
    """Against the exact logit; its budget is the a-priori bound."""
    probability: Errors
    """Against the exact sigmoid of the exact logit; its budget is probability_budget."""
    kernel_ulp: float
    """ULP between a probability and the exact sigmoid of its own logit, from -87 up."""


@dataclass(frozen=True)
class Measured:
    """What was found of one subject."""

    overall: Figures
    buckets: Mapping[str, Figures]
    """By range of the exact logit; ranges without rows are left out."""
    problem: str | None
    """The first score that left its budget, None where none did."""
    outside: int
    """How many rows left their budget."""


@dataclass(frozen=True)
class Parity:
    """Every subject against the exact scores, and against each other."""

    subjects: Mapping[str, Measured]
    between: Mapping[str, Mapping[str, tuple[float, float]]]
    """For each pair: the largest difference of logits as a share of both budgets, and of
    probabilities in float32 steps."""

    def require(self) -> None:
        """Raise ParityError if any subject left its budget."""
        for measured in self.subjects.values():
            if measured.problem:
                raise ParityError(measured.problem)


def _figures(rows: int, worst: Float64) -> Figures:
    values = [float(value) for value in worst]
    return Figures(rows, Errors(*values[:4]), Errors(*values[4:8]), values[8])
