"""Raw rows of numbers and categories, in the kinds that people have them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from serve_runtime.arrays import Array, Float32
from serve_runtime.features.encoding import Encoding

NUMBERS = 6
"""Columns of numbers of the mixed model."""


@dataclass(frozen=True)
class RawRows:
    """Raw rows of the mixed model."""

    numbers: Float32
    """(6, n)"""
    codes: Sequence[Array]
    """Of each category (n,): the positions of each row's level among its levels."""
    levels: Sequence[Sequence[str]]
    names: tuple[Sequence[str], Sequence[str]]
    """Of the numbers, and of the categories."""

    def columns(self, count: int, kind: Any) -> dict[str, Any]:
        """The first `count` rows by column; `kind` makes a category of levels and positions."""
        columns = dict(zip(self.names[0], self.numbers[:, :count], strict=True))
        for name, levels, codes in zip(self.names[1], self.levels, self.codes, strict=True):
            columns[name] = kind(levels, codes[:count])
        return columns

    def dicts(self, count: int) -> list[dict[str, Any]]:
        """The first `count` rows, each as a dict of Python's own values."""
        columns = self.columns(count, objects)
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]


def random_rows(encoding: Encoding, count: int) -> RawRows:
    """`count` rows of the columns of `encoding`, the same each time."""
    rng = np.random.default_rng(0)
    levels = [column.levels for column in encoding.categories]
    return RawRows(
        rng.standard_normal((NUMBERS, count), np.float32),
        [rng.integers(0, len(known), count).astype(np.int8) for known in levels],
        levels,
        ([column.name for column in encoding.numbers], [c.name for c in encoding.categories]),
    )


def objects(levels: Sequence[str], codes: Array) -> Array:
    """A category as an array of texts."""
    return np.array(levels, object)[codes]


def dictionary(levels: Sequence[str], codes: Array) -> Any:
    """A category as an Arrow dictionary."""
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(levels))


def texts(levels: Sequence[str], codes: Array) -> Any:
    """A category as Arrow strings."""
    return dictionary(levels, codes).cast(pa.string())


def category(levels: Sequence[str], codes: Array) -> Any:
    """A category of pandas."""
    return pd.Categorical.from_codes(codes, list(levels))


def own_inputs(dicts: Sequence[Mapping[str, Any]], rows: RawRows) -> dict[str, Array]:
    """What a model.onnx of ours takes for these `dicts`, of `rows`."""
    numbers, categories = rows.names
    inputs = {name: np.array([[row[name]] for row in dicts], object) for name in categories}
    inputs["numbers"] = np.array([[row[name] for name in numbers] for row in dicts], np.float32)
    return inputs


def peer_inputs(dicts: Sequence[Mapping[str, Any]], rows: RawRows) -> dict[str, Array]:
    """What the pipeline of skl2onnx takes for them: underscores replace blanks in its names."""
    numbers, categories = rows.names
    kinds = {**dict.fromkeys(numbers, np.float32), **dict.fromkeys(categories, object)}
    return {
        name.replace(" ", "_"): np.array([[row[name]] for row in dicts], kind)
        for name, kind in kinds.items()
    }
