"""Rows of a table as the one linear layer takes them, and back as they are served."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from serve_runtime.arrays import Array, Float32, Floats
from train.design import Design
from train.gradients.source import NO_CATEGORIES, Categories
from train.standardize import Moments, Scaling
from train.tables.columns.vocabulary import code_table


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Layer:
    """The columns of a model's layer: standardised numbers and indicators of missing ones, and the
    codes of the categories, counted from 0."""

    design: Design
    scaling: Scaling
    """Of the numbers and the indicators, (design.dense,)."""

    @property
    def categories(self) -> Categories:
        """The categories as gradients need them: the share of each code in the training rows."""
        if not self.design.categories:
            return NO_CATEGORIES
        return Categories(
            tuple(torch.from_numpy(rows / rows.sum()) for rows in self.design.trained_counts)
        )

    @property
    def code_types(self) -> tuple[np.dtype[Any], ...]:
        """Of each category the smallest type that holds its codes, and the one of unknown levels
        behind them."""
        return tuple(_smallest_type(len(codes)) for codes in self.design.trained_codes)

    def features(self, numbers: Floats) -> Float32:
        """The standardised numbers and indicators (k + g, m) of raw `numbers` (k, m), NaN where
        missing: computed in float64, rounded once."""
        design, missing = self.design, np.isnan(numbers)
        filled: Array = numbers
        if missing.any():
            filled = np.where(missing, design.imputed[:, None], numbers)
        if design.indicators:
            filled = np.concatenate([filled, missing[list(design.indicators)]])
        return self.scaling.apply(filled)

    def codes(
        self, places: Sequence[Array], vocabularies: Sequence[Sequence[str]]
    ) -> tuple[Array, ...]:
        """The codes (m,) of each category, from `places` (m,) in the texts of its vocabulary, -1
        where missing. An unknown level has the code of the rare one where it counts as that."""
        found = []
        for column, trained, texts, place, kind in zip(
            self.design.categories,
            self.design.trained_codes,
            vocabularies,
            places,
            self.code_types,
            strict=True,
        ):
            position = np.full(column.codes, len(trained), kind)
            position[trained] = np.arange(len(trained))
            if column.unknown == "rare":
                position[0] = position[column.rare_code]
            found.append(position.take(code_table(column, texts)).take(place))
        return tuple(found)

    def served(self, features: Float32, codes: Sequence[Array]) -> tuple[Float32, list[Array]]:
        """Rows as `serve_runtime` encodes them: numbers (k, m), NaN where an indicator says that
        they were missing, and the codes (m,) of each Column.

        The numbers are computed from standardised `features` in float64 and rounded once; missing
        ones without an indicator are what stands for them.
        """
        design = self.design
        k, p = len(design.numbers), len(design.center)
        center = np.zeros(design.dense)
        center[k - p : k] = design.center
        raw = self.scaling.undo(features, center)
        numbers, indicators = raw[:k], raw[k:]
        for number, indicator in zip(design.indicators, indicators, strict=True):
            numbers[number, indicator > 0.5] = np.nan
        ours = [
            np.append(trained, 0).astype(np.int32).take(found)
            for trained, found in zip(design.trained_codes, codes, strict=True)
        ]
        return numbers, ours


def layer_moments(raw: Moments, design: Design, rows: int) -> Moments:
    """The moments of the numbers and indicators of `rows` training rows, before they are
    standardised, from those `raw` of the numbers (k,) that are there."""
    gaps: npt.NDArray[np.int64] = rows - raw.count
    found = raw.repeated(design.imputed, gaps) if gaps.any() else raw
    k, p = len(design.numbers), len(design.center)
    if p:
        reach = np.maximum(raw.high[k - p :] - design.center, design.center - raw.low[k - p :])
        found.rounding[k - p :] = reach * 2.0**-24
    return found.beside(Moments.of_flags(gaps[list(design.indicators)], rows))


def _smallest_type(size: int) -> np.dtype[Any]:
    kinds = (np.uint8, np.int16, np.int32)
    return np.dtype(next(kind for kind in kinds if size <= np.iinfo(kind).max))
