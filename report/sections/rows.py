"""Why a row has its score: a few rows of the run's sample, taken apart."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from markupsafe import Markup
from scipy.special import expit

from report.figures.waterfall import Step, waterfall
from report.measures.contributions import Contributions
from report.page import render
from report.section import Section
from report.source import Source
from report.wording import number, percent, short, signed, value_of
from serve_runtime.arrays import Float64
from serve_runtime.features.column import categories_of, numbers_of
from serve_runtime.features.raw_rows import RawRows

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the scores of the sample, at which a row is shown."""
_MOST_STEPS: Final = 8


class Shown(NamedTuple):
    """A row on the page."""

    title: str
    words: str
    figure: Markup


def section(source: Source) -> Section | None:
    """The section; None where the sample has no rows."""
    if not len(source.sample):
        return None
    found = Contributions.of(source)
    rows = [
        _shown(source, found, row, place, k) for k, (row, place) in enumerate(picked(found.logit))
    ]
    values = {"rows": rows, "bias": signed(found.bias), "share": percent(float(expit(found.bias)))}
    return Section("rows", "Why a row has its score", render("rows.html.j2", **values))


def picked(logit: Float64) -> Iterator[tuple[int, str]]:
    """The rows at the quantiles of the scores (n,), without those of equal score, and in words
    where they are."""
    order = np.argsort(logit, kind="stable")
    before = None
    for share in QUANTILES:
        row = int(order[round(share * (len(order) - 1))])
        if before is None or logit[row] != before:
            yield (
                row,
                "a middle score" if share == 0.5 else f"higher than {share:.0%} of the scores",
            )
        before = logit[row]


def _shown(source: Source, found: Contributions, row: int, place: str, k: int) -> Shown:
    values, logit = found.values[row], float(found.logit[row])
    probability, card = float(expit(logit)), source.card
    label = short(str(card.classes[probability >= card.threshold]), 24)
    title = f"Row {k + 1}: {place}"
    figure = waterfall(
        found.bias, steps(source, values, row), logit, probability, f"rows-{k + 1}",
        f"Row {k + 1}, {place}",
    )  # fmt: skip
    words = (
        f"The logit {signed(logit)} is a probability of {percent(probability)}, "
        f"{'at or above' if probability >= card.threshold else 'below'} the threshold of "
        f"{number(card.threshold)}: labelled {label}."
    )
    return Shown(title, words, figure)


def steps(source: Source, values: Float64, row: int) -> list[Step]:
    """What the columns add, the largest first, with the others summed up."""
    texts = _values(source, row)
    order = np.argsort(-np.abs(values), kind="stable")
    columns = source.card.columns
    first = order if len(order) <= _MOST_STEPS + 1 else order[:_MOST_STEPS]
    found = [
        Step(f"{short(columns[i].name, 18)} = {texts[i]}", float(values[i])) for i in first.tolist()
    ]
    rest = order[len(first) :]
    if len(rest):
        found.append(Step(f"{len(rest):,} other columns", float(values[rest].sum())))
    return found


def _values(source: Source, row: int) -> Sequence[str]:
    """The row's values as a reader sees them."""
    columns, sample = source.card.columns, source.sample
    if not isinstance(sample, RawRows):
        return [value_of(c, float(v)) for c, v in zip(columns, sample[row], strict=True)]
    found = dict[str, str]()
    for column, values in zip(numbers_of(columns), sample.numbers, strict=True):
        found[column.name] = value_of(column, float(values[row]))
    for column, texts in zip(categories_of(columns), sample.texts, strict=True):
        text = texts[row]
        known = text is None or text in column.code_by_text()
        found[column.name] = value_of(column, text, 16) + ("" if known else " (unknown)")
    return [found[column.name] for column in columns]
