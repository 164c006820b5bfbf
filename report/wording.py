"""Numbers, values of columns and labels as a reader of the report sees them."""

import datetime
import math
import unicodedata

from report.powers import in_powers
from serve_runtime.features.column import Column
from serve_runtime.features.times import DAY
from serve_runtime.shown import printable

NONE = "–"
"""What stands where there is no number."""
_YEAR = 365.25 * DAY
_UNITS = ((1.0, "second"), (60.0, "minute"), (3600.0, "hour"), (float(DAY), "day"), (_YEAR, "year"))
_MOST_RATIO = 1e6


def number(value: float | None, digits: int = 3) -> str:
    """A number of `digits` significant digits, or of all before the point: 0.0123, −4.5, 12,346,
    3·10⁻⁹."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -5 <= size < 15:
        text = f"{value:,.{max(0, digits - 1 - size)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = in_powers(value, digits)
    return "0" if text in ("-0", "") else text.replace("-", "−")


def score(value: float | None) -> str:
    """A figure of four decimals, so that those of a table can be compared, of four significant
    digits where it is small or large."""
    if value is None or not 1e-3 <= abs(value) < 1e4:
        return number(value, 4)
    return f"{value:.4f}"


def signed(value: float) -> str:
    """A part of a logit, of which the sign is always shown: +0.53."""
    if abs(value) >= 1e6:
        return ("+" if value > 0 else "") + number(value)
    text = f"{value:+.2f}"
    if float(text) == 0 and value:
        text = f"{value:+.1g}" if abs(value) >= 1e-4 else ("+0.00" if value > 0 else "-0.00")
    return text.replace("-", "−")


def percent(share: float | None) -> str:
    """A share as 12.3%; neither 0 nor 100% unless it is that."""
    if share is None or not math.isfinite(share):
        return NONE
    rest = min(share, 1 - share)
    if not 0 < rest < 0.0005:
        return f"{100 * share:.{1 if rest else 0}f}%"
    digits = -math.floor(math.log10(rest * (1 + 1e-9))) - 2
    return f"{100 * share:.{min(6, digits)}f}%"


def count(rows: float) -> str:
    """A number of rows, or a sum of weights."""
    return f"{rows:,.0f}" if rows == round(rows) or rows >= 1000 else number(rows)


def ratio(logit: float) -> str:
    """By what the odds are multiplied where the logit rises by `logit`: 1.03, 0.00012."""
    if abs(logit) > math.log(_MOST_RATIO):
        return "more than 1,000,000" if logit > 0 else "less than 0.000001"
    value = math.exp(logit)
    if abs(logit) < 0.05:  # as many digits as tell how far from 1 it is
        digits = 2 if not logit else max(2, 1 - math.floor(math.log10(abs(logit))))
        return f"{value:.{min(digits, 6)}f}"
    return number(value)


def short(text: str, most: int) -> str:
    """`text` on one line of `most` columns, where wide characters take two; cut in the middle."""
    text = printable(text).replace("\n", "\\n")
    if _columns(text) <= most:
        return text
    head, tail = list(text[:most]), list(text[-most:])
    while _columns("".join(head)) > most - most // 3 - 1:
        head.pop()
    while _columns("".join(tail)) > most // 3:
        tail.pop(0)
    return "".join(head) + "…" + "".join(tail)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def value_of(column: Column, value: float | str | None, most: int = 24) -> str:
    """A value of a column: a number, a date, a level in at most so many columns, or "missing"."""
    if value is None or (not isinstance(value, str) and math.isnan(value)):
        return "missing"
    if isinstance(value, str):
        return short(value, most) if value.strip() else f"“{short(value, most)}”"
    return moment(value) if column.time else plain(value, 5, most=farthest(column))


def farthest(column: Column) -> float:
    """The largest size of a number in training; 0 where it is not known."""
    return max((abs(end) for end in (column.low, column.high) if end is not None), default=0.0)


def plain(value: float, digits: int = 3, *, most: float) -> str:
    """A value on a scale up to `most`: four digits without a comma where there are no longer ones,
    since they may be a year."""
    text = number(value, digits)
    return text if most >= 10_000 else text.replace(",", "")


def moment(seconds: float) -> str:
    """Seconds since 1970 as a date, with the time of the day where there is one."""
    try:
        found = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    except (OverflowError, ValueError):  # beyond the years 1 to 9999
        return f"{number(seconds)} s"
    text = found.isoformat(" ", "minutes")
    return text.removesuffix(" 00:00")


def step_of(column: Column, deviation: float) -> tuple[float, str]:
    """A step of a number that is easy to think of and near its standard deviation `deviation`, and
    what to call it: 1, 0.1, 10,000, or a day where it is a time."""
    if column.time:
        size, unit = min(_UNITS, key=lambda step: abs(math.log(step[0] / (deviation or 1.0))))
        return size, f"1 {unit}"
    if (column.low, column.high) == (0, 1) or not 0 < deviation < math.inf:
        return 1.0, "1"
    step = 10.0 ** round(math.log10(deviation))
    return step, number(step)
