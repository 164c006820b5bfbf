"""A digest of rows that hangs on their values alone: not on the format, nor on who read them."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from serve_runtime.bundle.card import Label


class Digest:
    """SHA-256 of the rows of a table, made of those of its parts, which are taken in in order."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def add(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> None:
        """Take in the next part, of numba_kernels.part_rows rows: features (d, m), labels (m,)."""
        part = hashlib.sha256()
        for values in (*features, labels):
            part.update(np.ascontiguousarray(values, "<f4").data)
        self.parts.append(part.digest())

    def hexdigest(self, names: Sequence[str], labels: Sequence[Label]) -> str:
        """With the names of the features and the two labels."""
        folded = [str(label).casefold() for label in labels]  # True, "true": one
        sha = hashlib.sha256(repr((tuple(names), folded)).encode())
        sha.update(b"".join(self.parts))
        return sha.hexdigest()
