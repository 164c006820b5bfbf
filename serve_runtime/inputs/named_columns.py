"""Named columns, as they lie: dicts, structured arrays, frames, Arrow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from serve_runtime.arrays import Array
from serve_runtime.errors import InputError
from serve_runtime.feature_names import check_names
from serve_runtime.inputs.blocks import AT_ONCE, Columns, Source
from serve_runtime.inputs.numeric import numeric

_SHORT_FRAME = 1 << 14
"""Rows of a frame whose values are asked for as a whole."""

_REAL = {"float32", "float64", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64))}
"""Dtypes of numbers, as pandas and (in capitals) polars call them."""

_SHORT_CHUNK, _LONG_CHUNK = 1 << 13, 1 << 18
"""Rows: shorter chunks of an Arrow table are joined, to at most so many at a time."""


def column_names(x: Any) -> list[str] | None:
    """Names of the columns of `x`, or None when its columns have no names.

    Recognised by shape, so that neither pandas nor polars nor pyarrow is imported: a mapping of
    columns, Arrow (`column_names`), a structured array, and frames (`columns`).
    """
    if isinstance(x, np.ndarray):
        return list(x.dtype.names) if x.dtype.names else None
    if isinstance(x, Mapping):
        return list(x)
    if hasattr(x, "column_names"):
        return list(x.column_names)
    if hasattr(x, "columns"):
        return list(x.columns)
    return None


def to_columns(x: Any, found: Sequence[str], names: Sequence[str]) -> tuple[int, Iterable[Source]]:
    """The columns `names` of `x`, in whatever real dtype each has; copied only where numpy cannot
    read them.

    The number of rows, and one part, or for an Arrow table one for each of its chunks. `found` is
    what `column_names(x)` gave. Extra columns are ignored. Missing values become NaN.
    Raises InputError for missing or repeated names, text, and columns of different lengths.
    """
    check_names(found, names)
    if hasattr(x, "to_batches") and x.num_rows:
        return x.num_rows, (_columns(batch, names) for batch in _chunks(x.select(list(names))))
    if _is_short_frame(x, found, names):
        return len(x), (Columns(numeric(part, "x").T, names) for part in _parts(x))
    columns = _columns(x, names)
    return columns.rows, [columns]


def _is_short_frame(x: Any, found: Sequence[str], names: Sequence[str]) -> bool:
    """Whether `x` is a pandas or polars frame of few rows, one dtype, and the model's columns.

    It is taken as a whole: to ask a frame for a column takes 10 µs, more than to copy a short one.
    """
    if not (hasattr(x, "to_numpy") and hasattr(x, "dtypes") and list(found) == list(names)):
        return False
    kinds = {str(kind) for kind in x.dtypes}
    if not hasattr(x, "iloc"):  # polars; in capitals, pandas' own dtypes are objects with gaps
        kinds = {kind.lower() for kind in kinds}
    return len(x) <= _SHORT_FRAME and len(kinds) == 1 and kinds <= _REAL


def _parts(frame: Any) -> Iterator[Array]:
    """A frame's values (n, d), as many rows at a time as are copied for a block, if they are."""
    rows = getattr(frame, "iloc", frame)
    step = max(1, AT_ONCE // frame.shape[1])
    for start in range(0, max(1, len(frame)), step):
        yield rows[start : start + step].to_numpy()


def _chunks(table: Any) -> Iterable[Any]:
    """An Arrow table in parts whose columns lie in one piece each; small ones are joined."""
    batches = table.to_batches()
    if len(batches) * _SHORT_CHUNK <= table.num_rows:
        return cast(Iterable[Any], batches)
    return (
        table.slice(start, _LONG_CHUNK).combine_chunks()
        for start in range(0, table.num_rows, _LONG_CHUNK)
    )


def _columns(x: Any, names: Sequence[str]) -> Columns:
    columns = [numeric(x[name], f"feature {name!r}") for name in names]
    lengths = {len(column) if column.ndim == 1 else column.shape for column in columns}
    if len(lengths) != 1 or columns[0].ndim != 1:
        shown = ", ".join(
            f"{name}: {len(column) if column.ndim == 1 else column.shape}"
            for name, column in zip(names, columns, strict=True)
        )
        raise InputError(f"columns must be one-dimensional and of equal length; got {shown}")
    return Columns(columns, names)
