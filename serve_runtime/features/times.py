"""Points in time as numbers: the seconds since 1970 began, in UTC."""

import datetime
import re
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Array, Float64

UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""How many of each unit are a second."""
DAY: Final = 86_400
"""Seconds of a day."""

_ISO: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?)?"
    r"(?:Z|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)
_MICROSECONDS: Final = 6
_NANOSECOND_YEARS: Final = range(1678, 2262)
"""The whole years that 64 bits of nanoseconds hold."""


def seconds(counts: "np.ndarray[Any, np.dtype[np.int64]]", unit: str) -> Float64:
    """Whole numbers of a unit since 1970 began, such as timestamps, in seconds.

    The whole seconds and the fraction, each as float64, are added, so that the same instant has the
    same bits in every unit, and whole seconds are exact.
    """
    whole, part = np.divmod(counts, np.int64(UNITS[unit]))
    return whole.astype(np.float64) + part.astype(np.float64) / UNITS[unit]


def days(counts: Array) -> Float64:
    """Whole days since 1970 began, in seconds: exact."""
    return counts.astype(np.float64) * DAY


def iso_seconds(text: str) -> float:
    """The seconds of a date or time that ISO 8601 writes as such a text, in UTC where it says no
    zone: the same number as the tables' parser gives. Raises ValueError for any other text."""
    found = _ISO.fullmatch(text.strip(" \t\r\n"))
    if found is None:
        raise ValueError(f"{text!r:.100} is no date or time of ISO 8601")
    day, hour, minute, second, fraction, sign, *zone = found.groups(default="0")
    away_hour, away_minute = map(int, zone)
    date = datetime.date.fromisoformat(day)
    if len(fraction) > _MICROSECONDS and date.year not in _NANOSECOND_YEARS:
        raise ValueError(f"{text!r:.100} is too far off for nanoseconds")
    time = datetime.time(int(hour), int(minute), int(second))
    ahead = datetime.time(away_hour, away_minute)
    whole = _of_day(time) - _of_day(ahead) * (-1 if sign == "-" else 1)
    whole += (date.toordinal() - _EPOCH) * DAY
    return float(whole) + int(fraction.ljust(9, "0")) / UNITS["ns"]


_EPOCH: Final = datetime.date(1970, 1, 1).toordinal()


def _of_day(time: datetime.time) -> int:
    return (time.hour * 60 + time.minute) * 60 + time.second
