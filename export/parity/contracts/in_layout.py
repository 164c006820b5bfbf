"""A Predictor that is given rows in one layout, and everything that it can be asked about them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from export.errors import ParityError
from export.parity.encoded_model import Rows
from export.parity.mixed.kinds import as_columns, as_lists
from serve_runtime.arrays import COLUMNS, ROWS, Float32
from serve_runtime.error_budgets import PROBABILITY_ULP, probability_error
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.predictor import Predictor

_BLOCK = 1 << 15
"""Probabilities judged at a time, so that the float64 values stay in cache."""


@dataclass(frozen=True)
class LayoutPredictor:
    """A Predictor that is given its rows in one layout."""

    layout: str
    predictor: Predictor
    threads: int

    @property
    def where(self) -> str:
        """The layout and the number of threads, for messages."""
        return f"in {self.layout} at {self.threads} thread{'s' if self.threads > 1 else ''}"

    def in_layout(self, rows: Rows) -> Any:
        """The rows (n, d) as named columns, or as they are; raw rows as columns or as lists."""
        if isinstance(rows, RawRows):
            given = as_lists if self.layout == ROWS else as_columns
            return given(self.predictor.card.columns, rows)
        return rows if self.layout == ROWS else self.named(rows)

    def named(self, rows: Float32) -> dict[str, Float32]:
        """The columns of the rows (n, d) by name: views, not copies."""
        return dict(zip(self.predictor.card.feature_names, rows.T, strict=True))

    def scores(self, rows: Rows) -> tuple[Float32, Float32]:
        """Logit and probability of the rows, which are passed in the layout."""
        return self.predictor.scores(self.in_layout(rows))

    def arrays(self, rows: Float32) -> Mapping[str, Any]:
        """The rows as arrays of every kind in this layout, by what is special about them.

        An array (n, 1) is rows however it lies, so a single column is passed by its name.
        """
        order: Literal["C", "F"] = "C" if self.layout == ROWS else "F"
        plain, twice = np.array(rows, order=order), np.repeat(rows, 2, axis=0)
        read_only = plain.copy(order)
        read_only.flags.writeable = False
        wider = np.asfortranarray(np.concatenate((rows, rows), axis=1))
        kinds: dict[str, Any] = {
            f"of a {order}-ordered array": plain,
            "of a negatively strided array": np.array(rows[::-1, ::-1], order=order)[::-1, ::-1],
            "of every other row of an array": np.array(twice, order=order)[::2],
            "of a read-only array": read_only,
            "of a float64 array": rows.astype(np.float64, order=order),
        }
        if rows.shape[1] > 1:
            return kinds
        if self.layout == COLUMNS:
            return {f"{how}, by name": self.named(array) for how, array in kinds.items()}
        return {**kinds, "of one column of a F-ordered array": wider[:, :1]}


METHODS: Final[Mapping[str, Callable[[Predictor, Any, int], tuple[Float32, ...]]]] = {
    "": lambda predictor, x, rows: predictor.scores(x),
    ", logit and probability alone": lambda predictor, x, rows: (
        predictor.decision_function(x),
        predictor.probability(x),
    ),
    ", written into an array": lambda predictor, x, rows: (
        predictor.decision_function(x, out=np.empty(rows, np.float32)),
        *predictor.predict_proba(x).T[::-1],
    ),
}
"""Ways to ask a Predictor for the scores of x, which has so many rows, by what is said of them:
logit and P(positive), and P(negative) where the way gives it."""


def require_sigmoid(name: str, what: str, logit: Float32, probability: Float32) -> None:
    """Raise ParityError unless the probabilities are right and rise with the logits.

    `logit` and `probability` (n,) are in the order of the logits. Each probability is in [0, 1] and
    within PROBABILITY_ULP of the exact sigmoid of its own logit, and none is lower than one before;
    `what` and `name` say in the message what was scored, and with which file.
    """
    inside = (probability >= 0) & (probability <= 1)
    if not inside.all():
        i = int(inside.argmin())
        raise ParityError(f"{name}: {what} {probability[i]!s} at logit {logit[i]!s} is outside "
                          "[0, 1]")  # fmt: skip
    fallen = probability[1:] < probability[:-1]
    if fallen.any():
        i = int(fallen.argmax())
        raise ParityError(
            f"{name}: {what} falls from {probability[i]!s} at logit {logit[i]!s} to "
            f"{probability[i + 1]!s} at {logit[i + 1]!s}"
        )
    for start in range(0, len(logit), _BLOCK):
        part = slice(start, start + _BLOCK)
        error = probability_error(probability[part], logit[part])
        i = int(error.argmax())
        if not error[i] <= PROBABILITY_ULP:
            raise ParityError(
                f"{name}: {what} {probability[part][i]!s} at logit {logit[part][i]!s} is off the "
                f"exact sigmoid by {error[i]:.3g} ULP, allowed {PROBABILITY_ULP:g}"
            )


def same_bits(found: Float32, expected: Float32) -> bool:
    """Whether two arrays of one shape agree in every bit."""
    return np.array_equal(found.view(np.uint32), expected.view(np.uint32))
