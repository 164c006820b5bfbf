"""How the columns of a table become those of the one linear layer, which is trained.

The layer's weights are those of the k numbers, of the indicators of missing numbers, of the
further columns of bent numbers (see train.bends.basis), and then of the codes of each category that
training saw, in the order of the codes. Nothing builds that matrix: rows are kept as dense columns
and codes.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32, Float64, Floats
from serve_runtime.bundle.card import is_unicode
from serve_runtime.features.column import PRECISE, Column, categories_of, is_numeric, numbers_of
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.shown import quoted
from train.bends.basis import Basis


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Design:
    """The columns of a model, and what else its training rows say of them."""

    columns: tuple[Column, ...]
    """In the order of the card."""
    imputed: Float64
    """(k,) the raw value that stands for a missing number; NaN where it is refused."""
    center: Float64
    """(p,) what is subtracted from each precise number before it is served."""

    @cached_property
    def numbers(self) -> tuple[Column, ...]:
        """The k columns that are numbers: NUMBER, then PRECISE."""
        return numbers_of(self.columns)

    @cached_property
    def categories(self) -> tuple[Column, ...]:
        """The columns that are categories."""
        return categories_of(self.columns)

    @cached_property
    def indicators(self) -> tuple[int, ...]:
        """Those of the k numbers that have an indicator, by position."""
        return tuple(i for i, column in enumerate(self.numbers) if column.missing == "indicator")

    @cached_property
    def bases(self) -> dict[int, Basis]:
        """Of the bent ones of the k numbers, by position, their further columns."""
        return {i: Basis.of(column.knots) for i, column in enumerate(self.numbers) if column.knots}

    @cached_property
    def further(self) -> dict[int, slice]:
        """Of each bent number, by position, where in the layer its further columns are."""
        places, start = {}, len(self.numbers) + len(self.indicators)
        for i, basis in self.bases.items():
            places[i] = slice(start, start + basis.width)
            start += basis.width
        return places

    @property
    def flat(self) -> int:
        """The number of numbers and indicators, k + g."""
        return len(self.numbers) + len(self.indicators)

    @cached_property
    def dense(self) -> int:
        """The number of columns before those of levels: `flat` and the further ones of bends."""
        return self.flat + sum(basis.width for basis in self.bases.values())

    def served(self, number: int, values: Floats) -> Float32:
        """The raw `values` (n,) of the number at the position `number`, NaN where missing, as they
        are served: filled, behind the centre, rounded to float32 once."""
        first = len(self.numbers) - len(self.center)
        center = self.center[number - first] if number >= first else 0.0
        wide = values.astype(np.float64, copy=False)
        filled = np.where(np.isnan(wide), self.imputed[number], wide)
        with np.errstate(over="ignore"):  # the caller checks
            return (filled - center).astype(np.float32)

    @cached_property
    def trained_codes(self) -> tuple[npt.NDArray[np.intp], ...]:
        """Of each category the codes that have a weight in the layer, in order: of its levels, of
        missing ones where they are a level or training rows have them, of rare ones where there are
        any."""
        found = []
        for column in self.categories:
            further = [column.missing_code] * (column.missing == "level" or column.gaps > 0)
            further += [column.rare_code] * bool(column.rare)
            found.append(np.array([*range(1, len(column.levels) + 1), *further], np.intp))
        return tuple(found)

    @cached_property
    def trained_counts(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Of each category the training rows of each of its `trained_codes`."""
        found = []
        for column, codes in zip(self.categories, self.trained_codes, strict=True):
            every = np.array([0, *column.counts, column.gaps, column.rare_count], np.int64)
            found.append(every[codes])
        return tuple(found)

    @cached_property
    def code_counts(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Of each category the training rows over which its `trained_codes` are averaged: all, but
        for missing ones that count as unknown, whose weight in training is not served."""
        found = []
        for column, codes, counts in zip(
            self.categories, self.trained_codes, self.trained_counts, strict=True
        ):
            unserved = (codes == column.missing_code) & (column.missing == "unknown")
            found.append(np.where(unserved, 0, counts))
        return tuple(found)

    @property
    def width(self) -> int:
        """The number of weights of the layer."""
        return self.dense + sum(map(len, self.trained_codes))

    def _shown(self, number: int, served: float) -> str:
        """A value of a number as it is served, in the unit of the table."""
        first = len(self.numbers) - len(self.center)
        if number >= first:
            return f"{served + self.center[number - first]:.12g}"
        return f"{float(str(np.float32(served))):.9g}"  # the fewest digits that tell it

    @property
    def is_numeric(self) -> bool:
        """Whether the layer's columns are those of the table."""
        return is_numeric(self.columns)

    def require_constants(self) -> None:
        """Raise ValueError unless `imputed` and `center` are ones that training leaves for the
        columns."""
        precise = sum(column.kind == PRECISE for column in self.numbers)
        for what, values, count in (
            ("what stands for missing numbers", self.imputed, len(self.numbers)),
            ("the centres of precise numbers", self.center, precise),
        ):
            if values.dtype != np.float64 or values.shape != (count,):
                raise ValueError(
                    f"{what}: {values.dtype} of shape {values.shape}, the card's columns require "
                    f"float64 of shape {(count,)}"
                )
        for column, value in zip(self.numbers, self.imputed.tolist(), strict=True):
            refused = column.missing == "error"
            if not (math.isnan(value) if refused else math.isfinite(value)):
                raise ValueError(
                    f"{value} stands for a missing {quoted(column.name)}, whose card says "
                    f"{quoted(column.missing)}"
                )
        if not np.isfinite(self.center).all():
            raise ValueError("a centre of a precise number is not finite")

    def require_rows(self, rows: RawRows) -> None:
        """Raise ValueError unless `rows` can be ones of a table of these columns."""
        numbers, texts = rows.numbers, rows.texts
        if (len(numbers), len(texts)) != (len(self.numbers), len(self.categories)):
            raise ValueError(
                f"the sampled rows have {len(numbers)} numbers and {len(texts)} texts, the model "
                f"takes {len(self.numbers)} and {len(self.categories)}"
            )
        fits = numbers.ndim == 2 and all(len(column) == len(rows) for column in texts)
        if not (fits and numbers.dtype == np.float64 and not np.isinf(numbers).any()):
            raise ValueError(
                f"the sampled rows, of shape {numbers.shape}, are no rows of this model"
            )
        for column, values in zip(self.categories, texts, strict=True):
            if not all(value is None or is_unicode(value) for value in values):
                raise ValueError(f"the sampled rows hold what is no text in {quoted(column.name)}")

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The names of the columns of the table that those of the layer are made of, (width,)."""
        found = [column.name for column in self.numbers]
        found += [found[i] for i in self.indicators]
        for i, basis in self.bases.items():
            found += [found[i]] * basis.width
        for column, codes in zip(self.categories, self.trained_codes, strict=True):
            found += [column.name] * len(codes)
        return tuple(found)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the columns of the layer are called in messages, (width,)."""
        found = [column.name for column in self.numbers]
        found += [f"{found[i]} missing" for i in self.indicators]
        for i, basis in self.bases.items():
            words = ["near"] * basis.hats + ["="] * len(basis.single)
            pairs = zip(words, basis.points.tolist(), strict=True)
            found += [f"{found[i]} {word} {self._shown(i, point)}" for word, point in pairs]
        for column, codes in zip(self.categories, self.trained_codes, strict=True):
            texts = [f"= {level}" for level in column.levels] + ["missing", "rare"]
            found += [f"{column.name} {texts[code - 1]}" for code in codes.tolist()]
        return tuple(found)
