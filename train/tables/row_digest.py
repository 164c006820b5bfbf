"""A digest of rows that depends on their values alone, whatever file format they came from and
however many processes have read them."""

import hashlib
from collections.abc import Sequence

import numpy as np

from serve_runtime.arrays import Float32, Floats
from serve_runtime.bundle.card import Label
from train.tables.columns.vocabulary import Int32, sorted_ranks


class RowDigest:
    """SHA-256 of the rows of a table: a digest of the digests of its chunks, in their order."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        """The digest of each chunk added so far; several processes' lists can be joined."""

    def add(
        self,
        features: Floats,
        labels: Float32,
        codes: Sequence[Int32] = (),
        vocabularies: Sequence[Sequence[str]] = (),
        weights: Floats | None = None,
    ) -> None:
        """Add the next chunk, of numba_kernels.chunk_rows rows: numbers (k, m), labels (m,), of
        each category its codes (m,) with the texts that they stand for, and the weights (m,), if
        rows have any.

        Values that float32 holds count as float32, so that a file of them has the same digest
        in either type; and texts count, in whatever order the codes have them.
        """
        chunk = hashlib.sha256()
        for found, texts in zip(codes, vocabularies, strict=True):
            there, ranks = sorted_ranks(found, texts)
            chunk.update(repr(there).encode())
            chunk.update(np.ascontiguousarray(ranks, "<i4").data)
        for values in (*features, labels, *([] if weights is None else [weights])):
            narrow = np.ascontiguousarray(values, "<f4")
            if (missing := np.isnan(narrow)).any():  # there are many NaNs
                values = np.where(missing, values.dtype.type(np.nan), values)
                narrow = np.ascontiguousarray(values, "<f4")
            chunk.update(narrow.data)
            if values.dtype == np.float64 and not (missing | (narrow == values)).all():
                chunk.update(np.ascontiguousarray(values, "<f8").data)
        self.chunks.append(chunk.digest())

    def hexdigest(self, names: Sequence[str], labels: Sequence[Label]) -> str:
        """The digest of all chunks, the names of the features and the two labels."""
        folded = [str(label).casefold() for label in labels]  # True and "true" are one label
        sha = hashlib.sha256(repr((tuple(names), folded)).encode())
        sha.update(b"".join(self.chunks))
        return sha.hexdigest()
