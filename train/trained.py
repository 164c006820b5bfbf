"""The weights that training leaves, on standardised features, and the same function of raw ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32, Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.curve import Curve
from serve_runtime.features.encoding import Encoding
from train.bends.basis import Segments
from train.design import Design
from train.standardize import Scaling


@dataclass(frozen=True)
class Trained:
    """The model as it was trained: weight·(x - mean)/scale + bias over the columns of a layer."""

    weight: Float32
    """(design.width,), on standardised numbers and indicators, further columns around their means,
    and levels as they are."""
    bias: float
    scaling: Scaling
    """Of all columns but levels, (design.dense,)."""
    design: Design | None = None
    """None where the layer's columns are those of the table: plain numbers without gaps."""

    @property
    def theta(self) -> Float32:
        """The weights and then the bias, as gradients take them."""
        return np.append(self.weight, np.float32(self.bias))

    @property
    def raw_weight(self) -> Float64:
        """The weights (k,) of the numbers on the scale of the table, in float64, as they are
        served: 0 of a bent number, all of which is in its curve."""
        return np.where(self._is_bent, 0.0, self.line_weight)

    @property
    def line_weight(self) -> Float64:
        """The weights (k,) of the numbers in the layer on the scale of the table, in float64: of a
        bent number the slope beyond the ends of its curve."""
        return self._dense_weight[: self._numbers]

    @property
    def curves(self) -> tuple[Segments, ...]:
        """The curve of each bent number in float64, of which `encoding` holds the rounded one, in
        the order of the numbers: what its columns add to the logit, with a mean of 0 over the
        training rows. A function of the number as it is served, filled and behind its centre; knots
        (m,), value (m + 1,), slope (m + 1,) and origin (m + 1,) are as in serve_runtime's Curve."""
        if self.design is None:
            return ()
        dense, scaling, center = self._dense_weight, self.scaling, self.precise_center
        return tuple(
            self.design.bases[i].folded(
                dense[place], scaling.mean[place], dense[i], scaling.mean[i] - center[i]
            )
            for i, place in self.design.further.items()
        )

    @property
    def missing_weight(self) -> Float64:
        """The weights (k,) of what indicates that a number is missing, 0 where nothing does."""
        weight = np.zeros(self._numbers)
        if self.design is not None:
            flags = slice(self._numbers, self.design.flat)
            weight[list(self.design.indicators)] = self._dense_weight[flags]
        return weight

    @property
    def precise_center(self) -> Float64:
        """What is subtracted from the k numbers in float64: 0 but for the precise ones."""
        center = np.zeros(self._numbers)
        if self.design is not None:
            center[len(center) - len(self.design.center) :] = self.design.center
        return center

    @property
    def _numbers(self) -> int:
        return len(self.weight) if self.design is None else len(self.design.numbers)

    @property
    def _is_bent(self) -> npt.NDArray[np.bool_]:
        bent = np.zeros(self._numbers, bool)
        if self.design is not None:
            bent[list(self.design.bases)] = True
        return bent

    @property
    def _dense_weight(self) -> Float64:
        dense = self.weight[: len(self.scaling.scale)].astype(np.float64)
        result: Float64 = dense / self.scaling.scale
        return result

    @property
    def tables(self) -> tuple[Float64, ...]:
        """Of each category the weight of every code in float64, (column.codes,): around the mean
        of its training rows, which an unknown level counts as; NaN where it is refused."""
        return tuple(table for table, _ in self._centered_tables())

    def bias_at(self, center: npt.NDArray[np.floating]) -> float:
        """The bias b with which raw_weight·(x - center) + b, the `curves`, the indicators' weights
        and the levels' `tables` are the same function.

        Summed exactly and rounded to float64 once, so that every machine finds the same.
        """
        return self._bias(center, self.raw_weight)

    def _bias(self, center: npt.NDArray[np.floating], weight: Float64, *further: float) -> float:
        """That of `weight`·(x - center), with what `further` columns that are 0 add."""
        numbers, mean = self._numbers, self.scaling.mean
        moved = weight * (center.astype(np.float64) - mean[:numbers])
        flags = slice(numbers, len(mean) if self.design is None else self.design.flat)
        absent = -self._dense_weight[flags] * mean[flags]  # of indicators that are 0
        means = [mean for _, mean in self._centered_tables()]
        return math.fsum([self.bias, *moved.tolist(), *absent.tolist(), *means, *further])

    def affine(self, center: Float32 | None = None) -> Affine:
        """The function of the served numbers around `center`, rounded to float32 once. That of a
        bent number is 0, since the weight is.

        Values that float32 does not hold become infinite.
        """
        base = self.precise_center
        if center is not None:
            center = np.where(self._is_bent, np.float32(0), center)
        with np.errstate(over="ignore", under="ignore"):
            bias = np.float32(self.bias_at(base if center is None else base + center))
            return Affine(self.raw_weight.astype(np.float32), float(bias), center)

    def encoding(self) -> Encoding | None:
        """How raw columns become numbers and offsets, rounded to float32 once; None where the model
        takes plain numbers alone."""
        if self.design is None or self.design.is_numeric:
            return None
        fill, gap = self._fill_and_gap(self.design)
        with np.errstate(over="ignore", under="ignore"):
            tables = tuple(table.astype(np.float32) for table in self.tables)
            # 0.0 is added so that no value is -0.
            curves = tuple(
                Curve(*(values.astype(np.float32) + np.float32(0) for values in curve))
                for curve in self.curves
            )
        return Encoding(self.design.columns, fill, gap, self.design.center, tables, curves)

    def layer(self) -> Affine:
        """The trained layer over its columns as they are before they are standardised: numbers as
        they are served, filled where they were missing; 1 where an indicator says so; the further
        columns of bent numbers; 1 at the trained code of each category. Rounded to float32 once; a
        level has the weight of its table, so that an unknown one is a row of zeros."""
        if self.design is None:
            return self.affine()
        tables, start = zip(self.tables, self.design.trained_codes, strict=True), self.design.flat
        dense, mean = self._dense_weight, self.scaling.mean
        with np.errstate(over="ignore", under="ignore"):
            absent = (-dense[start:] * mean[start:]).tolist()
            bias = np.float32(self._bias(self.precise_center, self.line_weight, *absent))
            weight = np.concatenate([dense, *(t[codes] for t, codes in tables)])
            return Affine(weight.astype(np.float32), float(bias))

    def per_deviation(self, deviation: Float64, bent: Mapping[int, float]) -> list[float]:
        """Of each column by how much the logit rises with it: of a number its weight times its
        `deviation` in the training rows (the first of (dense,)); of a `bent` number, by position,
        the standard deviation of its curve over the training rows, as it is given, and of a
        category that of its weights, which have no sign."""
        by_place = (self.raw_weight * deviation[: self._numbers]).tolist()
        numbers = [bent.get(place, value) for place, value in enumerate(by_place)]
        if self.design is None:
            return numbers
        by_name = dict(zip([c.name for c in self.design.numbers], numbers, strict=True))
        for column, table, codes, counts in zip(
            self.design.categories,
            self.tables,
            self.design.trained_codes,
            self.design.code_counts,
            strict=True,
        ):
            squares = np.where(counts > 0, np.square(table[codes]) * counts, 0)
            by_name[column.name] = math.sqrt(math.fsum(squares.tolist()) / max(1, counts.sum()))
        return [by_name[column.name] for column in self.design.columns]

    def _fill_and_gap(self, design: Design) -> tuple[Float32, Float32]:
        """(k,) each. The indicator's weight m is in the fill, imputed + m/w, where float32 holds
        that, else, as of bent numbers, it is a gap term."""
        fill = design.imputed - self.precise_center
        indicator = self.missing_weight
        with np.errstate(all="ignore"):
            weight = self.raw_weight.astype(np.float32).astype(np.float64)
            both = (fill + indicator / weight).astype(np.float32)
            inside = np.isfinite(both) | (indicator == 0)
            alone = fill.astype(np.float32)
            gap = np.where(inside, 0, indicator).astype(np.float32)
        return np.where(np.isfinite(both), both, alone), gap

    def _centered_tables(self) -> list[tuple[Float64, float]]:
        """Of each category its table, and the mean weight of its training rows."""
        design, start, found = self.design, len(self.scaling.scale), []
        if design is None:
            return []
        for column, codes, counts in zip(
            design.categories, design.trained_codes, design.code_counts, strict=True
        ):
            weight = self.weight[start : start + len(codes)].astype(np.float64)
            start += len(codes)
            mean = math.fsum((weight * counts).tolist()) / max(1, int(counts.sum()))
            table = np.zeros(column.codes)
            table[codes] = weight - mean
            table[0] = {"average": 0, "rare": table[column.rare_code], "error": math.nan}[
                column.unknown
            ]
            if column.missing != "level":
                table[column.missing_code] = math.nan if column.missing == "error" else table[0]
            if not column.rare:
                table[column.rare_code] = table[0]
            found.append((table, mean))
        return found
