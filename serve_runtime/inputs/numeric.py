"""Values of any kind as arrays of numbers."""

import sys
from typing import Any

import numpy as np

from serve_runtime.arrays import Array
from serve_runtime.errors import InputError
from serve_runtime.shown import quoted


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
    """Raise InputError if the array holds texts. The message names the first one that spells no
    number, or else the first one."""
    values = enumerate(array.ravel().tolist())
    texts = [(number, value) for number, value in values if isinstance(value, str | bytes)]
    if not texts:
        return
    position, text = next((found for found in texts if not _spells_number(found[1])), texts[0])
    row, *column = map(int, np.unravel_index(position, array.shape)) if array.ndim else [0]
    where = f"row {row}" + "".join(f", column {number}" for number in column)
    raise InputError(f"{what} must be numeric; got the text {quoted(text)} in {where}")


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
