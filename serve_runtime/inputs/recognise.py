"""Whatever a caller has, recognised by its shape and turned into batches that can be scored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from serve_runtime.arrays import Array
from serve_runtime.errors import InputError, ServeError
from serve_runtime.inputs.batch_limits import LIMITS, Limits
from serve_runtime.inputs.blocks import BatchInput, by_memory
from serve_runtime.inputs.named_columns import column_names, refuse_names_of_rows, to_columns
from serve_runtime.inputs.named_rows import (
    from_named_rows,
    is_named_rows,
    named_columns,
    row_names,
)
from serve_runtime.inputs.numeric import to_array, to_numbers
from serve_runtime.inputs.refusals import described, refuse_deferred, unreadable
from serve_runtime.shown import listed

if TYPE_CHECKING:
    from serve_runtime.inputs.encoded import Encoder

_WITHOUT_NAMES = {list, tuple, np.ndarray, memoryview}


def to_batches(
    x: Any, names: Sequence[str], limits: Limits = LIMITS, encoder: "Encoder | None" = None
) -> tuple[int, Iterable[BatchInput]]:
    """The number of rows of `x`, and `x` as one batch, or one for each chunk of an Arrow table.

    A 2-D array-like (n, d) in feature order is rows, or columns where it lies so (Fortran order, a
    transposed view). A list of rows with names (dicts, named tuples, …), or one such row, is rows;
    anything with named columns is columns; both are matched by name. Values are not looked at,
    unless an `encoder` is given, which encodes them.
    Raises InputError when `x` cannot be the features `names`, and when it raises anything itself
    while it is read, except for what ends a program (an interrupt, no memory).
    """
    try:
        rows, batches = _recognised(x, names, limits, encoder)
    except (ServeError, MemoryError):
        raise
    except Exception as reason:
        raise unreadable(x, reason) from reason
    return rows, batches if isinstance(batches, list) else _read(x, rows, batches)


def to_probabilities(x: Any) -> Array:
    """`x`, P(positive) of n rows, as an array (n,) of a real dtype, or of no dimension.

    Raises InputError, which names the row, unless all are numbers from 0 to 1.
    """
    try:
        values = to_array(x, "probability")
        if values.ndim > 1:
            raise InputError(
                "probability must have 1 dimension, as probability() answers; got "
                f"{values.ndim} with shape {values.shape}"
            )
        values = to_numbers(values, "probability")
    except (ServeError, MemoryError):
        raise
    except Exception as reason:
        raise unreadable(x, reason, "probability") from reason
    flat = values.reshape(-1)
    if flat.size and not (np.minimum.reduce(flat) >= 0 and np.maximum.reduce(flat) <= 1):
        row = int(((flat >= 0) & (flat <= 1)).argmin())
        raise InputError(f"probability must be a number from 0 to 1; got {flat[row]} in row {row}")
    return values


def _recognised(
    x: Any, names: Sequence[str], limits: Limits, encoder: "Encoder | None"
) -> tuple[int, Iterable[BatchInput]]:
    if type(x) not in _WITHOUT_NAMES:
        refuse_deferred(x)
        if isinstance(getattr(getattr(x, "dtype", None), "fields", None), list):
            x = x.struct.unnest()  # polars: a Series of structs, as a frame
    elif type(x) is np.ndarray and x.dtype.kind == "O" and x.ndim == 1:
        x = x.tolist()  # its rows may have names
    found = column_names(x)
    if found is None and type(x) not in _WITHOUT_NAMES:
        refuse_names_of_rows(x, names)
    if found is not None and not _is_row(x, names):
        return to_columns(x, found, names, limits, encoder)
    if is_named_rows(x):
        batch = _named_rows(x, names, encoder)
    elif found is not None or (type(x) not in _WITHOUT_NAMES and row_names(x) is not None):
        batch = _named_rows([x], names, encoder)
    else:
        batch = _without_names(x, names, limits, encoder)
    return batch.rows, [batch]


def _named_rows(x: Sequence[Any], names: Sequence[str], encoder: "Encoder | None") -> BatchInput:
    if encoder is None:
        return from_named_rows(islice(x, len(x)), names)
    return encoder.encoded(named_columns(x, names))


def _is_row(x: Any, names: Sequence[str]) -> bool:
    """Whether `x`, which has names, is one row: a record, or a mapping of single values."""
    if isinstance(x, np.ndarray):
        return x.ndim == 0
    if not isinstance(x, Mapping) or names[0] not in x or not _is_single(x[names[0]]):
        return False
    return all(_is_single(x[name]) for name in names if name in x)


def _is_single(value: Any) -> bool:
    """Whether it is one value, not a column of them."""
    if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
        return True
    return getattr(value, "ndim", 1) == 0


def _without_names(
    x: Any, names: Sequence[str], limits: Limits, encoder: "Encoder | None"
) -> BatchInput:
    if encoder is not None and _are_rows(x, len(names)):  # not by way of one type for all
        return encoder.encoded_rows(x)
    rows = to_array(x, "x")
    if rows.size == 0 and rows.ndim < 2:
        rows = rows.reshape(0, len(names))
    if rows.ndim != 2:
        raise InputError(
            f"x must have 2 dimensions (rows, {len(names)} features); got {_shape(x, rows)}"
        )
    if rows.shape[1] != len(names):
        raise InputError(
            f"x must have {len(names)} features per row ({listed(names, 3)}); got {rows.shape[1]}"
        )
    if encoder is not None:
        return encoder.encoded_array(rows)
    return by_memory(to_numbers(rows, "x", names), names, limits)


def _are_rows(x: Any, width: int) -> bool:
    """Whether `x` is a list of lists, or of tuples, of `width` values each."""
    return type(x) in (list, tuple) and all(
        type(row) in (list, tuple) and len(row) == width for row in x
    )


def _shape(x: Any, rows: Array) -> str:
    """What `x` is instead of rows, and what to do, for a message."""
    if rows.ndim == 0:
        return described(x) + ": to score a file use score_file" * isinstance(x, str)
    shape = f"{rows.ndim} with shape {rows.shape}"
    if rows.ndim > 1:
        return shape
    for number, row in enumerate(rows if rows.dtype.kind == "O" else ()):
        if not isinstance(row, list | tuple | int | float):
            return f"as row {number} {described(row)}"
    return f"{shape}; for a single row pass [row]"


def _read(x: Any, rows: int, batches: Iterable[BatchInput]) -> Iterator[BatchInput]:
    """The batches of `x`, with the promises of `to_batches`, and as many rows as it has said."""
    following, done = iter(batches), 0
    while True:
        try:
            batch = next(following, None)
        except (ServeError, MemoryError):
            raise
        except Exception as reason:
            raise unreadable(x, reason) from reason
        done += batch.rows if batch else 0
        if done > rows or (batch is None and done < rows):
            raise InputError(f"x must have as many rows as it says, {rows:,}; got {done:,}")
        if batch is None:
            return
        yield batch
