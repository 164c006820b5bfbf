"""The contract of refusal: no row without a finite logit gets a score, wherever it stands."""

from itertools import product
from typing import Any, Final

import numpy as np

from export.errors import ParityError
from export.parity.contracts.in_layout import LayoutPredictor
from serve_runtime.arrays import COLUMNS, Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.error_budgets import LARGEST
from serve_runtime.errors import RowError
from serve_runtime.inputs.batch_limits import LIMITS

_SIZES: Final = (1, 2, 5, 17, 69, 300)
"""Rows of the small batches."""
_VALUES: Final = 1 << 20
"""Most values in a batch that is cut into blocks. In all batches of one size together there are
about 4 times as many: where trying everything would take more, calls are picked from all over."""
_CALL_ROWS: Final = 100
"""A call with columns takes about as long as so many rows, however few it has."""
_CALLS: Final = 15
"""The least number of calls with batches of one size."""
_STRIDE: Final = 131
"""Of everything that may be tried, calls are picked by their number times this prime, modulo how
many there are: so few of them already have every place, every kind of row and every method."""

_METHODS: Final = ("probability", "decision_function", "predict_proba", "predict", "scores")


def bad_rows_are_refused(
    name: str, one: LayoutPredictor, several: LayoutPredictor, affine: Affine, rows: Float32
) -> int:
    """Put rows that cannot be scored among `rows` (n, d): a RowError must name each.

    They are put first, in the middle and last into batches of several sizes, one of them so large
    that threads share it. `one` and `several` are Predictors of the file `name` at one thread and
    at several. Returns how often a row was refused. Raises ParityError naming the file, the method,
    the size and the row.
    """
    width, shown = rows.shape[1], 0
    bad = bad_rows(affine, rows[0])
    sizes = {*_SIZES, LIMITS.parallel_values // width + 5}
    if LIMITS.block_rows * width <= _VALUES:
        sizes.add(LIMITS.block_rows + 5)
    for size in sorted(sizes):
        values = np.resize(rows, (size, width))
        if one.layout == COLUMNS:
            values = np.ascontiguousarray(values.T).T
        x = one.in_layout(values)  # sees what is put into `values` below
        places = sorted({0, size // 2, size - 1})
        every = list(product(places, bad.items(), (one, several), _METHODS))
        count = min(len(every), max(_CALLS, 4 * _VALUES // ((size + _CALL_ROWS) * width)))
        for number in range(count):
            place, (what, row), asked, method = every[number * _STRIDE % len(every)]
            good = values[place].copy()
            values[place] = row
            _require_refusal(name, asked, method, x, place, f"{what} in a batch of {size}")
            values[place] = good
        shown += count
    return shown


def bad_rows(affine: Affine, row: Float32) -> dict[str, Float32]:
    """Rows (d,) without a finite logit, by what is wrong with them.

    `row` (d,) with one value that is not finite; and finite rows all of whose terms have the same
    sign, whose exact sum is at least twice the largest float32, so that it overflows in any order.
    A model whose weights are too small for that has none of these.
    """
    width = len(row)
    found: dict[str, Float32] = {}
    for value, feature in ((np.nan, 0), (np.inf, width // 2), (-np.inf, width - 1)):
        changed = row.copy()
        changed[feature] = value
        found[f"{value} in feature {feature}"] = changed
    size = np.abs(affine.weight.astype(np.float64))
    center = 0.0 if affine.center is None else affine.center.astype(np.float64)
    # No single term overflows in the second ones, where there is no centre to subtract.
    for what, most in (
        ("terms", np.full(width, LARGEST)),
        ("a sum", LARGEST * np.minimum(1, 0.75 / np.maximum(size, 0.75))),
    ):
        for sign in (1, -1):
            changed = (sign * np.sign(affine.weight) * most).astype(np.float32)
            terms = affine.weight.astype(np.float64) * (changed.astype(np.float64) - center)
            if (sign * terms >= 0).all() and sign * terms.sum() >= 2 * LARGEST:
                found[f"overflow of {what} to {'+' if sign > 0 else '-'}inf"] = changed
    return found


def _require_refusal(
    name: str, asked: LayoutPredictor, method: str, x: Any, row: int, what: str
) -> None:
    where = f"{name}: {method} {asked.where}, {what}"
    try:
        getattr(asked.predictor, method)(x)
    except RowError as reason:
        if reason.row != row:
            raise ParityError(f"{where}: row {row} is bad, row {reason.row} is refused") from None
    else:
        raise ParityError(f"{where}: row {row} gets a score; it must be refused with a RowError")
