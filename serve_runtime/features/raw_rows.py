"""Rows as a table has them, before anything is encoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from serve_runtime.arrays import Array, Float64


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class RawRows:
    """Rows of raw values: what a run keeps of its table, and what a proof scores."""

    numbers: Float64
    """(k, n): the numbers of each column that is one, NUMBER columns first, then PRECISE ones, as
    in `Encoding.numbers`; NaN where missing."""
    texts: tuple[tuple[str | None, ...], ...] = ()
    """Of each category, in order, its canonical texts, (n,) each; None where missing."""

    def __len__(self) -> int:
        return int(self.numbers.shape[1])

    def take(self, index: Array | Sequence[int]) -> "RawRows":
        """The rows at `index`, copied."""
        chosen = np.asarray(index, np.intp)
        picked = chosen.tolist()
        texts = tuple(tuple(column[i] for i in picked) for column in self.texts)
        return RawRows(self.numbers[:, chosen], texts)

    @classmethod
    def joined(cls, parts: Sequence["RawRows"]) -> "RawRows":
        """The rows of all `parts`, of which there is one or more."""
        columns = zip(*(part.texts for part in parts), strict=True)
        texts = tuple(tuple(chain(*column)) for column in columns)
        return cls(np.concatenate([part.numbers for part in parts], axis=1), texts)
