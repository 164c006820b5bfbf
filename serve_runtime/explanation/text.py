"""An explained row as text that a person reads in ten seconds, and for machines."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from serve_runtime.bundle.card import ModelCard
from serve_runtime.explanation.row import ExplainedRow, Part, average_is_known
from serve_runtime.shown import quoted

MOST_COLUMNS: Final = 12
"""Columns that are shown one by one."""
_BAR: Final = 16
"""Characters of the longest bar."""
_NAME: Final = 32


def lines(row: ExplainedRow, card: ModelCard, where: str, most: int | None) -> Iterator[str]:
    """What is said of a row, with its `most` important columns; None is all."""
    positive = quoted(card.classes[1])
    yield where
    yield f"probability  {row.probability:.6g} of {positive}"
    yield f"label        {quoted(row.label)} ({positive} from {card.threshold:g} on)"
    yield f"logit        {row.logit:+.6g}, which is the sum of:"
    yield ""
    ranked = sorted(row.parts, key=lambda part: -abs(part.contribution))
    shown, others = ranked[:most], ranked[len(ranked[:most]) :]
    if len(others) == 1:  # which takes a line too
        shown, others = ranked, []
    rest = math.fsum(part.contribution for part in others)
    largest = max([abs(row.bias), abs(rest), *(abs(p.contribution) for p in shown)])
    word = "average" if average_is_known(card) else "compared with"
    names = [_name(part.column) for part in shown]
    width = max(map(len, names), default=0)
    for part, name in zip(shown, names, strict=True):
        amount = _amount(part.contribution, largest)
        yield f"{amount}  {name:<{width}}  {_value(part, word)}"
    if others:
        yield f"{_amount(rest, largest)}  {len(others):,} others together"
    average = average_is_known(card)
    compared = "the average training row" if average else "a row of what values are compared with"
    yield f"{_amount(row.bias, largest)}  bias: {compared}"
    if not average:
        yield ""
        yield "This card tells no means: a number is compared with the value of its training range"
        yield "that is nearest to 0. To train again gives a card with means."


def document(row: ExplainedRow, number: int) -> dict[str, Any]:
    """An explained row as JSON: null for a missing value, and for what no JSON number is."""
    parts = [
        {
            "column": part.column,
            "value": part.value,
            "contribution": _finite(part.contribution),
            "compared_with": part.reference,
            "note": part.note,
        }
        for part in row.parts
    ]
    scores = {"probability": row.probability, "label": row.label, "logit": row.logit}
    return {"row": number, **scores, "bias": _finite(row.bias), "contributions": parts}


def _amount(value: float, largest: float) -> str:
    """A contribution and its bar, of the sign that it has."""
    bar = 0
    if math.isfinite(value) and 0 < largest < math.inf:
        bar = round(abs(value) / largest * _BAR)
    return f"  {value:+10.4g}  {('+' if value > 0 else '-') * bar:<{_BAR}}"


def _name(name: str) -> str:
    return quoted(name if len(name) <= _NAME else f"{name[: _NAME - 1]}…")


def _value(part: Part, word: str) -> str:
    shown = "missing" if part.value is None else quoted(part.value)
    if part.value is not None and not isinstance(part.value, str):
        shown = _moment(part.value) if part.time else str(part.value).removesuffix(".0")
    if part.note and part.value is None:
        return part.note
    remarks: Sequence[str] = []
    if part.reference is not None:
        remarks = [f"{word} {_rounded(part)}"]
    if part.note:
        remarks = [*remarks, part.note]
    return shown + (f" ({'; '.join(remarks)})" if remarks else "")


def _rounded(part: Part) -> str:
    """What a number is compared with, to six digits or whole."""
    value = part.reference or 0.0
    if part.time:
        return _moment(value)
    return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"


def _moment(seconds: float) -> str:
    """A time, of seconds since 1970."""
    try:
        found = np.datetime64(round(seconds * 1000), "ms")
    except OverflowError:
        return f"{seconds:g}"
    return str(found).removesuffix(".000")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
