"""How standardisation gets into the exported weights, and what that costs in float32.

Folding turns w·(x - m)/s + b into (w/s)·x + (b - Σwm/s). Two things change: the folded values are
rounded to float32, and where |m|/s is large, large terms now cancel, so that the logit's own bound
γ(d + 2)·(Σ|wᵢxᵢ| + |b|) grows. Both are computed here over the recorded ranges of the features,
beside the same figures of the graph that subtracts m first. What folding owes is the difference
between the two totals. Rounding hardly counts: while the folded weights are normal numbers it is at
most 1/(d + 2) of the bound, since both grow with the same Σ|wᵢxᵢ|. Of a model that encodes its
columns, the weights of levels, what stands for a missing number, and values and slopes of curves
are rounded too; its precise numbers have a centre of their own, in float64, and no second one.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from export.parity import encoded_model
from export.parity.encoded_model import Model, served_ranges
from serve_runtime.arrays import Float32, Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import logit_bound
from serve_runtime.features.curve import Curve
from serve_runtime.features.encoding import Encoding
from train.bends.basis import Segments
from train.trained import Trained

Form = Literal["folded", "subtract-first"]
FOLDED: Final[Form] = "folded"
SUBTRACT_FIRST: Final[Form] = "subtract-first"

LIMIT: Final = 15 / 16
"""If more than this share of the folded model's error bound comes from folding (a loss of 4 of
float32's 24 bits), the graph that subtracts a centre first is exported instead."""


@dataclass(frozen=True)
class Total:
    """The largest distance that one graph's logit may have from the trained model's.

    The largest over all rows within the ranges of the features that the card records.
    """

    rounding: float
    """Most that rounding weights, bias and centre to float32 moves a logit."""
    arithmetic: float
    """The largest a-priori bound of float32 arithmetic."""

    @property
    def total(self) -> float:
        """Both together."""
        return self.rounding + self.arithmetic


@dataclass(frozen=True)
class Folding:
    """Which graph is written, and why."""

    form: Form
    folded: Total
    subtract_first: Total

    @property
    def share(self) -> float:
        """The share of the folded graph's error bound that the other graph would avoid, 0 to 1."""
        if math.isinf(self.folded.total):
            return float(math.isfinite(self.subtract_first.total))
        return max(0.0, 1 - self.subtract_first.total / self.folded.total)

    @property
    def written(self) -> Total:
        """The total of the graph that is written."""
        return self.folded if self.form == FOLDED else self.subtract_first


def choose(trained: Trained, card: ModelCard) -> tuple[Affine, Folding]:
    """The values to export: folded, unless the share that comes from folding exceeds LIMIT.

    How columns are encoded does not depend on it: see `Trained.encoding`.
    """
    folded, centered = trained.affine(), trained.affine(_center(trained))
    totals = total(trained, folded, card), total(trained, centered, card)
    folding = Folding(FOLDED, *totals)
    if folding.share > LIMIT:
        return centered, Folding(SUBTRACT_FIRST, *totals)
    return folded, folding


def describe(trained: Trained, affine: Affine, card: ModelCard) -> Folding:
    """The figures of both graphs where it is known that the one of `affine` was written."""
    _, folding = choose(trained, card)
    return replace(folding, form=FOLDED if affine.center is None else SUBTRACT_FIRST)


def affine_of(trained: Trained, form: Form) -> Affine:
    """The values that a graph of this form holds."""
    return trained.affine(_center(trained) if form == SUBTRACT_FIRST else None)


def model_of(trained: Trained, form: Form) -> Model:
    """The same, and how columns are encoded."""
    return encoded_model.model_of(affine_of(trained, form), trained.encoding())


def total(trained: Trained, affine: Affine, card: ModelCard) -> Total:
    """The error budget of `affine` against `trained` over the ranges that the card records."""
    encoding = trained.encoding()
    return Total(
        _rounding(trained, affine, card, encoding), arithmetic_bound(affine, card, encoding)
    )


def arithmetic_bound(affine: Affine, card: ModelCard, encoding: Encoding | None = None) -> float:
    """The largest a-priori bound that a row within the card's ranges has on its logit."""
    served = _served(affine, card, encoding)
    reach = np.nanmax(np.abs(served.values - served.center), axis=0, initial=0)
    magnitude = np.abs(affine.weight.astype(np.float64)) @ reach + abs(affine.bias)
    added, farthest = 0, reach.max(initial=0)
    if encoding is not None:
        tables = [
            np.nanmax(np.abs(table.astype(np.float64)), initial=0) for table in encoding.tables
        ]
        gaps = encoding.gap[encoding.gap != 0].astype(np.float64)
        magnitude += math.fsum([*tables, *np.abs(gaps)])
        added = len(tables) + len(gaps)
        for number, curve in zip(encoding.bent, encoding.curves, strict=True):
            segment, distance = _reached(curve, served.values[:, number])
            value, slope = (part[segment].astype(np.float64) for part in (curve.value, curve.slope))
            magnitude += (np.abs(value) + np.abs(slope * distance)).max()
            farthest = max(farthest, np.abs(distance).max())
    centered, bent = affine.center is not None, encoding is not None and len(encoding.curves) > 0
    width = len(affine.weight)
    return float(logit_bound(magnitude, farthest, width, centered, added, bent=bent))


def _reached(curve: Curve, values: Float64) -> tuple[npt.NDArray[np.intp], Float64]:
    """Where a curve is largest and smallest: the segments that a number reaches, and how far from
    their origins.

    `values` (3,) are the smallest and the largest number, and what stands for a missing one, or
    NaN. Each segment is linear, so it is both its ends within the range that count.
    """
    low, high, fill = values.astype(np.float32).tolist()  # as they are looked up
    edges = np.concatenate([[-np.inf], curve.knots, [np.inf]])
    reached = np.flatnonzero((edges[:-1] <= high) & (low < edges[1:]))
    ends = [np.maximum(edges[reached], low), np.minimum(edges[reached + 1], high)]
    segments = [reached, reached]
    if not math.isnan(fill):
        segments.append(curve.knots.searchsorted([fill], side="right"))
        ends.append(np.array([fill]))
    segment = np.concatenate(segments)
    return segment, np.concatenate(ends) - curve.origin[segment]


class _Served(NamedTuple):
    """What the numbers of a row may be as they are served."""

    values: Float64
    """(2, k) the smallest and the largest, of precise numbers without their centre; (3, k) with
    what stands for a missing one where columns are encoded, NaN where it is refused."""
    center: Float64
    """(k,) what the graph subtracts in float32."""


def _served(affine: Affine, card: ModelCard, encoding: Encoding | None) -> _Served:
    center = np.zeros(len(affine.weight))
    if affine.center is not None:
        center = affine.center.astype(np.float64)
    ends = np.stack(ranges(card, encoding))
    if encoding is not None:
        ends = np.vstack([ends, encoding.fill.astype(np.float64)])
    return _Served(ends, center)


def ranges(card: ModelCard, encoding: Encoding | None) -> tuple[Float64, Float64]:
    """The smallest and the largest value of each number in the training rows, (k,) each; of precise
    numbers without their centre."""
    if encoding is None:
        return np.array(card.feature_min), np.array(card.feature_max)
    return served_ranges(encoding)


def _rounding(
    trained: Trained, affine: Affine, card: ModelCard, encoding: Encoding | None
) -> float:
    """Largest |exact logit of the files - logit of `trained`| of a row within the card's ranges.

    The difference is itself a sum over the columns, and affine in each number, or in each segment
    of its curve: each column contributes most at an end of its range or of a segment, where it is
    missing, or at one of its levels.
    """
    served = _served(affine, card, encoding)
    weight = affine.weight.astype(np.float64) - trained.raw_weight
    low, high = served.values[:2] - served.center
    differences = [*np.stack([weight * low, weight * high], axis=1)]
    if encoding is not None:
        missing = _of_missing(trained, affine, encoding, served)
        for number, curve, true in zip(encoding.bent, encoding.curves, trained.curves, strict=True):
            ends = np.append(served.values[:2, number], np.nan)
            differences[number] = _of_curve(curve, true, ends)
        differences = [np.append(d, m) for d, m in zip(differences, missing, strict=True)]
        differences += [
            table.astype(np.float64) - true
            for table, true in zip(encoding.tables, trained.tables, strict=True)
        ]
    scored = [d[~np.isnan(d)] for d in differences]
    most = np.array([[d.min() for d in scored if len(d)], [d.max() for d in scored if len(d)]])
    offset = affine.bias - trained.bias_at(trained.precise_center + served.center)
    return float(np.abs(most.sum(1) + offset).max())


def _of_missing(trained: Trained, affine: Affine, encoding: Encoding, served: _Served) -> Float64:
    """By how much a missing number's part of the logit differs, (k,); NaN where it is refused."""
    assert trained.design is not None
    imputed = trained.design.imputed - trained.precise_center - served.center
    true = trained.raw_weight * imputed + trained.missing_weight
    filled = affine.weight.astype(np.float64) * (served.values[2] - served.center)
    found: Float64 = filled + encoding.gap - true
    for number, curve, bent in zip(encoding.bent, encoding.curves, trained.curves, strict=True):
        # The bend was trained on what is served, the line that it bends on what is imputed.
        rounded = served.values[2, number] - imputed[number]
        found[number] += _of_curve(curve, bent, served.values[:, number])[-1]
        found[number] += trained.line_weight[number] * rounded
    return found


def _of_curve(curve: Curve, true: Segments, values: Float64) -> Float64:
    """By how much a curve differs from the `true` one where `_reached` says; `values` (3,) are as
    there, so that the last one is that of a missing number where it is not refused."""
    segment, distance = _reached(curve, values)
    value = curve.value[segment].astype(np.float64) - true.value[segment]
    slope = curve.slope[segment].astype(np.float64) - true.slope[segment]
    result: Float64 = value + slope * distance
    return result


def _center(trained: Trained) -> Float32:
    """The means (k,) as float32, and 0 for a feature of weight 0, whose mean may be anything, and
    for a precise number."""
    weight = trained.raw_weight
    mean = np.where(weight == 0, 0, trained.scaling.mean[: len(weight)])
    if trained.design is not None and len(trained.design.center):
        mean[-len(trained.design.center) :] = 0
    return mean.astype(np.float32)
