"""The contracts on raw rows: as in export.parity.contracts, for a model that encodes its columns.

Such a model computes in one form, in both files, however its rows come: a row has one bit pattern.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

import numpy as np

from export.errors import ParityError
from export.formats.artifact import Score
from export.parity.contracts.in_layout import METHODS, LayoutPredictor
from export.parity.encoded_model import EncodedModel, without_overflow
from export.parity.mixed.bent_rows import values_of_curve
from export.parity.mixed.kinds import as_columns, as_dicts, as_lists
from export.parity.mixed.texts import unseen
from serve_runtime.arrays import Array, Float32
from serve_runtime.error_budgets import LARGEST
from serve_runtime.errors import RowError
from serve_runtime.features.column import NUMBER
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.inputs.batch_limits import LIMITS

_KINDS: Final = {"as columns": as_columns, "as lists": as_lists, "as dicts": as_dicts}
_SIZES: Final = (*range(34), *range(63, 73), 253, 301, 399)
"""Batches of these sizes are scored as every kind of rows."""
_ROWS: Final = 99
"""Rows that are scored alone; larger batches repeat them."""
_FEATURES: Final = 64
_STEPS: Final = 33
_BAD_SIZES: Final = (1, 2, 5, 17, 69, 300)
_BAD_METHODS: Final = ("probability", "decision_function", "predict_proba", "predict", "scores")


def same_in_every_batch(
    name: str, one: LayoutPredictor, several: LayoutPredictor, rows: RawRows
) -> int:
    """Score rows alone and in every other way, and compare the bits; returns how many rows were.

    `one` and `several` are Predictors of the file `name` at one thread and at several. Raises
    ParityError naming the file and the row of the batch.
    """
    rows = rows.take(range(min(_ROWS, len(rows))))
    columns, shown = one.predictor.card.columns, 0
    expected = np.concatenate([_alone(one, rows.take([i])) for i in range(len(rows))], axis=1)
    width = max(1, len(columns))
    block = LIMITS.block_rows - LIMITS.block_rows % LIMITS.row_multiple
    large = [block + past for past in (1, 3) if block * width <= 1 << 20]
    for size, (how, kind), asked in product((*_SIZES, *large), _KINDS.items(), (one, several)):
        if kind is not as_columns and (size in large or not size):
            continue  # too slow; and no list says which columns its no rows have
        index = np.arange(size) % len(rows)
        x = kind(columns, rows.take(index))
        for method in list(METHODS)[:: 1 if size < 100 else 2]:
            scores = METHODS[method](asked.predictor, x, size)
            for found, alone in zip(scores, expected, strict=False):
                other = np.ascontiguousarray(found).view(np.uint32) != alone[index].view(np.uint32)
                if other.any():
                    raise ParityError(
                        f"{name}: row {int(other.argmax())} has other bits in a batch of {size} "
                        f"{how}, {asked.where}{method}, than alone"
                    )
            shown += size
    return shown


def _alone(one: LayoutPredictor, row: RawRows) -> Float32:
    """Logit, P(positive) and P(negative) of one row: (3, 1)."""
    x = as_dicts(one.predictor.card.columns, row)
    return np.stack([*one.predictor.scores(x), one.predictor.predict_proba(x)[:, 0]])


def monotone_in_numbers(
    name: str, predictor: LayoutPredictor, model: EncodedModel, rows: RawRows
) -> int:
    """The logit moves with the sign of a number's weight as the number rises, unless it is bent;
    returns how many rows. Raises ParityError naming the file, the column and its values."""
    shown, numbers, weight = 0, model.encoding.numbers, model.affine.weight
    for i in np.unique(np.linspace(0, max(0, len(numbers) - 1), _FEATURES).astype(int)):
        if not len(numbers):
            break
        if numbers[i].knots:
            continue
        values = _rising(rows.numbers[i], np.float32 if numbers[i].kind == NUMBER else np.float64)
        for start in range(min(3, len(rows))):
            stepped = rows.take([start] * len(values))
            changed = stepped.numbers.copy()
            changed[i] = values
            stepped = without_overflow(RawRows(changed, stepped.texts), model)
            moved = np.diff(predictor.scores(stepped)[0])
            sign = np.sign(weight[i])
            if (moved * sign < 0).any() or (sign == 0 and moved.any()):
                raise ParityError(
                    f"{name}: the logit moves against the sign of the weight of "
                    f"{numbers[i].name!r} as it rises from {values[0]!s} to {values[-1]!s}"
                )
            shown += len(stepped)
    return shown


def monotone_on_curves(
    name: str, predictor: LayoutPredictor, model: EncodedModel, rows: RawRows
) -> int:
    """The logit is the higher, the higher a bent number is on its curve, and the same where that is
    the same; returns how many rows.

    Each rounded operation is monotone: within a segment the curve moves with the sign of its slope,
    and so does the logit; across segments it goes as the curve goes. Raises ParityError naming the
    file, the column and its values.
    """
    shown, bent = 0, model.encoding.bent
    for i in np.unique(np.linspace(0, len(bent) - 1, _FEATURES).astype(int)):
        column = model.encoding.numbers[bent[i]]
        kind = np.float32 if column.kind == NUMBER else np.float64
        values = np.append(_rising(rows.numbers[bent[i]], kind), values_of_curve(model, bent[i]))
        for start in range(min(3, len(rows))):
            stepped = rows.take([start] * len(values))
            changed = stepped.numbers.copy()
            changed[bent[i]] = values
            stepped = without_overflow(RawRows(changed, stepped.texts), model)
            height = model.curves(stepped)[i]
            order = np.argsort(height, kind="stable")
            rise, moved = np.diff(height[order]), np.diff(predictor.scores(stepped)[0][order])
            wrong = (moved < 0) | ((rise == 0) & (moved != 0))
            if wrong.any():
                at = int(wrong.argmax())
                two = stepped.numbers[bent[i], order[at : at + 2]].tolist()
                raise ParityError(
                    f"{name}: the logit moves against the curve of {column.name!r} from "
                    f"{two[0]!s} to {two[1]!s}"
                )
            shown += len(stepped)
    return shown


def _rising(values: Array, dtype: Any) -> Array:
    """Values in rising order: neighbouring ones, and others all over the range."""
    values = values[np.isfinite(values)].astype(dtype)
    if not len(values):
        return np.zeros(1)
    close = [values[0]]
    for _ in range(_STEPS - 1):
        close.append(np.nextafter(close[-1], dtype(np.inf)))
    spread = np.linspace(values.min(), values.max(), _STEPS).astype(dtype)
    return np.sort(np.concatenate((np.array(close), spread))).astype(np.float64)


def neighbours(name: str, score: Score, model: EncodedModel, rows: RawRows) -> int:
    """Scores of the file itself before and after other rows were refused. Returns how many rows had
    neighbours. Raises ParityError."""
    rows = rows.take(np.arange(32) % len(rows))
    before = np.stack(score(rows))
    bad = list(bad_rows(model, rows.take([0])).values()) or [rows.take([0])]
    after = np.stack(score(RawRows.joined(
        [rows.take([i]) if i % 2 else bad[i // 2 % len(bad)] for i in range(len(rows))]
    )))  # fmt: skip
    if not np.array_equal(before[:, 1::2].view(np.uint32), after[:, 1::2].view(np.uint32)):
        raise ParityError(f"{name}: a row that is refused changes the scores of its neighbours")
    return len(rows) // 2


def bad_rows_are_refused(
    name: str, one: LayoutPredictor, several: LayoutPredictor, model: EncodedModel, rows: RawRows
) -> int:
    """Put rows that cannot be scored among `rows`: a RowError must name each.

    Returns how often a row was refused. Raises ParityError naming the file, the method, the size
    and the row.
    """
    columns, shown = one.predictor.card.columns, 0
    methods = list(product(_BAD_METHODS, (one, several), _KINDS.items()))
    for size, (what, bad) in product(_BAD_SIZES, bad_rows(model, rows.take([0])).items()):
        for place in {0, size // 2, size - 1}:
            before = rows.take(np.arange(place) % len(rows))
            after = rows.take(np.arange(place, size - 1) % len(rows))
            batch = RawRows.joined([before, bad, after])
            method, asked, (how, kind) = methods[shown * 7 % len(methods)]
            where = f"{name}: {method} {asked.where}, {what} in a batch of {size} {how}"
            _require_refusal(where, getattr(asked.predictor, method), kind(columns, batch), place)
            shown += 1
    return shown


def _require_refusal(where: str, method: Any, x: Any, row: int) -> None:
    try:
        method(x)
    except RowError as reason:
        if reason.row != row:
            raise ParityError(f"{where}: row {row} is bad, row {reason.row} is refused") from None
    else:
        raise ParityError(f"{where}: row {row} gets a score; it must be refused with a RowError")


def bad_rows(model: EncodedModel, row: RawRows) -> dict[str, RawRows]:
    """Rows without a finite logit, one each, by what is wrong with them: `row` with a value that is
    refused, or that is infinite, or with numbers whose terms overflow."""
    found = dict(_refused(model, row))
    size = np.abs(model.affine.weight.astype(np.float64))
    if len(size) and (size * LARGEST).sum() > 4 * LARGEST:
        plain = sum(column.kind == NUMBER for column in model.encoding.columns)
        numbers = row.numbers.copy()
        numbers[:plain, 0] = np.sign(model.affine.weight[:plain]) * LARGEST
        overflow = RawRows(numbers, row.texts)
        if np.isposinf(model.reference(overflow)[1])[0] and (size[:plain].sum() > 4):
            found["terms that overflow"] = overflow
    for i, curve in zip(model.encoding.bent, model.encoding.curves, strict=True):
        column, steepness = model.encoding.numbers[i], abs(float(curve.slope[-1]))
        if column.kind == NUMBER and steepness * (LARGEST - float(curve.knots[-1])) > 2 * LARGEST:
            numbers = row.numbers.copy()
            numbers[i] = LARGEST
            found[f"a curve that overflows in {column.name!r}"] = RawRows(numbers, row.texts)
    return found


def _refused(model: EncodedModel, row: RawRows) -> Iterator[tuple[str, RawRows]]:
    encoding = model.encoding
    for i, (column, fill) in enumerate(zip(encoding.numbers, encoding.fill, strict=True)):
        for value in (np.inf, -np.inf, *([np.nan] if np.isnan(fill) else [])):
            numbers = row.numbers.copy()
            numbers[i] = value
            yield f"{value} in {column.name!r}", RawRows(numbers, row.texts)
    for i, (column, table) in enumerate(zip(encoding.categories, encoding.tables, strict=True)):
        for code, text in ((0, unseen(column)), (column.missing_code, None)):
            if np.isnan(table[code]):
                texts = list(row.texts)
                texts[i] = (text,)
                yield f"{text!r} in {column.name!r}", RawRows(row.numbers, tuple(texts))
