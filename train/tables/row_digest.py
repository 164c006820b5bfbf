"""A digest of rows that depends on their values alone, whatever file format they came from and
however many processes have read them."""

import hashlib
from collections.abc import Sequence

import numpy as np

from serve_runtime.arrays import Float32, Floats
from serve_runtime.bundle.card import Label


class RowDigest:
    """SHA-256 of the rows of a table: a digest of the digests of its chunks, in their order."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        """The digest of each chunk added so far; several processes' lists can be joined."""

    def add(self, features: Floats, labels: Float32) -> None:
        """Add the next chunk, of numba_kernels.chunk_rows rows: features (d, m), labels (m,).

        Values that float32 holds count as float32, so that a file of them has the same digest
        in either type.
        """
        chunk = hashlib.sha256()
        for values in (*features, labels):
            narrow = np.ascontiguousarray(values, "<f4")
            chunk.update(narrow.data)
            if values.dtype == np.float64 and not np.array_equal(narrow, values):
                chunk.update(np.ascontiguousarray(values, "<f8").data)
        self.chunks.append(chunk.digest())

    def hexdigest(self, names: Sequence[str], labels: Sequence[Label]) -> str:
        """The digest of all chunks, the names of the features and the two labels."""
        folded = [str(label).casefold() for label in labels]  # True and "true" are one label
        sha = hashlib.sha256(repr((tuple(names), folded)).encode())
        sha.update(b"".join(self.chunks))
        return sha.hexdigest()
