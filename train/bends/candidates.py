"""Which designs with bent numbers are tried beside the one that has none."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from serve_runtime.arrays import Float64
from serve_runtime.features.column import Column
from serve_runtime.shown import listed, quoted
from train.bends.knots import Values
from train.design import Design
from train.errors import DataError
from train.tables.columns.check import check_names

SIZES = (4, 16, 32)
"""Quantiles at which the curves of a design bend, at most."""
_MOST_COLUMNS = 512
"""Columns of the layer but levels: more take long to choose by, and mostly tell too little."""
_MOST_WORK = 4 * 10**9
"""Rows times squared columns: about the multiplications of a step of Newton's method."""
_ROW = 8
"""Bytes of a further column in a row: float32, twice while rows are laid out."""


def bent_designs(
    design: Design,
    numbers: Float64,
    asked: str | Sequence[str],
    room: int,
    counts: Float64 | None = None,
) -> Iterator[Design]:
    """Designs with bent numbers, of few knots first, as far as they are not too wide to choose by,
    nor for the `room` in memory of a row, in bytes. Where one is, one of half as many knots, or of
    fewer, is the last.

    `numbers` (k, m) are raw training rows, NaN where missing, of which each stands for as many as
    `counts` (m,) say, None for one; `asked` are the names of those that
    are to be bent, or "auto", where all may be. Raises DataError where a name is no number that can
    be bent, and where designs with those named are too wide.
    """
    if asked == "none" or (asked == "auto" and not _may_be_encoded(design)):
        return
    names = [column.name for column in design.numbers]
    chosen = names if isinstance(asked, str) else list(asked)
    if not isinstance(asked, str):
        _require_numbers(design, chosen)
        check_names([column.name for column in design.columns])
    places = [names.index(name) for name in chosen]
    there = [~np.isnan(values) for values in numbers[places]]
    served = [
        Values(design.served(i, numbers[i][mask]), None if counts is None else counts[mask])
        for i, mask in zip(places, there, strict=True)
    ]
    if not isinstance(asked, str):
        _require_knots(chosen, [values.knots(SIZES[0]) for values in served])
    work = math.isqrt(_MOST_WORK // numbers.shape[1])
    most = min(_MOST_COLUMNS, design.flat + room // _ROW, work)
    last = design.dense
    for size in SIZES:
        found = None
        while size > 1 and (found is None or found.dense > most):
            knots = [values.knots(size) for values in served]
            found = with_knots(design, dict(zip(chosen, knots, strict=True)))
            size //= 2
        if found is None or found.dense > most or found.dense <= last:
            break
        last = found.dense
        yield found
    if last == design.dense and not isinstance(asked, str):
        raise DataError(
            f"columns.bend names {listed(chosen)}: with bends a row would have more columns than "
            f"the {max(0, most):,} by which they can be chosen here; the others have "
            f"{design.dense:,}. Name fewer columns there, or leave some out with --drop"
        )


def _may_be_encoded(design: Design) -> bool:
    """Whether names are such that columns may be encoded."""
    try:
        check_names([column.name for column in design.columns])
    except DataError:
        return False
    return True


def with_knots(design: Design, knots: dict[str, tuple[float, ...]]) -> Design:
    """`design` whose numbers, by name, have these knots."""

    def bent(column: Column) -> Column:
        return replace(column, knots=knots.get(column.name, column.knots))

    return replace(design, columns=tuple(map(bent, design.columns)))


def _require_numbers(design: Design, names: Sequence[str]) -> None:
    if odd := [column.name for column in design.categories if column.name in names]:
        raise DataError(
            f"columns.bend names {listed(odd)}, which is a category: only numbers are bent, each "
            "level of a category has a weight of its own"
        )


def _require_knots(names: Sequence[str], knots: Sequence[tuple[float, ...]]) -> None:
    if odd := [name for name, found in zip(names, knots, strict=True) if not found]:
        raise DataError(
            f"columns.bend names {listed(odd)}, where there is nothing to bend: a number needs "
            "three different values or more in the training rows"
        )


def describe(design: Design) -> str:
    """What a person calls a design, such as "6 bent, up to 16 knots"."""
    if not design.bases:
        return "no bends"
    most = max(len(basis.points) for basis in design.bases.values())
    return f"{len(design.bases)} bent, up to {most} knots"


def bends_told(design: Design) -> str:
    """The bent columns, with how many knots each has."""
    told = [
        f"{quoted(design.numbers[i].name)} ({len(basis.points)})"
        for i, basis in design.bases.items()
    ]
    return listed(told, show=str)
