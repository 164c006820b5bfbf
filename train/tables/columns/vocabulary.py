"""The texts of one category, while its rows are read, and a code for each of them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from serve_runtime.arrays import Array
from serve_runtime.features.column import Column
from serve_runtime.features.level_text import level_text
from serve_runtime.features.spellings import TEXTS, canonical_text, kind_of_texts
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.numbers import is_number, plain_numbers
from train.errors import DataError
from train.tables.remedies import drop_remedy

Int32 = np.ndarray[Any, np.dtype[np.int32]]

MOST_TEXTS = 1 << 20
"""Different texts of one category that are kept in memory while its levels are counted."""
_MOST_CHARACTERS = 1 << 28


class Vocabulary:
    """The canonical texts of a column, in the order in which they were first seen.

    The code of a text is its place; -1 is a missing value. Once all rows are seen, texts that are
    spellings of one number, or of one truth, are the same text.
    """

    def __init__(self, name: str, missing_texts: Collection[str]) -> None:
        self.name = name
        self.missing_texts = tuple(missing_texts)
        """Texts that count as missing."""
        self._codes: dict[str, int] = {}
        self._missing = frozenset(missing_texts)
        self._characters = 0
        self._known: tuple[str, tuple[str, ...]] = TEXTS, ()

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of every code, in their order: canonical ones."""
        return self._canonical()[1]

    @property
    def texts_are(self) -> str:
        """What all texts spell, see `Column.levels_are`."""
        return self._canonical()[0]

    def spellings(self) -> list[str]:
        """Texts that were seen in another spelling than the canonical one."""
        return [seen for seen, text in zip(self._codes, self.texts, strict=True) if seen != text]

    def _canonical(self) -> tuple[str, tuple[str, ...]]:
        if len(self._known[1]) != len(self._codes):
            kind = kind_of_texts(self._codes)
            texts = tuple(canonical_text(text, kind) for text in self._codes)
            if not self._missing.isdisjoint(texts):  # a spelling of what counts as missing
                kind, texts = TEXTS, tuple(self._codes)
            self._known = kind, texts
        return self._known

    def encode(self, values: Any, source: str, first: int = 0) -> Int32:
        """The codes (n,) of an Arrow array, whose first value is that of data row `first` (from 0)
        of the table `source`. New texts are added.

        Raises DataError for a value that no level can be, and where there are too many texts.
        """
        distinct, rows = _distinct(values)
        codes = np.full(len(distinct) + 1, -1, np.int32)
        for place, value in enumerate(distinct):
            try:
                codes[place] = self._code(level_text(value))
            except TypeError as reason:
                row = first + int((np.asarray(rows) == place).argmax())
                raise DataError(
                    f"{source}: data row {row + 1}, column {quoted(self.name)} holds "
                    f"{quoted(value)}, which no level of a category can be ({reason}): leave the "
                    "column out, or write texts"
                ) from None
        return codes.take(rows)

    def _code(self, text: str | None) -> int:
        if text is None or text in self._missing:
            return -1
        if (code := self._codes.get(text)) is not None:
            return code
        if odd := [c for c in text if c == "\0" or "\ud800" <= c <= "\udfff"]:
            raise TypeError(f"some runtimes cannot take {listed(odd)}")
        self._characters += len(text)
        if len(self._codes) >= MOST_TEXTS or self._characters > _MOST_CHARACTERS:
            raise DataError(
                f"column {quoted(self.name)} holds more than {len(self._codes):,} different texts: "
                f"they name rows rather than kinds of rows. {drop_remedy([self.name])}"
            )
        self._codes[text] = len(self._codes)
        return len(self._codes) - 1


def _distinct(values: Any) -> tuple[list[Any], Array]:
    """Values of an Arrow array, in types of Python or numpy that keep their digits, and the place
    of each row's among them, behind the last for a null (n,)."""
    if pa.types.is_dictionary(values.type):
        found, indices = values.dictionary, values.indices
    else:
        values = plain_numbers(values) if is_number(values.type) else values
        try:
            encoded = values.dictionary_encode()
        except pa.ArrowNotImplementedError:  # types that Arrow has no code for
            return values.to_pylist(), np.arange(len(values))
        found, indices = encoded.dictionary, encoded.indices
    indices = indices.cast(pa.int64()).fill_null(len(found))
    # Python's floats would show the digits of a float32 that it has not.
    floats = pa.types.is_floating(found.type)
    distinct = list(found.to_numpy(zero_copy_only=False)) if floats else found.to_pylist()
    return distinct, indices.to_numpy()


def sorted_ranks(codes: Int32, texts: Iterable[str]) -> tuple[list[str], Int32]:
    """The texts that `codes` (n,) hold, sorted by code point, and each row's place among them, -1
    where it is missing: the same whatever the order of the vocabulary `texts`."""
    every = list(texts)
    there = [int(code) for code in np.unique(codes) if code >= 0]
    found = sorted({every[code] for code in there})
    place = {text: rank for rank, text in enumerate(found)}
    ranks = np.full(len(every) + 1, -1, np.int32)
    ranks[there] = [place[every[code]] for code in there]
    return found, ranks.take(codes)  # -1 takes the last


def code_table(column: Column, texts: Sequence[str]) -> Int32:
    """The code that `column` has for each of `texts`, and behind them that of a missing value: what
    `take` makes of places in the texts, -1 where missing."""
    codes = column.code_by_text()
    found = [*(codes.get(text, 0) for text in texts), column.missing_code]
    return np.array(found, np.int32)


def texts_at(texts: Sequence[str], codes: Int32) -> tuple[str | None, ...]:
    """The texts that `codes` (n,), places in `texts`, stand for, None where missing."""
    return tuple(texts[code] if code >= 0 else None for code in codes.tolist())
