"""Points in time as numbers: the seconds since 1970 began, in UTC."""

from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Array, Float64

UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""How many of each unit are a second."""
DAY: Final = 86_400
"""Seconds of a day."""


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
