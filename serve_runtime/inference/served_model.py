"""The model that a Predictor serves at a moment."""

from typing import NamedTuple

import numpy as np

from serve_runtime.arrays import Array, label_array
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.model_file import ModelFile
from serve_runtime.inference.engine import Engine


class ServedModel(NamedTuple):
    """Everything that a call needs: it takes this once, so that it scores all rows with one model
    even if `Predictor.reload` replaces it meanwhile."""

    files: tuple[ModelFile, ...]
    card: ModelCard
    engine: Engine
    classes: Array
    threshold: np.float32
    row: tuple[int]
    """The shape of a row: (d,)."""

    @classmethod
    def of(cls, files: tuple[ModelFile, ...], engine: Engine) -> "ServedModel":
        """The model of `files`, which `engine` scores with."""
        card = files[0].card
        labels, threshold = label_array(card.classes), np.float32(card.threshold)
        return cls(files, card, engine, labels, threshold, (len(card.feature_names),))

    def labels(self, probability: Array) -> Array:
        """The label that belongs to each P(positive): (n,)."""
        return self.classes.take((probability >= self.threshold).view(np.int8))
