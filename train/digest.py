"""A digest of rows that hangs on their values alone: not on the file format, nor on blocks."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from serve_runtime.card import Label


class Digest:
    """SHA-256 of the rows of a table, taken in block by block."""

    def __init__(self, width: int) -> None:
        self._columns = [hashlib.sha256() for _ in range(width + 1)]

    def add(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> None:
        """Take in the features (d, m) and labels (m,) of the next rows."""
        for column, values in zip(self._columns, (*features, labels), strict=True):
            column.update(np.ascontiguousarray(values, "<f4").data)

    def hexdigest(self, names: Sequence[str], labels: Sequence[Label]) -> str:
        """With the names of the features and the two labels."""
        folded = [str(label).casefold() for label in labels]  # True, "true": one
        sha = hashlib.sha256(repr((tuple(names), folded)).encode())
        for column in self._columns:
            sha.update(column.digest())
        return sha.hexdigest()
