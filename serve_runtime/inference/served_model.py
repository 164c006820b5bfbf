"""The model that a Predictor serves at a moment."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from serve_runtime.arrays import Array, Float32, label_array
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.model_file import ModelFile
from serve_runtime.explanation.contributions import LogitParts
from serve_runtime.inference.engine import Engine
from serve_runtime.inputs.batch_limits import LIMITS

if TYPE_CHECKING:
    from serve_runtime.inputs.encoded import Encoder
    from serve_runtime.inputs.encoded_row import RowEncoder


class ServedModel(NamedTuple):
    """Everything that a call needs: it takes this once, so that it scores all rows with one model
    even if `Predictor.reload` replaces it meanwhile."""

    files: tuple[ModelFile, ...]
    card: ModelCard
    engine: Engine
    names: tuple[str, ...]
    """Of the columns, in order."""
    classes: Array
    threshold: np.float32
    row: tuple[int]
    """The shape of a row: (d,); (-1,) where rows of numbers have to be encoded."""
    encoder: "Encoder | None"
    """What encodes rows, where they have to be."""
    row_encoder: "RowEncoder | None"
    """The same, for one row as a dict."""
    parts: LogitParts
    """What each column adds to the logit."""

    @classmethod
    def of(cls, files: tuple[ModelFile, ...], engine: Engine) -> "ServedModel":
        """The model of `files`, which `engine` scores with."""
        card = files[0].card
        labels, threshold = label_array(card.classes), np.float32(card.threshold)
        encoding, names = files[0].encoding, card.feature_names
        parts = LogitParts(files[0])
        if encoding is None:
            row = (len(names),)
            return cls(files, card, engine, names, labels, threshold, row, None, None, parts)
        # Not for models of plain numbers, since they take 2 ms to load.
        from serve_runtime.inputs.encoded import Encoder
        from serve_runtime.inputs.encoded_row import RowEncoder

        encoder = Encoder(encoding, files[0].affine.bias, LIMITS)
        rows = RowEncoder(encoder)
        return cls(files, card, engine, names, labels, threshold, (-1,), encoder, rows, parts)

    def score_dict(self, row: Any, kind: int) -> Float32 | None:
        """Scores of one row that may be a dict, as a new array, with the least overhead; None where
        a Call has to do it."""
        if type(row) is list and len(row) == 1:
            (row,) = row
        if type(row) is not dict or self.row_encoder is None:
            return None
        return self.engine.score_row(row, self.row_encoder, kind)

    def labels(self, probability: Array) -> Array:
        """The label that belongs to each P(positive): (n,)."""
        return self.classes.take((probability >= self.threshold).view(np.int8))
