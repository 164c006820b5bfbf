"""What each column adds to the logit of rows of a run, in float64.

A contribution is the column's part of the logit beside the average training row: of a number its
weight times the distance from its mean, with the weight of its gap where it is missing; of a
category the weight of its level, and of a bent number its curve, both around their means. The bias
is the logit of the row of which every number is at its mean and everything else adds nothing.
`Predictor.contributions` gives the same of a bundle, from the constants as they are served.
"""

import math
from dataclasses import dataclass

import numpy as np

from report.source import Source
from serve_runtime.arrays import Float64
from serve_runtime.explanation.contributions import known_means
from serve_runtime.features.column import numbers_of
from serve_runtime.features.raw_rows import RawRows
from train.trained import Trained


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Contributions:
    """Those of some rows of a run's sample."""

    values: Float64
    """(n, d), in the order of the card's columns."""
    bias: float

    @property
    def logit(self) -> Float64:
        """(n,) what they add up to."""
        sums = [math.fsum([self.bias, *row]) for row in self.values.tolist()]
        return np.array(sums)

    @classmethod
    def of(cls, source: Source) -> "Contributions":
        """Those of all rows of the sample."""
        trained, sample = source.trained, source.sample
        mean = number_means(source)
        bias = trained.bias_at(mean)
        if not isinstance(sample, RawRows):
            return cls(trained.raw_weight * (sample.astype(np.float64) - mean), bias)
        place = {column.name: i for i, column in enumerate(source.card.columns)}
        found = np.zeros((len(sample), len(place)))
        numbers = _of_numbers(trained, sample, mean)
        for column, added in zip(numbers_of(source.card.columns), numbers, strict=True):
            found[:, place[column.name]] = added
        for i, table in enumerate(trained.tables):
            column = trained.design.categories[i]  # type: ignore[union-attr]
            codes = column.code_by_text()
            texts = sample.texts[i]
            found[:, place[column.name]] = table[
                [column.missing_code if t is None else codes.get(t, 0) for t in texts]
            ]
        return cls(found, bias)


def _of_numbers(trained: Trained, sample: RawRows, mean: Float64) -> Float64:
    """(k, n)"""
    design = trained.design
    if design is None:
        raise ValueError("rows of texts belong to a model that encodes columns")
    found, curves = np.empty(sample.numbers.shape), iter(trained.curves)
    weight, gap, center = trained.raw_weight, trained.missing_weight, trained.precise_center
    for i, values in enumerate(sample.numbers):
        served = design.served(i, values).astype(np.float64)
        if i in design.bases:
            found[i] = next(curves).at(served)
        else:
            found[i] = weight[i] * (served + center[i] - mean[i])
        found[i][np.isnan(values)] += gap[i]
    return found


def number_means(source: Source) -> Float64:
    """(k,) the means of the numbers in the training rows, in the order of the numbers: those of the
    card, or, where it does not tell them, those around which they were standardised."""
    numbers = numbers_of(source.card.columns)
    known = known_means(source.card)
    if known is not None:
        names = (column.name for column in source.card.columns)
        by_name = dict(zip(names, known, strict=True))
        return np.array([by_name[column.name] for column in numbers], np.float64)
    return source.trained.scaling.mean[: len(numbers)]
