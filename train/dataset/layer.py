"""Rows of a table as the one linear layer takes them, and back as they are served."""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from serve_runtime.arrays import Array, Float32, Float64, Floats
from train.design import Design
from train.gradients.numba_kernels import chunk_slices
from train.gradients.source import NO_CATEGORIES, Categories
from train.standardize import Moments, Scaling
from train.tables.columns.vocabulary import code_table


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Layer:
    """The columns of a model's layer: standardised numbers and indicators of missing ones, further
    columns of bent numbers around their means, and the codes of the categories, counted from 0."""

    design: Design
    scaling: Scaling
    """Of all columns but levels, (design.dense,)."""

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
        """The standardised columns (design.dense, m) of raw `numbers` (k, m), NaN where missing:
        computed in float64, rounded once."""
        design, missing = self.design, np.isnan(numbers)
        filled: Array = numbers
        if missing.any():
            filled = np.where(missing, design.imputed[:, None], numbers)
        if design.indicators:
            filled = np.concatenate([filled, missing[list(design.indicators)]])
        if not design.bases:
            return self.scaling.apply(filled)
        result = np.empty((design.dense, numbers.shape[1]), np.float32)
        result[: design.flat] = self.scaling.take(slice(design.flat)).apply(filled)
        for place, rows, columns in further_columns(design, numbers):
            result[place, rows] = self.scaling.take(place).apply(columns)
        return result

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

        The numbers are computed from standardised `features` in float64 and rounded once, but for
        single values of bent ones, which are those that they were; missing ones without an
        indicator are what stands for them.
        """
        design = self.design
        k, p = len(design.numbers), len(design.center)
        center = np.zeros(design.dense)
        center[k - p : k] = design.center
        raw = self.scaling.undo(features, center)
        numbers, indicators = raw[:k], raw[k : design.flat]
        for number, place in design.further.items():
            basis = design.bases[number]
            numbers[number] = basis.aligned(numbers[number], raw[place][basis.hats :])
        for number, indicator in zip(design.indicators, indicators, strict=True):
            numbers[number, indicator > 0.5] = np.nan
        ours = [
            np.append(trained, 0).astype(np.int32).take(found)
            for trained, found in zip(design.trained_codes, codes, strict=True)
        ]
        return numbers, ours


def further_columns(design: Design, numbers: Floats) -> Iterator[tuple[slice, slice, Float64]]:
    """The further columns of bent numbers of some rows, a part at a time: where they are in the
    layer, which rows, and the columns, before their mean is subtracted. `numbers` (k, m) are raw,
    NaN where missing."""
    for number, place in design.further.items():
        served = design.served(number, numbers[number])
        for rows in chunk_slices(design.bases[number].width, len(served)):
            yield place, rows, design.bases[number].columns(served[rows])


def further_moments(design: Design, numbers: Floats) -> Moments:
    """The moments (design.dense - design.flat,) of those columns in the rows `numbers` (k, m), to
    the same bits however many chunks of a table's rows these are."""
    if not design.bases:
        return Moments.none(0)
    chunks = chunk_slices(len(design.columns), numbers.shape[1])
    return reduce(operator.add, (_chunk_moments(design, numbers[:, rows]) for rows in chunks))


def _chunk_moments(design: Design, numbers: Floats) -> Moments:
    found = dict[int, Moments]()
    for place, _, columns in further_columns(design, numbers):
        some = Moments.of(columns)
        found[place.start] = found[place.start] + some if place.start in found else some
    result = reduce(Moments.beside, found.values())
    return replace(result, rounding=np.zeros(len(result.mean)))  # they are made of what is served


def layer_moments(raw: Moments, design: Design, rows: int, further: Moments) -> Moments:
    """The moments of all columns but levels in `rows` training rows, before they are standardised,
    from those `raw` of the numbers (k,) that are there, and those of the `further` columns."""
    gaps: npt.NDArray[np.int64] = rows - raw.count
    found = raw.repeated(design.imputed, gaps) if gaps.any() else raw
    k, p = len(design.numbers), len(design.center)
    if p:
        reach = np.maximum(raw.high[k - p :] - design.center, design.center - raw.low[k - p :])
        found.rounding[k - p :] = reach * 2.0**-24
    flags = Moments.of_flags(gaps[list(design.indicators)], rows)
    return found.beside(flags).beside(further)


def scaling_of(design: Design, moments: Moments, *, standardize: bool) -> Scaling:
    """The scaling of all columns but levels, whose `moments` these are. Numbers and indicators have
    mean 0 and deviation 1, further columns mean 0, as levels have; or, unless to `standardize`,
    numbers are as they are served."""
    if standardize:
        scaling = Scaling.of(moments)
        scaling.scale[design.flat :][~moments.constant[design.flat :]] = 1
        return scaling
    scaling = Scaling.none(design.dense)
    k, p = len(design.numbers), len(design.center)
    scaling.mean[k - p : k] = design.center  # float32 does not hold them otherwise
    return scaling


def _smallest_type(size: int) -> np.dtype[Any]:
    kinds = (np.uint8, np.int16, np.int32)
    return np.dtype(next(kind for kind in kinds if size <= np.iinfo(kind).max))
