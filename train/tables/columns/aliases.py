"""Columns that say the same as the target, or as others: then their weights share one effect."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Array, Float32, Float64, Floats
from serve_runtime.shown import listed, quoted
from train.tables.columns.reading import Reading
from train.tables.columns.vocabulary import Int32
from train.tables.remedies import drop_remedy

_MOST_ROWS = 1 << 13
_LEAST_ROWS = 10
"""In fewer rows, columns often agree by chance."""
_APART = 1e-9
"""Standardised numbers that differ by less are affine to each other."""

Codes = npt.NDArray[np.intp]


class Sample:
    """Rows at even distances, of a table with these `labels` (n,), which may come in any number of
    parts, in any order."""

    def __init__(self, labels: Float32) -> None:
        rows = len(labels)
        self._wanted = np.linspace(0, rows - 1, min(rows, _MOST_ROWS)).astype(np.intp)
        self._labels_wanted, self._labels = labels[self._wanted], list[Float32]()
        self._features: list[Float64] = []
        self._codes: list[tuple[Int32, ...]] = []

    def add(self, features: Floats, codes: Sequence[Int32], rows: Codes) -> None:
        """Add rows: numbers (k, m), NaN where missing, codes (m,) of each category, and which
        `rows` (m,) of the table they are, rising; m >= 1."""
        first, last = np.searchsorted(self._wanted, (rows[0], rows[-1] + 1))
        wanted = self._wanted[first:last]
        places = np.searchsorted(rows, wanted)
        found = rows[places] == wanted
        here = places[found]
        self._labels.append(self._labels_wanted[first:last][found])
        self._features.append(features[:, here].astype(np.float64))
        self._codes.append(tuple(found[here] for found in codes))

    def aliases(self, reading: Reading) -> Iterator[str]:
        """Lines on columns that say the same as others in these rows; `reading` names them."""
        numbers = np.concatenate(self._features, axis=1)
        codes = [_ranked(np.concatenate(parts)) for parts in zip(*self._codes, strict=True)]
        rows, labels = numbers.shape[1], np.concatenate(self._labels)
        if rows < _LEAST_ROWS:
            return
        target, *affine = _affine(np.concatenate([labels[None], numbers]))
        keys = [c.tobytes() if c.any() else None for c in codes]
        answers = [name for name, key in zip(reading.numbers, affine, strict=True)
                   if key is not None and key == target]  # fmt: skip
        answers += [name for name, key in zip(reading.categories, keys, strict=True)
                    if key == _ranked(labels).tobytes()]  # fmt: skip
        if answers:
            yield (
                f"warning: the same as the target in {rows:,} rows looked at: {listed(answers)}. "
                f"A model that is given the answer learns nothing else. {drop_remedy(answers)}"
            )
        groups = [*_groups(reading.numbers, affine), *_groups(reading.categories, keys)]
        found = [listed(names, joint=" and ") for names in groups]
        found += [
            f"{quoted(category)} and {quoted(number)}, which it determines"
            for category, number in _determined(reading, numbers, codes)
        ]
        if found:
            yield (
                f"warning: the same twice, in {rows:,} rows looked at: "
                f"{listed(found, show=str, joint='; ')}. Weights of such columns share one effect: "
                "--drop one of each"
            )


def _groups(names: Sequence[str], keys: Sequence[Any]) -> list[list[str]]:
    """The names of columns with equal keys, where there are several; None is no key."""
    found = defaultdict[Any, list[str]](list)
    for name, key in zip(names, keys, strict=True):
        if key is not None:
            found[key].append(name)
    return [group for group in found.values() if len(group) > 1]


def _affine(numbers: Float64) -> list[int | None]:
    """A key of each number: the place of the first one to which it is affine, None of constants."""
    kept: dict[tuple[float, ...], list[tuple[int, Float64]]] = defaultdict(list)
    keys: list[int | None] = []
    for place, values in enumerate(numbers):
        plain = _standardised(values)
        if plain is None:
            keys.append(None)
            continue
        near = tuple(np.round(plain[:: max(1, len(plain) // 4)][:4], 4).tolist())
        others = kept[near]
        same = [i for i, other in others if np.allclose(plain, other, rtol=0, atol=_APART)]
        if not same:
            others.append((place, plain))
        keys.append(same[0] if same else place)
    return keys


def _standardised(values: Float64) -> Float64 | None:
    """Mean 0, deviation 1, the first value above 0, missing ones far away; None of constants."""
    missing = np.isnan(values)
    there = values[~missing]
    if not len(there) or there.min() == there.max():
        return None
    with np.errstate(all="ignore"):
        plain = (values - there.mean()) / there.std()
    first = plain[~missing][np.abs(plain[~missing]) > _APART]
    if not np.isfinite(plain[~missing]).all() or not len(first):
        return None
    return np.where(missing, 1e3, plain * np.sign(first[0]))


def _ranked(codes: Array) -> Codes:
    """Codes numbered anew in the order in which they first occur: equal for two columns whose
    levels map one to one."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.intp)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse]


def _determined(
    reading: Reading, numbers: Float64, codes: Sequence[Codes]
) -> Iterator[tuple[str, str]]:
    """Pairs of a category and a number that is the same in all rows of each level."""
    different = [len(np.unique(values)) for values in numbers]
    for category, found in zip(reading.categories, codes, strict=True):
        levels = int(found.max()) + 1
        if 2 * levels > len(found):
            continue
        _, first = np.unique(found, return_index=True)
        for number, values, distinct in zip(reading.numbers, numbers, different, strict=True):
            fits = 2 < distinct <= levels
            if fits and np.array_equal(values[first][found], values, equal_nan=True):
                yield category, number
