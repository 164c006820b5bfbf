"""Named columns to a feature-major float32 block: dicts, structured arrays, frames, Arrow."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serve_runtime.budgets import Float32
from serve_runtime.errors import InputError


def column_names(x: Any) -> list[str] | None:
    """Names of the columns of `x`, or None when its columns have no names.

    Recognised by shape, so that neither pandas nor polars nor pyarrow is imported: a mapping of
    columns, Arrow (`column_names`), a structured array, and frames (`columns`).
    """
    if isinstance(x, Mapping):
        return list(x)
    if hasattr(x, "column_names"):
        return list(x.column_names)
    if isinstance(x, np.ndarray):
        return list(x.dtype.names) if x.dtype.names else None
    if hasattr(x, "columns"):
        return list(x.columns)
    return None


def check_names(found: Sequence[str], names: Sequence[str]) -> None:
    """Raise InputError unless each of `names` is among `found` exactly once."""
    count = Counter(found)
    missing = [name for name in names if name not in count]
    if missing:
        raise InputError(
            f"the model needs {len(names)} named features; missing: {', '.join(missing)} "
            f"(got: {', '.join(map(str, found)) or 'no columns'})"
        )
    twice = [name for name in dict.fromkeys(names) if count[name] > 1]
    if twice:
        raise InputError(f"column names must be unique; more than one is named {', '.join(twice)}")


def gather(x: Any, found: Sequence[str], names: Sequence[str]) -> Float32:
    """The columns `names` of `x` as one C-contiguous float32 array (d, n); always a copy.

    `found` is what `column_names(x)` gave. Extra columns are ignored. Missing values become NaN.
    Raises InputError for missing or repeated names, text, and columns of different lengths.
    """
    check_names(found, names)
    columns = [numeric(x[name], f"feature {name!r}") for name in names]
    lengths = {
        name: len(c) if c.ndim == 1 else c.shape for name, c in zip(names, columns, strict=True)
    }
    if len(set(lengths.values())) != 1 or columns[0].ndim != 1:
        shown = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise InputError(f"columns must be one-dimensional and of equal length; got {shown}")
    block = np.empty((len(names), len(columns[0])), np.float32)
    with np.errstate(
        over="ignore", under="ignore"
    ):  # what overflows float32 is reported as non-finite
        for row, column in zip(block, columns, strict=True):
            row[:] = column
    return block


def numeric(values: Any, what: str) -> np.ndarray[Any, np.dtype[Any]]:
    """`values` as an array of a real dtype; None becomes NaN. InputError for anything else.

    Texts are refused even where they spell a number: whoever has text in a numeric column should
    know it.
    """
    try:
        if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in "biuf":
            values = np.ma.filled(values.astype(np.float64), np.nan)
        array = np.asarray(values)
        if array.dtype.kind == "O":
            for value in array.flat:
                if isinstance(value, str | bytes):
                    raise InputError(f"{what} must be numeric; got the text {value!r}")
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
