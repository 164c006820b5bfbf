"""Named columns, as they lie: dicts, structured arrays, frames, Arrow."""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from serve_runtime.errors import InputError
from serve_runtime.sources import AT_ONCE, Array, Columns, Source

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


def check_names(found: Collection[str], names: Sequence[str]) -> None:
    """Raise InputError unless each of `names` is among `found` exactly once."""
    if list(found) == list(names):  # the usual case, and the names of a model are unique
        return
    count = Counter(list(found))  # of a mapping, its keys
    missing = [name for name in names if name not in count]
    if missing:
        raise InputError(
            f"the model needs {len(names)} named features; missing: {', '.join(missing)} "
            f"(got: {', '.join(map(str, found)) or 'no columns'})"
        )
    twice = [name for name in dict.fromkeys(names) if count[name] > 1]
    if twice:
        raise InputError(f"column names must be unique; more than one is named {', '.join(twice)}")


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


def numeric(values: Any, what: str) -> Array:
    """`values` as an array of a real dtype; None becomes NaN. InputError for anything else.

    Texts are refused even where they spell a number: whoever has text in a numeric column should
    know it.
    """
    try:
        if isinstance(values, list | tuple) and any(map(_is_masked, values)):
            values = np.ma.array(values)
        if _is_masked(values):
            if values.dtype.kind in "biuf":
                values = np.ma.filled(values.astype(np.float64), np.nan)
            else:
                mask = np.ma.getmaskarray(values)
                values = np.array(values.data, object)
                values[mask] = None
        array = np.asarray(values)
        if array.dtype.kind in "OUS":
            _refuse_texts(array, what)
            for value in array.flat:
                if hasattr(value, "__len__"):
                    raise InputError(f"{what} must be numeric; got a {type(value).__name__}")
            # pandas' NA has no float(); every other missing value does or is None.
            filled = [np.nan if v is None or str(v) == "<NA>" else v for v in array.flat]
            array = np.array(filled, np.float64).reshape(array.shape)
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError) as reason:
        raise InputError(f"{what} must be numeric and rectangular: {reason}") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} must be numeric; got dtype {array.dtype}")
    return array


def _refuse_texts(array: Array, what: str) -> None:
    """Raise InputError where there is a text; for one that spells no number, if there is one."""
    values = enumerate(array.ravel().tolist())
    texts = [(number, value) for number, value in values if isinstance(value, str | bytes)]
    if not texts:
        return
    position, text = next((found for found in texts if not _spells_number(found[1])), texts[0])
    row, *column = map(int, np.unravel_index(position, array.shape)) if array.ndim else [0]
    where = f"row {row}" + "".join(f", column {number}" for number in column)
    raise InputError(f"{what} must be numeric; got the text {text!r} in {where}")


def _spells_number(text: str | bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_masked(values: Any) -> bool:
    """Asked without numpy.ma, which takes 10 ms to load and is there if there is a masked array."""
    module = sys.modules.get("numpy.ma")
    return module is not None and isinstance(values, module.MaskedArray)
