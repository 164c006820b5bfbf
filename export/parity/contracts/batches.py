"""The contract of bits: a row has the same ones whatever it is scored with, and however."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from export.errors import ParityError
from export.parity.contracts.in_layout import METHODS, LayoutPredictor
from serve_runtime.arrays import COLUMNS, ROWS, Float32
from serve_runtime.inference.inner_blocks import FILLED_ROWS
from serve_runtime.inputs.batch_limits import LIMITS

_SMALL: Final = range(34)
"""Batches of these sizes are scored by every method."""
_MIDDLE: Final = range(253, 400)
"""Sizes around and past the largest block that is copied into bound buffers. A matrix product
without a kernel for single rows sums blocks whose size depends on the batch, up to some hundred
rows, where there are more than 128 features."""
_MIDDLE_VALUES = 1 << 22
"""Most values in all middle batches together; of wide models, evenly spaced sizes are tried."""
_KINDS: Final = 301
"""Size of the batches of every kind of array: more than is copied into bound buffers."""
_LARGE_VALUES = 1 << 22
"""Most values in a large batch, but for the rows past the last block. From half as many on, one
row past it is tried alone."""
_ADJACENT_VALUES = 1 << 24
"""The same for columns one behind the other, which are read in place only where they are long."""
_ROWS = 99
"""Rows that are scored alone; larger batches repeat them."""


class _Call(NamedTuple):
    """One batch to be scored."""

    how: str
    """What is special about it, for the message."""
    asked: LayoutPredictor
    x: Any
    """The rows, as they are passed to the Predictor."""
    rows: npt.NDArray[np.intp]
    """Which rows they are (n,), by their position among those that are scored alone."""
    method: str = ""
    """A key of METHODS."""


def same_in_every_batch(
    name: str, one: LayoutPredictor, several: LayoutPredictor, rows: Float32
) -> int:
    """Score rows (n, d) alone and in every other way, and compare the bits.

    `one` and `several` are Predictors of the file `name` at one thread and at several. Returns how
    many rows were compared. Raises ParityError naming the file and the row of the batch.
    """
    rows = rows[:_ROWS]
    expected: Float32 = np.concatenate([_alone(one, row[None]) for row in rows], axis=1)
    shown = 0
    for calls in (_small, _middle, _of_every_kind, _large):
        for how, asked, x, index, method in calls(one, several, rows):
            scores = METHODS[method](asked.predictor, x, len(index))
            for found, alone in zip(scores, expected, strict=False):
                other = np.ascontiguousarray(found).view(np.uint32) != alone[index].view(np.uint32)
                if other.any():
                    raise ParityError(
                        f"{name}: row {int(other.argmax())} has other bits {how}{method} than alone"
                    )
            shown += len(index)
    return shown


def _alone(one: LayoutPredictor, row: Float32) -> Float32:
    """Logit, P(positive) and P(negative) of one row (1, d): (3, 1)."""
    x = one.in_layout(row)
    return np.stack([*one.predictor.scores(x), one.predictor.predict_proba(x)[:, 0]])


def _small(one: LayoutPredictor, several: LayoutPredictor, rows: Float32) -> Iterator[_Call]:
    for size in _SMALL[: len(rows) + 1]:
        for start in {0, min(size % 5, len(rows) - size)}:
            index = np.arange(start, start + size)
            x = one.in_layout(rows[index])
            for asked, methods in ((one, list(METHODS)), (several, [""])):
                how = f"in a batch of {size}" + _threads(asked)
                for method in methods:
                    yield _Call(how, asked, x, index, method)


def _middle(one: LayoutPredictor, several: LayoutPredictor, rows: Float32) -> Iterator[_Call]:
    count = max(3, min(len(_MIDDLE), _MIDDLE_VALUES // (_MIDDLE[-1] * rows.shape[1])))
    sizes = {*np.linspace(_MIDDLE[0], _MIDDLE[-1], count).astype(int).tolist()}
    bound = LIMITS.bound_block_rows(rows.shape[1])
    sizes |= {bound + past for past in range(4)}
    sizes |= {*range(FILLED_ROWS - 5, FILLED_ROWS + 5)}  # where blocks are filled up, if they are
    for size in sorted(sizes):
        index = _repeat(rows, size)
        asked = several if size % 8 == 0 else one
        x = asked.in_layout(_taken(rows, size, asked.layout))
        for method in list(METHODS)[:: 2 if size % 2 else 1]:
            yield _Call(f"in a batch of {size}" + _threads(asked), asked, x, index, method)


def _of_every_kind(
    one: LayoutPredictor, several: LayoutPredictor, rows: Float32
) -> Iterator[_Call]:
    whole, extended = np.arange(len(rows)), _repeat(rows, _KINDS)
    for index in (whole, extended):
        for how, x in one.arrays(rows[index]).items():
            for asked in (one, several):
                yield _Call(how + _threads(asked), asked, x, index)
    for how, x in one.arrays(rows).items():
        first = {n: c[:1] for n, c in x.items()} if isinstance(x, dict) else x[:1]
        yield _Call(f"as the first row {how}", one, first, whole[:1])


def _large(one: LayoutPredictor, several: LayoutPredictor, rows: Float32) -> Iterator[_Call]:
    """Batches that end one, two and three rows past a block, each read in its own way."""
    width, layout = rows.shape[1], one.layout
    copied = min(LIMITS.block_rows, LIMITS.copied_values // width)
    ways: list[tuple[str, int, npt.DTypeLike, int]] = [
        ("read in place", LIMITS.block_rows, np.float32, _LARGE_VALUES)
    ]
    if layout == ROWS:
        ways += [("converted in blocks", copied, np.float64, _LARGE_VALUES)]
    else:
        ways += [
            ("one behind the other", LIMITS.adjacent_rows, np.float32, _ADJACENT_VALUES),
            ("copied in blocks", copied, np.float32, _LARGE_VALUES),
            ("converted at once", LIMITS.strided_values // width, np.float64, _LARGE_VALUES),
        ]
    for how, rows_of_block, dtype, most in ways:
        block = rows_of_block - rows_of_block % LIMITS.row_multiple
        if not 0 < block * width <= most:
            continue
        tried = 1 if block * width > _LARGE_VALUES // 2 else 3
        for past, asked, method in zip((1, 2, 3), (one, several, one), METHODS, strict=True):
            if past > tried:
                break
            index = _repeat(rows, block + past)
            x: Any = _taken(rows, len(index), layout).astype(dtype, copy=False)
            if how == "copied in blocks":
                x = {n: column.copy() for n, column in asked.named(x).items()}
            elif how == "one behind the other" or (layout == COLUMNS and width == 1):
                x = asked.named(x)
            where = f"among {len(index)} {layout} {how}" + _threads(asked)
            yield _Call(where, asked, x, index, method)


def _repeat(rows: Float32, size: int) -> npt.NDArray[np.intp]:
    return np.arange(size) % len(rows)


def _taken(rows: Float32, size: int, layout: str) -> Float32:
    """`rows` (n, d) repeated to this size, lying in memory as the layout does: picking columns out
    of an array of rows takes far longer."""
    taken = np.resize(rows, (size, rows.shape[1]))
    return taken if layout == ROWS else np.ascontiguousarray(taken.T).T


def _threads(asked: LayoutPredictor) -> str:
    return f" at {asked.threads} threads" if asked.threads > 1 else ""
