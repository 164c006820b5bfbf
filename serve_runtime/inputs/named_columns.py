"""Batches whose columns have names: dicts, structured arrays, data frames, Arrow tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from serve_runtime.arrays import Array
from serve_runtime.errors import InputError
from serve_runtime.feature_names import check_names
from serve_runtime.inputs.batch_limits import Limits
from serve_runtime.inputs.blocks import BatchInput, ColumnInput
from serve_runtime.inputs.named_rows import labels, names_in
from serve_runtime.inputs.numeric import REAL, to_array, to_numbers
from serve_runtime.inputs.refusals import check_lengths
from serve_runtime.shown import quoted

if TYPE_CHECKING:
    from serve_runtime.inputs.encoded import Encoder

_REAL = {"float32", "float64", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64))}
"""Names of real dtypes in pandas; polars writes them with a capital letter."""

_SHOWN = 20
"""Most columns whose lengths a message lists."""

_WITHOUT_INDEX = {list, tuple, np.ndarray}
"""Types of columns that need not be asked for an index."""


def column_names(x: Any) -> list[str] | None:
    """Names of the columns of `x`, or None when its columns have no names.

    Recognised by shape, so that neither pandas nor polars nor pyarrow is imported: a mapping of
    columns, Arrow (`column_names`), a structured array, and frames (`columns`).
    """
    if isinstance(x, np.ndarray):
        return list(x.dtype.names) if x.dtype.names else None
    if isinstance(x, Mapping):
        return names_in(x)
    if hasattr(x, "column_names"):
        return names_in(x.column_names)
    if hasattr(x, "columns"):
        return names_in(x.columns)
    if hasattr(x, "dims") and hasattr(x, "coords") and len(x.dims) == 2:
        return labels(x, 1)
    return None


def refuse_names_of_rows(x: Any, names: Sequence[str]) -> None:
    """Raise InputError where features name the rows of `x`, a labelled array without column names:
    it lies transposed, and is not to be read by position."""
    is_labelled = hasattr(x, "dims") and hasattr(x, "coords") and len(x.dims) == 2
    if is_labelled and not set(names).isdisjoint(labels(x, 0) or ()):
        raise InputError(
            f"the names of features are labels of the first dimension, {quoted(x.dims[0])}, where "
            "rows are expected: pass x.T"
        )


def to_columns(
    x: Any,
    found: Sequence[str],
    names: Sequence[str],
    limits: Limits,
    encoder: "Encoder | None" = None,
) -> tuple[int, Iterable[BatchInput]]:
    """The number of rows of `x`, and its columns `names` as one batch, or one for each chunk of an
    Arrow table.

    `found` is what `column_names(x)` gave. Columns may have any real dtype and are copied only
    where numpy cannot read them; other columns are ignored; missing values become NaN.
    Raises InputError for missing or repeated names, text, and columns of different lengths.
    """
    check_names(found, names)
    if hasattr(x, "dims") and not isinstance(x, Mapping):  # a labelled array
        x = dict(zip(found, np.asarray(x).T, strict=True))
    if isinstance(x, Mapping) and not _WITHOUT_INDEX.issuperset(map(type, x.values())):
        _check_indexes(x, names)
    if hasattr(x, "to_batches") and x.num_rows:
        chunks = _chunks(x.select(list(names)), limits, joined=encoder is None)
        return x.num_rows, (_columns(chunk, names, limits, encoder) for chunk in chunks)
    is_polars = hasattr(x, "to_numpy") and hasattr(x, "select") and not hasattr(x, "iloc")
    if is_polars and list(found) != list(names):
        x, found = x[list(names)], names  # copies nothing
    if encoder is None and _is_short_frame(x, found, names, limits):
        parts = (to_numbers(part, "x", found).T for part in _converted(x, limits))
        if list(found) != list(names):  # the same names in another order
            position = {name: number for number, name in enumerate(found)}
            order = [position[name] for name in names]
            parts = (part[order] for part in parts)
        return len(x), (ColumnInput(part, names, limits) for part in parts)
    columns = _columns(x, names, limits, encoder)
    return columns.rows, [columns]


def _is_short_frame(x: Any, found: Sequence[str], names: Sequence[str], limits: Limits) -> bool:
    """Whether `x` is a pandas or polars frame with few rows, one dtype, and just the model's
    columns, so that it can be converted as a whole."""
    if not (hasattr(x, "to_numpy") and hasattr(x, "dtypes") and len(found) == len(names)):
        return False
    kinds = {str(kind) for kind in x.dtypes}
    if not hasattr(x, "iloc"):  # polars; pandas' capitalised dtypes may have missing values
        kinds = {kind.lower() for kind in kinds}
    return len(x) <= limits.frame_rows and len(kinds) == 1 and kinds <= _REAL


def _converted(frame: Any, limits: Limits) -> Iterator[Array]:
    """A frame's values (n, d), as many rows at a time as are converted for one block."""
    rows = getattr(frame, "iloc", frame)
    step = max(1, limits.strided_values // frame.shape[1])
    for start in range(0, max(1, len(frame)), step):
        yield rows[start : start + step].to_numpy()


def _chunks(table: Any, limits: Limits, *, joined: bool) -> Iterable[Any]:
    """An Arrow table as chunks; short ones are put together, and where `joined`, each column of a
    chunk is one array. (Arrow does not join dictionaries that hold a null.)"""
    batches = table.to_batches()
    if len(batches) * limits.short_chunk_rows <= table.num_rows:
        return cast(Iterable[Any], batches)
    step = limits.joined_chunk_rows
    parts = (table.slice(start, step) for start in range(0, table.num_rows, step))
    return (part.combine_chunks() for part in parts) if joined else parts


def _check_indexes(columns: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise InputError where Series of different indexes would be put side by side by position."""
    first = None
    for name in names:
        if (index := _index(columns[name])) is not None:
            if first is None:
                first = name, index
            elif index is not first[1] and not _equal(index, first[1]):
                raise InputError(
                    f"columns {quoted(first[0])} and {quoted(name)} are Series with different "
                    "indexes: join them into one frame first, or pass their values without an index"
                )


def _index(column: Any) -> Any:
    """The index of a Series, the labels of a labelled array of one dimension; else None."""
    if hasattr(column, "iloc"):
        return column.index
    is_labelled = hasattr(column, "dims") and hasattr(column, "coords") and len(column.dims) == 1
    return labels(column, 0) if is_labelled else None


def _equal(index: Any, other: Any) -> bool:
    return bool(index.equals(other) if hasattr(index, "equals") else index == list(other))


def _columns(x: Any, names: Sequence[str], limits: Limits, encoder: "Encoder | None") -> BatchInput:
    columns = [x[name] for name in names]
    if encoder is not None:
        return encoder.encoded(columns)
    arrays = [
        column if type(column) is np.ndarray else to_array(column, f"feature {quoted(name)}")
        for name, column in zip(names, columns, strict=True)
    ]
    check_lengths(columns, names, [array.shape for array in arrays])
    for position, array in enumerate(arrays):
        if array.dtype.kind not in REAL:
            what = f"feature {quoted(names[position])}"
            arrays[position] = to_numbers(array, what)
    return ColumnInput(arrays, names, limits)
