"""The one text that stands for a value of a category, whatever type it has."""

import numbers
import sys
from typing import Any, Final

import numpy as np

from serve_runtime.inputs.numeric import MISSING_TYPES

_FLOATS: Final = np.float64, np.float32, np.float16
_MOST_DIGITS: Final = 4000
"""Of a whole Decimal that is written out: Python writes an int of up to 4,300 digits, and the ones
of Decimal("1E+999999999") would fill memory."""


def level_text(value: Any) -> str | None:
    """The canonical text of a value, None where it is missing.

    A text is itself, to the last blank; True and False are "True" and "False"; whole numbers of any
    type are their digits, so that 3, 3.0 and Decimal("3.00") are one level; other numbers are the
    shortest text that gives them again in their own type. Raises TypeError for anything else: bytes
    have no encoding, and a date has more than one usual text.
    """
    if isinstance(value, str):
        return str.__str__(value)  # the characters, whatever a subclass prints
    if type(value).__name__ in MISSING_TYPES:
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if type(value) is np.timedelta64:  # to numpy, a kind of integer
        raise TypeError("a timedelta64 is no level")
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        if value != value:  # NaN
            return None
        return str(int(value)) if value == np.trunc(value) and np.isfinite(value) else _float(value)
    if _is_decimal(value):
        return _of_decimal(value)
    if isinstance(value, numbers.Integral):
        return str(int(value))
    raise TypeError(f"a {type(value).__name__} is no level")


def texts_in_other_types(value: float | np.floating[Any]) -> list[str]:
    """The texts of a float in the other types that hold it, the widest first: JSON, and lists that
    libraries make, give the float32 0.1 as 0.10000000149011612."""
    with np.errstate(over="ignore", under="ignore"):
        held = [kind(value) for kind in _FLOATS]
    # As Python's floats: numpy would round the value to float32 to compare it with one.
    return [text for x in held if float(x) == float(value) and (text := level_text(x))]


def _is_decimal(value: Any) -> bool:
    """Asked without Python's decimal, which takes time to load and is there if there is one."""
    module = sys.modules.get("decimal")
    return module is not None and isinstance(value, module.Decimal)


def _of_decimal(value: Any) -> str | None:
    """Without the thread's own context of decimals, which would round to its precision."""
    if value.is_nan():
        return None
    whole = value.is_finite() and value == value.to_integral_value()
    if whole and value.adjusted() < _MOST_DIGITS:
        return str(int(value))
    decimal, digits = sys.modules["decimal"], len(value.as_tuple().digits)
    exact = decimal.Context(digits, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, traps=[])
    return str(value.normalize(exact))


def _float(value: Any) -> str:
    return str(value.item() if isinstance(value, np.float64) else value)
