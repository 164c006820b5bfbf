"""The figures of a proof: the worst errors of each scorer, overall and by range of the logit."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from export.errors import ParityError
from serve_runtime.arrays import Float64

EDGES: Final = (-104.0, -88.7, -87.0, -18.0, -8.0, 0.0, 8.0, 18.0, 88.7, 104.0)
"""Figures are kept for each range of exact logits between two of these: [-8, 0), [0, 8), …"""

RANGES: Final = (
    *(f"[{low:g}, {high:g})" for low, high in pairwise((-np.inf, *EDGES, np.inf))),
    "any, bound ≥ 1",
)
"""The names of the ranges. In the last are the rows whose logit, whatever it is, has a bound of 1
or more: float32 cannot promise it better."""

LOOSE: Final = len(EDGES) + 1
"""Position of that last range."""

SIZE_COLUMNS: Final = np.array([0, 1, 2, 4, 5, 6])
"""Positions of the numbers that are sizes of errors, not shares of what is allowed. Over all ranges
they are taken without the last one, where errors of any size are allowed."""


@dataclass(frozen=True)
class Errors:
    """The largest errors of one kind of score."""

    absolute: float
    relative: float
    ulp: float
    share: float
    """Largest share of a row's own budget that was used; 1 is the limit."""


@dataclass(frozen=True)
class Figures:
    """The worst that was seen of one scorer, in one range of logits or in all of them.

    Over all ranges, sizes are the largest among rows whose logit bound is below 1, and shares the
    largest among all rows.
    """

    rows: int
    logit: Errors
    """Distance to the exact logit; its budget is the a-priori bound."""
    probability: Errors
    """Distance to the exact sigmoid of the exact logit; its budget is probability_budget."""
    kernel_ulp: float
    """ULP between a probability and the exact sigmoid of its own logit, for logits from -87 up."""


@dataclass(frozen=True)
class Measured:
    """What was found about one scorer."""

    overall: Figures
    buckets: Mapping[str, Figures]
    """For each range of the exact logit that has rows."""
    problem: str | None
    """Says which score was the first outside its budget; None where none was."""
    outside: int
    """How many rows were outside their budget."""


@dataclass(frozen=True)
class Parity:
    """Every scorer against the exact scores, and against each other."""

    scorers: Mapping[str, Measured]
    between: Mapping[str, Mapping[str, tuple[float, float]]]
    """For each pair: the largest difference of logits as a share of both budgets, and of
    probabilities in float32 steps."""

    def require(self) -> None:
        """Raise ParityError if a score of any scorer was outside its budget."""
        for measured in self.scorers.values():
            if measured.problem:
                raise ParityError(measured.problem)


def figures_of(rows: int, worst: Float64) -> Figures:
    """Figures out of the nine numbers in `worst` (9,): four of the logit, four of the probability,
    and the ULP of the sigmoid alone."""
    values = [float(value) for value in worst]
    return Figures(rows, Errors(*values[:4]), Errors(*values[4:8]), values[8])
