"""What a recipe's data become, in memory or on disk, before they are trained on."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from serve_runtime.bundle.affine import Affine
from train.errors import DataError
from train.evaluate.metrics import Metrics
from train.gradients.source import Design
from train.standardize import Moments, Scaling
from train.tables.labels import Classes
from train.tables.table_files import first_not_finite

Say = Callable[[str], None]
"""Takes a line that a person should read."""

WORDS = {"training": "training", "holdout": "hold-out"}
"""What messages call the two parts of the rows, by their names in metrics.json."""


class Prepared(Protocol):
    """Rows to train on and to hold out."""

    names: tuple[str, ...]
    classes: Classes
    rows: int
    """To train on."""
    holdout_rows: int
    positives: dict[str, float]
    """The share of rows of the positive class, of each part: "training" and "holdout"."""
    moments: Moments
    """Of raw features."""
    scaling: Scaling
    on_disk: bool
    """Whether the rows did not fit into memory."""
    picking: str
    """From how many rows at a time mini-batches are picked, which decides what they are."""
    digests: dict[str, str]
    """By part: "training rows" and "hold-out rows"."""

    def design(self, *, batches: bool) -> Design:
        """Of the standardised rows to train on."""

    def holdout(self) -> Design | None:
        """Of the standardised rows held out."""

    def sample(self) -> npt.NDArray[np.float32]:
        """Some raw rows (k, d), for the proof at export."""

    def evaluate(self, served: Affine) -> dict[str, Metrics]:
        """What the model as served is worth on each part: "training" and "holdout"."""


def scaling(moments: Moments, names: tuple[str, ...], *, standardize: bool, say: Say) -> Scaling:
    """That of the recipe; constant features are told."""
    constant = [name for name, c in zip(names, moments.low == moments.high, strict=True) if c]
    if constant:
        effect = "its weight becomes 0" if standardize else "it acts as a second bias"
        say(f"warning: constant in the training rows: {', '.join(constant)}; {effect}")
    return Scaling.of(moments) if standardize else Scaling.none(len(names))


def check_standardised(features: npt.NDArray[np.float32], names: tuple[str, ...], part: str,
                       first: int = 0) -> None:  # fmt: skip
    """Raise DataError unless all `features` (d, m) are finite; `first` is their first row."""
    if odd := first_not_finite(features):
        row, column = odd
        raise DataError(
            f"{part} row {first + row + 1}, feature {names[column]!r} is too far from the "
            "training rows to be standardised in float32: check its unit"
        )
