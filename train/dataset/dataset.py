"""What training asks of its rows, whether they are in memory or on disk."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.encoding import Encoding
from serve_runtime.shown import listed, quoted
from train.dataset.layer import Layer, scaling_of
from train.design import Design
from train.errors import DataError
from train.evaluate.metrics import Metrics, Scored, See
from train.gradients.source import GradientSource
from train.persistence.run_folder import Sample
from train.selection.choice import Choice
from train.standardize import Moments
from train.tables.finite import first_not_finite
from train.tables.labels import Classes
from train.tables.weights import ByClass
from train.trained import Trained

Say = Callable[[str], None]
"""Takes a line that a person should read."""

WORDS = {"training": "training", "holdout": "hold-out"}
"""What messages call the two parts of the rows, by their names in metrics.json."""


class Dataset(Protocol):
    """The rows to train on and the rows held out, read, split and standardised."""

    layer: Layer
    """What the columns are, and how they become those of the layer."""
    choice: Choice
    """The penalty, and what was found out of fold."""
    dialect: dict[str, Any]
    """How the CSV files are written, as the card holds it."""
    classes: Classes
    rows: int
    """The number of rows to train on."""
    holdout_rows: int
    """The number of rows held out."""
    positives: dict[str, float]
    """The share of rows of the positive class, each counting by its weight, of each part:
    "training" and "holdout"."""
    class_weights: ByClass | None
    """How much rows of the two classes count in training, besides their own weights."""
    total_weight: float | None
    """The sum of the rows' own weights, of those to train on; None where all count alike."""
    moments: Moments
    """Moments of the raw columns but levels, of the rows to train on, (design.dense,)."""
    on_disk: bool
    """Whether the rows did not fit into memory."""
    picking: str
    """How mini-batches are drawn, in words. Checkpoints hold it: a training is resumed only with
    the same."""
    digests: dict[str, str]
    """SHA-256 of "training rows" and of "hold-out rows"."""

    def gradient_source(self, *, batches: bool) -> GradientSource:
        """The standardised rows to train on, with their weights times those of their classes; with
        `batches`, laid out for mini-batches."""

    def holdout(self) -> GradientSource | None:
        """The standardised rows held out, if any."""

    def sample(self) -> Sample:
        """Some raw rows, on which export compares its artifacts with the model."""

    def histogram_rows(self) -> Float64:
        """The numbers (k, m) of some rows to train on, raw, NaN where missing: those at the
        positions that `histogram_positions` gives."""

    def evaluate(
        self, served: Affine, encoding: Encoding | None, see: Mapping[str, See]
    ) -> dict[str, Metrics]:
        """What the model that is served is worth on the raw rows of each part, "training" and
        "holdout". Rows count by their own weights, not by those of their classes. `see` is given
        the rows of each part once."""

    def scored(self, part: str, served: Affine, encoding: Encoding | None) -> Scored:
        """The raw rows of a part, of this process, with the logits of the model that is served."""

    def evaluate_trained(self, trained: Trained) -> Metrics:
        """What the model that was trained is worth on the standardised training rows."""


def layer_of(design: Design, moments: Moments, *, standardize: bool, say: Say) -> Layer:
    """The layer over standardised numbers, or over numbers as they are served; `moments` are those
    of all columns but levels. Warns by `say` of features that are constant."""
    pairs = zip(design.names, moments.constant[: design.flat], strict=False)
    constant = [name for name, c in pairs if c]
    if constant:
        effect = "its weight becomes 0" if standardize else "it acts as a second bias"
        say(f"warning: constant in the training rows: {listed(constant)}; {effect}")
    return Layer(design, scaling_of(design, moments, standardize=standardize))


def check_standardised(features: npt.NDArray[np.float32], names: Sequence[str], part: str,
                       first: int = 0) -> None:  # fmt: skip
    """Raise DataError unless all `features` (d, m) are finite; `first` is their first row."""
    if odd := first_not_finite(features):
        row, column = odd
        raise DataError(
            f"{part} row {first + row + 1}, feature {quoted(names[column])} is too far from the "
            "training rows to be standardised in float32: check its unit"
        )


def check_known(known: bool) -> None:
    """Raise DataError unless all levels of the training rows are `known`: the compiled code that
    trains on their codes checks none."""
    if not known:
        raise DataError(
            "the training rows have levels that were not there when the columns were decided: "
            "the rows changed while they were read; train again"
        )
