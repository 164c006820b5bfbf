"""Medians, and values that become equal in float32: what takes further passes over the rows.

Both are exact, in bounded memory, and the same in whatever order and parts the rows come.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float64, Floats

Keys = npt.NDArray[np.uint64]

_MOST_GATHERED = 1 << 20
"""Values of a column that are sorted in memory; of more, the median is narrowed down first."""
_BITS = 16
"""Of a value, by which each pass narrows the median down."""
_MOST_SAMPLED = 1 << 14
"""Different values of a column that are looked at for whether float32 tells them apart."""
_LOST_SHARE = 1 / 64


class SecondLook:
    """`medians` of the numbers at the positions `present`, each with so many values in the training
    rows, and `loses` for those at `may_lose`.

    While `unfinished`, all rows are added, then `end_pass` is called.
    """

    def __init__(self, present: Mapping[int, int], may_lose: Sequence[int]) -> None:
        self._medians = {place: _Median(count) for place, count in present.items()}
        self._distinct = {place: _Distinct() for place in may_lose}
        self._first = True
        self.medians: dict[int, float] = {}

    @property
    def unfinished(self) -> bool:
        """Whether another pass is needed."""
        return len(self.medians) < len(self._medians) or (self._first and bool(self._distinct))

    def add(self, features: Floats, trained: bool) -> None:
        """Add rows: numbers (k, m), NaN where missing, and whether they are trained on."""
        for place in (self._medians.keys() - self.medians.keys()) if trained else ():
            values = features[place]
            self._medians[place].add(values[~np.isnan(values)].astype(np.float64, copy=False))
        if self._first:
            for place, distinct in self._distinct.items():
                values = features[place]
                distinct.add(values[~np.isnan(values)].astype(np.float64, copy=False))

    def end_pass(self) -> None:
        """All rows were added once more."""
        self._first = False
        for place in self._medians.keys() - self.medians.keys():
            if (found := self._medians[place].end_pass()) is not None:
                self.medians[place] = found

    def loses(self, place: int) -> bool:
        """Whether float32 makes different values of the number at `place` equal."""
        return place in self._distinct and self._distinct[place].lost > _LOST_SHARE


class _Median:
    """The median of `count` values: the mean of the two in the middle, as numpy's."""

    def __init__(self, count: int) -> None:
        self._middle = [_Ranked((count - 1) // 2, count), _Ranked(count // 2, count)]

    def add(self, values: Float64) -> None:
        keys = _keys(values)
        for ranked in self._middle:
            ranked.add(keys)

    def end_pass(self) -> float | None:
        found = [ranked.end_pass() for ranked in self._middle]
        if any(key is None for key in found):
            return None
        return float(np.mean(_values(np.array(found, np.uint64))))


class _Ranked:
    """The key of one rank, from 0, found by its leading bits, or by sorting what has them."""

    def __init__(self, rank: int, count: int) -> None:
        self._rank, self._count = rank, count  # among the keys that begin with `_prefix`
        self._known, self._prefix = 0, 0
        self._found: int | None = None
        self._begin()

    def _begin(self) -> None:
        self._gathered: list[Keys] = []
        self._counts = np.zeros(1 << _BITS, np.int64)

    def add(self, keys: Keys) -> None:
        if self._found is not None:
            return
        if self._known:
            keys = keys[keys >> np.uint64(64 - self._known) == np.uint64(self._prefix)]
        if self._count <= _MOST_GATHERED:
            self._gathered.append(keys)
        else:
            places = (keys >> np.uint64(64 - self._known - _BITS)) & np.uint64((1 << _BITS) - 1)
            self._counts += np.bincount(places.astype(np.intp), minlength=1 << _BITS)

    def end_pass(self) -> int | None:
        if self._found is None and self._count <= _MOST_GATHERED:
            keys = np.concatenate(self._gathered)
            self._found = int(np.partition(keys, self._rank)[self._rank])
        elif self._found is None:
            below = np.cumsum(self._counts)
            place = int(np.searchsorted(below, self._rank, side="right"))
            self._rank -= int(below[place - 1]) if place else 0
            self._count = int(self._counts[place])
            self._prefix, self._known = (self._prefix << _BITS) | place, self._known + _BITS
            if self._known == 64:
                self._found = self._prefix
        self._begin()
        return self._found


def _keys(values: Float64) -> Keys:
    """Whole numbers without sign in the order of the values."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


def _values(keys: Keys) -> Float64:
    sign = np.uint64(1 << 63)
    return np.where(keys & sign, keys & ~sign, ~keys).view(np.float64)


class _Distinct:
    """How many of the different values are different in float32 too, by a sample of them that
    depends on the values alone: those whose float32 has a small enough hash."""

    def __init__(self) -> None:
        self._values: Float64 = np.empty(0)
        self._most = np.uint32(2**32 - 1)

    def add(self, values: Float64) -> None:
        self._values = np.unique(np.concatenate([self._values, self._sampled(values)]))
        while len(self._values) > _MOST_SAMPLED:
            self._most >>= np.uint32(1)
            self._values = self._sampled(self._values)

    def _sampled(self, values: Float64) -> Float64:
        bits = values.astype(np.float32).view(np.uint32) * np.uint32(2654435761)  # Knuth's
        return values[(bits ^ (bits >> np.uint32(15))) * np.uint32(2246822519) <= self._most]

    @property
    def lost(self) -> float:
        """The share of the different values that float32 does not tell from another one."""
        if not len(self._values):
            return 0.0
        return 1 - len(np.unique(self._values.astype(np.float32))) / len(self._values)
