"""Values of a PRECISE column as float64: each the nearest to what the caller has.

A time counts as the seconds since 1970 (UTC, where it says no zone), whatever unit it is kept in.
"""

import datetime
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Array, Float64
from serve_runtime.errors import InputError
from serve_runtime.features.times import DAY, UNITS, iso_seconds, seconds
from serve_runtime.inputs.decimals import arrow_decimals, nearest_floats
from serve_runtime.inputs.numeric import to_array, to_numbers
from serve_runtime.shown import quoted

_EXACT: Final = 2.0**24
"""float32 tells every whole number up to this one from its neighbours."""

_SHORT: Final = {np.float32, np.float16}

_EPOCH: Final = datetime.datetime(1970, 1, 1)


def precise_numbers(column: Any, what: str, *, time: bool = False) -> Float64:
    """A column of any kind as float64 (n,), or of any shape where it is no column; NaN is missing.

    Raises InputError, which calls the column `what`, for texts, but for those of ISO 8601 in a
    column of `time`; for dates and times in any other column; and for float32, which has lost what
    makes these values differ: it is taken only where it holds whole numbers up to 2²⁴.
    """
    if type(column) not in (list, tuple) and (found := arrow_decimals(column)) is not None:
        pieces = found.chunks if hasattr(found, "chunks") else [found]
        none = np.empty(0)
        return np.concatenate([none, *(nearest_floats(piece, np.float64) for piece in pieces)])
    if type(column) in (list, tuple) and not _SHORT.isdisjoint(map(type, column)):
        _refuse_short([value for value in column if type(value) in _SHORT], what)
    array = to_array(column, what)
    if array.dtype.kind == "M":
        if not time:
            raise _no_time(what)
        return _seconds(array)
    if time and array.dtype.kind in "UT":
        array = array.astype(object)
    if array.dtype.kind == "O":
        array = _without_times(array, what, time)
        _refuse_short([value for value in array.ravel().tolist() if type(value) in _SHORT], what)
        return to_numbers(array, what, nearest=np.float64)
    numbers = to_numbers(array, what)
    if numbers.dtype.kind == "f" and numbers.dtype.itemsize < 8:
        _refuse_short(numbers, what)
    return numbers.astype(np.float64, copy=False)


def _refuse_short(values: Array | Sequence[Any], what: str) -> None:
    """Raise InputError where one of these float32 values may have been rounded."""
    floats = np.asarray(values, np.float32)
    whole = (floats == np.trunc(floats)) & (np.abs(floats) <= _EXACT)
    lost = ~(whole | np.isnan(floats) | np.isinf(floats))
    if lost.any():
        raise InputError(
            f"{what} needs float64, since float32 cannot tell its values apart; got float32: pass "
            "the values as they were before they became float32"
        )


def _no_time(what: str) -> InputError:
    return InputError(
        f"{what} must be numeric; got dates or times: training saw plain numbers there (it takes "
        "dates and times where its table holds them, and --number names the column)"
    )


def _without_times(array: Array, what: str, time: bool) -> Array:
    """An array of objects in which every time is a number of seconds. Raises InputError for times
    in a column that is none of `time`, and for texts in one of `time` that are no times."""
    wanted = (*_TIMES, str) if time else _TIMES
    kinds = {kind for kind in set(map(type, array.ravel().tolist())) if issubclass(kind, wanted)}
    if not kinds:
        return array
    if not time and any(kind.__name__ != "NaTType" for kind in kinds):
        raise _no_time(what)
    found = array.copy()
    for position, value in enumerate(array.flat):
        if isinstance(value, _TIMES):
            found.flat[position] = _seconds_of(value)
        elif isinstance(value, str):
            found.flat[position] = _seconds_of_text(value, what, position)
    return found


def _seconds_of_text(text: str, what: str, row: int) -> float:
    try:
        return iso_seconds(text)
    except ValueError:
        raise InputError(
            f"{what} must be a date or time, also as a text of ISO 8601 such as "
            f"2024-01-31T10:20:30Z, or a number of seconds; got the text {quoted(text)} in row "
            f"{row}"
        ) from None


_TIMES: Final = (datetime.date, np.datetime64)  # a datetime is a date


def _seconds_of(value: Any) -> float:
    if type(value).__name__ == "NaTType":
        return float("nan")
    if hasattr(value, "to_datetime64"):  # pandas: nanoseconds, in UTC
        value = value.to_datetime64()
    if isinstance(value, np.datetime64):
        return float(_seconds(np.array(value)))
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    zone = None if value.tzinfo is None else value.utcoffset()
    since = value.replace(tzinfo=None) - _EPOCH - (zone or datetime.timedelta())
    micros = (since.days * DAY + since.seconds) * UNITS["us"] + since.microseconds
    return float(seconds(np.array(micros, np.int64), "us"))


def _seconds(times: Array) -> Float64:
    """Times of numpy as seconds, NaN where there is none."""
    unit, step = np.datetime_data(times.dtype)
    if unit not in UNITS or step != 1:  # days and longer, or finer than nanoseconds
        unit = unit if unit in UNITS else "s" if unit in "YMWDhm" else "ns"
        times = times.astype(f"M8[{unit}]")
    return np.where(np.isnat(times), np.nan, seconds(times.astype(np.int64), unit))
