"""A digest of rows that depends on their values alone, whatever file format they came from and
however many processes have read them."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from serve_runtime.bundle.card import Label


class RowDigest:
    """SHA-256 of the rows of a table: a digest of the digests of its chunks, in their order."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        """The digest of each chunk added so far; several processes' lists can be joined."""

    def add(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> None:
        """Add the next chunk, of numba_kernels.chunk_rows rows: features (d, m), labels (m,)."""
        chunk = hashlib.sha256()
        for values in (*features, labels):
            chunk.update(np.ascontiguousarray(values, "<f4").data)
        self.chunks.append(chunk.digest())

    def hexdigest(self, names: Sequence[str], labels: Sequence[Label]) -> str:
        """The digest of all chunks, the names of the features and the two labels."""
        folded = [str(label).casefold() for label in labels]  # True and "true" are one label
        sha = hashlib.sha256(repr((tuple(names), folded)).encode())
        sha.update(b"".join(self.chunks))
        return sha.hexdigest()
