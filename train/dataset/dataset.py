"""What training asks of its rows, whether they are in memory or on disk."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from serve_runtime.bundle.affine import Affine
from serve_runtime.features.column import CATEGORY
from serve_runtime.shown import listed, quoted
from train.errors import DataError
from train.evaluate.metrics import Metrics
from train.gradients.source import GradientSource
from train.standardize import Moments, Scaling
from train.tables.columns.decide import Decided
from train.tables.finite import first_not_finite
from train.tables.labels import Classes

Say = Callable[[str], None]
"""Takes a line that a person should read."""

WORDS = {"training": "training", "holdout": "hold-out"}
"""What messages call the two parts of the rows, by their names in metrics.json."""


class Dataset(Protocol):
    """The rows to train on and the rows held out, read, split and standardised."""

    names: tuple[str, ...]
    """Of the features, in order."""
    classes: Classes
    rows: int
    """The number of rows to train on."""
    holdout_rows: int
    """The number of rows held out."""
    positives: dict[str, float]
    """The share of rows of the positive class, of each part: "training" and "holdout"."""
    moments: Moments
    """Moments of the raw features of the rows to train on."""
    scaling: Scaling
    on_disk: bool
    """Whether the rows did not fit into memory."""
    picking: str
    """How mini-batches are drawn, in words. Checkpoints hold it: a training is resumed only with
    the same."""
    digests: dict[str, str]
    """SHA-256 of "training rows" and of "hold-out rows"."""

    def gradient_source(self, *, batches: bool) -> GradientSource:
        """The standardised rows to train on; with `batches`, laid out for mini-batches."""

    def holdout(self) -> GradientSource | None:
        """The standardised rows held out, if any."""

    def sample(self) -> npt.NDArray[np.float32]:
        """Some raw rows (k, d), on which export compares its artifacts with the model."""

    def evaluate(self, model: Affine, *, standardised: bool = False) -> dict[str, Metrics]:
        """What the model is worth on each part, "training" and "holdout".

        `model` is the one that is served, of raw features, or with `standardised` the one that was
        trained, of standardised features.
        """


def scaling(moments: Moments, names: tuple[str, ...], *, standardize: bool, say: Say) -> Scaling:
    """The scaling by `moments`, or none; warns by `say` of features that are constant."""
    constant = [name for name, c in zip(names, moments.low == moments.high, strict=True) if c]
    if constant:
        effect = "its weight becomes 0" if standardize else "it acts as a second bias"
        say(f"warning: constant in the training rows: {listed(constant)}; {effect}")
    return Scaling.of(moments) if standardize else Scaling.none(len(names))


def check_standardised(features: npt.NDArray[np.float32], names: tuple[str, ...], part: str,
                       first: int = 0) -> None:  # fmt: skip
    """Raise DataError unless all `features` (d, m) are finite; `first` is their first row."""
    if odd := first_not_finite(features):
        row, column = odd
        raise DataError(
            f"{part} row {first + row + 1}, feature {quoted(names[column])} is too far from the "
            "training rows to be standardised in float32: check its unit"
        )


def require_numbers(decided: Decided) -> None:
    """Raise DataError where there are columns that cannot be trained on: categories and gaps."""
    odd = [c.name for c in decided.design.columns if c.kind == CATEGORY or c.missing != "error"]
    if odd:
        raise DataError(
            f"features must be numbers without gaps; these columns are not: {listed(odd)}"
        )
